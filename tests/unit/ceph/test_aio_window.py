# SPDX-License-Identifier: Apache-2.0
"""Calls that come back late, out of order, with an error, or never."""

import collections
import errno
import threading
import time

import testtools

from dcn_plugins.ceph import aio_window
from dcn_plugins import exceptions

MOST = aio_window.MOST_BYTES
WAIT_SECONDS = 30


class Completion:
    """Of librbd."""

    def __init__(self, code=0):
        self._code = code

    def get_return_value(self):
        return self._code


class Lost(Exception):
    pass


class WindowTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.patch(aio_window, 'CHECK_SECONDS', 0.05)
        self.checks = 0
        self.window = self.make(WAIT_SECONDS)

    def make(self, stall_seconds):
        return aio_window.Window('testing', self.check, stall_seconds)

    def check(self):
        self.checks += 1

    def later(self, function, *args):
        thread = threading.Timer(0.2, function, args)
        thread.start()
        self.addCleanup(thread.join, WAIT_SECONDS)

    def test_so_much_and_no_more(self):
        ends = [self.window.admit(MOST // 4) for _number in range(4)]
        self.later(ends[2], Completion())
        before = self.checks
        self.window.admit(1)
        # It had to wait for the third.
        self.assertGreater(self.checks, before)
        for end in (ends[0], ends[1], ends[3]):
            end(Completion())

    def test_what_is_never_exceeded(self):
        under_way = collections.deque()
        most = 0

        def return_some():
            while not is_over.wait(0.001):
                if under_way:
                    size, end = under_way.popleft()
                    end(Completion())

        is_over = threading.Event()
        thread = threading.Thread(target=return_some)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(is_over.set)
        for _number in range(50):
            end = self.window.admit(MOST // 3)
            under_way.append((MOST // 3, end))
            most = max(most, sum(size for size, _end in list(under_way)))
        self.window.drain()
        self.assertLessEqual(most, MOST)
        self.assertGreater(most, MOST // 2)

    def test_many_small_ones(self):
        for _number in range(aio_window.MOST_CALLS):
            self.window.admit(1)
        self.assertRaises(exceptions.ClusterUnreachable,
                          self.stalled(self.window).admit, 1)

    def test_one_that_is_too_large_goes_alone(self):
        end = self.window.admit(3 * MOST)
        self.later(end, Completion())
        self.window.admit(3 * MOST)(Completion())
        self.window.drain()

    def test_drain(self):
        self.window.drain()
        ends = [self.window.admit(1) for _number in range(3)]
        for end in ends[1:]:
            end(Completion())
        # On a machine with much to do it may have ended before we wait.
        self.later(ends[0], Completion())
        self.window.drain()
        self.window.admit(3 * MOST)(Completion())

    def test_what_they_bring(self):
        ends = [self.window.admit(1) for _number in range(2)]
        ends[1](Completion(5), 'second')
        ends[0](Completion(5), 'first')
        self.window.drain()
        self.assertEqual(['second', 'first'], self.window.taken())
        self.assertEqual([], self.window.taken())

    def test_the_first_error_is_told_to_whoever_comes_next(self):
        for call in (lambda: self.window.admit(1),
                     lambda: self.window.drain()):
            self.window = self.make(WAIT_SECONDS)
            ends = [self.window.admit(MOST // 4) for _number in range(4)]
            ends[1](Completion(-errno.ESHUTDOWN), None)
            ends[0](Completion(-errno.EIO), None)
            error = self.assertRaises(exceptions.Fenced, call)
            self.assertIn('testing', str(error))
            # A failure brings nothing.
            self.assertEqual([], self.window.taken())

    def test_an_error_ends_the_wait(self):
        ends = [self.window.admit(MOST // 4) for _number in range(4)]
        self.later(ends[1], Completion(-errno.ENOSPC))
        error = self.assertRaises(exceptions.CephRefused, self.window.admit,
                                  MOST)
        self.assertEqual(errno.ENOSPC, error.errno)

    def test_a_wait_ends_when_something_comes_back(self):
        self.patch(aio_window, 'CHECK_SECONDS', WAIT_SECONDS)
        for code in (0, -errno.ENOSPC):
            ends = [self.window.admit(MOST // 2) for _number in range(2)]
            self.later(ends[0], Completion(code))
            if not code:
                self.later(ends[1], Completion())
            started = time.monotonic()
            try:
                self.window.drain()
            except exceptions.CephRefused:
                self.assertLess(code, 0)
            self.assertLess(time.monotonic() - started, WAIT_SECONDS / 2)

    def test_a_check_that_raises_ends_the_wait(self):
        self.window.admit(1)

        def lost():
            raise Lost

        self.window._check = lost
        self.assertRaises(Lost, self.window.drain)

    def stalled(self, window):
        window._stall_seconds = 0.3
        return window

    def test_nothing_comes_back(self):
        window = self.make(0.3)
        window.admit(MOST)
        for call in (lambda: window.admit(1), window.drain):
            error = self.assertRaises(exceptions.ClusterUnreachable, call)
            self.assertIn('0.3 s', str(error))

    def test_slow_is_not_stalled(self):
        window = self.make(0.5)
        ends = [window.admit(1) for _number in range(8)]

        def come_back():
            if ends:
                ends.pop()(Completion())
                self.later(come_back)

        come_back()
        # Each in less than half a second, all of them in more.
        window.drain()
        self.assertEqual([], ends)
