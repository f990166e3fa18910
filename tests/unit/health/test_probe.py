# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

from dcn_plugins.health import probe
from dcn_plugins.health import verdict

ROOT = pathlib.Path(__file__).parents[3]
WAIT_SECONDS = 60
GOOD = verdict.Verdict(True)
BAD = verdict.Verdict(False, 'refuses us')

# A program that eventlet has patched: the question blocks its native thread,
# and a green thread has to go on meanwhile.
_GREEN = '''
import eventlet
eventlet.monkey_patch()
import time
from eventlet import patcher
from dcn_plugins.health import probe
from dcn_plugins.health import verdict

go_on = patcher.original('threading').Event()
ticks = []

def tick():
    while True:
        ticks.append(1)
        time.sleep(0.01)

eventlet.spawn(tick)

def make():
    def ask():
        go_on.wait()
        return verdict.Verdict(True)
    return ask

slow = probe.Probe('it', make, 0.3)
# Without a thread of its own it would wait for ever.
print(slow.verdict().is_good, len(ticks) > 3)
go_on.set()
while not slow.verdict().is_good:
    time.sleep(0.01)
print('back')
'''


class ProbeTest(unittest.TestCase):

    def setUp(self):
        self.now = 100.0
        self.asked = []
        self.made = 0
        self.answers = [GOOD]
        self.go_on = threading.Event()
        self.go_on.set()
        self.addCleanup(self.go_on.set)
        self.probe = probe.Probe('it', self.make, 2.0, lambda: self.now,
                                 self.sleep)

    def make(self):
        self.made += 1

        def ask():
            self.asked.append(threading.get_ident())
            self.go_on.wait(WAIT_SECONDS)
            answer = self.answers[0]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return ask

    def sleep(self, seconds):
        """Let time pass only where somebody waits for the question."""
        if not self.go_on.is_set():
            self.now += seconds
        time.sleep(0.001)

    def wait_until_over(self):
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.probe._attempt.is_over:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def test_is_asked_in_another_thread(self):
        self.assertEqual(GOOD, self.probe.verdict())
        self.assertNotEqual([threading.get_ident()], self.asked)
        self.assertEqual(1, len(self.asked))

    def test_an_answer_is_kept_for_a_second(self):
        self.probe.verdict()
        self.answers = [BAD]
        self.now += 0.89
        self.assertEqual(GOOD, self.probe.verdict())
        self.now += 0.02
        self.assertEqual(BAD, self.probe.verdict())
        self.wait_until_over()
        self.assertEqual(3, len(self.asked))

    def test_what_it_has_opened_is_kept(self):
        for _request in range(3):
            self.probe.verdict()
            self.now += 2
        self.assertEqual((1, 3), (self.made, len(self.asked)))

    def test_silence_has_a_deadline(self):
        self.go_on.clear()
        found = self.probe.verdict()
        self.assertFalse(found.is_good)
        self.assertIn('it does not answer', str(found))
        self.assertAlmostEqual(102.0, self.now, delta=0.1)

    def test_nobody_waits_a_second_time_for_what_hangs(self):
        self.go_on.clear()
        self.probe.verdict()
        before = self.now
        found = [self.probe.verdict() for _request in range(20)]
        self.assertEqual(before, self.now)
        self.assertEqual({False}, {one.is_good for one in found})
        self.assertEqual(1, len(self.asked))

    def test_is_asked_again_when_it_is_back(self):
        self.go_on.clear()
        self.probe.verdict()
        self.go_on.set()
        self.wait_until_over()
        self.assertEqual(GOOD, self.probe.verdict())

    def test_what_was_bad_just_now_is_said_at_once(self):
        self.answers = [BAD]
        self.probe.verdict()
        self.wait_until_over()
        self.go_on.clear()
        self.now += 2
        before = self.now
        self.assertEqual(BAD, self.probe.verdict())
        self.assertEqual(before, self.now)
        self.answers = [GOOD]
        self.go_on.set()
        self.wait_until_over()
        self.assertEqual(GOOD, self.probe.verdict())

    def test_what_was_bad_is_asked_once_more_at_once(self):
        begun = threading.Event()

        def make():
            def ask():
                self.asked.append(1)
                if len(self.asked) == 1:
                    return BAD
                begun.set()
                self.go_on.wait(WAIT_SECONDS)
                return GOOD

            return ask

        self.probe = probe.Probe('it', make, 2.0, lambda: self.now,
                                 self.sleep)
        self.go_on.clear()
        self.assertEqual(BAD, self.probe.verdict())
        self.assertTrue(begun.wait(WAIT_SECONDS))
        # Nobody waits for the second answer, and nobody is refused for the
        # first one when the second is there.
        self.assertEqual(BAD, self.probe.verdict())
        self.go_on.set()
        self.wait_until_over()
        self.assertEqual(GOOD, self.probe.verdict())
        self.assertEqual(2, len(self.asked))

    def test_what_stays_bad_is_not_asked_all_the_time(self):
        self.answers = [BAD]
        for _request in range(20):
            self.probe.verdict()
        self.wait_until_over()
        self.assertEqual(2, len(self.asked))

    def test_what_was_bad_long_ago_is_not(self):
        self.answers = [BAD]
        self.probe.verdict()
        self.wait_until_over()
        self.answers = [GOOD]
        self.now += 11
        self.assertEqual(GOOD, self.probe.verdict())

    def test_two_requests_share_an_answer(self):
        self.go_on.clear()
        attempts = {self.probe.begin() for _request in range(5)}
        self.assertEqual(1, len(attempts))
        self.go_on.set()
        self.wait_until_over()
        self.assertEqual(1, len(self.asked))

    def test_an_error_is_an_answer(self):
        self.answers = [SystemExit('gone')]
        found = self.probe.verdict()
        self.wait_until_over()
        self.assertEqual('it cannot be asked: SystemExit: gone', str(found))
        self.assertFalse(found.is_good)

    def test_what_could_not_be_made_is_made_again(self):
        made = [OSError('no'), lambda: GOOD]

        def make():
            found = made.pop(0)
            if isinstance(found, OSError):
                raise found
            return found

        there = probe.Probe('it', make, 2.0, lambda: self.now, self.sleep)
        deadline = time.monotonic() + WAIT_SECONDS
        while not there.verdict().is_good:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)
        self.assertEqual([], made)

    def test_a_fork_has_its_own(self):
        self.go_on.clear()
        self.probe.verdict()
        self.go_on.set()
        # The thread of the parent never ends in the child.
        self.probe._attempt.verdict = None
        with mock.patch.object(os, 'getpid', return_value=-1):
            self.assertEqual(GOOD, self.probe.verdict())
        self.assertEqual(2, self.made)


class GreenTest(unittest.TestCase):

    def test_other_requests_go_on_under_eventlet(self):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', _GREEN], cwd=ROOT,
            capture_output=True, text=True, timeout=120)
        self.assertEqual('False True\nback\n', done.stdout, done.stderr)
