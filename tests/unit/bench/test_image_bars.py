# SPDX-License-Identifier: Apache-2.0
"""What is demanded of copies of images."""

import testtools

from tests.bench import image_bars

GOOD = {'seconds': {'sparse': {
    image_bars.FIRST: {1: 5.0}, image_bars.LATER: {1: 5.0, 2: 5.0},
    image_bars.STOCK: {1: 60.0, 2: 100.0}}}}


class BarsTest(testtools.TestCase):

    def missed(self, case, targets, seconds):
        found = {name: dict(values) for name, values
                 in GOOD['seconds']['sparse'].items()}
        found[case][targets] = seconds
        return sum(not bar.is_met for bar in image_bars.bars(
            {'seconds': {'sparse': found}}))

    def test_what_is_just_fast_enough(self):
        self.assertEqual([True] * 3, [
            bar.is_met for bar in image_bars.bars(GOOD)])

    def test_what_is_not(self):
        for case, targets in ((image_bars.FIRST, 1), (image_bars.LATER, 1),
                              (image_bars.LATER, 2)):
            self.assertEqual(1, self.missed(case, targets, 5.1))
        self.assertEqual(2, self.missed(image_bars.STOCK, 1, 59.0))
        self.assertEqual(1, self.missed(image_bars.STOCK, 2, 99.0))

    def test_a_figure_that_is_missing(self):
        self.assertRaises(KeyError, image_bars.bars,
                          {'seconds': {'dense': {image_bars.FIRST: {1: 1}}}})
