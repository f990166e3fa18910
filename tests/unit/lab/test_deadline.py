# SPDX-License-Identifier: Apache-2.0
import unittest
from unittest import mock

from tests.lab import deadline


class WaitTest(unittest.TestCase):

    def test_the_result_is_returned(self):
        answers = iter([None, 0, 'ready'])
        self.assertEqual('ready', deadline.wait(
            'it', lambda: next(answers), 5, interval=0))

    def test_the_end_says_what_was_waited_for_and_the_last_error(self):
        def condition():
            raise ConnectionError('refused')

        with self.assertRaises(deadline.LabTimeout) as caught:
            deadline.wait('a port', condition, 0, retry_on=(OSError,))
        self.assertIn('a port', str(caught.exception))
        self.assertIn('refused', str(caught.exception))

    def pauses(self, seconds, **kwargs):
        """Return how long is slept each time, by a clock of its own."""
        now, slept = [0.0], []

        def sleep(pause):
            slept.append(pause)
            now[0] += pause

        clock = mock.Mock(monotonic=lambda: now[0], sleep=sleep)
        with mock.patch.object(deadline, 'time', clock):
            deadline.wait('it', lambda: now[0] >= seconds, seconds + 9,
                          **kwargs)
        return slept

    def test_what_takes_long_is_looked_at_less_often(self):
        pauses = self.pauses(60)
        self.assertEqual(sorted(pauses), pauses)
        self.assertEqual((0.2, 1.0), (pauses[0], pauses[-1]))
        self.assertLess(len(pauses), 100)
        self.assertEqual({3}, set(self.pauses(60, interval=3)))
        self.assertEqual({0.2}, set(self.pauses(60, is_exact=True)))

    def test_an_error_that_is_not_passing_ends_the_wait(self):
        def condition():
            raise KeyError('gone')

        with self.assertRaises(KeyError):
            deadline.wait('it', condition, 60, retry_on=(OSError,))

    def test_a_verdict_of_the_lab_ends_the_wait(self):
        def condition():
            raise deadline.LabError('it died')

        with self.assertRaisesRegex(deadline.LabError, 'it died'):
            deadline.wait('it', condition, 60, retry_on=(Exception,))
