# SPDX-License-Identifier: Apache-2.0
"""How far the clocks of others are ahead of ours."""

import testtools

from dcn_plugins.osc import clock


class ClockTest(testtools.TestCase):

    def test_an_answer_in_the_middle(self):
        told = clock.clock_of('Thu, 01 Jan 1970 00:02:00 GMT', 100.0, 101.0)
        self.assertEqual((20.0, 1.0), (told.ahead_seconds,
                                       told.doubt_seconds))

    def test_no_time(self):
        for text in (None, '', 'noon'):
            self.assertIsNone(clock.clock_of(text, 1.0, 2.0))

    def test_the_quicker_answer_counts(self):
        slow, quick = clock.Clock(3.0, 4.0), clock.Clock(1.0, 0.5)
        self.assertEqual(quick, clock.surer(slow, quick))
        self.assertEqual(slow, clock.surer(slow, None))
        self.assertIsNone(clock.surer(None, None))
