# SPDX-License-Identifier: Apache-2.0
"""What a snapshot of an image in Glance's pool says of itself."""

import time
import uuid

from cinder.volume import configuration
from cinder.volume import driver as base_driver
from cinder.volume.drivers import rbd
from oslo_config import fixture as config_fixture
import testtools

from dcn_plugins.cinder import image_locations
from tests.functional.storage import rig

POOL = 'images'
GROUP = 'stock'


class SnapshotReaderTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.rig = self.useFixture(rig.Rig())
        conf = self.useFixture(config_fixture.Config(rbd.CONF)).conf
        conf([], project='cinder', default_config_files=[])
        backend = configuration.Configuration(base_driver.volume_opts,
                                              config_group=GROUP)
        backend.append_config_values(rbd.RBD_OPTS)
        for name, value in {'rbd_ceph_conf': self.rig.conf,
                            'rbd_user': self.rig.user,
                            'rbd_pool': self.rig.pool}.items():
            conf.set_override(name, value, GROUP)
        driver = rbd.RBDDriver(configuration=backend)
        driver.do_setup(None)
        self.snapshot_of = image_locations.snapshot_reader(driver)
        self.image = f'test-{uuid.uuid4()}'
        self.path = f'{POOL}/{self.image}'
        self.rig.rbd('create', '--size', '8M', self.path)
        self.addCleanup(self.rig.rbd, 'rm', '--no-progress', self.path)

    def make_snapshot(self, is_protected):
        snapshot = f'{self.path}@snap'
        self.rig.rbd('snap', 'create', '--no-progress', snapshot)
        self.addCleanup(self.rig.rbd, 'snap', 'rm', '--no-progress', snapshot)
        if is_protected:
            self.rig.rbd('snap', 'protect', snapshot)
            self.addCleanup(self.rig.rbd, 'snap', 'unprotect', snapshot)

    def find(self, pool=POOL, image=None):
        return self.snapshot_of(pool, image or self.image, 'snap')

    def test_a_copy_as_glance_leaves_it(self):
        self.make_snapshot(True)
        # The image is no longer as large as its snapshot.
        self.rig.rbd('resize', '--no-progress', '--size', '16M', self.path)
        self.assertEqual(image_locations.Snapshot(8 << 20, True), self.find())
        self.assertNotIn('watcher=', self.rig.rbd('status', self.path))

    def test_a_copy_that_is_not_whole_yet(self):
        self.assertIsNone(self.find())
        self.make_snapshot(False)
        self.assertEqual(image_locations.Snapshot(8 << 20, False),
                         self.find())

    def test_there_is_none(self):
        self.assertIsNone(self.find(image='nothing'))

    def test_a_pool_that_does_not_exist_costs_no_time(self):
        started = time.monotonic()
        self.assertIsNone(self.find(pool='nothing'))
        # Upstream's own way to a pool tries for 30 s.
        self.assertLess(time.monotonic() - started, 10)
