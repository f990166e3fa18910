# SPDX-License-Identifier: Apache-2.0
"""Rates of what was counted, and what is demanded of them."""

import testtools

from tests.bench import throttle_bars as bars


class RateTest(testtools.TestCase):

    samples = ((0.0, 0), (1.0, 10), (2.0, 30), (4.0, 30))

    def test_between_samples(self):
        self.assertEqual(15.0, bars.rate(self.samples, 0.5, 1.0))

    def test_over_several(self):
        self.assertEqual(7.5, bars.rate(self.samples, 0.0, 4.0))

    def test_what_was_not_counted(self):
        self.assertRaises(ValueError, bars.rate, self.samples, 3.0, 2.0)


class BarsTest(testtools.TestCase):

    def are_met(self, measured, paused=0.0):
        return [bar.is_met for bar in bars.bars({
            'rates': {'one': {'set': 100.0, 'measured': measured}},
            'paused_share': paused})]

    def test_within(self):
        self.assertEqual([True, True], self.are_met(104.9, 0.04))
        self.assertEqual([True, True], self.are_met(95.1))

    def test_beyond(self):
        self.assertEqual([False, True], self.are_met(105.1))
        self.assertEqual([False, True], self.are_met(94.9))
        self.assertEqual([True, False], self.are_met(100.0, 0.06))
