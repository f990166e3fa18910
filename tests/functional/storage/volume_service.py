# SPDX-License-Identifier: Apache-2.0
"""A driver as cinder-volume has it, in a process without any service.

What the manager does around the driver's calls is here only as far as it
matters to locks: its own locks of a volume or a snapshot.
"""

import contextlib
import time
import types
import uuid

from cinder import coordination
from cinder.volume import configuration
from cinder.volume import driver as base_driver
from cinder.volume.drivers import rbd
from oslo_config import cfg

from dcn_plugins.cinder import rbd_driver

GROUP = 'ceph'
OURS, STOCK = rbd_driver.DCNRBDDriver, rbd.RBDDriver


def volume(size=1, name_id=None, **more):
    """Return what a driver reads of a volume."""
    name_id = name_id or str(uuid.uuid4())
    return types.SimpleNamespace(**{
        'id': name_id, 'name': f'volume-{name_id}', 'size': size,
        'use_quota': True, 'encryption_key_id': None, 'volume_type': None,
        'provider_location': None, 'status': 'available', **more})


def snapshot(of, name_id=None):
    """Return what a driver reads of a snapshot."""
    name_id = name_id or str(uuid.uuid4())
    return types.SimpleNamespace(
        id=name_id, name=f'snapshot-{name_id}', volume=of, volume_id=of.id,
        volume_name=of.name, volume_size=of.size)


class VolumeService:
    """One driver and the coordinator of its process.

    :param rig: a started :class:`~tests.functional.storage.rig.Rig`.
    :param url: of the coordinator; our driver of tooz unless given.
    :param driver_class: ``OURS`` or ``STOCK``.
    :param ttl: of its lease, in seconds; short ones are lost on a machine
        that has much to do, and every operation under way with them.
    :param options: of the backend, by name.
    """

    def __init__(self, rig, url=None, driver_class=OURS, ttl=15,
                 **options):
        cfg.CONF([], project='cinder', default_config_files=[])
        cfg.CONF.set_override(
            'backend_url', url or
            f'dcn-etcd3+http://{rig.etcd_hosts}?ttl={ttl}', 'coordination')
        coordination.COORDINATOR.start()
        backend = configuration.Configuration(base_driver.volume_opts,
                                              config_group=GROUP)
        backend.append_config_values(rbd.RBD_OPTS)
        for name, value in {
                'rbd_ceph_conf': rig.conf, 'rbd_user': rig.user,
                'rbd_pool': rig.pool, 'rbd_secret_uuid': 'none',
                'rbd_exclusive_cinder_pool': True,
                'rados_connect_timeout': 10,
                'rados_connection_interval': 1,
                'rados_connection_retries': 2, **options}.items():
            cfg.CONF.set_override(name, value, GROUP)
        self.driver = driver_class(configuration=backend, host='here@ceph')
        self.driver.do_setup(None)
        self.driver.set_initialized()

    def close(self):
        """Let go of everything."""
        coordination.COORDINATOR.stop()
        cfg.CONF.reset()

    def settle(self, names, seconds):
        """End what the dead have left, as the caretaker does.

        Other tests may do it at the same time: each ends whatever it finds.

        :param names: of images, that nobody must claim in the end.
        :returns: whether that was so within these seconds.
        """
        scope = self.driver.lock_scope()
        names = [scope.image(name) for name in names]
        end = time.monotonic() + seconds
        while self.driver.backend.locks().is_claimed(names):
            if time.monotonic() >= end:
                return False
            self.driver.lock_guard.settlement.sweep()
            time.sleep(0.1)
        return True

    def create(self, made):
        self.driver.create_volume(made)

    def clone(self, made, source):
        """Clone as the manager does: no deletion of the source meanwhile."""
        with coordination.COORDINATOR.get_lock(f'{source.id}-delete_volume'):
            self.driver.create_cloned_volume(made, source)

    def create_from_snapshot(self, made, source):
        with coordination.COORDINATOR.get_lock(
                f'{source.id}-delete_snapshot'):
            self.driver.create_volume_from_snapshot(made, source)

    def delete(self, gone):
        with coordination.COORDINATOR.get_lock(f'{gone.id}-delete_volume'):
            self.driver.delete_volume(gone)

    def snapshot(self, made):
        self.driver.create_snapshot(made)

    def extend(self, grown, size=2):
        self.driver.extend_volume(grown, size)

    def revert(self, reverted, source):
        self.driver.revert_to_snapshot(None, reverted, source)

    def delete_snapshot(self, gone):
        with coordination.COORDINATOR.get_lock(f'{gone.id}-delete_snapshot'):
            self.driver.delete_snapshot(gone)

    @contextlib.contextmanager
    def ioctx(self):
        """Yield an I/O context of the pool, of a client of its own."""
        with rbd.RADOSClient(self.driver) as client:
            yield client.ioctx

    def names(self):
        """Return the names of all images of the pool, and in its trash."""
        with self.ioctx() as ioctx:
            api = rbd.rbd.RBD()
            return (set(api.list(ioctx)),
                    {entry['name'] for entry in api.trash_list(ioctx)})

    def snapshots(self, image):
        """Return the names of the snapshots of an image."""
        with self.ioctx() as ioctx, rbd.rbd.Image(
                ioctx, image, read_only=True) as opened:
            return {snap['name'] for snap in opened.list_snaps()}
