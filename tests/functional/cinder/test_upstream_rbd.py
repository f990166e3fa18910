# SPDX-License-Identifier: Apache-2.0
"""Upstream's own tests of its RBD driver, run against ours.

They mock rados and rbd themselves, so it makes no difference whether the real
libraries are installed.
"""

import contextlib
import types
from unittest import mock

from cinder import coordination
from cinder.tests.unit.volume.drivers import test_rbd
from cinder.volume.drivers import rbd
import fixtures

from dcn_plugins.ceph import guarded_rbd
from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import rbd_driver
from dcn_plugins.cinder import rbd_program
from dcn_plugins.locking import names
from tests.fakes import lock


@contextlib.contextmanager
def ours():
    """Let upstream's tests construct our class while the context lasts.

    Only the name in their module is replaced, and only while they construct.
    In rbd.py itself it must stay (its ``super(RBDDriver, self)`` would find
    our class and never end), and so it must while a test runs: the tests
    patch ``_get_usage_info`` by two paths that must mean one class.

    librbd and what runs programs are mocks of theirs, which they look into:
    nothing stands before them.
    """
    stand_in = types.SimpleNamespace(
        **{**vars(rbd), 'RBDDriver': rbd_driver.DCNRBDDriver})
    with mock.patch.object(test_rbd, 'driver', stand_in), mock.patch.object(
            guarded_rbd, 'GuardedRBD',
            lambda module, *_args: module), mock.patch.object(
            rbd_program, 'in_process', lambda execute, _actions: execute):
        yield


class UnderLocks(fixtures.Fixture):
    """A DLM in memory; all its locks must be free at the end."""

    def _setUp(self):
        self.service = lock.LockService()
        self.useFixture(fixtures.MockPatchObject(
            coordination.COORDINATOR, 'get_lock', self.service.get_lock))
        # The tests count connections to Ceph, and the FSID takes one.
        self.useFixture(fixtures.MockPatchObject(
            rbd_driver.DCNRBDDriver, 'lock_scope',
            lambda _driver: names.Scope('fsid', 'rbd')))
        # So does looking for the ancestors of a volume.
        self.useFixture(fixtures.MockPatchObject(
            rbd_driver.DCNRBDDriver, 'ancestors', lambda *_args: ()))
        # And what a removal that was interrupted has left.
        self.useFixture(fixtures.MockPatchObject(
            rbd_driver.DCNRBDDriver, '_removed_whole',
            lambda *_args: contextlib.nullcontext()))
        # What is cloned, and from where, is for other tests.
        self.useFixture(fixtures.MockPatchObject(
            rbd_driver.DCNRBDDriver, '_prepare_clone_image',
            lambda *_args: None))
        # They compare all statistics with what upstream alone reports.
        self.useFixture(fixtures.MockPatchObject(
            rbd_driver.DCNRBDDriver, '_capabilities', lambda _driver: {}))
        # Some pass a dictionary, a mock or a bare object for a volume or a
        # snapshot, which upstream hands on unread.
        self.useFixture(fixtures.MockPatchObject(
            lock_table, '_name',
            lambda record: str(getattr(record, 'name', record))))
        self.addCleanup(self.check)

    def check(self):
        # A caretaker keeps its own for as long as its process lives.
        left = [name for name in self.service.owners
                if not name.startswith('dcn:caretaker:')]
        if left:
            raise AssertionError(f'still locked: {left}')


class DCNRBDTestCase(test_rbd.RBDTestCase):

    def setUp(self):
        with ours():
            super().setUp()
        self.useFixture(UnderLocks())
        self.assertIs(rbd_driver.DCNRBDDriver, type(self.driver))

    @staticmethod
    def _make_drv(conf_in):
        with ours():
            return test_rbd.RBDTestCase._make_drv(conf_in)


class DCNManagedRBDTestCase(test_rbd.ManagedRBDTestCase):

    driver_name = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'

    def setUp(self):
        super().setUp()
        self.useFixture(UnderLocks())
        self.assertIs(rbd_driver.DCNRBDDriver, type(self.volume.driver))
