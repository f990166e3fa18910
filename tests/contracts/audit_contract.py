# SPDX-License-Identifier: Apache-2.0
"""What the audit does to a pool; see ``stock_pool`` for what it needs."""

import contextlib
import time
import types
import uuid

from dcn_plugins.cinder import findings
from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_contents
from dcn_plugins.cinder import pool_listing
from dcn_plugins.cinder import reclaim
from tests.contracts import stock_pool


class AuditedPool(stock_pool.StockPool):
    """Audit the images of one test."""

    known = None

    def audit(self, **options):
        self.policy = leftovers.Policy(time.time() + 1, 0, **options)
        listing = pool_listing.read(self.rbd, self.ioctx, self.ioctx.name,
                                    self.names)
        return leftovers.find(listing, self.names, self.known, self.policy)

    def reclaimer(self, rbd=None, guarded=None, deferral_seconds=None):
        return reclaim.Reclaimer(
            rbd or self.rbd, guarded or self.guarded, self.ioctx.name,
            self.names, lambda _volumes, _snapshots: self.known,
            deferral_seconds, lambda: time.time() + 1)

    def reclaim(self, report, **options):
        return list(self.reclaimer(**options).reclaim(report, self.policy))

    @contextlib.contextmanager
    def guarded(self, _operation, _images):
        yield types.SimpleNamespace(
            connection=lambda _pool: (None, self.ioctx))

    def assertFound(self, expected, report):
        self.assertEqual(expected, [(found.kind, found.subject)
                                    for found in report.findings])

    def leak(self):
        """Leave what stock leaves of a clone and its deleted source."""
        source = self.create()
        clone = self.clone(source)
        deleted = self.delete(source)
        self.delete(clone)
        return deleted, clone


class AuditContract(AuditedPool):
    """What an audit finds and reclaims."""

    def test_what_stock_leaks_is_found_and_reclaimed(self):
        deleted, clone = self.leak()
        report = self.audit()
        self.assertFound(
            [(findings.CLONE_SNAPSHOT, f'{deleted}@{clone}.clone_snap'),
             (findings.DELETED_IMAGE, deleted)], report)
        outcomes = self.reclaim(report)
        self.assertEqual([True, True],
                         [outcome.is_reclaimed for outcome in outcomes])
        self.assertFound([], self.audit())
        self.assertEqual((set(), set()), self.left())

    def test_a_snapshot_is_taken_off_a_volume_that_is_in_use(self):
        source = self.create()
        clone = self.clone(source)
        self.delete(clone)
        with self.rbd.Image(self.ioctx, source):
            self.assertEqual(
                [True], [outcome.is_reclaimed
                         for outcome in self.reclaim(self.audit())])
        self.assertEqual([], self.snapshots(source))

    def test_a_chain_goes_in_one_run_from_its_end(self):
        first = self.create()
        second = self.clone(first)
        third = self.clone(second)
        gone = [self.delete(first), self.delete(second)]
        self.delete(third)
        report = self.audit()
        self.assertFound(
            [(findings.CLONE_SNAPSHOT, f'{gone[1]}@{third}.clone_snap'),
             (findings.DELETED_IMAGE, gone[1]),
             (findings.CLONE_SNAPSHOT, f'{gone[0]}@{second}.clone_snap'),
             (findings.DELETED_IMAGE, gone[0])], report)
        self.assertTrue(all(outcome.is_reclaimed
                            for outcome in self.reclaim(report)))
        self.assertEqual((set(), set()), self.left())

    def test_what_has_a_clone_is_not_found(self):
        source = self.create()
        clone = self.clone(source)
        deleted = self.delete(source)
        self.assertFound([], self.audit())
        self.trash(clone, 3600)
        self.assertFound([], self.audit())
        self.assertEqual(({deleted}, {clone}), self.left())

    def test_a_clone_that_was_flattened_needs_its_snapshot_no_more(self):
        source = self.create()
        clone = self.clone(source)
        with self.rbd.Image(self.ioctx, clone) as opened:
            opened.flatten()
        deleted = self.delete(source)
        self.assertFound(
            [(findings.CLONE_SNAPSHOT, f'{deleted}@{clone}.clone_snap'),
             (findings.DELETED_IMAGE, deleted)], self.audit())

    def test_what_is_not_cinders_stays(self):
        self.leak()
        others = [self.create(self.prefix + name) for name in (
            'a', f'volume-{uuid.uuid4()}.deleted')]
        base = self.create(f'{self.named()}.backup.base')
        mine = self.create()
        self.snap(mine, 'by-hand')
        trashed = self.prefix + 'trashed'
        self.create(trashed)
        self.trash(trashed)
        report = self.audit()
        self.assertTrue(report.counted['foreign_trash'])
        self.assertEqual(1, report.counted['foreign_snapshots'])
        self.reclaim(report)
        self.assertEqual(({*others, base, mine}, {trashed}), self.left())
        self.assertEqual(['by-hand'], self.snapshots(mine))

    def test_snapshots_that_nobody_knows_keep_a_deleted_image(self):
        source = self.create()
        clone = self.clone(source)
        self.snap(source, 'by-hand')
        deleted = self.delete(source)
        self.delete(clone)
        report = self.audit()
        self.assertIn('by-hand', report.findings[1].reason)
        self.reclaim(report)
        self.assertEqual(['by-hand'], self.snapshots(deleted))

    def test_what_is_open_stays(self):
        deleted, _clone = self.leak()
        with self.rbd.Image(self.ioctx, deleted):
            report = self.audit()
            outcomes = self.reclaim(report)
        self.assertFalse(outcomes[1].is_reclaimed)
        self.assertEqual({deleted}, self.left()[0])
        # And if it was opened since the audit.
        report = self.audit()
        self.assertTrue(report.findings[0].is_reclaimable)
        with self.rbd.Image(self.ioctx, deleted):
            outcomes = self.reclaim(report)
        self.assertEqual('a client has it open', outcomes[0].reason)
        self.assertEqual({deleted}, self.left()[0])

    def test_what_was_used_since_the_audit_stays(self):
        source = self.create()
        clone = self.clone(source)
        self.delete(clone)
        report = self.audit()
        self.rbd.RBD().clone(self.ioctx, source, f'{clone}.clone_snap',
                             self.ioctx, clone, features=1)
        self.assertEqual([False], [outcome.is_reclaimed for outcome
                                   in self.reclaim(report)])
        self.assertEqual([f'{clone}.clone_snap'], self.snapshots(source))

    def test_the_database_is_asked_once_more(self):
        deleted, clone = self.leak()
        report = self.audit()
        volume_id = self.names.deleted(deleted)
        self.known = pool_contents.Known({
            volume_id: pool_contents.VolumeRecord(
                volume_id, volume_id, 'available', '', 0.0)})
        outcomes = self.reclaim(report)
        self.assertTrue(outcomes[0].is_reclaimed)
        self.assertIn('(available)', outcomes[1].reason)
        self.assertEqual({deleted}, self.left()[0])

    def test_deferred_deletion_is_for_what_is_reclaimed_too(self):
        deleted, _clone = self.leak()
        self.reclaim(self.audit(), deferral_seconds=3600)
        self.assertEqual((set(), {deleted}), self.left())

    def test_an_unknown_volume_goes_if_that_is_asked_for(self):
        self.known = pool_contents.Known()
        source = self.create()
        clone = self.clone(source)
        report = self.audit()
        self.assertFound([(findings.UNKNOWN_VOLUME, clone),
                          (findings.UNKNOWN_VOLUME, source)], report)
        self.reclaim(report)
        self.assertEqual({source, clone}, self.left()[0])
        self.reclaim(self.audit(unknown_volumes=True))
        self.assertEqual((set(), set()), self.left())

    def test_an_unknown_snapshot_goes_if_that_is_asked_for(self):
        source = self.create()
        volume_id = self.names.volume(source)
        self.known = pool_contents.Known({
            volume_id: pool_contents.VolumeRecord(
                volume_id, volume_id, 'available', '', 0.0)})
        self.snap(source, f'snapshot-{uuid.uuid4()}')
        self.reclaim(self.audit())
        self.assertEqual(1, len(self.snapshots(source)))
        self.reclaim(self.audit(unknown_snapshots=True))
        self.assertEqual([], self.snapshots(source))

    def release(self, parents, **options):
        self.policy = leftovers.Policy(time.time() + 1, 3600)
        return [(outcome.finding.subject, outcome.is_reclaimed)
                for outcome in self.reclaimer(**options).release(
                    parents, self.policy)]

    def test_with_what_is_purged_goes_what_was_kept_for_it(self):
        first = self.create()
        second = self.clone(first)
        third = self.clone(second)
        gone = [self.delete(first), self.delete(second)]
        self.rbd.RBD().remove(self.ioctx, third)
        self.assertEqual(
            [(f'{gone[1]}@{third}.clone_snap', True), (gone[1], True),
             (f'{gone[0]}@{second}.clone_snap', True), (gone[0], True)],
            self.release([(gone[1], f'{third}.clone_snap')]))
        self.assertEqual((set(), set()), self.left())

    def test_it_goes_no_further_than_what_is_in_use(self):
        source = self.create()
        clones = [self.clone(source), self.clone(source)]
        deleted = self.delete(source)
        self.rbd.RBD().remove(self.ioctx, clones[0])
        snapshots = [f'{clone}.clone_snap' for clone in clones]
        self.assertEqual(
            [(f'{deleted}@{snapshots[0]}', True), (deleted, False)],
            self.release([(deleted, snapshots[0])]))
        self.assertEqual(
            [(f'{deleted}@{snapshots[1]}', False)],
            self.release([(deleted, snapshots[1])]))
        self.assertEqual([snapshots[1]], self.snapshots(deleted))

    def test_a_volume_loses_the_snapshot_only(self):
        source = self.create()
        clone = self.clone(source)
        self.rbd.RBD().remove(self.ioctx, clone)
        self.release([(source, f'{clone}.clone_snap')])
        self.assertEqual([], self.snapshots(source))
        self.assertEqual({source}, self.left()[0])

    def test_deferred_deletion_defers_the_rest_too(self):
        first = self.create()
        second = self.clone(first)
        gone = [self.delete(first), second]
        third = self.clone(second)
        gone[1] = self.delete(second)
        self.rbd.RBD().remove(self.ioctx, third)
        self.release([(gone[1], f'{third}.clone_snap')],
                     deferral_seconds=3600)
        self.assertEqual(({gone[0]}, {gone[1]}), self.left())

    def test_who_dies_on_the_way_leaves_what_the_next_one_ends(self):
        for changes in range(7):
            first = self.create()
            second = self.clone(first)
            gone = self.delete(first)
            third = self.clone(second)
            self.delete(second)
            self.delete(third)
            try:
                self.reclaim(self.audit(),
                             rbd=stock_pool.Mortal(self.rbd, changes))
                self.assertEqual(6, changes, 'it has survived')
            except stock_pool.Died:
                self.assertIn(gone, self.left()[0])
            self.reclaim(self.audit())
            self.assertEqual((set(), set()), self.left())
