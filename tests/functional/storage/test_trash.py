# SPDX-License-Identifier: Apache-2.0
"""The purge of the trash on a real Ceph, and that of stock drivers."""

import subprocess
import sys
import time

from cinder.volume.drivers import rbd as upstream
import fixtures

from dcn_plugins.cinder import trash
from tests.contracts import trash_contract
from tests.functional.storage import pool_case
from tests.functional.storage import volume_service
from tests.lab import deadline

# Dies in the middle of a removal: its client has to be gone from Ceph for
# half a minute before anybody else may go on.
KILLED = '''
import os, signal, sys
import rados, rbd
conf, user, pool, image_id = sys.argv[1:]
client = rados.Rados(conffile=conf, rados_id=user)
client.connect()
ioctx = client.open_ioctx(pool)
image = rbd.Image(ioctx, image_id=image_id)
os.kill(os.getpid(), signal.SIGKILL)
'''


class ContractTestCase(trash_contract.TrashContract, pool_case.PoolTestCase):
    pass


class CloneV2TestCase(ContractTestCase):
    """The same where a snapshot may go before its clones."""

    options = {'rbd_default_clone_format': '2'}


class InterruptedTestCase(pool_case.PoolTestCase):

    def purge(self):
        return trash.Purge(self.names, self.rig.pool).purge_once(
            self.rbd, self.ioctx, time.time() + 1)

    def test_an_image_without_header_goes(self):
        name = self.create()
        image_id = self.trash(name)
        self.ioctx.remove_object(f'rbd_header.{image_id}')
        self.assertEqual([name], self.purge().removed)
        self.assertEqual((set(), set()), self.left())

    def test_what_a_dead_client_has_open_waits_and_then_goes(self):
        name, other = self.create(), self.create()
        image_id = self.trash(name)
        self.trash(other)
        killed = subprocess.run(
            [sys.executable, '-c', KILLED, self.rig.conf, self.rig.user,
             self.rig.pool, image_id], timeout=60)
        self.assertEqual(-9, killed.returncode)
        purged = self.purge()
        self.assertEqual(([other], [name]), (purged.removed, purged.waiting))
        deadline.wait('the watch of the dead client to end',
                      lambda: self.purge().removed == [name], 60)


class StockTestCase(pool_case.PoolTestCase):
    """What ours is for."""

    def test_stock_takes_what_others_have_put_there(self):
        service = volume_service.VolumeService(
            self.rig, driver_class=volume_service.STOCK,
            enable_deferred_deletion=True)
        self.addCleanup(service.close)
        theirs = self.create(self.prefix + 'theirs')
        self.trash(theirs)
        # Of all others that share the pool, too.
        self.useFixture(fixtures.MockPatchObject(
            upstream.RBDDriver, 'RBDProxy', self.only_mine))
        service.driver._trash_purge()
        self.assertEqual((set(), set()), self.left())
        self.create(theirs)
        self.trash(theirs)
        self.assertEqual([], trash.Purge(
            self.names, self.rig.pool).purge_once(
                self.rbd, self.ioctx, time.time() + 1).removed)
        self.assertEqual((set(), {theirs}), self.left())

    def only_mine(self, _driver=None):
        case = self

        class Calls(self.rbd.RBD):
            def trash_list(self, ioctx):
                return iter(case.trashed())

        return Calls()
