# SPDX-License-Identifier: Apache-2.0
"""What is stuck in a cluster's part of Cinder's database, found and ended.

Every change is conditional on the state and the time of the last change that
were seen, so whoever does move the object meanwhile is not overwritten. A
message that arrives after all does no harm: Cinder's manager looks a volume up
again before it deletes it, and makes one that has become ``error`` available
when it has made it.
"""

from cinder import coordination
from cinder.db import api as db
from cinder import exception
from cinder import objects
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import timeutils

from dcn_plugins.cinder import stuck_states

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


def upload_lock(volume_id):
    """Return the name of the lock that a driver takes while it uploads."""
    return _manager_lock(volume_id, 'copy_volume_to_image')


def _manager_lock(object_id, operation):
    return f'{coordination.COORDINATOR.prefix}{object_id}-{operation}'


class Finder:
    """Read what may be stuck; one is for one look.

    :param mine: filter for volumes of this cluster, or of this host.
    :param alive: ids of the services of it that are alive.
    :param dead: those of the others.
    :param scope: ``locking.names.Scope`` of the backend.
    """

    def __init__(self, context, mine, alive, dead, scope):
        self._context = context
        self._mine = mine
        self._workers = dict.fromkeys(alive, stuck_states.ALIVE)
        self._workers.update(dict.fromkeys(dead, stuck_states.DEAD))
        self._scope = scope
        #: Objects of Cinder by kind and id.
        self.objects = {}
        #: Rows of workers by kind and id.
        self.rows = {}

    def find(self, volume_states, zone=None):
        """Return a list of Found; each has a remedy.

        :param zone: look for volumes without a host in it, too: the message
            to the scheduler was lost, or that from it.
        """
        volumes = self._volumes(volume_states, zone)
        # An exact filter beside that of the cluster is taken for one of the
        # volume; this one is not, and all of our states end like this.
        snapshots = [
            snapshot for snapshot in objects.SnapshotList.get_all(
                self._context, {**self._mine, 'status~': 'ing'})
            if snapshot.status in stuck_states.SNAPSHOT_STATES]
        if any(obj.status in ('creating', 'downloading', 'deleting')
               for obj in [*volumes, *snapshots]):
            self.rows = {
                (row.resource_type.lower(), row.resource_id): row
                for row in db.worker_get_all(self._context)}
        all_found = [self._volume(volume) for volume in volumes]
        all_found += self._snapshots(snapshots, volumes)
        return [found for found in all_found if stuck_states.remedy(found)]

    def _volumes(self, states, zone):
        found = self._volume_list({**self._mine, 'status': states})
        found += self._volume_list({
            **self._mine, 'migration_status': stuck_states.MIGRATION_STATES})
        # One that is on its way to another host keeps its cluster.
        found = [volume for volume in found if volume.host is not None]
        if zone:
            found += [volume for volume in self._volume_list({
                'status': 'creating', 'availability_zone': zone})
                if volume.host is None]
        return list({volume.id: volume for volume in found}.values())

    def _volume_list(self, filters):
        return list(objects.VolumeList.get_all(self._context,
                                               filters=filters))

    def _volume(self, volume):
        self.objects['volume', volume.id] = volume
        own = {_manager_lock(volume.id, 'delete_volume'),
               upload_lock(volume.id), self._scope.image(volume.name),
               # A migration that renames it locks that of its id, too.
               self._scope.image(CONF.volume_name_template % volume.id)}
        around = set()
        if volume.status == 'creating':
            if volume.snapshot_id:
                around.add(_manager_lock(volume.snapshot_id,
                                         'delete_snapshot'))
            elif volume.source_volid:
                around.add(_manager_lock(volume.source_volid,
                                         'delete_volume'))
        has_target = (volume.migration_status in stuck_states.MIGRATION_STATES
                      and bool(self._volume_list({
                          'migration_status': f'target:{volume.id}'})))
        return stuck_states.Found(
            'volume', volume.id, volume.status, _touched(volume),
            unit=_unit(volume, volume.group_id), own=frozenset(own),
            around=frozenset(around), worker=self._worker('volume', volume),
            migration_status=volume.migration_status,
            has_source=bool(around), has_target=has_target)

    def _snapshots(self, snapshots, volumes):
        volumes = {volume.id: volume for volume in volumes}
        missing = {snapshot.volume_id for snapshot in snapshots} - set(volumes)
        if missing:
            volumes.update((volume.id, volume) for volume in self._volume_list(
                {'id': tuple(sorted(missing))}))
        for snapshot in snapshots:
            self.objects['snapshot', snapshot.id] = snapshot
            volume = volumes.get(snapshot.volume_id)
            if volume is None:
                # Both are about to go.
                continue
            yield stuck_states.Found(
                'snapshot', snapshot.id, snapshot.status, _touched(snapshot),
                unit=_unit(snapshot, snapshot.group_snapshot_id),
                own=frozenset([
                    _manager_lock(snapshot.id, 'delete_snapshot'),
                    self._scope.snapshot(volume.name, snapshot.name)]),
                worker=self._worker('snapshot', snapshot),
                volume_status=volume.status)

    def _worker(self, kind, obj):
        row = self.rows.get((kind, obj.id))
        if row is None:
            return stuck_states.NO_ROW
        # That of a scheduler means that the message is still on its way.
        return self._workers.get(row.service_id, stuck_states.NOBODY)


def _touched(obj):
    return obj.updated_at or obj.created_at


def _unit(obj, group_id):
    # A group is made, or deleted, one after the other.
    is_in_group = group_id and obj.status in ('creating', 'deleting')
    return f'{group_id} {obj.status}' if is_in_group else obj.id


class Healer:
    """End what is stuck.

    :param rpcapi: returns Cinder's ``VolumeAPI``; it is asked when there is
        something to send.
    :param service_id: ours, to claim rows of workers with.
    """

    def __init__(self, context, finder, rpcapi, service_id):
        self._context = context
        self._finder = finder
        self._rpcapi = rpcapi
        self._service_id = service_id

    def heal(self, found, remedy):
        """Do what a remedy says; return whether a message was sent.

        :raises MessagingException: if a message could not be sent.
        """
        obj = self._finder.objects[found.kind, found.id]
        if remedy.again:
            LOG.warning('%s %s is "%s" and nobody works on it: the message '
                        'is sent once more', found.kind, found.id,
                        found.status)
            self._send(obj, found, remedy.again)
            return True
        if found.status == 'creating' and self._is_being_restored(obj):
            return False
        if self._set(obj, found, remedy):
            LOG.warning('%s %s was "%s" and nobody worked on it: it is "%s" '
                        'now', found.kind, found.id, found.status, obj.status)
            if found.status == 'reverting':
                self._free_snapshots(found.id)
        return False

    def _send(self, obj, found, again):
        is_unmanaging = again == stuck_states.UNMANAGE
        rpcapi = self._rpcapi()
        if found.kind == 'snapshot':
            rpcapi.delete_snapshot(self._context, obj, is_unmanaging)
        else:
            # With its snapshots, as Cinder's own cleanup does: those that
            # are there were to be deleted with it.
            rpcapi.delete_volume(self._context, obj, is_unmanaging,
                                 cascade=not is_unmanaging)

    def _is_being_restored(self, obj):
        # The volume is "creating" until cinder-backup has restored it.
        return isinstance(obj, objects.Volume) and bool(
            objects.BackupList.get_all(self._context, filters={
                'restore_volume_id': obj.id, 'status': 'restoring'}))

    def _set(self, obj, found, remedy):
        """Set the states of a remedy unless somebody was faster."""
        row = self._finder.rows.get((found.kind, found.id))
        before = row and (row.service_id, row.updated_at)
        # Whoever takes the object over claims its row. If this is about to
        # happen, it fails now, or the other one fails.
        if row and not db.worker_claim_for_cleanup(
                self._context, self._service_id, row):
            return False
        values = {'status': _status(remedy)}
        expected = {'status': found.status,
                    'updated_at': obj.updated_at
                    and timeutils.normalize_time(obj.updated_at)}
        if found.kind == 'volume':
            expected['migration_status'] = found.migration_status
            expected['host'] = obj.host
            if remedy.migration_status:
                values['migration_status'] = remedy.migration_status
        is_set = obj.conditional_update(values, expected)
        if row and is_set:
            db.worker_destroy(self._context, id=row.id,
                              race_preventer=row.race_preventer)
        elif row:
            self._give_back(row, *before)
        return is_set

    def _give_back(self, row, service_id, updated_at):
        try:
            db.worker_update(
                self._context, row.id,
                filters={'race_preventer': row.race_preventer},
                service_id=service_id, updated_at=updated_at)
        except exception.WorkerNotFound:
            # Gone, or taken over, which is as well.
            pass

    def _free_snapshots(self, volume_id):
        for snapshot in objects.SnapshotList.get_all(self._context, {
                'volume_id': volume_id, 'status': 'restoring'}):
            snapshot.update_single_status_where('available', 'restoring')


def _status(remedy):
    if remedy.status != stuck_states.BY_ATTACHMENTS:
        return remedy.status
    return objects.Volume.Case([(db.volume_has_attachments_filter(),
                                 'in-use')], else_='available')
