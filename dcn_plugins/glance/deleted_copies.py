# SPDX-License-Identifier: Apache-2.0
"""Have the copies of deleted images go that Glance could not remove.

Glance answers that an image is deleted, also if a store of it was away: its
copy there stays for ever. The same is left if a copy is under way when its
image is deleted, and its glance-api is killed. So each image that Glance's
database has as deleted is looked for in the stores of this process once they
answer, and what is there of it is removed by ``dcn-scrub``: only what bears
our mark, and only if the image is deleted at that moment, too.

The database, and not the tombstones of placement: a glance-api that is killed
while etcd is away has told nobody what was deleted.

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
from dcn_plugins.glance import image_facts
from dcn_plugins.glance import rbd_stores
from dcn_plugins.glance import rounds
from dcn_plugins.glance import scrub_command
from dcn_plugins.glance import store_locks
from dcn_plugins.imagecopy import inventory

LOG = logging.getLogger(__name__)

#: How often the database is asked.
LOOK_SECONDS = 30.0

#: For how long what was deleted is looked for, also by a process that starts.
SINCE_SECONDS = 30 * 86400.0

#: How far the clocks of glance-apis may be apart, and a transaction last.
SKEW_SECONDS = 600.0

#: How long Glance, or a copy that has been told, has for its own removal.
GRACE_SECONDS = 30.0

#: How long what may still change is left alone, twice as long each time; and
#: at most, as what is in use, or not ours to remove.
AGAIN_SECONDS, STAYS_SECONDS = 60.0, 3600.0

#: How long others have to take a store that this process cannot look into.
GIVEN_UP_SECONDS = 45.0

#: How long dcn-scrub may take for some images.
MOST_SECONDS = 1800.0

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

    def deleted_since(moment):
        return image_facts.of_this_glance(conf).deleted_since(moment)

    return DeletedCopies(found.locks, rbd_places, conf.config_file,
                         deleted_since)


class DeletedCopies(rounds.Rounds):
    """Look for what is left of deleted images.

    :param locks: :class:`~dcn_plugins.locking.locks.Locks`.
    :param places: returns the
        :class:`~dcn_plugins.imagecopy.request.Place` of each store, by name.
    :param files: of the configuration.
    :param deleted_since: see
        :meth:`~dcn_plugins.glance.image_facts.ImageFacts.deleted_since`.
    :param names: returns the names of all images of the pool of a place, or
        raises CephError.
    """

    def __init__(self, locks, places, files, deleted_since, clock=time.time,
                 elapsed=time.monotonic, names=None):
        super().__init__('dcn_deleted', 'removal of what is left of deleted '
                         'images', lambda: LOOK_SECONDS)
        self._deleted_since = deleted_since
        # When each image was deleted, and when that was asked for.
        self._deleted, self._asked_at = {}, 0.0
        self._made_places = places
        self._places = None
        self._files = tuple(files)
        self._clock = clock
        self._elapsed = elapsed
        self._names = names or _names
        self._done = collections.defaultdict(set)
        # When an image is due again, and after which pause, by store and id.
        self._later = collections.defaultdict(dict)
        self._locks = store_locks.StoreLocks(locks, 'deleted')
        # Until when others have the stores that we cannot look into.
        self._given_up = {}

    def work(self):
        """Look into each store that has not been looked into."""
        if self._places is None:
            self._places = self._made_places()
        if not self._places:
            return
        ours = [store for store in sorted(self._places)
                if self._is_ours(store)]
        # One of all processes does that for a store.
        if ours:
            self._read()
        for store in ours:
            due = self._due(store)
            if self._stopped.is_set():
                return
            if due:
                self._look(store, due)

    def _read(self):
        """Learn of what was deleted since the last time, and forget the old.

        :raises Exception: what the database raises.
        """
        now = self._clock()
        oldest = now - SINCE_SECONDS
        found = self._deleted_since(max(oldest,
                                        self._asked_at - SKEW_SECONDS))
        self._asked_at = now
        # Glance takes the id of an image anew whose rows were purged.
        again = {image_id for image_id, at in found.items()
                 if self._deleted.get(image_id) != at}
        for done in self._done.values():
            done -= again
        self._deleted.update(found)
        self._deleted = {image_id: at for image_id, at
                         in self._deleted.items() if at > oldest}

    def _due(self, store):
        now, elapsed = self._clock(), self._elapsed()
        done, later = self._done[store], self._later[store]
        done.intersection_update(self._deleted)
        for image_id in later.keys() - self._deleted.keys():
            del later[image_id]
        return {image_id for image_id, deleted_at in self._deleted.items()
                if image_id not in done and now - deleted_at >= GRACE_SECONDS
                and later.get(image_id, (elapsed, 0))[0] <= elapsed}

    def _is_ours(self, store):
        is_left = not self._locks.is_held(store) and (
            self._elapsed() < self._given_up.get(store, 0.0))
        return not is_left and self._locks.take(store)

    def _give_up(self, store, reason):
        """Leave a store to those who may have another way to it."""
        LOG.log(logging.DEBUG if store in self._given_up else logging.WARNING,
                'It is not known what store %s has of images that were '
                'deleted: %s', store, reason)
        self._given_up[store] = self._elapsed() + GIVEN_UP_SECONDS
        self._locks.give_back(store)

    def _look(self, store, due):
        try:
            left = self._left(store, due)
            self._done[store] |= due - left
            left = sorted(left)
            for first in range(0, len(left), _AT_ONCE):
                if not self._remove(store, left[first:first + _AT_ONCE]):
                    return
        # One store must not keep the others from being looked into.
        except (exceptions.CephError, exceptions.ConfigError, OSError,
                ValueError) as exc:
            self._give_up(store, exc)
        else:
            self._given_up.pop(store, None)

    def _left(self, store, image_ids):
        """Return those of some images of which a store has anything."""
        place = self._places[store]
        names = engine_call.EngineCall('(deleted)').run(
            lambda: self._names(place), lambda: None, _BEAT_SECONDS)
        return image_ids & {drift_rules.image_id(name) for name in names}

    def _remove(self, store, image_ids):
        """Remove what is left; return False if that is not ours to do.

        :raises ValueError: if dcn-scrub does not say what it has done.
        """
        end = self._elapsed() + MOST_SECONDS
        ended = scrub_command.run(self._files, [
            '--store', store,
            *(word for image_id in image_ids
              for word in ('--image', image_id)),
            '--deleted-only', '--repair', '--remove-partials',
            '--remove-orphans', '--grace-seconds', str(GRACE_SECONDS),
            '--wait-seconds', '1', '--json'], self._stopped,
            lambda: self._elapsed() < end and self._locks.is_held(store),
            self._elapsed)
        if ended is None:
            if self._elapsed() >= end:
                raise ValueError(
                    f'dcn-scrub has not ended for {MOST_SECONDS:.0f} s')
            return False
        self._note(store, image_ids, _findings(ended))
        return True

    def _note(self, store, image_ids, findings):
        """Note when each image is looked for again.

        What has gone is not found then, and done.
        """
        later = self._later[store]
        pauses = {image_id: min(STAYS_SECONDS, max(
            AGAIN_SECONDS, 2 * later.get(image_id, (0.0, 0.0))[1]))
            for image_id in image_ids}
        for found in findings:
            self._tell(store, found)
            pauses[found['image_id']] = (
                0.0 if found.get('repaired') else STAYS_SECONDS)
        now = self._elapsed()
        later.update({image_id: (now + pause, pause)
                      for image_id, pause in pauses.items()})

    @staticmethod
    def _tell(store, found):
        if found.get('repaired'):
            LOG.info('%s was removed from store %s: its image was deleted',
                     found['rbd_image'], store)
        else:
            LOG.warning('%s stays in store %s, though its image was deleted: '
                        '%s', found['rbd_image'], store, found.get('reason'))


def _findings(ended):
    try:
        return json.loads(ended.output)['findings']
    except (ValueError, KeyError, TypeError):
        raise ValueError(ended.errors.strip() or (
            f'dcn-scrub has ended with {ended.code}')) from None


def _names(place):
    with errors.translated((bindings.rados(), bindings.rbd()),
                           f'listing images of store {place.store}'):
        with pool_access.opened(place) as ioctx:
            return inventory.names(ioctx)
