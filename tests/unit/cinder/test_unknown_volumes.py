# SPDX-License-Identifier: Apache-2.0
"""What the database alone tells is not enough to remove anything."""

import dataclasses

from dcn_plugins.cinder import findings
from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_contents as contents
from dcn_plugins.cinder import volume_names
from tests.unit.cinder import pool_contents_case as case

image, snap, volume, known = (case.image, case.snap, case.volume,
                              case.known)
NOW, LONG_AGO, POLICY, NAMES = (case.NOW, case.LONG_AGO, case.POLICY,
                                case.NAMES)
S, D, E = case.S, case.D, case.E
SOURCE, CLONE, DELETED, CLONE_SNAP = (case.SOURCE, case.CLONE, case.DELETED,
                                      case.CLONE_SNAP)


class DatabaseTestCase(case.LeftoversTestCase):
    """What the database alone tells is not enough to remove anything."""

    def test_what_nobody_asked_for_is_not_found(self):
        self.assertNothing(self.find(
            image(SOURCE, snap(f'snapshot-{E}'))))

    def test_an_unknown_volume_is_told_and_stays(self):
        for nothing, evidence in (
                (known(), f'Cinder knows no volume {S}'),
                (known(volume(S, 'deleted', is_deleted=True)),
                 f'Cinder knows as deleted the volume {S}')):
            report = self.find(image(SOURCE), known=nothing)
            self.assertEqual(evidence, report.findings[0].evidence)
            self.assertFound(
                [(findings.UNKNOWN_VOLUME, SOURCE, False)], report)
            self.assertStays('unmanaged', report)

    def unknown(self, *images, policy=POLICY, names=NAMES):
        listing = contents.Listing(
            'volumes', {found.name: found for found in images})
        return leftovers.find(listing, names, known(), dataclasses.replace(
            policy, unknown_volumes=True))

    def test_it_goes_if_somebody_says_so(self):
        self.assertFound([(findings.UNKNOWN_VOLUME, SOURCE, True)],
                         self.unknown(image(SOURCE)))

    def test_but_not_with_snapshots_clones_or_clients(self):
        for found in (image(SOURCE, snap('by-hand')),
                      image(SOURCE, snap('by-hand', 'other')),
                      image(SOURCE, watchers=1),
                      image(SOURCE, is_secondary=True)):
            self.assertFound([(findings.UNKNOWN_VOLUME, SOURCE, False)],
                             self.unknown(found))

    def test_nor_while_it_may_be_written(self):
        self.assertNothing(self.unknown(image(SOURCE, changed=NOW - 1)))

    def test_nor_if_all_uuids_are_volumes(self):
        names = volume_names.VolumeNames('%s', 'snapshot-%s')
        report = self.unknown(image(S), names=names)
        self.assertStays('nothing but a UUID', report)

    def test_unknown_clones_go_before_what_they_are_clones_of(self):
        self.assertFound(
            [(findings.UNKNOWN_VOLUME, CLONE, True),
             (findings.CLONE_SNAPSHOT, f'{SOURCE}@{CLONE_SNAP}', True),
             (findings.UNKNOWN_VOLUME, SOURCE, True)],
            self.unknown(image(SOURCE, snap(CLONE_SNAP, CLONE)),
                         image(CLONE, parent=('volumes', SOURCE,
                                              CLONE_SNAP))))

    def test_a_volume_that_was_migrated_has_the_image_of_another_id(self):
        self.assertNothing(self.find(image(CLONE), known=contents.Known(
            {D: volume(S, name_id=D), S: volume(S, name_id=D)})))

    def test_a_volume_that_is_elsewhere_is_told_and_stays(self):
        for record, policy in (
                (volume(S, backend='site@other'), POLICY),
                (volume(S, backend=''), POLICY),
                (volume(S, name_id=D), POLICY)):
            report = self.find(image(SOURCE), known=known(record),
                               policy=dataclasses.replace(
                                   policy, unknown_volumes=True))
            self.assertFound([(findings.STRAY_VOLUME, SOURCE, False)],
                             report)

    def test_another_backend_in_the_same_pool_is_not_elsewhere(self):
        self.assertNothing(self.find(
            image(SOURCE), known=known(volume(S, backend='site@other')),
            policy=dataclasses.replace(POLICY, is_exclusive=False)))

    def test_a_volume_on_its_way_is_not_elsewhere(self):
        self.assertNothing(self.find(image(SOURCE), known=known(
            volume(S, backend='site@other', is_migrating=True))))

    def test_volumes_that_cinder_has_are_not_found(self):
        for status in ('available', 'in-use', 'error', 'deleting'):
            self.assertNothing(self.find(
                image(SOURCE), known=known(volume(S, status))))

    def snapshots(self, *found, policy=POLICY, **records):
        return self.find(image(SOURCE, *found), policy=policy, known=known(
            volume(S), **records))

    def test_an_unknown_snapshot_is_told_and_stays(self):
        name = f'snapshot-{E}'
        report = self.snapshots(snap(name, is_protected=False))
        self.assertFound(
            [(findings.UNKNOWN_SNAPSHOT, f'{SOURCE}@{name}', False)],
            report)
        self.assertIn('not protected', report.findings[0].evidence)

    def test_it_goes_if_somebody_says_so_and_it_has_no_clone(self):
        name = f'snapshot-{E}'
        policy = dataclasses.replace(POLICY, unknown_snapshots=True)
        self.assertTrue(self.snapshots(
            snap(name), policy=policy).findings[0].is_reclaimable)
        self.assertStays('it has clones', self.snapshots(
            snap(name, CLONE), policy=policy))
        self.assertStays('cannot be told', self.snapshots(
            snap(name, children=None), policy=policy))
        self.assertNothing(self.snapshots(
            snap(name, created=NOW), policy=policy))

    def test_snapshots_that_cinder_has_are_not_found(self):
        self.assertNothing(self.snapshots(
            snap(f'snapshot-{E}'), snap(f'backup.{E}.snap.12.3'),
            **{E: contents.SnapshotRecord(E, 'available', LONG_AGO)}))

    def test_a_deletion_that_has_just_ended_may_still_be_on_its_way(self):
        self.assertNothing(self.snapshots(
            snap(f'snapshot-{E}'), **{E: contents.SnapshotRecord(
                E, 'deleted', NOW - 1, True)}))
        self.assertNothing(self.find(image(SOURCE), known=known(
            volume(S, 'deleted', is_deleted=True, changed=NOW - 1))))
