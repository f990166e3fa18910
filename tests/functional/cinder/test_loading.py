# SPDX-License-Identifier: Apache-2.0
"""The driver as cinder-volume's manager loads it from cinder.conf."""

import contextlib

from cinder import context
from cinder import coordination
from cinder import objects
from cinder.tests.unit import test
from cinder.tests.unit import utils as tests_utils
from cinder.volume import configuration
from cinder.volume.drivers import rbd
from cinder.volume import manager
import eventlet
import fixtures
from oslo_config import cfg

from dcn_plugins.cinder import rbd_driver
from dcn_plugins import exceptions
from dcn_plugins.locking import guard
from tests.fakes import lock

CONF = cfg.CONF
CLASS_PATH = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'


class LoadingTestCase(test.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.MockPatchObject(
            rbd.RBDDriver, '_get_fsid', lambda _driver: '0c7f'))

    def load(self, class_path=CLASS_PATH, **kwargs):
        """Return a manager that has loaded its driver from cinder.conf."""
        self.override_config('volume_driver', class_path,
                             configuration.SHARED_CONF_GROUP)
        return manager.VolumeManager(**kwargs)


class LoadingTest(LoadingTestCase):

    def test_the_manager_loads_it_by_its_class_path(self):
        driver = self.load().driver
        self.assertIs(rbd_driver.DCNRBDDriver, type(driver))
        self.assertIn('DCNRBDDriver loaded (dcn_plugins ', self.log.output)

    def test_a_wrong_class_path_is_refused(self):
        error = self.assertRaises(ImportError, self.load,
                                  CLASS_PATH + 'Typo')
        self.assertIn('DCNRBDDriverTypo', str(error))

    def configure(self, text):
        """Have CONF read a cinder.conf of this text."""
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write(text)
        CONF([], default_config_files=[path])
        self.addCleanup(CONF, [], default_config_files=[])

    def test_a_value_that_is_not_valid_is_refused_with_its_name(self):
        self.configure('[dcn]\nlock_wait_seconds = 0\n')
        error = self.assertRaises(ValueError, self.load)
        self.assertIn('lock_wait_seconds', str(error))

    def test_a_misspelt_option_is_told_and_does_no_harm(self):
        self.configure('[dcn]\nlock-wait_secnds = 5\n')
        self.assertIs(rbd_driver.DCNRBDDriver, type(self.load().driver))
        self.assertIn('Did you mean lock_wait_seconds?', self.log.output)

    def test_a_cluster_with_lock_files_does_not_start(self):
        loaded = self.load(host='edge1@rbd', cluster='edge1@rbd')
        self.assertEqual('edge1@rbd', loaded.driver.cluster_name)
        error = self.assertRaises(exceptions.ConfigError,
                                  loaded.driver.do_setup, None)
        self.assertIn('Set [coordination] backend_url', str(error))

        loaded.init_host(service_id=1)
        self.assertFalse(loaded.driver.initialized)
        self.assertIn('Failed to initialize driver', self.log.output)
        self.assertIn('[coordination] backend_url is of the kind "file"',
                      self.log.output)


class ManagerTest(LoadingTestCase):
    """What the manager makes of an operation without its lock."""

    def setUp(self):
        super().setUp()
        self.dlm = lock.LockService()
        self.useFixture(fixtures.MockPatchObject(
            coordination.COORDINATOR, 'get_lock', self.dlm.get_lock))
        # There is no Ceph to look into.
        self.useFixture(fixtures.MockPatchObject(
            rbd_driver.DCNRBDDriver, 'ancestors', lambda *_args: ()))
        self.useFixture(fixtures.MockPatchObject(
            rbd_driver.DCNRBDDriver, '_removed_whole',
            lambda *_args: contextlib.nullcontext()))
        self.manager = self.load()
        self.override_config('lock_wait_seconds', 1.5, 'dcn')
        self.driver = self.manager.driver
        self.driver.set_initialized()
        self.manager.stats = {'allocated_capacity_gb': 0, 'pools': {}}

        self.upstream('_update_volume_stats', lambda _driver: None)
        self.context = context.get_admin_context()
        self.volume = tests_utils.create_volume(self.context, host=CONF.host)

    def take(self):
        """Let somebody else hold the lock of the volume for good."""
        name = self.driver.lock_scope().image(self.volume.name)
        self.assertTrue(self.dlm.get_lock(name).acquire(blocking=False))

    def status(self):
        return objects.Volume.get_by_id(self.context, self.volume.id).status

    def upstream(self, operation, function):
        self.useFixture(fixtures.MockPatchObject(rbd.RBDDriver, operation,
                                                 function))

    def test_a_deletion_without_its_lock_is_an_error_and_no_skip(self):
        self.upstream('delete_volume', self.never)
        self.take()
        self.assertRaises(rbd_driver.LockFailure,
                          self.manager.delete_volume, self.context,
                          self.volume)
        self.assertEqual('error_deleting', self.status())

    def test_a_deletion_that_lost_its_lock_is_an_error_and_no_skip(self):
        name = self.driver.lock_scope().image(self.volume.name)
        self.upstream('delete_volume',
                      lambda _driver, _volume: self.dlm.take_away(name))
        self.assertRaises(rbd_driver.LockFailure,
                          self.manager.delete_volume, self.context,
                          self.volume)
        self.assertEqual('error_deleting', self.status())

    def test_a_creation_without_its_lock_is_not_cast_to_the_next_node(self):
        self.upstream('create_volume', self.never)
        self.upstream('delete_volume', self.never)
        scheduler = self.useFixture(fixtures.MockPatchObject(
            self.manager, 'scheduler_rpcapi')).mock
        self.take()
        self.assertRaises(
            rbd_driver.LockFailure, self.manager.create_volume, self.context,
            self.volume, request_spec={}, filter_properties={
                'retry': {'num_attempts': 1}})
        self.assertEqual('error', self.status())
        scheduler.create_volume.assert_not_called()

    def test_the_volume_is_deleted_under_both_locks_and_all_are_freed(self):
        seen = []
        self.upstream('delete_volume', lambda _driver, _volume:
                      seen.extend(self.dlm.owners))
        self.manager.delete_volume(self.context, self.volume)
        self.assertEqual(
            [f'{self.volume.id}-delete_volume',
             self.driver.lock_scope().image(self.volume.name)], seen)
        self.assertEqual({}, self.dlm.owners)

    def never(self, *_args):
        self.fail('upstream was called without the lock')


class GreenThreadTest(LoadingTestCase):

    def test_a_green_thread_does_not_share_what_its_parent_holds(self):
        dlm = lock.LockService()
        entered, outcome = [], []

        def contend():
            try:
                with guard.hold(dlm.get_lock, ['a'], 0.2, 'contender'):
                    entered.append('contender')
            except exceptions.LockTimeout:
                outcome.append('refused')

        with guard.hold(dlm.get_lock, ['a'], 1, 'holder'):
            eventlet.spawn(contend).wait()
        self.assertEqual(([], ['refused']), (entered, outcome))
