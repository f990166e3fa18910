# SPDX-License-Identifier: Apache-2.0
"""Each operation of the driver that changes Ceph, on what it needs to."""

import contextlib
import dataclasses
import os
import types

from cinder import exception
from cinder.volume.drivers import rbd
import fixtures

from dcn_plugins.cinder import operation as operations
from tests.unit.cinder import rbd_site

VOLUME = rbd_site.volume(1)
# Whatever became of it since: Cinder's database knows where it came from.
OTHER = rbd_site.volume(2, source_volid='1')
LARGER = rbd_site.volume(2, size=2)
SNAPSHOT = rbd_site.snapshot(3, VOLUME)
LOCATION = f'rbd://{rbd_site.FSID}/gold/image/snap'
HOST = {'capabilities': {
    'storage_protocol': 'ceph',
    'location_info': f'ceph:/c.conf:{rbd_site.FSID}:cinder:iron'}}
IMAGE_DATA = b'imported'


class VolumeType(types.SimpleNamespace):
    """What upstream reads of a volume type."""

    def get(self, _name):
        return None


@dataclasses.dataclass(frozen=True)
class Story:
    """One operation.

    :param name: of the method.
    :param call: makes it, of a driver.
    :param prepare: makes what is there before, of a site.
    :param parts: images that may be between what they were and what they
        were to be, when Cinder is told of a failure.
    :param damaged: an image of which what is in it may be so, too.
    :param scrap: an image that may be so, or go, whatever it is that ends
        the operation early: Cinder takes it for of no use then.
    :param copied: a clone that may be none any more, with all that is in it.
    :param options: of the backend.
    """

    name: str
    call: object
    prepare: object = lambda site: None
    parts: tuple = ()
    damaged: str = ''
    scrap: str = ''
    copied: str = ''
    options: dict = dataclasses.field(default_factory=dict)
    title: str = ''

    def __str__(self):
        return self.title or self.name


def _volume(site):
    site.image('volume-1')


def _volume_with_snapshot(site):
    site.image('volume-1', b'old')
    site.snapshot('volume-1', 'snapshot-3')
    with rbd_site.librbd.Image(site.pools['gold'], 'volume-1') as image:
        image.write(b'new', 0)


def _clone(site):
    _volume(site)
    site.clone('volume-1', 'volume-2')


def _flattened_clone(site):
    _volume(site)
    site.image('volume-2')


def _clone_of_deleted(site):
    """Have volume-2 be the clone of a deleted clone of a deleted volume."""
    site.image('volume-4')
    site.clone('volume-4', 'volume-3')
    site.clone('volume-3', 'volume-2')
    site.rename('volume-3', 'volume-3.deleted')
    site.rename('volume-4', 'volume-4.deleted')


def _of_snapshot_of_deleted(site):
    """Have volume-2 be made of a snapshot, which is Cinder's, of a volume."""
    _snapshot_with_clone(site)
    site.rename('volume-1', 'volume-1.deleted')


def _snapshot_with_clone(site):
    _volume_with_snapshot(site)
    pool = site.pools['gold']
    rbd_site.librbd.RBD().clone(pool, 'volume-1', 'snapshot-3', pool,
                                'volume-2')


def _glance_image(site):
    site.image('image')
    site.snapshot('image', 'snap')


def _managed(site):
    site.image('old')


def _managed_snapshot(site):
    _volume(site)
    site.snapshot('volume-1', 'old')


def _migrated(site):
    _clone(site)
    site.rename('volume-1', 'volume-5')


def _with_settings(site):
    _volume(site)
    with rbd_site.librbd.Image(site.pools['gold'], 'volume-1') as image:
        image.config_set('rbd_qos_iops_limit', '7')
        image.config_set('rbd_qos_bps_limit', '7')


DEFERRED = {'enable_deferred_deletion': True, 'deferred_deletion_delay': 9}
QOS = {'total_iops_sec': 9, 'total_bytes_sec': 9}

STORIES = [
    Story('create_volume', lambda driver: driver.create_volume(VOLUME)),
    Story('create_volume_from_snapshot',
          lambda driver: driver.create_volume_from_snapshot(
              LARGER, SNAPSHOT), _volume_with_snapshot),
    Story('create_volume_from_snapshot',
          lambda driver: driver.create_volume_from_snapshot(
              OTHER, SNAPSHOT), _volume_with_snapshot,
          options={'rbd_flatten_volume_from_snapshot': True},
          title='create_volume_from_snapshot, flat'),
    Story('create_cloned_volume',
          lambda driver: driver.create_cloned_volume(LARGER, VOLUME),
          _volume),
    Story('create_cloned_volume',
          lambda driver: driver.create_cloned_volume(
              rbd_site.volume(5), OTHER), _clone_of_deleted,
          options={'rbd_max_clone_depth': 2},
          title='create_cloned_volume, flat'),
    Story('create_cloned_volume',
          lambda driver: driver.create_cloned_volume(OTHER, VOLUME), _volume,
          options={'rbd_max_clone_depth': 0},
          title='create_cloned_volume, copied'),
    Story('clone_image',
          lambda driver: driver.clone_image(
              None, VOLUME, (LOCATION, None), {'disk_format': 'raw'}, None),
          _glance_image),
    # Cinder makes the volume first.
    Story('copy_image_to_volume',
          lambda driver: driver.copy_image_to_volume(
              None, VOLUME, None, 'image'), _volume, scrap='volume-1'),
    Story('copy_image_to_volume',
          lambda driver: driver.copy_image_to_volume(
              None, VOLUME, None, 'image', disable_sparse=True),
          _volume, scrap='volume-1', title='copy_image_to_volume, again'),
    Story('copy_image_to_volume',
          lambda driver: driver.copy_image_to_volume(
              None, OTHER, None, 'image', disable_sparse=True),
          _clone, scrap='volume-2',
          title='copy_image_to_volume, again, of a clone'),
    Story('copy_image_to_encrypted_volume',
          lambda driver: driver.copy_image_to_encrypted_volume(
              None, VOLUME, None, 'image'), _volume, scrap='volume-1'),
    Story('delete_volume', lambda driver: driver.delete_volume(VOLUME),
          _volume, damaged='volume-1'),
    Story('delete_volume', lambda driver: driver.delete_volume(VOLUME),
          _volume, options=DEFERRED, title='delete_volume, deferred'),
    Story('delete_volume', lambda driver: driver.delete_volume(VOLUME),
          _clone, title='delete_volume, with a clone'),
    Story('delete_volume', lambda driver: driver.delete_volume(OTHER),
          _clone, damaged='volume-2', title='delete_volume, of a clone'),
    Story('delete_volume', lambda driver: driver.delete_volume(OTHER),
          _clone_of_deleted, damaged='volume-2',
          title='delete_volume, of a clone of deleted ones'),
    Story('delete_volume', lambda driver: driver.delete_volume(OTHER),
          _flattened_clone, damaged='volume-2',
          title='delete_volume, of a flattened clone'),
    Story('delete_volume', lambda driver: driver.delete_volume(OTHER),
          _of_snapshot_of_deleted, damaged='volume-2',
          title='delete_volume, of a snapshot of a deleted one'),
    Story('extend_volume', lambda driver: driver.extend_volume(VOLUME, 3),
          _volume),
    Story('retype', lambda driver: driver.retype(
        None, VOLUME, VolumeType(extra_specs={'multiattach': '<is> True'}),
        {}, HOST), _volume),
    Story('update_rbd_image_qos',
          lambda driver: driver.update_rbd_image_qos(VOLUME, QOS),
          _volume, scrap='volume-1'),
    Story('delete_rbd_image_qos_keys',
          lambda driver: driver.delete_rbd_image_qos_keys(VOLUME, list(QOS)),
          _with_settings, scrap='volume-1'),
    Story('migrate_volume',
          lambda driver: driver.migrate_volume(None, VOLUME, HOST), _volume),
    Story('migrate_volume',
          lambda driver: driver.migrate_volume(None, VOLUME, HOST), _clone,
          title='migrate_volume, with a clone'),
    Story('migrate_volume',
          lambda driver: driver.migrate_volume(None, OTHER, HOST), _clone,
          copied='volume-2', title='migrate_volume, of a clone'),
    Story('update_migrated_volume',
          lambda driver: driver.update_migrated_volume(
              None, VOLUME, OTHER, 'available'),
          _migrated),
    Story('manage_existing', lambda driver: driver.manage_existing(
        VOLUME, {'source-name': 'old'}), _managed),
    Story('create_snapshot',
          lambda driver: driver.create_snapshot(SNAPSHOT), _volume),
    Story('delete_snapshot',
          lambda driver: driver.delete_snapshot(SNAPSHOT),
          _volume_with_snapshot, parts=('volume-1',)),
    Story('delete_snapshot',
          lambda driver: driver.delete_snapshot(SNAPSHOT),
          _snapshot_with_clone, parts=('volume-1', 'volume-2'),
          title='delete_snapshot, with a clone'),
    Story('revert_to_snapshot',
          lambda driver: driver.revert_to_snapshot(None, VOLUME, SNAPSHOT),
          _volume_with_snapshot, damaged='volume-1'),
    Story('manage_existing_snapshot',
          lambda driver: driver.manage_existing_snapshot(
              SNAPSHOT, {'source-name': 'old'}), _managed_snapshot),
    Story('unmanage_snapshot',
          lambda driver: driver.unmanage_snapshot(SNAPSHOT),
          _volume_with_snapshot),
]


def arrange(case, site):
    """Have an image in Glance, and a client for another pool."""
    def fetch(_context, _service, _image, path, *_args, **_kwargs):
        with open(path, 'wb') as written:
            written.write(IMAGE_DATA)

    home = case.useFixture(fixtures.TempDir()).path
    site.conf.set_override('image_conversion_dir', home)
    for owner, name, value in (
            (rbd.image_utils, 'fetch_to_raw', fetch),
            (rbd.RBDDriver, '_encrypt_image',
             lambda _driver, _context, _volume, _directory, path:
             os.truncate(path, 3)),
            (rbd.linuxrbd, 'RBDClient', _target)):
        case.useFixture(fixtures.MockPatchObject(owner, name, value))
    for process in site.processes:
        process.driver.image_sources = types.SimpleNamespace(
            find=lambda *_args: LOCATION)


@contextlib.contextmanager
def _target(_user, pool, **_options):
    # It is another client, as with os-brick.
    process = operations.current().own.get().cluster.process
    client = rbd_site.Rados(process)
    yield types.SimpleNamespace(
        ioctx=client.open_ioctx(pool), client=client)


def told(story, driver):
    """Return what Cinder is told: ``None`` if all went well.

    ``False`` if it is told to do it in another way.
    """
    try:
        if story.call(driver) == ({}, False):
            return False
    except rbd_site.Died:
        return rbd_site.Died
    except Exception as exc:
        return exc
    return None


def is_skipped(error):
    """Tell whether Cinder makes the object available again."""
    return isinstance(error, (exception.VolumeIsBusy,
                              exception.SnapshotIsBusy))
