# SPDX-License-Identifier: Apache-2.0
"""Which names are Cinder's."""

import testtools

from dcn_plugins.cinder import volume_names
from tests.unit.cinder import pool_contents_case as case

NAMES = case.NAMES
S, D, E = case.S, case.D, case.E
SOURCE, DELETED = case.SOURCE, case.DELETED
CLONE, CLONE_SNAP = case.CLONE, case.CLONE_SNAP


class NamesTestCase(testtools.TestCase):

    def test_only_a_whole_name_with_a_uuid_is_cinders(self):
        self.assertEqual(S, NAMES.volume(SOURCE))
        for name in ('volume-1', f'x{SOURCE}', f'{SOURCE} ', f'{SOURCE}\n',
                     SOURCE.replace('-', '_'), f'volume-{S.upper()[:-1]}A',
                     f'{SOURCE}.backup.base', DELETED, S, ''):
            self.assertIsNone(NAMES.volume(name), name)
        self.assertEqual(S, NAMES.deleted(DELETED))
        self.assertIsNone(NAMES.deleted(SOURCE))
        self.assertEqual((S, S, None), (
            NAMES.owner(SOURCE), NAMES.owner(DELETED), NAMES.owner('x')))
        self.assertEqual(D, NAMES.clone(CLONE_SNAP))
        self.assertIsNone(NAMES.clone(f'{CLONE}.deleted.clone_snap'))
        self.assertEqual(E, NAMES.snapshot(f'snapshot-{E}'))

    def test_a_template_is_taken_as_it_is(self):
        names = volume_names.VolumeNames('a.b(%s)+', 's%s')
        self.assertEqual(S, names.volume(f'a.b({S})+'))
        self.assertEqual(S, names.deleted(f'a.b({S})+.deleted'))
        self.assertIsNone(names.volume(f'axb({S})+'))
        self.assertEqual(f'a.b({S})+', names.image(S))
        self.assertTrue(names.is_telling)
        self.assertFalse(volume_names.VolumeNames('%s', 's%s').is_telling)
