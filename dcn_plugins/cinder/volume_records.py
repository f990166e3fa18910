# SPDX-License-Identifier: Apache-2.0
"""Ask Cinder's database about volumes and snapshots that Ceph has."""

import datetime

from cinder import context as cinder_context
from cinder import exception
from cinder import objects

from dcn_plugins.cinder import pool_contents

# In one query.
_MOST_IDS = 500


def known(volume_ids, snapshot_ids, backend_filters=None):
    """Return what the database knows, deleted or not.

    :param backend_filters: which snapshots to read at once: ``cluster_name``
        or ``host`` of the backend. All others are asked for one by one.
    :returns: :class:`~dcn_plugins.cinder.pool_contents.Known`.
    :raises Exception: if the database does not answer.
    """
    return pool_contents.Known(_volumes(sorted(volume_ids)),
                               _snapshots(snapshot_ids, backend_filters))


def _volumes(volume_ids):
    context = cinder_context.get_admin_context(read_deleted='yes')
    found = {}
    # The image of a volume that was migrated has the id of another row, which
    # may be there too; the volume that needs the image comes first.
    for key in ('_name_id', 'id'):
        for first in range(0, len(volume_ids), _MOST_IDS):
            some = volume_ids[first:first + _MOST_IDS]
            for volume in objects.VolumeList.get_all(
                    context, filters={key: some}):
                record = _volume(volume)
                _note(found, getattr(volume, key), record)
    return found


def _note(found, volume_id, record):
    # A row that is there counts more than one that is deleted.
    before = found.get(volume_id)
    if before is None or before.is_deleted and not record.is_deleted:
        found[volume_id] = record


def _volume(volume):
    place = volume.cluster_name or volume.host or ''
    return pool_contents.VolumeRecord(
        volume.id, volume.name_id, volume.status or '',
        place.partition('#')[0], _changed(volume), bool(volume.deleted),
        volume.migration_status not in (None, 'error', 'success'))


def _snapshots(snapshot_ids, backend_filters):
    wanted = set(snapshot_ids)
    found = {}
    if wanted and backend_filters:
        context = cinder_context.get_admin_context()
        for snapshot in objects.SnapshotList.get_all(
                context, filters=backend_filters):
            if snapshot.id in wanted:
                found[snapshot.id] = _snapshot(snapshot)
    context = cinder_context.get_admin_context(read_deleted='yes')
    for snapshot_id in sorted(wanted - set(found)):
        try:
            found[snapshot_id] = _snapshot(
                objects.Snapshot.get_by_id(context, snapshot_id))
        except exception.SnapshotNotFound:
            continue
    return found


def _snapshot(snapshot):
    return pool_contents.SnapshotRecord(
        snapshot.id, snapshot.status or '', _changed(snapshot),
        bool(snapshot.deleted))


def _changed(record):
    """Return when a row was changed last, in seconds since the epoch."""
    moments = (record.created_at, record.updated_at, record.deleted_at)
    # Cinder's rows are in UTC, whether they say so or not.
    return max((moment.replace(tzinfo=datetime.timezone.utc).timestamp()
                for moment in moments if moment), default=0.0)
