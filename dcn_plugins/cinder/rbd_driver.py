# SPDX-License-Identifier: Apache-2.0
"""Upstream's RBD driver with each change of Ceph under locks.

``volume_driver = dcn_plugins.cinder.rbd_driver.DCNRBDDriver``. What an
operation locks is in ``lock_table``; all else is upstream's, but for the
defects that are named at the methods below.

The locks are in the DLM that Cinder itself uses. Cinder's manager holds locks
of its own around some calls of the driver; those are always taken first and
have other names, so the two kinds cannot wait for each other in a circle.
"""

import contextlib
import dataclasses
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

from dcn_plugins.ceph import guarded_rbd
from dcn_plugins.ceph import importer
from dcn_plugins.cinder import backend as backends
from dcn_plugins.cinder import backend_health
from dcn_plugins.cinder import duties
from dcn_plugins.cinder import image_locations
from dcn_plugins.cinder import image_sources
from dcn_plugins.cinder import lock_guard
from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import operation as operations
from dcn_plugins.cinder import rbd_program
from dcn_plugins.cinder import repair
from dcn_plugins.conf import health
from dcn_plugins.conf import locking
from dcn_plugins.conf import unknown_options
from dcn_plugins.conf import volume_images
from dcn_plugins.conf import volume_sites
from dcn_plugins import exceptions
from dcn_plugins.locking import names
from dcn_plugins import version

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# Their locks end at the node or at the process. A list of those that do reach
# other nodes would refuse each driver we have not heard of, and what tooz'
# drivers say of themselves is no help: etcd3gw does not claim it.
NODE_LOCAL_SCHEMES = frozenset(['', 'file', 'ipc', 'zake'])

# What is behind them, in a chain of deleted volumes that nobody has flattened,
# is left to the audit: a claim has 40 locks at most.
MOST_ANCESTORS = 30

# Of the calls that end a deletion, upstream makes one of these.
_REMOVALS = frozenset(['remove', 'trash_move', 'rename'])
_SNAPSHOT_REMOVALS = frozenset(['remove_snap'])

# A shorter outage of etcd is waited for, and not told to the scheduler.
LOCKS_PATIENCE_SECONDS = 60.0


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


def _under_locks(cls):
    """Override each operation of ``LOCKS`` by one under its locks."""
    for operation in lock_table.LOCKS:
        setattr(cls, operation, _locked(cls, operation))
    return cls


def _locked(cls, operation):
    signature = inspect.signature(getattr(rbd.RBDDriver, operation))
    # What this class does before the locks are taken, and what it adds to
    # upstream's method under them, if anything.
    prepare, own = f'_prepare_{operation}', f'_{operation}_under_locks'

    @functools.wraps(getattr(rbd.RBDDriver, operation))
    def method(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        call = bound.arguments
        if hasattr(self, prepare):
            getattr(self, prepare)(call)
        touch = functools.partial(self.touched, operation, call)
        with _told_to_cinder(operation), self.lock_guard.hold(
                operation, touch):
            body = getattr(self, own, None) or getattr(super(cls, self),
                                                       operation)
            return body(*bound.args[1:], **bound.kwargs)

    return method


@contextlib.contextmanager
def _told_to_cinder(operation):
    try:
        yield
    except exceptions.DCNError as exc:
        LOG.error('%s: %s (%s)', operation, exc, exc.outcome.value)
        raise LockFailure(reason=str(exc)) from exc


@interface.volumedriver
class DCNRBDDriver(rbd.RBDDriver):
    """RBD driver whose changes of Ceph are under locks of the site's DLM.

    An operation that does not get its locks raises LockFailure and has
    changed nothing. One that lost a lock on its way raises it too, and what
    it has left is ended by whoever takes the lock next.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        locking.register_opts(CONF)
        # cinder-scheduler may read the same file.
        volume_sites.register_opts(CONF)
        self.configuration.append_config_values(volume_sites.BACKEND_OPTS)
        if self.rbd is not None:
            self.rbd = guarded_rbd.GuardedRBD(
                self.rbd, operations.current, backends.off_hub)
        volume_images.register_opts(CONF)
        self.configuration.append_config_values(volume_images.BACKEND_OPTS)
        self.image_sources = image_sources.of_backend(
            CONF, self.configuration.safe_get('dcn_store') or self._site(),
            image_locations.snapshot_reader(self),
            lambda name: coordination.COORDINATOR.get_lock(name))
        self._execute = rbd_program.in_process(self._execute, {
            'import': self._import, 'export': self._export})
        #: Whether Ceph has answered when it was last asked for statistics.
        self.is_up = True
        self.backend = backends.Backend(self)
        self.lock_guard = lock_guard.LockGuard(self.backend)
        # Read at use, as an operator may change it while we run; read here
        # too, so that a bad value keeps the backend from starting rather
        # than making every operation fail.
        LOG.info('DCNRBDDriver loaded (dcn_plugins %s) for backend %s, '
                 'lock_wait_seconds=%s, fence=%s', version.version_string(),
                 self._backend_name, CONF.dcn.lock_wait_seconds,
                 CONF.dcn.fence)
        unknown_options.warn(CONF, locking.GROUP.name, health.OPTS)

    def do_setup(self, context):
        """Refuse a cluster whose nodes would not see each other's locks.

        Raises ConfigError. It comes first, before upstream's set-up touches
        Ceph: nothing has been started yet that would have to be stopped.
        """
        if self.cluster_name:
            _refuse_node_local(CONF.coordination.backend_url)
        super().do_setup(context)

    def check_for_setup_error(self):
        """Refuse a user of Ceph that may not cut off dead holders.

        Raises ConfigError, or what upstream's raises.
        """
        super().check_for_setup_error()
        if self.backend.locks() is None:
            LOG.warning('Backend %s: [coordination] backend_url is not of '
                        'our driver dcn-etcd3+http, so nobody is cut off who '
                        'has lost a lock', self._backend_name)
        elif CONF.dcn.fence == 'none':
            LOG.warning('Backend %s: [dcn] fence = none, so nobody is cut '
                        'off who has lost a lock', self._backend_name)
        else:
            self.backend.check_fence()

    def _import(self, command):
        operation = operations.current()
        with rbd.RADOSClient(self, command.pool) as client, operation.making(
                'image', command.pool, command.target):
            backends.off_hub(
                importer.write_image, rbd.rbd, client.ioctx, command.target,
                command.source, command.order, client.features,
                functools.partial(operation.check, 'import'))

    def _export(self, command):
        # It reads, for hours perhaps, and so has no lock and needs none.
        with rbd.RADOSClient(self, command.pool) as client:
            with contextlib.closing(backends.off_hub(
                    rbd.rbd.Image, client.ioctx, command.source,
                    read_only=True)) as image:
                backends.off_hub(
                    importer.read_image, rbd.rbd, image, command.target,
                    lambda: None)

    def _start_periodic_tasks(self):
        # Upstream's purge of the trash runs on each node, ends for ever with
        # the first error, and purges what belongs to others.
        self.caretaker = duties.caretaker(self)
        self.caretaker.start()

    def touched(self, operation, call, own):
        """Return what a call of an operation touches."""
        if operation != 'delete_volume':
            return lock_table.touched(operation, self.lock_scope(), call)
        found = lock_table.touched(
            operation, self.lock_scope(), call,
            self.ancestors(own, call['volume'].name))
        # As a part of another operation it has the locks of that one, and is
        # none of its own.
        if own is None and operations.current() is None:
            return self._guessed(operation, call, found)
        return found

    def _guessed(self, operation, call, found):
        """Return what is touched according to Cinder's database, at first.

        It knows the source of most clones, and saves these to take their
        locks twice.
        """
        source = getattr(call['volume'], 'source_volid', None)
        if not source:
            return found
        guess = lock_table.touched(operation, self.lock_scope(), call, [(
            CONF.volume_name_template % source,
            f'{call["volume"].name}.clone_snap')])
        return dataclasses.replace(guess, otherwise=found)

    def lock_scope(self):
        """Return the pool, of the cluster that is active now, to name locks.

        Raises VolumeBackendAPIException when Ceph does not answer.
        """
        return self.backend.scope()

    @contextlib.contextmanager
    def guarded(self, operation, images):
        """Hold the locks of some images exclusively while the block runs.

        :param operation: for messages.
        :param images: their names.
        :raises LockError: with the outcome of what had happened.
        """
        touched = lock_table.of_images(operation, self.lock_scope(), images)
        with self.lock_guard.hold(operation, lambda _own: touched) as held:
            yield held

    def upstream(self, operation, *args):
        """Run upstream's operation, for a caller that has its locks."""
        return getattr(rbd.RBDDriver, operation)(self, *args)

    def ancestors(self, own, name):
        """Return what goes with an image when it is removed.

        Pairs of an image and the snapshot of it that was made for the clone:
        first that of the parent, then those of deleted volumes behind it, and
        at most ``MOST_ANCESTORS``. Of a deleted volume that it was made of by
        way of a snapshot of Cinder's there is no such snapshot, and it is
        empty: that one went with its own deletion, or with its last clone.

        :param own: ``None`` for not looking; none is known then.
        """
        found = []
        if own is None:
            return found
        ioctx = own.get().ioctx(self.configuration.rbd_pool)
        snapshot = None
        with contextlib.suppress(self.rbd.ImageNotFound):
            while not found or (lock_table.is_deleted(name)
                                and len(found) < MOST_ANCESTORS):
                with self.rbd.Image(ioctx, name, read_only=True) as image:
                    if not found and self._find_clone_snap(image):
                        # It is kept for its clones under another name.
                        break
                    name, snapshot = self._parent(image, name, snapshot)
                if not name:
                    break
                found.append((name, snapshot))
        return found

    def _parent(self, image, name, snapshot):
        """Return what an image leaves behind: an image, and a snapshot of it.

        Both are ``None`` if there is nothing of the kind.

        :param snapshot: that the image is seen at, if it was flattened.
        """
        _pool, parent, clone_snap = self._get_clone_info(image, name, snapshot)
        if parent:
            return parent, clone_snap
        if snapshot:
            image.set_snap(snapshot)
        try:
            pool, parent, _snapshot = image.parent_info()
        except self.rbd.ImageNotFound:
            return None, None
        finally:
            image.set_snap(None)
        if pool == self.configuration.rbd_pool and (
                lock_table.is_deleted(parent)):
            return parent, ''
        return None, None

    def _delete_volume_under_locks(self, volume):
        operation = operations.current()
        note = contextlib.nullcontext()
        if operation.name == 'delete_volume':
            operation.deferral_seconds = self.deferral_seconds()
        elif operation.name == 'migrate_volume' and operation.is_begun:
            note = repair.copied(self.backend, operation, volume.name)
        with note:
            try:
                with self._removed_whole(operation, _REMOVALS, volume.name):
                    rbd.RBDDriver.delete_volume(self, volume)
            except self.rbd.ImageBusy as exc:
                # A child that somebody else works on.
                raise exception.VolumeIsBusy(
                    volume_name=volume.name) from exc
        # Upstream does not always (its deletion ends early when it goes
        # well), and leaves the snapshot of each clone, and the images of
        # deleted volumes, for ever.
        repair.drop_ancestors(self.backend, operation)

    def _delete_snapshot_under_locks(self, snapshot):
        with self._removed_whole(operations.current(), _SNAPSHOT_REMOVALS,
                                 snapshot.volume_name, snapshot.name):
            return rbd.RBDDriver.delete_snapshot(self, snapshot)

    @contextlib.contextmanager
    def _removed_whole(self, operation, removals, *names):
        """Have nothing left of what the block removes.

        Upstream finds nothing that a removal has left that was interrupted
        before, nor tries again when Ceph has not answered in time.

        :param removals: calls, of which upstream makes one at least if it has
            found something.
        :param names: of the image, and of the snapshot if it is one.
        """
        try:
            yield
        except self.rbd.Timeout as exc:
            if not operation.may_have_removed(self.configuration.rbd_pool,
                                              *names):
                raise
            LOG.warning('%s is removed once more, as it may be half gone: %s',
                        '@'.join(names), exc)
        else:
            if not operation.calls.isdisjoint(removals):
                return
        try:
            repair.remove_rest(self.backend, operation, *names)
        except self.rbd.ImageBusy as exc:
            # To Cinder, "busy" means that nothing has happened.
            raise exception.VolumeBackendAPIException(
                data=f'{"@".join(names)} is half removed: {exc}') from exc

    def deferral_seconds(self):
        """Return how long a volume that is deleted stays in the trash.

        ``None`` if it does not.
        """
        if self.configuration.enable_deferred_deletion:
            return self.configuration.deferred_deletion_delay
        return None

    def _prepare_clone_image(self, call):
        # It may wait for a copy, and nobody has to wait for that.
        location = self.image_sources.find(
            call['context'], call['image_location'], call['image_meta'],
            self.lock_scope().cluster)
        call['image_location'] = (location, None)

    def copy_volume_to_image(self, context, volume, image_service,
                             image_meta):
        """Upload as upstream; others see that it is being done."""
        with self.backend.uploading(volume):
            super().copy_volume_to_image(context, volume, image_service,
                                         image_meta)

    def _create_cloned_volume_under_locks(self, volume, src_vref):
        try:
            return rbd.RBDDriver.create_cloned_volume(self, volume, src_vref)
        except self.rbd.ImageNotFound as exc:
            # An entry of the image cache that was evicted meanwhile: with
            # this error, Cinder takes the image from Glance. Or upstream has
            # not found what was to be removed after another error.
            reason = exc.__context__
            raise exception.VolumeBackendAPIException(
                data=str(reason) if isinstance(reason, self.rbd.Error)
                else f'{src_vref.name} is gone') from exc

    def _get_clone_depth(self, client, volume_name, *depth):
        # A volume that is deleted meanwhile has another name from then on.
        try:
            return super()._get_clone_depth(client, volume_name, *depth)
        except self.rbd.ImageNotFound:
            if lock_table.is_deleted(volume_name):
                return sum(depth)
        return self._get_clone_depth(client, f'{volume_name}.deleted', *depth)

    def _flatten(self, pool, volume_name):
        # A child of what is deleted is another volume: somebody may work on
        # it. Upstream tries again when an image is busy.
        if operations.current() is None:
            return super()._flatten(pool, volume_name)
        scope = names.Scope(self.lock_scope().cluster, pool)
        touched = lock_table.of_image('flatten', scope, volume_name)
        try:
            with self.lock_guard.hold('flatten', lambda _own: touched):
                return super()._flatten(pool, volume_name)
        except exceptions.LockTimeout as exc:
            raise self.rbd.ImageBusy(str(exc)) from exc

    def _connect_to_rados(self, pool=None, remote=None, timeout=None):
        # All of an operation goes through one client, which can be fenced
        # and needs no new connection each time.
        operation = operations.current()
        if operation is None or remote is not None:
            return super()._connect_to_rados(pool, remote, timeout)
        return operation.connection(pool or self.configuration.rbd_pool)

    def _disconnect_from_rados(self, client, ioctx):
        operation = operations.current()
        if operation is None or not operation.is_connected(client):
            rbd.RBDDriver._disconnect_from_rados(client, ioctx)

    def _get_fsid(self):
        return self.backend.fsid(super()._get_fsid)

    def _update_volume_stats(self):
        try:
            super()._update_volume_stats()
            self.is_up = self._stats.get('backend_state', 'up') == 'up'
        except exception.VolumeBackendAPIException as exc:
            # Upstream leaves what it has told before as it is: work goes on
            # being sent to a backend that can do none.
            if not self._stats:
                raise
            LOG.error('Ceph does not answer: %s', exc)
            self.is_up = False
        self._stats.update(self._capabilities())

    def site_zone(self):
        """Return the availability zone of this backend."""
        return (self.configuration.safe_get('backend_availability_zone')
                or CONF.storage_availability_zone)

    def _site(self):
        return self.configuration.safe_get('dcn_site') or self.site_zone()

    def _capabilities(self):
        """Return what cinder-scheduler may know beyond upstream's statistics.

        What cannot be told is left out; without Ceph there is no FSID.
        """
        site = self._site()
        # Upstream has just asked Ceph for it; its connection takes a while.
        parts = str(self._stats.get('location_info')).split(':')
        fsid = parts[2] if len(parts) == 5 else None
        return {**{name: value for name, value in
                   (('dcn_site', site), ('dcn_fsid', fsid)) if value},
                'dcn_fence': self.backend.fence_kind(),
                **backend_health.statistics(
                    self.is_up, self.backend.locks_away_seconds(),
                    LOCKS_PATIENCE_SECONDS)}

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


_under_locks(DCNRBDDriver)


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
