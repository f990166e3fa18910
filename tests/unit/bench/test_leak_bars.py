# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.bench import driver_names as names
from tests.bench import leak_bars as bars
from tests.bench import leak_family as family


def result(left=None, **changes):
    return {'left': {**dict.fromkeys(bars.LEFT, 0), **(left or {})},
            'outcomes': {family.DONE: 10}, 'codes': [0, 0], 'stranded': 0,
            'seconds': 1.0, **changes}


class LeakBarsTest(testtools.TestCase):

    def missed(self, *results):
        return [bar.name for bar in bars.bars(
            {'operations': 10, 'flavours': {names.OURS: list(results)}})
            if not bar.is_met]

    def test_all_met(self):
        self.assertEqual([], self.missed(result(), result()))

    def test_whatever_one_seed_leaves(self):
        for kind in ('images', 'snapshots', 'trash', 'objects', 'markers',
                     'keys', 'leases'):
            self.assertEqual(
                [f'{kind} left'], self.missed(result(), result({kind: 1})))

    def test_deaths_and_failures(self):
        for changes in ({'codes': [0, -11]}, {'codes': [None, 0]},
                        {'stranded': 1},
                        {'outcomes': {family.DONE: 10, family.FAILED: 1}},
                        {'outcomes': {family.DONE: 10, family.BUSY: 1}}):
            self.assertEqual(1, len(self.missed(result(), result(**changes))))

    def test_too_few_operations_show_nothing(self):
        self.assertEqual(1, len(self.missed(
            result(), result(outcomes={family.DONE: 9}))))

    def test_without_any_seed_nothing_was_shown(self):
        self.assertRaises(ValueError, self.missed)
