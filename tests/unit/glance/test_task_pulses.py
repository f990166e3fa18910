# SPDX-License-Identifier: Apache-2.0

import unittest

import hypothesis
from hypothesis import strategies

from dcn_plugins.glance import task_pulses

SILENT = 45.0


class TaskPulsesTest(unittest.TestCase):

    def setUp(self):
        self.pulses = task_pulses.TaskPulses(SILENT)

    def test_one_that_says_nothing(self):
        self.assertEqual([], self.pulses.silent({'a': 1}, 0.0))
        self.assertEqual([], self.pulses.silent({'a': 1}, 44.0))
        self.assertEqual(['a'], self.pulses.silent({'a': 1}, 45.0))
        # Until it is cleared up.
        self.assertEqual(['a'], self.pulses.silent({'a': 1}, 46.0))

    def test_one_whose_clock_goes_back(self):
        self.pulses.silent({'a': 9}, 0.0)
        self.assertEqual([], self.pulses.silent({'a': 3}, 100.0))
        self.assertEqual(['a'], self.pulses.silent({'a': 3}, 145.0))

    def test_one_that_was_not_there_for_a_while(self):
        self.pulses.silent({'a': 1}, 0.0)
        self.pulses.silent({}, 50.0)
        self.assertEqual([], self.pulses.silent({'a': 1}, 100.0))

    def test_one_that_is_of_no_interest_until_it_writes(self):
        self.pulses.silent({'a': 1}, 0.0)
        self.pulses.silent({'a': 1}, 50.0)
        self.pulses.dismiss('a')
        self.assertEqual([], self.pulses.silent({'a': 1}, 500.0))
        self.assertEqual([], self.pulses.silent({'a': 2}, 501.0))
        self.assertEqual(['a'], self.pulses.silent({'a': 2}, 546.0))

    @hypothesis.given(strategies.lists(strategies.floats(0.1, 44.0),
                                       min_size=1, max_size=50))
    def test_who_beats_is_never_named(self, pauses):
        pulses = task_pulses.TaskPulses(SILENT)
        now = 0.0
        for number, pause in enumerate(pauses):
            # Whatever he writes, as long as it is something else.
            self.assertEqual([], pulses.silent({'a': number % 2}, now))
            now += pause
