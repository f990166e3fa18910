# SPDX-License-Identifier: Apache-2.0
"""The driver: what is locked, what Cinder is told, how it is set up."""

import inspect
import os
import pathlib
import types
import unittest

from cinder import coordination
from cinder import exception
from cinder.volume import configuration
from cinder.volume import driver as base_driver
from cinder.volume.drivers import rbd
from cinder.volume.flows.manager import create_volume
import fixtures
from oslo_config import fixture as config_fixture
import testtools

from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import rbd_driver
from dcn_plugins.cinder import repair
from dcn_plugins import exceptions
from tests.fakes import lock

FSID = '0c7f'
VOLUME = types.SimpleNamespace(id='1', name='volume-1')
OTHER = types.SimpleNamespace(id='2', name='volume-2')
SNAPSHOT = types.SimpleNamespace(id='3', name='snapshot-3',
                                 volume_name='volume-1')
REFERENCE = {'source-name': 'old/é'}
HOST = {'capabilities': {'location_info': 'ceph:/c.conf:0c7f:cinder:iron'}}

ONE = 'dcn:image:0c7f:gold:volume-1'
TWO = 'dcn:image:0c7f:gold:volume-2'
SNAP = 'dcn:snapshot:0c7f:gold:volume-1:snapshot-3'

# operation: how Cinder calls it, what is locked meanwhile
CALLS = {
    'create_volume': ((VOLUME,), {ONE}),
    'create_volume_from_snapshot': ((OTHER, SNAPSHOT), {TWO, SNAP}),
    'create_cloned_volume': ((OTHER, VOLUME), {TWO, ONE}),
    'clone_image': (('context', VOLUME, None, {}, 'service'), {ONE}),
    'copy_image_to_volume': (('context', VOLUME, 'service', 'id'), {ONE}),
    'copy_image_to_encrypted_volume': (
        ('context', VOLUME, 'service', 'id'), {ONE}),
    'delete_volume': ((VOLUME,), {ONE}),
    'extend_volume': ((VOLUME, 2), {ONE}),
    'retype': (('context', VOLUME, 'type', {}, HOST), {ONE}),
    'update_rbd_image_qos': ((VOLUME, {}), {ONE}),
    'delete_rbd_image_qos_keys': ((VOLUME, []), {ONE}),
    'migrate_volume': (('context', VOLUME, HOST),
                       {ONE, 'dcn:image:0c7f:iron:volume-1'}),
    'update_migrated_volume': (
        ('context', VOLUME, OTHER, 'available'), {ONE, TWO}),
    'manage_existing': ((VOLUME, REFERENCE),
                        {ONE, 'dcn:image:0c7f:gold:old%2F%C3%A9'}),
    'create_snapshot': ((SNAPSHOT,), {SNAP, ONE}),
    'delete_snapshot': ((SNAPSHOT,), {SNAP, ONE}),
    'revert_to_snapshot': (('context', VOLUME, SNAPSHOT), {SNAP, ONE}),
    'manage_existing_snapshot': (
        (SNAPSHOT, REFERENCE),
        {SNAP, ONE, 'dcn:snapshot:0c7f:gold:volume-1:old%2F%C3%A9'}),
    'unmanage_snapshot': ((SNAPSHOT,), {SNAP, ONE}),
}


class LibrbdError(Exception):
    """librbd's, where there is no librbd."""


class ImageBusy(LibrbdError):
    """librbd's, too."""


class ImageNotFound(LibrbdError):
    """librbd's, too."""


LIBRBD = types.SimpleNamespace(**{name: 0 for name in (
    'RBD_FEATURE_LAYERING', 'RBD_FEATURE_EXCLUSIVE_LOCK',
    'RBD_FEATURE_OBJECT_MAP', 'RBD_FEATURE_FAST_DIFF',
    'RBD_FEATURE_JOURNALING')}, ImageBusy=ImageBusy,
    ImageNotFound=ImageNotFound, Timeout=LibrbdError)


class DriverTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(
            config_fixture.Config(rbd_driver.CONF)).conf
        self.conf([], project='cinder', default_config_files=[])
        self.log = self.useFixture(fixtures.FakeLogger())
        self.dlm = lock.LockService()
        self.replace(coordination.COORDINATOR, 'get_lock', self.dlm.get_lock)
        self.replace(rbd.RBDDriver, '_get_fsid', lambda _driver: FSID)
        # Looking into Ceph is for the tests that have one.
        self.replace(rbd_driver.DCNRBDDriver, 'ancestors',
                     lambda *_args: ())
        self.replace(rbd_driver.DCNRBDDriver, '_prepare_clone_image',
                     lambda *_args: None)
        self.replace(repair, 'remove_rest', lambda *_args: None)
        self.driver = self.make_driver()

    def make_driver(self, **kwargs):
        backend = configuration.Configuration(base_driver.volume_opts,
                                              config_group='dcn1')
        backend.append_config_values(rbd.RBD_OPTS)
        self.conf.set_override('rbd_pool', 'gold', 'dcn1')
        return rbd_driver.DCNRBDDriver(configuration=backend, rbd=LIBRBD,
                                       rados=None, **kwargs)

    def replace(self, owner, name, value):
        self.useFixture(fixtures.MockPatchObject(owner, name, value))


class TablesTest(unittest.TestCase):

    def test_each_public_method_of_upstream_was_looked_at(self):
        methods = {name for name, value in vars(rbd.RBDDriver).items()
                   if not name.startswith('_')
                   and (callable(value)
                        or isinstance(value, (classmethod, staticmethod,
                                              property)))}
        self.assertEqual(
            methods, set(lock_table.LOCKS) | set(lock_table.NO_LOCKS))

    def test_no_method_is_in_both_tables(self):
        self.assertEqual(
            set(), set(lock_table.LOCKS) & set(lock_table.NO_LOCKS))

    def test_each_method_without_locks_has_a_reason(self):
        self.assertTrue(all(lock_table.NO_LOCKS.values()))

    def test_only_the_operations_of_the_table_are_overridden(self):
        overridden = {name for name in vars(rbd_driver.DCNRBDDriver)
                      if name in vars(rbd.RBDDriver)
                      and not name.startswith('_')}
        self.assertEqual(set(lock_table.LOCKS) | {
            'do_setup', 'check_for_setup_error', 'copy_volume_to_image'},
            overridden)

    def test_signatures_are_those_of_upstream(self):
        for operation in lock_table.LOCKS:
            self.assertEqual(
                inspect.signature(getattr(rbd.RBDDriver, operation)),
                inspect.signature(getattr(rbd_driver.DCNRBDDriver,
                                          operation)), operation)

    def test_what_cinder_reads_from_the_class_is_as_upstream(self):
        for attribute in ('VERSION', 'CI_WIKI_NAME', 'STORAGE_PROTOCOL'):
            self.assertEqual(getattr(rbd.RBDDriver, attribute),
                             getattr(rbd_driver.DCNRBDDriver, attribute))
        self.assertTrue(rbd_driver.DCNRBDDriver.SUPPORTS_ACTIVE_ACTIVE)


class LocksTest(DriverTestCase):

    def test_each_operation_runs_under_its_locks(self):
        self.assertEqual(set(lock_table.LOCKS), set(CALLS))
        for operation, (arguments, expected) in CALLS.items():
            self.check(operation, arguments, {}, expected)

    def test_arguments_by_name_are_found_too(self):
        self.check('create_cloned_volume', (),
                   {'src_vref': VOLUME, 'volume': OTHER}, {ONE, TWO})
        self.check('copy_image_to_volume',
                   ('context', VOLUME, 'service', 'id'),
                   {'disable_sparse': True}, {ONE})

    def test_a_reference_that_upstream_refuses_does_not_stop_us(self):
        for reference in ({}, {'source-id': 'x'}, None):
            self.check('manage_existing', (VOLUME, reference), {}, {ONE})
        self.check('manage_existing_snapshot', (SNAPSHOT, 'old'), {},
                   {SNAP, ONE, 'dcn:snapshot:0c7f:gold:volume-1:old'})

    def test_a_migration_that_upstream_refuses_does_not_stop_us(self):
        for host in (None, {'host': 'x'}, {'capabilities': {}},
                     {'capabilities': {'location_info': 'LVM:x'}}):
            self.check('migrate_volume', ('context', VOLUME, host), {},
                       {ONE})

    def check(self, operation, arguments, by_name, expected):
        signature = inspect.signature(getattr(rbd.RBDDriver, operation))

        def call(args, kwargs):
            return signature.bind(self.driver, *args, **kwargs).arguments

        def upstream(driver, *args, **kwargs):
            self.assertIs(self.driver, driver)
            self.assertEqual(
                call(arguments, by_name), call(args, kwargs))
            self.assertEqual(expected, set(self.dlm.owners))
            return 'result of upstream'

        self.replace(rbd.RBDDriver, operation, upstream)
        self.assertEqual(
            # Of a deletion there is none.
            None if operation == 'delete_volume' else 'result of upstream',
            getattr(self.driver, operation)(*arguments, **by_name))
        self.assertEqual({}, self.dlm.owners)

    def test_an_operation_inside_another_needs_no_second_lock(self):
        self.replace(rbd.RBDDriver, 'delete_volume',
                     lambda driver, volume: None)
        self.replace(rbd.RBDDriver, 'copy_image_to_volume',
                     lambda driver, context, volume, *_:
                     driver.delete_volume(volume))
        self.driver.copy_image_to_volume('context', VOLUME, 'service', 'id')
        self.assertEqual([('acquire', ONE), ('release', ONE)],
                         self.dlm.journal)

    def journal_of_deletion(self, *ancestors):
        """Return what is locked to delete a clone of volume-2 in Cinder."""
        self.replace(rbd_driver.DCNRBDDriver, 'ancestors',
                     lambda *_args: ancestors)
        self.replace(rbd.RBDDriver, 'delete_volume',
                     lambda _driver, _volume: None)
        self.replace(repair, 'drop_ancestors', lambda *_args: None)
        self.driver.delete_volume(types.SimpleNamespace(
            id='1', name='volume-1', source_volid='2'))
        return [name for call, name in self.dlm.journal if call == 'acquire']

    def test_the_source_of_a_clone_is_locked_at_once(self):
        self.assertEqual([ONE, TWO], self.journal_of_deletion(
            ('volume-2', 'volume-1.clone_snap')))

    def test_unless_it_is_not_the_source_any_more(self):
        self.assertEqual([ONE, TWO, ONE], self.journal_of_deletion())

    def test_nobody_waits_for_it_who_may_not_need_it(self):
        self.dlm.get_lock(TWO).acquire(blocking=False)
        self.assertEqual([TWO, ONE, ONE], self.journal_of_deletion())

    def test_as_a_part_of_another_operation_it_takes_none(self):
        self.replace(rbd.RBDDriver, 'copy_image_to_volume',
                     lambda driver, _context, volume, *_args:
                     driver.delete_volume(volume))
        self.replace(rbd.RBDDriver, 'delete_volume',
                     lambda _driver, _volume: None)
        self.driver.copy_image_to_volume(
            'context', types.SimpleNamespace(
                id='1', name='volume-1', source_volid='2'), 'service', 'id')
        self.assertEqual([('acquire', ONE), ('release', ONE)],
                         self.dlm.journal)

    def test_nor_there_any_more(self):
        self.assertEqual(
            [ONE, TWO, ONE, TWO], self.journal_of_deletion(
                ('volume-2.deleted', 'volume-1.clone_snap')))

    def test_the_pool_belongs_to_the_cluster_that_is_active(self):
        self.assertEqual(FSID, self.driver.lock_scope().cluster)
        self.replace(rbd.RBDDriver, '_get_fsid', lambda _driver: '99aa')
        self.assertEqual(FSID, self.driver.lock_scope().cluster,
                         'Ceph is asked once')
        self.driver._active_config = {'name': 'second', 'conf': '/s.conf'}
        self.assertEqual('99aa', self.driver.lock_scope().cluster)

    def test_lock_files_are_removed_with_their_object(self):
        prefix = os.path.join(self.useFixture(fixtures.TempDir()).path, 'c-')
        self.replace(coordination.COORDINATOR, '_file_path', prefix)
        paths = [pathlib.Path(prefix + name) for name in (ONE, TWO, SNAP)]
        for path in paths:
            path.touch()
        self.driver.clean_volume_file_locks('1')
        self.assertEqual([False, True, True], [p.exists() for p in paths])
        self.driver.clean_snapshot_file_locks('3')
        self.assertEqual([False, True, False], [p.exists() for p in paths])


class ErrorsTest(DriverTestCase):

    def setUp(self):
        super().setUp()
        self.ran = []
        self.replace(rbd.RBDDriver, 'delete_volume', self.upstream)

    def upstream(self, _driver, volume):
        self.ran.append(volume)

    def test_without_the_lock_nothing_is_done(self):
        self.conf.set_override('lock_wait_seconds', 1.5, 'dcn')
        self.dlm.get_lock(ONE).acquire(blocking=False)
        error = self.assertRaises(rbd_driver.LockFailure,
                                  self.driver.delete_volume, VOLUME)
        self.assertEqual([], self.ran)
        self.assertIsInstance(error.__cause__, exceptions.LockTimeout)
        self.assertIn('not granted within 1.5 s', str(error))
        self.assertIn(f'delete_volume: lock {ONE}', self.log.output)
        self.assertIn('(nothing done)', self.log.output)

    def test_a_service_that_fails_stops_the_operation(self):
        self.dlm.fail('acquire', ONE, ConnectionError('refused'))
        self.assertRaises(rbd_driver.LockFailure,
                          self.driver.delete_volume, VOLUME)
        self.assertEqual([], self.ran)
        self.assertIn('(nothing done)', self.log.output)

    def test_cinders_coordinator_that_was_not_started_stops_it(self):
        self.replace(coordination, 'COORDINATOR', coordination.Coordinator())
        error = self.assertRaises(rbd_driver.LockFailure,
                                  self.driver.delete_volume, VOLUME)
        self.assertEqual([], self.ran)
        self.assertIn('LockCreationFailed', str(error))

    def test_a_lock_that_was_lost_is_no_success(self):
        self.replace(rbd.RBDDriver, 'delete_volume',
                     lambda _driver, _volume: self.dlm.take_away(ONE))
        error = self.assertRaises(rbd_driver.LockFailure,
                                  self.driver.delete_volume, VOLUME)
        self.assertIsInstance(error.__cause__, exceptions.LockLost)
        self.assertIn('(partly done)', self.log.output)

    def test_an_error_of_upstream_passes_unchanged(self):
        def upstream(_driver, volume):
            raise exception.VolumeIsBusy(volume_name=volume.name)

        self.replace(rbd.RBDDriver, 'delete_volume', upstream)
        self.assertRaises(exception.VolumeIsBusy,
                          self.driver.delete_volume, VOLUME)

    def test_cinder_does_not_take_it_for_a_deletion_that_was_skipped(self):
        self.assertFalse(issubclass(
            rbd_driver.LockFailure,
            (exception.VolumeIsBusy, exception.SnapshotIsBusy,
             NotImplementedError)))

    def test_cinder_does_not_create_the_volume_a_second_time(self):
        task = create_volume.OnFailureRescheduleTask(
            'context', 'db', 'manager', 'scheduler_rpcapi', True)
        self.assertTrue(issubclass(rbd_driver.LockFailure,
                                   tuple(task.no_reschedule_types)))


class SetupTest(DriverTestCase):

    def setUp(self):
        super().setUp()
        self.is_set_up = []
        self.replace(rbd.RBDDriver, 'do_setup',
                     lambda _driver, context: self.is_set_up.append(context))

    def test_it_says_that_it_was_loaded(self):
        self.conf.set_override('volume_backend_name', 'edge1', 'dcn1')
        self.make_driver()
        self.assertRegex(
            self.log.output,
            r'DCNRBDDriver loaded \(dcn_plugins .+\) for backend edge1')

    def test_a_cluster_needs_locks_that_reach_its_other_nodes(self):
        for url, told in (('file:///var/lib/cinder', '"file"'),
                          ('ipc://', '"ipc"'), ('zake://', '"zake"'),
                          ('FILE:///x', '"file"'), ('', 'is empty'),
                          (None, 'is empty')):
            error = self.refusal(url)
            self.assertIn('cinder.conf', error.source)
            self.assertIn('[coordination] backend_url', error.problem)
            self.assertIn(told, error.problem)
            self.assertIn('etcd3+http://', error.remedy)
        self.assertEqual([], self.is_set_up)

    def test_the_url_is_not_told(self):
        self.assertNotIn('s3cret', str(self.refusal('file://u:s3cret@/x')))

    def refusal(self, url):
        driver = self.make_driver(cluster_name='edge1@rbd')
        self.conf.set_override('backend_url', url, 'coordination')
        return self.assertRaises(exceptions.ConfigError, driver.do_setup,
                                 'context')

    def test_a_cluster_with_a_dlm_is_set_up(self):
        driver = self.make_driver(cluster_name='edge1@rbd')
        self.conf.set_override('backend_url', 'etcd3+http://a:2379',
                               'coordination')
        driver.do_setup('context')
        self.assertEqual(['context'], self.is_set_up)

    def test_a_single_node_needs_no_dlm(self):
        self.conf.set_override('backend_url', 'file:///x', 'coordination')
        self.driver.do_setup('context')
        self.assertEqual(['context'], self.is_set_up)

    def test_a_misspelt_option_is_told(self):
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write('[dcn]\nlock_wait_second = 5\n')
        self.conf([], project='cinder', default_config_files=[path])
        self.make_driver()
        self.assertIn('lock_wait_second is not an option', self.log.output)
        self.assertIn('Did you mean lock_wait_seconds?', self.log.output)
