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
        # The question is answered, and the thread asks again, when they are
        # set.
        self.go_on, self.again = threading.Event(), threading.Event()
        self.go_on.set()
        self.rests = []
        self.addCleanup(self.end)
        self.probe = self.probe_of(self.make)

    def probe_of(self, make):
        return probe.Probe('it', make, 2.0, lambda: self.now, self.sleep,
                           self.rest)

    def end(self):
        self.now += 1000
        self.go_on.set()
        self.again.set()

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

    def rest(self, seconds):
        self.rests.append(seconds)
        self.again.wait(WAIT_SECONDS)
        self.again.clear()

    def sleep(self, seconds):
        """Let time pass only where somebody waits for the question."""
        if not self.go_on.is_set():
            self.now += seconds
        time.sleep(0.001)

    def wait(self, is_true):
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_true():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def ask_again(self):
        """Have the thread ask once more, and wait until it has."""
        before = len(self.rests)
        self.again.set()
        self.wait(lambda: len(self.rests) > before)

    def test_is_asked_in_another_thread(self):
        self.assertEqual(GOOD, self.probe.verdict())
        self.assertNotEqual([threading.get_ident()], self.asked)
        self.assertEqual(1, len(self.asked))

    def test_an_answer_is_kept_for_a_second(self):
        for _request in range(20):
            self.assertEqual(GOOD, self.probe.verdict())
        self.now += 1.19
        self.assertEqual(GOOD, self.probe.verdict())
        self.assertEqual(1, len(self.asked))

    def test_an_older_one_is_waited_for(self):
        self.probe.verdict()
        self.wait(lambda: self.rests)
        self.answers = [BAD]
        self.now += 1.2
        self.again.set()
        self.assertEqual(BAD, self.probe.verdict())

    def test_the_next_question_comes_before_it_is_too_old(self):
        self.probe.verdict()
        self.answers = [BAD]
        self.wait(lambda: self.rests)
        self.ask_again()
        self.assertEqual([0.9, 0.1], self.rests)

    def test_nobody_waits_for_what_is_asked_without_need(self):
        self.probe.verdict()
        self.wait(lambda: self.rests)
        self.now += 1.0
        self.answers = [BAD]
        self.ask_again()
        # Nobody has asked in between.
        before = self.now
        self.assertEqual(BAD, self.probe.verdict())
        self.assertEqual(before, self.now)

    def test_what_it_has_opened_is_kept(self):
        self.probe.verdict()
        self.wait(lambda: self.rests)
        for _time in range(3):
            self.ask_again()
        self.assertEqual((1, 4), (self.made, len(self.asked)))

    def test_silence_has_a_deadline(self):
        self.go_on.clear()
        found = self.probe.verdict()
        self.assertFalse(found.is_good)
        self.assertIn('it does not answer', str(found))
        self.assertAlmostEqual(102.0, self.now, delta=0.1)

    def test_what_was_good_is_told_no_longer_than_that(self):
        self.probe.verdict()
        self.wait(lambda: self.rests)
        self.go_on.clear()
        self.again.set()
        self.wait(lambda: len(self.asked) == 2)
        self.assertEqual(GOOD, self.probe.verdict())
        self.now += 1.2
        self.assertIn('it does not answer', str(self.probe.verdict()))
        self.assertAlmostEqual(102.0, self.now, delta=0.1)

    def test_nobody_waits_a_second_time_for_what_hangs(self):
        self.go_on.clear()
        self.probe.verdict()
        before = self.now
        found = [self.probe.verdict() for _request in range(20)]
        self.assertLess(self.now, before + 20 * 0.12)
        self.assertEqual({False}, {one.is_good for one in found})
        self.assertEqual(1, len(self.asked))

    def test_an_answer_that_nobody_has_seen_yet(self):
        self.go_on.clear()
        self.probe.begin()
        self.wait(lambda: self.asked)
        # The whole process was stopped, or its threads were.
        self.now += 30
        self.probe._sleep = lambda _seconds: (self.go_on.set(),
                                              time.sleep(0.001))
        self.assertEqual(GOOD, self.probe.verdict())

    def test_a_thread_that_comes_late_has_its_time(self):
        self.probe.verdict()
        self.wait(lambda: self.rests)
        # It should have asked again long ago.
        self.now += 30
        threading.Timer(0.05, self.again.set).start()
        self.assertEqual(GOOD, self.probe.verdict())

    def test_is_told_when_it_is_back(self):
        self.go_on.clear()
        self.probe.verdict()
        self.go_on.set()
        self.wait(lambda: self.rests)
        self.assertEqual(GOOD, self.probe.verdict())

    def test_what_is_bad_is_said_at_once(self):
        self.answers = [BAD]
        self.probe.verdict()
        self.wait(lambda: self.rests)
        self.go_on.clear()
        self.again.set()
        self.wait(lambda: len(self.asked) == 2)
        self.now += 5
        before = self.now
        self.assertEqual(BAD, self.probe.verdict())
        self.assertEqual(before, self.now)
        self.answers = [GOOD]
        self.go_on.set()
        self.wait(lambda: len(self.rests) == 2)
        self.assertEqual(GOOD, self.probe.verdict())

    def test_what_was_bad_long_ago_is_waited_for(self):
        self.answers = [BAD]
        self.probe.verdict()
        self.wait(lambda: self.rests)
        self.now += 10
        self.answers = [GOOD]
        # The thread runs only while somebody waits.
        self.probe._sleep = lambda _seconds: (self.again.set(),
                                              time.sleep(0.001))
        self.assertEqual(GOOD, self.probe.verdict())

    def test_is_not_asked_for_ever(self):
        asker = self.probe.begin()
        self.wait(lambda: self.rests)
        self.now += 61
        self.again.set()
        self.wait(lambda: asker.is_over)
        self.assertEqual(1, len(self.asked))
        # Until somebody wants to know again, with what is open already.
        self.answers = [BAD]
        self.assertEqual(BAD, self.probe.verdict())
        self.assertEqual(1, self.made)

    def test_is_asked_as_long_as_somebody_wants_to_know(self):
        asker = self.probe.begin()
        self.wait(lambda: self.rests)
        for _minute in range(5):
            self.now += 59
            self.probe.begin()
            self.ask_again()
        self.assertFalse(asker.is_over)
        self.assertEqual(6, len(self.asked))

    def test_requests_share_a_thread(self):
        self.go_on.clear()
        askers = {self.probe.begin() for _request in range(5)}
        self.assertEqual(1, len(askers))
        self.go_on.set()
        self.wait(lambda: self.rests)
        self.assertEqual(1, len(self.asked))

    def test_an_error_is_an_answer(self):
        self.answers = [SystemExit('gone')]
        found = self.probe.verdict()
        self.assertEqual('it cannot be asked: SystemExit: gone', str(found))
        self.assertFalse(found.is_good)

    def test_what_could_not_be_made_is_made_again(self):
        made = [OSError('no'), lambda: GOOD]

        def make():
            found = made.pop(0)
            if isinstance(found, OSError):
                raise found
            return found

        there = self.probe_of(make)
        self.assertFalse(there.verdict().is_good)
        self.wait(lambda: self.rests)
        self.ask_again()
        self.assertTrue(there.verdict().is_good)

    def test_a_fork_has_its_own(self):
        self.go_on.clear()
        self.probe.verdict()
        self.go_on.set()
        # The thread of the parent never ends in the child.
        with mock.patch.object(os, 'getpid', return_value=-1):
            self.assertEqual(GOOD, self.probe.verdict())
        self.assertEqual(2, self.made)


class GreenTest(unittest.TestCase):

    def test_other_requests_go_on_under_eventlet(self):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', _GREEN], cwd=ROOT,
            capture_output=True, text=True, timeout=120)
        self.assertEqual('False True\nback\n', done.stdout, done.stderr)
