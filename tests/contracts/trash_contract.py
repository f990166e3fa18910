# SPDX-License-Identifier: Apache-2.0
"""What the purge takes from the trash; see ``stock_pool``."""

import time

from dcn_plugins.cinder import pool_contents
from dcn_plugins.cinder import trash
from tests.contracts import stock_pool


class TrashContract(stock_pool.StockPool):
    """What a purge takes from the trash."""

    def purge(self, known=None, seconds=0, purge=None):
        purge = purge or trash.Purge(self.names, self.ioctx.name, known)
        return purge.purge_once(self.rbd, self.ioctx, time.time() + seconds)

    def test_what_is_due_and_cinders_goes(self):
        due, deleted = self.create(), self.create(f'{self.named()}.deleted')
        later = self.create()
        theirs = self.create(self.prefix + 'theirs')
        self.trash(due)
        self.trash(deleted)
        self.trash(later, 3600)
        self.trash(theirs)
        purged = self.purge()
        self.assertEqual({due, deleted}, set(purged.removed))
        self.assertEqual((set(), {later, theirs}), self.left())

    def test_what_is_not_due_by_the_clock_of_ceph_waits(self):
        later = self.create()
        self.trash(later, 3600)
        purged = self.purge(seconds=7200)
        self.assertEqual(([], [later], []), (
            purged.removed, purged.waiting, purged.failed))

    def test_what_has_snapshots_or_clones_waits_until_it_can_go(self):
        source, other = self.create(), self.create()
        self.snap(source, 'by-hand')
        self.trash(source)
        self.trash(other)
        purged = self.purge()
        self.assertEqual(([other], [source]),
                         (purged.removed, purged.waiting))

    def test_what_is_the_clone_of_a_kept_snapshot_tells_of_it(self):
        source = self.create()
        clone = self.clone(source)
        self.trash(clone)
        self.assertEqual([(source, f'{clone}.clone_snap')],
                         self.purge().parents)

    def test_what_the_database_has_stays(self):
        kept, gone = self.create(), self.create()
        asked = []

        def known(volumes, _snapshots):
            asked.extend(volumes)
            kept_id = self.names.volume(kept)
            return pool_contents.Known({kept_id: pool_contents.VolumeRecord(
                kept_id, kept_id, 'available', '', 0.0)})

        self.trash(kept)
        self.trash(gone)
        self.assertEqual([gone], self.purge(known).removed)
        self.assertEqual((set(), {kept}), self.left())
        self.assertEqual(2, len(asked))
