# SPDX-License-Identifier: Apache-2.0
"""What is demanded of copies of images."""

import testtools

from tests.bench import image_bars

GOOD = {'seconds': {'sparse': {'ours': {1: 5.0, 2: 5.0},
                               'stock': {1: 60.0, 2: 100.0}}}}


class BarsTest(testtools.TestCase):

    def test_what_is_just_fast_enough(self):
        self.assertEqual([True, True], [
            bar.is_met for bar in image_bars.bars(GOOD)])

    def test_what_is_not(self):
        for flavour, targets, seconds in (
                ('ours', 1, 5.1), ('ours', 2, 5.1), ('stock', 1, 59.0),
                ('stock', 2, 99.0)):
            found = {name: dict(values) for name, values
                     in GOOD['seconds']['sparse'].items()}
            found[flavour][targets] = seconds
            bars = image_bars.bars({'seconds': {'sparse': found}})
            self.assertEqual(1, sum(not bar.is_met for bar in bars))

    def test_a_figure_that_is_missing(self):
        self.assertRaises(KeyError, image_bars.bars,
                          {'seconds': {'dense': {'ours': {1: 1.0}}}})
