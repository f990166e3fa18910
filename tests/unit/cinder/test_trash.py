# SPDX-License-Identifier: Apache-2.0
"""The purge of the trash on a Ceph in memory, and what goes wrong with it."""

import time
import types

import fixtures
import testtools

from dcn_plugins.cinder import trash
from tests.contracts import stock_pool
from tests.contracts import trash_contract
from tests.fakes import rbd as fake_rbd


class PurgeTestCase(testtools.TestCase):

    rbd = fake_rbd
    template = 'volume-%s'
    prefix = 'other-'

    def setUp(self):
        super().setUp()
        self.ioctx = fake_rbd.Pool()
        self.log = self.useFixture(fixtures.FakeLogger())


class ContractTestCase(trash_contract.TrashContract, PurgeTestCase):
    pass


class FailureTestCase(stock_pool.StockPool, PurgeTestCase):
    """Each thing is told once, and keeps nothing else from going on."""

    def setUp(self):
        super().setUp()
        self.own = trash.Purge(self.names, 'volumes')

    def purge(self):
        return self.own.purge_once(self.rbd, self.ioctx, time.time())

    def fail_on(self, broken):
        rbd = types.SimpleNamespace(**vars(fake_rbd))

        class RBD(fake_rbd.RBD):
            def trash_remove(self, pool, image_id, force=False):
                if image_id == broken:
                    raise fake_rbd.OSError('I/O error')
                super().trash_remove(pool, image_id, force)

        rbd.RBD = RBD
        self.rbd = rbd

    def test_one_that_cannot_go_is_told_once_and_the_others_go(self):
        names = [self.create() for _number in range(3)]
        trashed = [self.trash(name) for name in names]
        self.fail_on(trashed[1])
        first = self.purge()
        self.assertEqual(({names[0], names[2]}, [names[1]]),
                         (set(first.removed), first.failed))
        self.assertEqual([names[1]], self.purge().failed)
        self.assertEqual(1, self.log.output.count('I/O error'))
        self.rbd = fake_rbd
        self.assertEqual([names[1]], self.purge().removed)

    def test_a_pool_that_does_not_answer_is_told_once(self):
        name = self.create()
        self.trash(name)
        self.rbd = types.SimpleNamespace(RBD=self.unreachable)
        self.purge()
        self.purge()
        self.assertEqual(1, self.log.output.count('no route'))
        self.rbd = fake_rbd
        self.assertEqual([name], self.purge().removed)
        self.rbd = types.SimpleNamespace(RBD=self.unreachable)
        self.purge()
        self.assertEqual(2, self.log.output.count('no route'))

    @staticmethod
    def unreachable():
        raise RuntimeError('no route')

    def test_without_an_answer_of_the_database_nothing_goes(self):
        self.trash(self.create())

        def unknown(_volumes, _snapshots):
            raise RuntimeError('no database')

        self.own = trash.Purge(self.names, 'volumes', unknown)
        self.assertEqual([], self.purge().removed)
        self.assertIn('no database', self.log.output)
        self.assertEqual(1, len(self.left()[1]))

    def test_an_empty_trash_asks_no_database(self):
        def unknown(_volumes, _snapshots):
            raise AssertionError('the database was asked')

        self.own = trash.Purge(self.names, 'volumes', unknown)
        self.purge()
        self.assertEqual('', self.log.output)

    def test_what_mirroring_and_migration_have_there_stays(self):
        for source in ('MIRRORING', 'MIGRATION'):
            image_id = self.trash(self.create())
            self.ioctx.trash[image_id]['source'] = source
        self.assertEqual([], self.purge().removed)
        self.assertEqual(2, len(self.left()[1]))

    def test_a_parent_that_was_not_made_for_it_is_not_told(self):
        source = self.create()
        for snapshot in ('by-hand', f'{self.named()}.clone_snap'):
            self.snap(source, snapshot)
            clone = self.named()
            fake_rbd.RBD().clone(self.ioctx, source, snapshot, self.ioctx,
                                 clone)
            self.trash(clone)
        purged = self.purge()
        self.assertEqual(2, len(purged.removed))
        self.assertEqual([], purged.parents)

    def test_a_parent_in_another_pool_is_not_told(self):
        self.own = trash.Purge(self.names, 'other')
        self.trash(self.clone(self.create()))
        self.assertEqual([], self.purge().parents)

    def test_a_removal_that_was_interrupted_is_ended(self):
        name = self.create()
        image_id = self.trash(name)
        self.ioctx.trash[image_id]['source'] = 'REMOVING'
        del self.ioctx.headers[image_id]
        self.assertEqual([name], self.purge().removed)


class DeferralTestCase(testtools.TestCase):

    def deferral(self, **options):
        return trash.deferral(types.SimpleNamespace(safe_get=options.get))

    def test_it_is_what_the_backend_says(self):
        self.assertIsNone(self.deferral())
        self.assertIsNone(self.deferral(enable_deferred_deletion=False,
                                        deferred_deletion_delay=60))
        self.assertEqual(60, self.deferral(enable_deferred_deletion=True,
                                           deferred_deletion_delay=60))
        self.assertEqual(0, self.deferral(enable_deferred_deletion=True,
                                          deferred_deletion_delay=0))
