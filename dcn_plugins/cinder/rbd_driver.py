# SPDX-License-Identifier: Apache-2.0
"""Upstream's RBD driver with each change of Ceph under locks.

``volume_driver = dcn_plugins.cinder.rbd_driver.DCNRBDDriver``. What an
operation locks is in ``LOCKS``; all else is upstream's.

The locks come from the coordinator that Cinder itself uses. Cinder's manager
holds locks of its own around some calls of the driver; those are always taken
first and have other names, so the two kinds cannot wait for each other in a
circle.
"""

import functools
import inspect
import urllib.parse

from cinder import coordination
from cinder import exception
from cinder.i18n import _
from cinder import interface
from cinder.volume.drivers import rbd
from oslo_config import cfg
from oslo_log import log as logging

from dcn_plugins.conf import locking
from dcn_plugins.conf import unknown_options
from dcn_plugins.conf import volume_sites
from dcn_plugins import exceptions
from dcn_plugins.locking import guard
from dcn_plugins.locking import names
from dcn_plugins import version

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# Their locks end at the node or at the process. A list of those that do reach
# other nodes would refuse each driver we have not heard of, and what tooz'
# drivers say of themselves is no help: etcd3gw does not claim it.
NODE_LOCAL_SCHEMES = frozenset(['', 'file', 'ipc', 'zake'])


class LockFailure(exception.MetadataUpdateFailure):
    """Tell Cinder that an operation had no lock, or not to its end.

    Cinder sets the object to its error state and keeps its host, so it can be
    deleted or the operation repeated. Two other ways were closed on purpose:

    - ``VolumeIsBusy`` and ``SnapshotIsBusy`` mean "deletion skipped": Cinder
      makes the object available again, also when the lock was lost while it
      was being deleted.
    - Most errors of a creation make Cinder cast it to the next node and then
      delete the image of that name here, where it may be the next node's: a
      cluster has one pool. The parent class is one of the few that do not.
    """

    message = _("Locking the volume or snapshot failed: %(reason)s")


# What an operation touches. Each takes the driver and the arguments of the
# call by name, and returns names of locks. An operation that calls another on
# the same objects inside upstream's code (copy_image_to_volume and
# migrate_volume delete the volume, retype removes QoS keys) names them at the
# start; upstream has none that calls one on a further object.


def _name(record):
    return record.name


def _volume(driver, call):
    return [driver.lock_scope().image(_name(call['volume']))]


def _source_volume(driver, call):
    return [driver.lock_scope().image(_name(call['src_vref']))]


def _snapshot(driver, call):
    snapshot = call['snapshot']
    return [driver.lock_scope().snapshot(snapshot.volume_name,
                                         _name(snapshot))]


def _snapshot_of_volume(driver, call):
    # As _snapshot, without asking the database for the volume again.
    return [driver.lock_scope().snapshot(_name(call['volume']),
                                         _name(call['snapshot']))]


def _volume_of_snapshot(driver, call):
    return [driver.lock_scope().image(call['snapshot'].volume_name)]


def _source_name(call):
    # Upstream takes a bare name too and refuses the rest, after this.
    reference = call['existing_ref']
    if isinstance(reference, dict):
        reference = reference.get('source-name')
    return [str(reference)] if reference else []


def _image_to_manage(driver, call):
    return [driver.lock_scope().image(name) for name in _source_name(call)]


def _snapshot_to_manage(driver, call):
    image = call['snapshot'].volume_name
    return [driver.lock_scope().snapshot(image, name)
            for name in _source_name(call)]


def _migrated_images(driver, call):
    # By id and not by name, as upstream renames: the name of a migrated
    # volume is made from its _name_id.
    return [driver.lock_scope().image(CONF.volume_name_template % volume.id)
            for volume in (call['volume'], call['new_volume'])]


def _image_in_target_pool(driver, call):
    capabilities = (call['host'] or {}).get('capabilities') or {}
    parts = str(capabilities.get('location_info')).split(':')
    if len(parts) != 5:
        return []  # upstream refuses it too, and migrates in another way
    _cluster, _conf, fsid, _user, pool = parts
    return [names.Scope(fsid, pool).image(_name(call['volume']))]


# An operation locks each image and snapshot that it makes, changes or removes
# and each that it needs unchanged for it. A snapshot is apart from its image:
# removing one does not hinder the others. What upstream finds out from Ceph
# only on its way is not locked: children that a deletion flattens, and
# ".deleted" parents that it removes.
LOCKS = {
    'create_volume': (_volume,),
    'create_volume_from_snapshot': (_volume, _snapshot),
    'create_cloned_volume': (_volume, _source_volume),
    # The parent is Glance's: it is neither changed by it nor ours to lock.
    'clone_image': (_volume,),
    'copy_image_to_volume': (_volume,),
    'copy_image_to_encrypted_volume': (_volume,),
    'delete_volume': (_volume,),
    'extend_volume': (_volume,),
    'retype': (_volume,),
    'update_rbd_image_qos': (_volume,),
    'delete_rbd_image_qos_keys': (_volume,),
    'migrate_volume': (_volume, _image_in_target_pool),
    'update_migrated_volume': (_migrated_images,),
    'manage_existing': (_volume, _image_to_manage),
    'create_snapshot': (_snapshot, _volume_of_snapshot),
    'delete_snapshot': (_snapshot,),
    'revert_to_snapshot': (_volume, _snapshot_of_volume),
    'manage_existing_snapshot': (_snapshot, _snapshot_to_manage),
    'unmanage_snapshot': (_snapshot,),
}

_NOTHING_IN_CEPH = 'does nothing, or nothing in Ceph'
_READS = 'reads only'
_FAILOVER = (
    'runs when the site is in ruins, so it must not need the DLM of the '
    'site; Cinder admits one failover of a cluster at a time')

# Why each other public method of upstream's class needs no lock. A method
# that is in neither table fails a test, so that a new one is looked at.
NO_LOCKS = {
    'get_driver_options': _NOTHING_IN_CEPH,
    'do_setup': _READS,
    'check_for_setup_error': 'reads; starts the purge of the trash, which '
                             'may run on all nodes: who comes second finds '
                             'nothing',
    'RBDProxy': _NOTHING_IN_CEPH,
    'snapshot_revert_use_temp_snapshot': _NOTHING_IN_CEPH,
    'failover': _FAILOVER,
    'failover_completed': _FAILOVER,
    'failover_host': _FAILOVER,
    'ensure_export': _NOTHING_IN_CEPH,
    'create_export': _NOTHING_IN_CEPH,
    'remove_export': _NOTHING_IN_CEPH,
    'initialize_connection': _READS,
    'terminate_connection': _NOTHING_IN_CEPH,
    'copy_volume_to_image': 'reads only, for hours perhaps, during which '
                            'the volume must stay usable',
    'manage_existing_get_size': _READS,
    'manage_existing_snapshot_get_size': _READS,
    'get_manageable_volumes': _READS,
    'get_manageable_snapshots': _READS,
    'unmanage': _NOTHING_IN_CEPH,
    'get_backup_device': 'decides only; the clone or snapshot that it asks '
                         'for is made by operations that lock',
    'get_rbd_image_qos': _READS,
}


def _under_locks(cls):
    """Override each operation of ``LOCKS`` by upstream's under its locks."""
    for operation, touched in LOCKS.items():
        setattr(cls, operation, _locked(cls, operation, touched))
    return cls


def _locked(cls, operation, touched):
    signature = inspect.signature(getattr(rbd.RBDDriver, operation))

    @functools.wraps(getattr(rbd.RBDDriver, operation))
    def method(self, *args, **kwargs):
        call = signature.bind(self, *args, **kwargs).arguments
        wanted = [name for names_of in touched
                  for name in names_of(self, call)]
        try:
            with guard.hold(coordination.COORDINATOR.get_lock, wanted,
                            CONF.dcn.lock_wait_seconds, operation):
                return getattr(super(cls, self), operation)(*args, **kwargs)
        except exceptions.LockError as exc:
            LOG.error('%s: %s (%s)', operation, exc, exc.outcome.value)
            raise LockFailure(reason=str(exc)) from exc

    return method


@interface.volumedriver
@_under_locks
class DCNRBDDriver(rbd.RBDDriver):
    """RBD driver whose changes of Ceph are under locks of the site's DLM.

    An operation that does not get its locks raises LockFailure and has
    changed nothing. One that lost a lock on its way raises it too, at its
    end: then look at the object before it is used.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        locking.register_opts(CONF)
        # cinder-scheduler may read the same file.
        volume_sites.register_opts(CONF)
        self.configuration.append_config_values(volume_sites.BACKEND_OPTS)
        self._fsids = {}
        # Read at use, as an operator may change it while we run; read here
        # too, so that a bad value keeps the backend from starting rather
        # than making every operation fail.
        LOG.info('DCNRBDDriver loaded (dcn_plugins %s) for backend %s, '
                 'lock_wait_seconds=%s', version.version_string(),
                 self._backend_name, CONF.dcn.lock_wait_seconds)
        unknown_options.warn(CONF, locking.GROUP.name)

    def do_setup(self, context):
        """Refuse a cluster whose nodes would not see each other's locks.

        Raises ConfigError. It comes first, before upstream's set-up touches
        Ceph: nothing has been started yet that would have to be stopped.
        """
        if self.cluster_name:
            _refuse_node_local(CONF.coordination.backend_url)
        super().do_setup(context)

    def _update_volume_stats(self):
        super()._update_volume_stats()
        self._stats.update(self._capabilities())

    def _capabilities(self):
        """Return what cinder-scheduler may know beyond upstream's statistics.

        What cannot be told is left out; without Ceph there is no FSID.
        """
        site = (self.configuration.safe_get('dcn_site')
                or self.configuration.safe_get('backend_availability_zone')
                or CONF.storage_availability_zone)
        # Upstream has just asked Ceph for it; its connection takes a while.
        parts = str(self._stats.get('location_info')).split(':')
        fsid = parts[2] if len(parts) == 5 else None
        return {name: value for name, value in
                (('dcn_site', site), ('dcn_fsid', fsid)) if value}

    def lock_scope(self):
        """Return the pool, of the cluster that is active now, to name locks.

        Raises VolumeBackendAPIException when Ceph does not answer.
        """
        # The FSID and not the configured name of the cluster: two nodes may
        # know one cluster by two names, and would not exclude each other.
        # After a failover another cluster is active, hence the dictionary.
        cluster = self._get_config_tuple()[:2]
        if cluster not in self._fsids:
            self._fsids[cluster] = self._get_fsid()
        return names.Scope(self._fsids[cluster], self.configuration.rbd_pool)

    def clean_volume_file_locks(self, volume_id):
        """Remove the lock files of a volume that is gone.

        Does nothing when the locks are not files.
        """
        image = CONF.volume_name_template % volume_id
        coordination.synchronized_remove(names.image_glob(image))

    def clean_snapshot_file_locks(self, snapshot_id):
        """Remove the lock files of a snapshot that is gone.

        Does nothing when the locks are not files.
        """
        snapshot = CONF.snapshot_name_template % snapshot_id
        coordination.synchronized_remove(names.snapshot_glob(snapshot))


def _refuse_node_local(backend_url):
    # The URL may hold a password, so only its scheme is told.
    scheme = urllib.parse.urlsplit(backend_url or '').scheme
    if scheme in NODE_LOCAL_SCHEMES:
        raise exceptions.ConfigError(
            'cinder.conf',
            '"cluster" is set, but [coordination] backend_url '
            + (f'is of the kind "{scheme}"' if scheme else 'is empty')
            + ', whose locks the other nodes do not see',
            'Set [coordination] backend_url to the DLM of the site, the same '
            'on all nodes of the cluster, for instance '
            'etcd3+http://HOST:2379, or remove "cluster" where one '
            'cinder-volume serves the backend alone')
