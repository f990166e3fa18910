# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.bench import stopwatch


class Clock:
    """Time that passes only when somebody says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        self.now += seconds
        return seconds


class InterleavedTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.clock = Clock()
        self.calls = []

    def case(self, name, **more):
        return stopwatch.Case(lambda: self.calls.append(name), **more)

    def test_only_the_run_is_timed(self):
        found = stopwatch.interleaved({'one': stopwatch.Case(
            self.clock.work, prepare=lambda: (self.clock.work(2.0),),
            check=lambda found: self.clock.work(100.0))}, 3, self.clock)
        self.assertEqual({'one': [2.0, 2.0, 2.0]}, found)

    def test_each_round_begins_with_another_case(self):
        stopwatch.interleaved(
            {name: self.case(name) for name in 'abc'}, 5, self.clock)
        self.assertEqual('abc bca cab abc bca'.replace(' ', ''),
                         ''.join(self.calls))

    def test_each_case_has_its_own_times(self):
        found = stopwatch.interleaved({
            'slow': stopwatch.Case(lambda: self.clock.work(3.0)),
            'fast': stopwatch.Case(lambda: self.clock.work(1.0))}, 2,
            self.clock)
        self.assertEqual({'slow': [3.0, 3.0], 'fast': [1.0, 1.0]}, found)

    def test_wrong_answer_is_no_result(self):
        def check(found):
            raise ValueError(f'{found} is wrong')

        exc = self.assertRaises(
            ValueError, stopwatch.interleaved,
            {'one': stopwatch.Case(lambda: 7, check=check)}, 1, self.clock)
        self.assertEqual('7 is wrong', str(exc))
