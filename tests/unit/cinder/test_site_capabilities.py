# SPDX-License-Identifier: Apache-2.0
"""What the driver lets cinder-scheduler know about the site of its backend."""

from cinder import exception
from cinder.volume.drivers import rbd
import fixtures

from dcn_plugins.cinder import backend_sites
from dcn_plugins.conf import volume_sites
from tests.unit.cinder import test_rbd_driver
from tests.unit.cinder.volume_cloud import pool


class CapabilitiesTest(test_rbd_driver.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.replace(rbd.RBDDriver, '_supports_qos', lambda _driver: True)
        self.replace(rbd.RBDDriver, '_get_pool_stats',
                     lambda _driver: (60, 100))
        self.replace(rbd.RBDDriver, '_get_usage_info', lambda _driver: 40)

    def stats(self):
        return self.driver.get_volume_stats(refresh=True)

    def test_by_default_it_is_the_zone_of_the_service(self):
        self.conf.set_override('storage_availability_zone', 'west')
        self.assertEqual('west', self.stats()['dcn_site'])

    def test_a_backend_may_have_a_zone_of_its_own(self):
        self.conf.set_override('storage_availability_zone', 'west')
        self.conf.set_override('backend_availability_zone', 'east', 'dcn1')
        self.assertEqual('east', self.stats()['dcn_site'])

    def test_the_option_outranks_both(self):
        self.conf.set_override('backend_availability_zone', 'east', 'dcn1')
        self.conf.set_override('dcn_site', 'edge1', 'dcn1')
        self.assertEqual('edge1', self.stats()['dcn_site'])

    def test_it_may_be_the_default_of_all_backends(self):
        self.conf.set_override('dcn_site', 'edge2', 'backend_defaults')
        self.assertEqual('edge2', self.stats()['dcn_site'])

    def test_the_cluster_is_told_and_all_else_is_upstreams(self):
        stats = self.stats()
        self.assertEqual(test_rbd_driver.FSID, stats['dcn_fsid'])
        for name in ('dcn_site', 'dcn_fsid', 'dcn_fence', 'dcn_locks'):
            del stats[name]
        self.driver._update_volume_stats = (
            lambda: rbd.RBDDriver._update_volume_stats(self.driver))
        self.assertEqual(self.stats(), stats)

    def test_who_is_cut_off(self):
        # Only our own driver of tooz can tell whom to cut off.
        for locks, fence, told in ((None, 'blocklist', 'none'),
                                   (object(), 'blocklist', 'blocklist'),
                                   (object(), 'none', 'none')):
            self.conf.set_override('fence', fence, 'dcn')
            self.driver.backend.locks = lambda found=locks: found
            self.driver.backend.locks_away_seconds = lambda: 0.0
            self.assertEqual(told, self.stats()['dcn_fence'])

    def test_ceph_that_fails_later_leaves_both(self):
        def fail(_driver):
            raise self.driver.rados.Error('away')

        class Rados:
            Error = type('Error', (Exception,), {})

        self.driver.rados = Rados
        self.replace(rbd.RBDDriver, '_get_pool_stats', fail)
        stats = self.stats()
        self.assertEqual(('down', 'nova', test_rbd_driver.FSID),
                         (stats['backend_state'], stats['dcn_site'],
                          stats['dcn_fsid']))

    def away(self):
        def fail(_driver):
            raise exception.VolumeBackendAPIException('away')

        self.replace(rbd.RBDDriver, '_update_volume_stats', fail)

    def test_without_ceph_there_is_no_room(self):
        # Upstream leaves what it has told before, and gets more work.
        before = dict(self.stats())
        self.away()
        self.assertEqual({**before, 'backend_state': 'down',
                          'total_capacity_gb': 0, 'free_capacity_gb': 0},
                         self.stats())
        self.assertFalse(self.driver.is_up)

    def test_without_ceph_at_the_start_it_is_as_upstream(self):
        self.away()
        self.assertRaises(exception.VolumeBackendAPIException, self.stats)

    def test_statistics_without_a_cluster_have_no_fsid(self):
        def update(driver):
            driver._stats = {'volume_backend_name': 'RBD'}

        self.replace(rbd.RBDDriver, '_update_volume_stats', update)
        self.assertEqual({'volume_backend_name': 'RBD', 'dcn_site': 'nova',
                          'dcn_fence': 'none', 'dcn_locks': 'up'},
                         self.stats())

    def test_the_scheduler_finds_it_there(self):
        self.conf.set_override('dcn_site', 'edge1', 'dcn1')
        backend = pool('b', 'west', **self.stats())
        self.assertEqual('edge1', backend_sites.label_of(backend))

    def test_options_of_the_scheduler_in_the_same_file_are_known(self):
        # Whoever has registered them before in this process.
        self.conf.reset()
        self.conf.unregister_opts(volume_sites.OPTS, 'dcn')
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write('[dcn]\nimage_locality = require\nsite_ordr = x\n')
        self.conf([], default_config_files=[path])
        self.make_driver()
        self.assertNotIn('image_locality', self.log.output)
        self.assertIn('Did you mean site_order?', self.log.output)
