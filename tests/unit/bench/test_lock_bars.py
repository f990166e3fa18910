# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.bench import lock_bars


def figures(**changes):
    return {'clusters': {'1 member': {
        'pair_milliseconds': {lock_bars.RAW: 1.0, lock_bars.STOCK: 2.0,
                              lock_bars.OURS: 1.1},
        'drain': {lock_bars.OURS: {'seconds': 4.1, 'out_of_order': 0}},
        'contention': {lock_bars.OURS: {
            'per_second': 19.0, 'longest_seconds': 2.0, 'spread': 1}},
        'hand_over_milliseconds': {lock_bars.OURS: {'p99': 2.0}},
        'leases': {lock_bars.OURS: 0}, **changes}}}


class LockBarsTest(testtools.TestCase):

    def missed(self, **changes):
        return [bar.name for bar in lock_bars.bars(figures(**changes))
                if not bar.is_met]

    def test_all_met(self):
        self.assertEqual([], self.missed())

    def test_each_can_be_missed(self):
        ours = lock_bars.OURS
        for changes, count in (
                ({'pair_milliseconds': {lock_bars.RAW: 1.0, ours: 1.21,
                                        lock_bars.STOCK: 2.1}}, 1),
                ({'pair_milliseconds': {lock_bars.RAW: 1.0, ours: 1.1,
                                        lock_bars.STOCK: 1.8}}, 1),
                ({'drain': {ours: {'seconds': 4.4, 'out_of_order': 1}}}, 2),
                ({'contention': {ours: {'per_second': 17.9, 'spread': 3,
                                        'longest_seconds': 2.3}}}, 3),
                ({'hand_over_milliseconds': {ours: {'p99': 2.6}}}, 1),
                ({'leases': {ours: 1}}, 1)):
            self.assertEqual(count, len(self.missed(**changes)), changes)
