# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.bench import driver_bars as bars
from tests.bench import driver_names as names


def figures(**ours):
    times = dict.fromkeys((*bars.OPERATIONS, 'mix'), 100.0)
    crowd = {'seconds': 10.0, 'failures': 0}
    alone = {names.TIDY: {name: 130.1 for name in times},
             names.TIDY_BARE: {name: 97.1 for name in times},
             names.OURS: {**times, **{
                 name: value for name, value in ours.items()
                 if name in times}}}
    return {'alone': {bars.QUICK: alone}, 'crowd': {bars.AS_IT_IS: {
        names.TIDY: {'seconds': 13.1}, names.TIDY_BARE: {'seconds': 9.71},
        names.OURS: {**crowd, **{
            name: value for name, value in ours.items() if name in crowd}}}}}


class DriverBarsTest(testtools.TestCase):

    def missed(self, **ours):
        return [bar.name for bar in bars.bars(figures(**ours))
                if not bar.is_met]

    def test_all_met(self):
        self.assertEqual([], self.missed())

    def test_each_operation_is_compared_with_both(self):
        for operation in (*bars.OPERATIONS, 'mix'):
            self.assertEqual(
                [f'{bars.ALONE}, {bars.QUICK}: {operation}, share of {peer}'
                 for peer in (names.TIDY, names.TIDY_BARE)],
                self.missed(**{operation: 101.0}))

    def test_one_bar_can_be_missed_alone(self):
        with_locks = figures()
        with_locks['alone'][bars.QUICK][names.TIDY]['clone'] = 129.0
        self.assertEqual(
            [f'{bars.ALONE}, {bars.QUICK}: clone, share of {names.TIDY}'],
            [bar.name for bar in bars.bars(with_locks) if not bar.is_met])

    def test_crowd(self):
        self.assertEqual(2, len(self.missed(seconds=10.1)))
        self.assertEqual(1, len(self.missed(failures=1)))

    def test_medians_and_their_sum(self):
        self.assertEqual(
            {names.OURS: {'create': 2000.0, 'clone': 500.0, 'mix': 2500.0}},
            bars.medians({names.OURS: {'create': [9, 2, 1],
                                       'clone': [0.5]}}))
