# SPDX-License-Identifier: Apache-2.0
"""Ask something that may not answer, and answer in time nevertheless.

The question is asked by a thread of the operating system, also under
eventlet: a call into librados would stop all requests, and a socket that is
waited for would not know of the hub. Whoever has a request looks whether
there is an answer, until the deadline. There is one thread at a time; one
that does not come back is waited for by nobody, and no second one is begun.

What was bad is asked once more at once, by the same thread, so that a load
balancer which wants to hear it twice is told something newer the second time:
a cluster that elects a leader is well again by then.
"""

import os
import threading
import time

from dcn_plugins.health import verdict
from dcn_plugins import native

#: How old an answer may be. A load balancer with several processes, or
#: several load balancers, ask more often. Less than a second: one that asks
#: once a second is to hear something new each time.
KEEP_SECONDS = 0.9
# An eventlet hub knows no event of native threads, so it is looked at.
LOOK_SECONDS = 0.01
# What was bad is said at once while it is asked again, if it is not older
# than this: a load balancer that has to hear it twice shall not wait twice.
BAD_SECONDS = 10.0


class Probe:
    """One question, with its last answer; thread-safe.

    :param what: is asked, for people.
    :param make: called in the thread, once in a process; returns the
        question, which is called in the thread and returns a
        :class:`~verdict.Verdict`. What it opens belongs to one process.
    :param deadline_seconds: after which there is no answer.
    """

    def __init__(self, what, make, deadline_seconds, clock=time.monotonic,
                 sleep=time.sleep):
        self._what = what
        self._make = make
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._attempt = None
        self._question = None
        self._pid = None

    def begin(self):
        """Have it asked, unless it is, or the last answer is new enough."""
        with self._lock:
            # Neither a thread nor what it has opened survives a fork.
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._attempt, self._question = None, _Question(self._make)
            attempt = self._attempt
            if attempt is None or attempt.is_over and (
                    self._clock() - attempt.ended_at >= KEEP_SECONDS):
                self._attempt = _Attempt(self._what, self._question,
                                         self._clock, attempt)
            return self._attempt

    def verdict(self):
        """Return the answer; never raises, and never takes longer than that.

        Two requests at a time share one answer.
        """
        attempt = self.begin()
        deadline = attempt.begun_at + self._deadline_seconds
        while attempt.verdict is None:
            if self._clock() >= deadline:
                return verdict.silent(
                    self._what, self._clock() - attempt.begun_at)
            self._sleep(LOOK_SECONDS)
        return attempt.verdict


class _Question:
    """A question that is made when it is asked first."""

    def __init__(self, make):
        self._make = make
        self._ask = None

    def __call__(self):
        if self._ask is None:
            self._ask = self._make()
        return self._ask()


class _Attempt:
    """A question that is being asked, twice if the first answer is bad.

    The thread may neither log nor use a lock of the service: under eventlet
    these belong to the hub.
    """

    def __init__(self, what, question, clock, before=None):
        self._what = what
        self._question = question
        self._clock = clock
        self.begun_at = clock()
        self.ended_at = None
        self.is_over = False
        #: The newest answer, ``None`` while there is none to tell. It begins
        #: with the one before, if that was a bad one of just now.
        self.verdict = None
        if before and not before.verdict.is_good and (
                self.begun_at - before.ended_at < BAD_SECONDS):
            self.verdict = before.verdict
        native.module('threading').Thread(
            target=self._run, name='dcn-health', daemon=True).start()

    def _run(self):
        self.verdict = self._found()
        if not self.verdict.is_good:
            self.verdict = self._found()
        # Last: it says that all else is there.
        self.ended_at = self._clock()
        self.is_over = True

    def _found(self):
        try:
            return self._question()
        # Whatever it is, somebody waits for a word.
        except BaseException as exc:
            return verdict.Verdict(False, f'{self._what} cannot be asked',
                                   f'{type(exc).__name__}: {exc}')
