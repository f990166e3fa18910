# SPDX-License-Identifier: Apache-2.0
"""What may be called left over, and what must not be.

Each test of the second kind is about something that would be lost.
"""

import dataclasses

from dcn_plugins.cinder import findings
from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_contents as contents
from tests.unit.cinder import pool_contents_case as case

image, snap, volume, known = (case.image, case.snap, case.volume,
                              case.known)
NOW, LONG_AGO, POLICY, NAMES = (case.NOW, case.LONG_AGO, case.POLICY,
                                case.NAMES)
S, D, E = case.S, case.D, case.E
SOURCE, CLONE, DELETED, CLONE_SNAP = (case.SOURCE, case.CLONE, case.DELETED,
                                      case.CLONE_SNAP)


class CloneSnapshotTestCase(case.LeftoversTestCase):
    """``volume-D.clone_snap`` of a volume."""

    FOUND = [(findings.CLONE_SNAPSHOT, f'{SOURCE}@{CLONE_SNAP}', True)]

    def test_without_clone_it_is_found_whatever_the_database_knows(self):
        source = image(SOURCE, snap(CLONE_SNAP))
        for of_clone in (None, known(volume(S)),
                         known(volume(S), volume(D, 'deleted',
                                                 is_deleted=True)),
                         known(volume(S), volume(D, backend='b@other'))):
            self.assertFound(self.FOUND, self.find(source, known=of_clone))

    def test_also_if_its_clone_was_flattened(self):
        self.assertFound(self.FOUND, self.find(
            image(SOURCE, snap(CLONE_SNAP)), image(CLONE),
            known=known(volume(S), volume(D))))

    def test_also_on_a_volume_that_clients_have_open(self):
        self.assertFound(self.FOUND, self.find(
            image(SOURCE, snap(CLONE_SNAP), watchers=2)))

    def test_with_a_clone_it_is_not(self):
        self.assertNothing(self.find(
            image(SOURCE, snap(CLONE_SNAP, CLONE)), image(CLONE)))

    def test_nor_with_one_in_another_pool_or_in_the_trash(self):
        for child in (contents.Child('vms', 'disk', '1'),
                      contents.Child('volumes', CLONE, '2', True)):
            self.assertNothing(self.find(image(
                SOURCE, snap(CLONE_SNAP, children=(child,)))))

    def test_clones_that_cannot_be_listed_may_be_there(self):
        self.assertStays('cannot be told', self.find(
            image(SOURCE, snap(CLONE_SNAP, children=None))))

    def test_one_of_just_now_may_be_about_to_be_cloned(self):
        source = image(SOURCE, snap(CLONE_SNAP, created=NOW - 3599))
        report = self.find(source)
        self.assertNothing(report)
        self.assertEqual(1, report.counted['young'])
        self.assertTrue(self.find(source, policy=dataclasses.replace(
            POLICY, grace_seconds=3598)).findings)

    def test_so_may_one_of_the_future(self):
        self.assertNothing(self.find(
            image(SOURCE, snap(CLONE_SNAP, created=NOW + 1e6))))

    def test_one_whose_clone_has_just_changed_is_worked_on(self):
        self.assertNothing(self.find(
            image(SOURCE, snap(CLONE_SNAP)),
            known=known(volume(S), volume(D, 'deleting', changed=NOW - 5))))

    def test_one_whose_clone_is_being_made_stays(self):
        source = image(SOURCE, snap(CLONE_SNAP))
        for backend in ('site@ceph', 'site@other'):
            self.assertStays('(creating)', self.find(source, known=known(
                volume(S), volume(D, 'creating', backend=backend))))

    def test_it_is_all_that_is_left_of_a_volume_that_was_lost(self):
        self.assertStays('has no image', self.find(
            image(SOURCE, snap(CLONE_SNAP)),
            known=known(volume(S), volume(D))))

    def test_who_does_not_know_his_backend_knows_no_other(self):
        self.assertStays('has no image', self.find(
            image(SOURCE, snap(CLONE_SNAP)), known=known(volume(S), volume(D)),
            policy=leftovers.Policy(NOW, 3600)))

    def test_a_clone_may_have_its_image_under_another_id(self):
        self.assertFound(self.FOUND, self.find(
            image(SOURCE, snap(CLONE_SNAP)), image(f'volume-{E}'),
            known=known(volume(S), volume(D, name_id=E))))

    def test_or_its_image_was_not_read_but_is_there(self):
        self.assertFound(self.FOUND, self.find(
            image(SOURCE, snap(CLONE_SNAP)), unread=frozenset([CLONE]),
            known=known(volume(S), volume(D))))

    def test_the_mirror_of_another_pool_is_not_ours_to_change(self):
        self.assertStays('mirrored', self.find(
            image(SOURCE, snap(CLONE_SNAP), is_secondary=True)))

    def test_other_names_are_not_cinders(self):
        report = self.find(image(
            SOURCE, snap('volume-1.clone_snap'), snap('a.clone_snap'),
            snap(f'{CLONE_SNAP}.old'), snap(f'x{CLONE_SNAP}'),
            snap('by-hand')))
        self.assertNothing(report)
        self.assertEqual(5, report.counted['foreign_snapshots'])

    def test_one_that_librbd_hides_is_gone_already(self):
        self.assertNothing(self.find(
            image(SOURCE, snap(CLONE_SNAP, is_hidden=True))))


class DeletedImageTestCase(case.LeftoversTestCase):
    """``volume-S.deleted``."""

    FOUND = [(findings.DELETED_IMAGE, DELETED, True)]

    def test_without_snapshots_it_is_found_whoever_has_the_pool(self):
        for of_source in (None, known(), known(volume(
                S, 'deleted', is_deleted=True))):
            self.assertFound(self.FOUND, self.find(
                image(DELETED), known=of_source))

    def test_it_goes_with_the_last_of_its_clone_snapshots(self):
        report = self.find(image(DELETED, snap(CLONE_SNAP)))
        self.assertFound(
            [(findings.CLONE_SNAPSHOT, f'{DELETED}@{CLONE_SNAP}', True),
             (findings.DELETED_IMAGE, DELETED, True)], report)
        self.assertEqual(8, report.reclaimable_bytes)

    def test_with_a_clone_it_is_in_use(self):
        self.assertNothing(self.find(
            image(DELETED, snap(CLONE_SNAP, CLONE)), image(CLONE)))

    def test_also_if_that_is_one_of_a_snapshot_that_is_hidden(self):
        self.assertNothing(self.find(
            image(DELETED, snap(CLONE_SNAP, CLONE, is_hidden=True))))

    def test_a_young_snapshot_keeps_it(self):
        self.assertNothing(self.find(
            image(DELETED, snap(CLONE_SNAP, created=NOW))))

    def test_a_volume_that_was_deleted_just_now_is_worked_on(self):
        self.assertNothing(self.find(image(DELETED), known=known(volume(
            S, 'deleted', is_deleted=True, changed=NOW - 1))))

    def test_any_other_snapshot_keeps_it(self):
        for name in ('by-hand', f'snapshot-{E}', f'backup.{E}.snap.1'):
            self.assertStays(f'it has snapshots: {name}', self.find(
                image(DELETED, snap(name))))

    def test_a_snapshot_of_unknown_clones_keeps_it(self):
        self.assertStays('it has snapshots', self.find(
            image(DELETED, snap(CLONE_SNAP, children=None))), 1)

    def test_a_client_that_has_it_open_keeps_it(self):
        self.assertStays('a client has it open',
                         self.find(image(DELETED, watchers=1)))

    def test_a_mirror_keeps_it(self):
        self.assertStays('mirrored',
                         self.find(image(DELETED, is_secondary=True)))

    def test_it_is_the_data_of_a_volume_that_cinder_has_still(self):
        self.assertStays('has no image', self.find(
            image(DELETED), known=known(volume(S))))

    def test_unless_that_has_been_written_anew(self):
        self.assertFound(self.FOUND, self.find(
            image(DELETED), image(SOURCE), known=known(volume(S))))

    def test_a_name_that_only_ends_so_is_not_cinders(self):
        report = self.find(image('volume-1.deleted'),
                           image(f'{DELETED}.deleted'))
        self.assertNothing(report)

    def test_a_chain_goes_from_its_end_whatever_their_names(self):
        names = [f'volume-{number}.deleted' for number in (D, S, E)]
        chain = []
        for number, name in enumerate(names):
            above = names[number - 1]
            own = f'{name.removesuffix(".deleted")}.clone_snap'
            below = names[number + 1:number + 2]
            chain.append(image(
                name, *(snap(f'{one.removesuffix(".deleted")}.clone_snap',
                             one) for one in below),
                parent=('volumes', above, own) if number else None))
        self.assertEqual(
            names[::-1], [found.image for found in self.find(*chain).findings
                          if found.kind == findings.DELETED_IMAGE])

    def test_a_chain_goes_from_its_end(self):
        third = f'volume-{E}'
        first = image(DELETED, snap(CLONE_SNAP, f'{CLONE}.deleted'))
        second = image(f'{CLONE}.deleted', snap(f'{third}.clone_snap'),
                       parent=('volumes', DELETED, CLONE_SNAP))
        self.assertFound(
            [(findings.CLONE_SNAPSHOT,
              f'{second.name}@{third}.clone_snap', True),
             (findings.DELETED_IMAGE, second.name, True),
             (findings.CLONE_SNAPSHOT, f'{DELETED}@{CLONE_SNAP}', True),
             (findings.DELETED_IMAGE, DELETED, True)],
            self.find(first, second))

    def test_a_chain_ends_where_something_stays(self):
        first = image(DELETED, snap(CLONE_SNAP, f'{CLONE}.deleted'))
        second = image(f'{CLONE}.deleted', watchers=1,
                       parent=('volumes', DELETED, CLONE_SNAP))
        self.assertFound([(findings.DELETED_IMAGE, second.name, False)],
                         self.find(first, second))


class OtherTestCase(case.LeftoversTestCase):

    def entry(self, **values):
        return contents.TrashEntry(**{
            'id': '7', 'name': SOURCE, 'source': 'USER',
            'deferment_end': LONG_AGO, 'size': 4, **values})

    def test_what_was_due_in_the_trash_long_ago_is_found(self):
        for source in leftovers.OWN_SOURCES:
            report = self.find(trash=(self.entry(source=source),))
            self.assertFound(
                [(findings.EXPIRED_TRASH, f'{SOURCE} (trash 7)', True)],
                report)
            self.assertEqual(4, report.reclaimable_bytes)

    def test_what_is_due_later_or_of_others_is_not(self):
        self.assertNothing(self.find(trash=(
            self.entry(deferment_end=NOW - 60),
            self.entry(deferment_end=NOW + 60),
            self.entry(source='MIGRATION'), self.entry(source='MIRRORING'))))

    def test_what_cinder_still_has_was_put_there_by_somebody(self):
        self.assertStays('as available', self.find(
            trash=(self.entry(),), known=known(volume(S))))

    def test_with_it_goes_what_it_was_a_clone_of(self):
        child = contents.Child('volumes', CLONE, '7', True)
        self.assertEqual(
            [findings.EXPIRED_TRASH, findings.CLONE_SNAPSHOT,
             findings.DELETED_IMAGE],
            [found.kind for found in self.find(
                image(DELETED, snap(CLONE_SNAP, children=(child,))),
                trash=(self.entry(name=CLONE),)).findings])

    def test_what_cannot_be_read_is_told_and_stays(self):
        self.assertFound([(findings.UNREADABLE_IMAGE, SOURCE, False)],
                         self.find(unreadable={SOURCE: 'no header'}))

    def test_a_marker_of_which_etcd_has_no_record_is_told(self):
        self.assertFound(
            [(findings.MARKER, 'a', False)],
            self.find(markers=(contents.Marker('a', 'x'),)))

    def test_what_there_is_is_counted(self):
        report = self.find(
            image(SOURCE, snap('by-hand'), snap(CLONE_SNAP, CLONE)),
            image(CLONE), trash=(self.entry(deferment_end=NOW),),
            foreign_images=3, foreign_trash=2)
        self.assertEqual(
            {'images': 2, 'snapshots': 2, 'trash': 1, 'young': 0,
             'foreign_images': 3, 'foreign_snapshots': 1,
             'foreign_trash': 2}, report.counted)

    def test_all_ids_are_asked_for(self):
        listing = contents.Listing('volumes', {
            DELETED: image(DELETED, snap(CLONE_SNAP),
                           snap(f'snapshot-{E}'), snap('by-hand'))},
            (self.entry(name=f'volume-{E}'),))
        self.assertEqual(({S, D, E}, {E}), leftovers.ids(listing, NAMES))
