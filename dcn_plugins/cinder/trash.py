# SPDX-License-Identifier: Apache-2.0
"""The trash of a pool: how long deleted volumes stay, and their purge.

Upstream's purge runs on every node, takes what other tools have put into the
trash, and ends for ever with the first error of a connection.
"""

import dataclasses

from oslo_log import log as logging

from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import pool_listing

LOG = logging.getLogger(__name__)


def deferral(configuration):
    """Return for how long a deleted volume stays in the trash, in seconds.

    ``None`` if it is removed at once. Whatever upstream would remove has to
    be moved to the trash then: it tries to remove it first, and defers only
    what cannot be removed.

    :param configuration: of the backend.
    """
    if not configuration.safe_get('enable_deferred_deletion'):
        return None
    return max(0, configuration.safe_get('deferred_deletion_delay') or 0)


@dataclasses.dataclass
class Purged:
    """What a purge has done.

    :param removed: names of images.
    :param waiting: names of those that cannot go yet: they have clones or
        snapshots, or are in use.
    :param failed: names of those whose removal has failed.
    :param parents: pairs of an image and its snapshot, of which a removed
        image was the clone. The snapshot was made for it alone, or is empty.
    """

    removed: list = dataclasses.field(default_factory=list)
    waiting: list = dataclasses.field(default_factory=list)
    failed: list = dataclasses.field(default_factory=list)
    parents: list = dataclasses.field(default_factory=list)


class Purge:
    """Remove from the trash what Cinder has put there, when its time is over.

    :param names: :class:`~dcn_plugins.cinder.volume_names.VolumeNames`.
    :param pool: its name.
    :param known: returns what the database says of ids of volumes and of
        snapshots; then what Cinder still has as a volume stays. Somebody may
        have put it into the trash by hand.
    """

    def __init__(self, names, pool, known=None):
        self._names = names
        self._pool = pool
        self._known = known
        self._told = {}

    def purge_once(self, rbd, ioctx, now):
        """Remove what can go now; return :class:`Purged`. Never raises.

        Whatever goes wrong with an entry is logged once, and the others are
        tried all the same.

        :param rbd: the module, or what stands in for it.
        :param now: seconds since the epoch.
        """
        purged = Purged()
        try:
            entries = list(rbd.RBD().trash_list(ioctx))
            ours = self._due(entries, now)
            self._forget(entries)
        # The task that calls this must go on, whatever Ceph or the database
        # say this time.
        except Exception as exc:
            self._tell(None, f'The trash of pool {self._pool} is not purged: '
                       f'{exc}')
            return purged
        for entry in ours:
            self._purge(rbd, ioctx, entry, purged)
        return purged

    def _due(self, entries, now):
        ours = [entry for entry in entries
                if self._names.owner(entry['name'])
                and entry['source'] in leftovers.OWN_SOURCES
                and pool_listing.seconds(entry['deferment_end_time']) <= now]
        if self._known is None or not ours:
            return ours
        volumes = {self._names.owner(entry['name']) for entry in ours}
        known = self._known(volumes, set()).volumes
        return [entry for entry in ours if self._is_deleted(
            known.get(self._names.owner(entry['name'])))]

    @staticmethod
    def _is_deleted(record):
        return record is None or record.is_deleted

    def _purge(self, rbd, ioctx, entry, purged):
        name = entry['name']
        try:
            parent = self._parent(rbd, ioctx, entry)
            rbd.RBD().trash_remove(ioctx, entry['id'])
        except rbd.ImageNotFound:
            LOG.debug('%s was removed by somebody else', name)
        except (rbd.ImageBusy, rbd.ImageHasSnapshots, rbd.PermissionError):
            # Permission is what Ceph says if the time is not over by its
            # clock.
            purged.waiting.append(name)
        # As above.
        except Exception as exc:
            purged.failed.append(name)
            self._tell(entry['id'],
                       f'{name} is not removed from the trash: {exc}')
        else:
            LOG.info('Removed %s from the trash', name)
            purged.removed.append(name)
            if parent:
                purged.parents.append(parent)

    def _parent(self, rbd, ioctx, entry):
        """Return the image and snapshot that were kept for a clone."""
        try:
            image = rbd.Image(ioctx, image_id=entry['id'], read_only=True)
        except rbd.ImageNotFound:
            # Its removal was interrupted late, and has to be ended.
            return None
        try:
            pool, parent, snapshot = image.parent_info()
        except rbd.ImageNotFound:
            return None
        finally:
            image.close()
        if pool != self._pool:
            return None
        if self._names.clone(snapshot) == self._names.owner(entry['name']):
            return parent, snapshot
        # Made of a snapshot of Cinder's, which is not ours to remove; but its
        # volume may be kept for nobody else.
        return (parent, '') if lock_table.is_deleted(parent) else None

    def _tell(self, key, text):
        if self._told.get(key) != text:
            LOG.warning('%s', text)
            self._told[key] = text

    def _forget(self, entries):
        there = {entry['id'] for entry in entries}
        self._told = {key: text for key, text in self._told.items()
                      if key in there}
