# SPDX-License-Identifier: Apache-2.0
import unittest

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
