# SPDX-License-Identifier: Apache-2.0
"""Have the copies of deleted images go that Glance could not remove.

Glance answers that an image is deleted, also if a store of it was away: its
copy there stays for ever. The same is left if a copy is under way when its
image is deleted, and its glance-api is killed. So each image that has a
tombstone is looked for in the stores of this process once they answer, and
what is there of it is removed by ``dcn-scrub``: only what bears our mark, and
only if Glance's database has the image as deleted by then.

A store is looked after by one of those processes that have it. What has been
looked for is known to it alone, and is looked for again after its end.
"""

import collections
import json
import time

from oslo_log import log as logging

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import errors
from dcn_plugins.ceph import pool_access
from dcn_plugins import exceptions
from dcn_plugins.glance import copy_users
from dcn_plugins.glance import drift_rules
from dcn_plugins.glance import engine_call
from dcn_plugins.glance import rbd_stores
from dcn_plugins.glance import rounds
from dcn_plugins.glance import scrub_command
from dcn_plugins.imagecopy import inventory

LOG = logging.getLogger(__name__)

#: How often tombstones are read.
LOOK_SECONDS = 30.0

#: How long Glance, or a copy that has been told, has for its own removal.
GRACE_SECONDS = 30.0

#: How long what is in use, or too young, is left alone; and what is not ours
#: to remove.
AGAIN_SECONDS, STAYS_SECONDS = 60.0, 3600.0

# A line of arguments has an end.
_AT_ONCE = 500
_BEAT_SECONDS = 60.0


def made(conf, found):
    """Return what does it for the RBD stores of this process.

    :param conf: of Glance.
    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    """
    def rbd_places():
        names = (copy_users.CopyUsers(conf).stores()
                 if conf.dcn.placement_remove_deleted else ())
        places = {name: rbd_stores.place(conf, name) for name in names}
        return {name: place for name, place in places.items() if place}

    return DeletedCopies(found, rbd_places, conf.config_file)


class DeletedCopies(rounds.Rounds):
    """Look for what is left of deleted images.

    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    :param places: returns the
        :class:`~dcn_plugins.imagecopy.request.Place` of each store, by name.
    :param files: of the configuration.
    :param names: returns the names of all images of the pool of a place, or
        raises CephError.
    """

    def __init__(self, found, places, files, clock=time.time,
                 elapsed=time.monotonic, names=None):
        super().__init__('dcn_deleted', 'removal of what is left of deleted '
                         'images', lambda: LOOK_SECONDS)
        self._found = found
        self._made_places = places
        self._places = None
        self._files = tuple(files)
        self._clock = clock
        self._elapsed = elapsed
        self._names = names or _names
        self._done = collections.defaultdict(set)
        self._later = collections.defaultdict(dict)
        self._locks = {}
        self._away = set()

    def work(self):
        """Look into each store that has not been looked into."""
        if self._places is None:
            self._places = self._made_places()
        if not self._places:
            return
        buried = self._found.jobs.tombstones()
        for store in sorted(self._places):
            due = self._due(store, buried)
            if self._stopped.is_set():
                return
            if due and self._is_ours(store):
                self._look(store, due)

    def _due(self, store, buried):
        now, elapsed = self._clock(), self._elapsed()
        done, later = self._done[store], self._later[store]
        done.intersection_update(buried)
        for image_id in later.keys() - buried.keys():
            del later[image_id]
        return {image_id for image_id, buried_at in buried.items()
                if image_id not in done and now - buried_at >= GRACE_SECONDS
                and later.get(image_id, elapsed) <= elapsed}

    def _is_ours(self, store):
        held = self._locks.get(store)
        if held is None or not self._found.locks.is_valid(held):
            self._locks[store] = self._found.locks.acquire(
                [(f'deleted {store}', 'x')], 0)
        return self._locks[store] is not None

    def _look(self, store, due):
        try:
            left = self._left(store, due)
            self._away.discard(store)
        except exceptions.CephError as exc:
            LOG.log(logging.DEBUG if store in self._away else logging.INFO,
                    'It is not known what store %s has of images that were '
                    'deleted: %s', store, exc)
            self._away.add(store)
            return
        self._done[store] |= due - left
        left = sorted(left)
        for first in range(0, len(left), _AT_ONCE):
            if not self._remove(store, left[first:first + _AT_ONCE]):
                return

    def _left(self, store, image_ids):
        """Return those of some images of which a store has anything."""
        place = self._places[store]
        names = engine_call.EngineCall('(deleted)').run(
            lambda: self._names(place), lambda: None, _BEAT_SECONDS)
        return image_ids & {drift_rules.image_id(name) for name in names}

    def _remove(self, store, image_ids):
        """Remove what is left; return False if that is not ours to do."""
        ended = scrub_command.run(self._files, [
            '--store', store,
            *(word for image_id in image_ids
              for word in ('--image', image_id)),
            '--repair', '--remove-partials', '--remove-orphans',
            '--grace-seconds', str(GRACE_SECONDS), '--wait-seconds', '1',
            '--json'], self._stopped,
            lambda: self._found.locks.is_valid(self._locks[store]),
            self._elapsed)
        if ended is None:
            return False
        try:
            findings = json.loads(ended.output)['findings']
        except (ValueError, KeyError, TypeError):
            LOG.warning('What store %s has of deleted images was not removed: '
                        '%s', store, ended.errors.strip() or ended.code)
            findings = []
        later = dict.fromkeys(image_ids, AGAIN_SECONDS)
        for found in findings:
            self._tell(store, found)
            later[found['image_id'] or drift_rules.image_id(
                found['rbd_image'])] = (
                    0.0 if found.get('repaired') else STAYS_SECONDS)
        # What has gone is not found the next time, and done then.
        self._later[store].update({
            image_id: self._elapsed() + seconds
            for image_id, seconds in later.items()})
        return True

    @staticmethod
    def _tell(store, found):
        if found.get('repaired'):
            LOG.info('%s was removed from store %s: its image was deleted',
                     found['rbd_image'], store)
        else:
            LOG.warning('%s stays in store %s, though its image was deleted: '
                        '%s', found['rbd_image'], store, found.get('reason'))


def _names(place):
    with errors.translated((bindings.rados(), bindings.rbd()),
                           f'listing images of store {place.store}'):
        with pool_access.opened(place) as ioctx:
            return inventory.names(ioctx)
