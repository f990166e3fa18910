# SPDX-License-Identifier: Apache-2.0
"""Readers that hang, fail, and are many."""

import threading
import time

import testtools

from dcn_plugins import exceptions
from dcn_plugins.osc import reading


class ReadingTest(testtools.TestCase):

    def test_one_that_hangs_holds_up_nobody(self):
        end = threading.Event()
        self.addCleanup(end.set)
        started = time.monotonic()
        told = reading.read_all({'well': lambda seconds: seconds,
                                 'hangs': lambda seconds: end.wait(30)}, 0.2,
                                lambda: 7.0)
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual((0.2, 7.0), (told['well'].value, told['well'].at))
        self.assertEqual('it does not answer within 0.2 s',
                         told['hangs'].problem)

    def test_all_run_at_the_same_time(self):
        together = threading.Barrier(100, timeout=20)
        told = reading.read_all(
            {number: lambda seconds: together.wait() >= 0
             for number in range(100)}, 30)
        self.assertEqual({True}, {fact.value for fact in told.values()})

    def test_errors_of_ours_are_facts(self):
        def fail(seconds):
            raise exceptions.ServiceError('Nova', 'it is away', 'Wait')

        told = reading.read_all({'nova': fail}, 1)['nova']
        self.assertEqual('Nova: it is away. Wait', told.problem)
        self.assertFalse(told.is_known)

    def test_faults_are_not_hidden(self):
        self.assertRaises(ZeroDivisionError, reading.read_all,
                          {'broken': lambda seconds: 1 / 0}, 1)
