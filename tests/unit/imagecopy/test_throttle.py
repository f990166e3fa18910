# SPDX-License-Identifier: Apache-2.0
"""Bytes a second."""

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.imagecopy import throttle

MIB = 1 << 20


def sent(limit, begin, end, wanted=4 * MIB):
    """Return what goes in a time if there is always more."""
    now, total = begin, 0
    while now < end:
        delay = limit.delay(now)
        if delay:
            now += delay
            continue
        part = min(wanted, limit.part_bytes or wanted)
        limit.spend(part)
        total += part
        now += 1e-5
    return total


class ThrottleTest(testtools.TestCase):

    @hypothesis.settings(deadline=None)
    @hypothesis.given(rate=strategies.integers(MIB, 500 * MIB))
    def test_a_rate_over_ten_seconds(self, rate):
        found = sent(throttle.Throttle(rate), 0, 10)
        self.assertTrue(0.95 < found / (10 * rate) < 1.05, found)

    def test_a_change_takes_effect_within_a_second(self):
        for before, after in ((100 * MIB, MIB), (MIB, 100 * MIB)):
            limit = throttle.Throttle(before)
            sent(limit, 0, 5)
            limit.set_rate(5, after)
            found = sent(limit, 6, 16)
            self.assertTrue(0.95 < found / (10 * after) < 1.05, found)

    def test_none_at_all(self):
        limit = throttle.Throttle(0)
        self.assertEqual(1.0, limit.delay(0))
        limit.set_rate(1, None)
        self.assertEqual(0.0, limit.delay(1))

    def test_any(self):
        limit = throttle.Throttle()
        limit.spend(1 << 40)
        self.assertEqual((0.0, None), (limit.delay(1), limit.part_bytes))

    def test_windows_of_a_day(self):
        day = throttle.TimeWindow(8 * 60, 18 * 60, 10)
        night = throttle.TimeWindow(22 * 60, 6 * 60, None)
        for minute, rate in ((8 * 60, 10), (18 * 60, 5), (23 * 60, None),
                             (0, None), (6 * 60, 5)):
            self.assertEqual(rate, throttle.rate_at(
                (day, night), minute, otherwise=5))
