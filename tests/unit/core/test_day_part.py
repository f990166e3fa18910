# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import day_part

MINUTES = strategies.integers(0, 1439)


class DayPartTest(testtools.TestCase):

    def test_texts(self):
        self.assertEqual(day_part.DayPart(22 * 60, 6 * 60 + 1),
                         day_part.DayPart.from_text('22:00-06:01'))
        for text in ('', '22:00', '24:00-01:00', '1:00-02:00', '00:60-01:00',
                     '01:00-01:00', ' 01:00-02:00', '01:00-02:00\n',
                     '\u0661\u0662:00-13:00'):
            self.assertRaises(ValueError, day_part.DayPart.from_text, text)

    @hypothesis.given(MINUTES, MINUTES, MINUTES)
    def test_a_part_and_the_rest_are_the_day(self, begin, end, minute):
        hypothesis.assume(begin != end)
        self.assertNotEqual(day_part.DayPart(begin, end).covers(minute),
                            day_part.DayPart(end, begin).covers(minute))

    def test_ends(self):
        night = day_part.DayPart(22 * 60, 6 * 60)
        self.assertEqual([True, True, False, False, True], [
            night.covers(minute) for minute in (
                0, 359, 360, 22 * 60 - 1, 22 * 60)])
