# SPDX-License-Identifier: Apache-2.0
"""Ask something that may not answer, and answer in time nevertheless.

The question is asked by a thread of the operating system, also under
eventlet: a call into librados would stop all requests, and a socket that is
waited for would not know of the hub. There is one thread at a time; one that
does not come back is waited for by nobody, and no second one is begun.

It asks again and again as long as somebody wants to know. If each request
asked anew, the second question of a load balancer, which wants to hear twice
that a service is bad, would wait as long as the first one, as it reaches
another process; and what it hears would be as old as the first answer if it
did not, though a cluster that elects a leader is well again by then.
"""

import os
import threading
import time

from dcn_plugins.health import verdict
from dcn_plugins import native

#: How old a good answer may be.
KEEP_SECONDS = 1.2
#: The same of a bad one. It is told while it is asked again: a load balancer
#: that has to hear it twice shall not wait twice. Not for ever: the thread may
#: have to wait for a request that waits, see LATE_SECONDS.
KEEP_BAD_SECONDS = 10.0
#: Between a good answer and the next question: that is answered before the
#: first answer is too old.
PAUSE_SECONDS = 0.9
#: The same of a bad one. Most of those have taken their time.
BAD_PAUSE_SECONDS = 0.1
#: Nobody wants to know any more. A load balancer that asks once a second
#: reaches each of a dozen processes more often.
IDLE_SECONDS = 60.0
#: What an answer may need to arrive that is there already: a process that was
#: stopped, or uWSGI without threads, which lets ours run while there is a
#: request, has not seen it yet.
LATE_SECONDS = 0.1
# An eventlet hub knows no event of native threads, so it is looked at.
LOOK_SECONDS = 0.01


class Probe:
    """One question, with its last answer; thread-safe.

    :param what: is asked, for people.
    :param make: called in the thread, once in a process; returns the
        question, which is called in the thread and returns a
        :class:`~verdict.Verdict`. What it opens belongs to one process.
    :param deadline_seconds: after which there is no answer.
    :param rest: lets seconds pass in the thread; for tests.
    """

    def __init__(self, what, make, deadline_seconds, clock=time.monotonic,
                 sleep=time.sleep, rest=None):
        self._what = what
        self._make = make
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._sleep = sleep
        self._rest = rest
        self._lock = threading.Lock()
        self._asker = None
        self._question = None
        self._pid = None

    def begin(self):
        """Have it asked, unless it is already."""
        with self._lock:
            # Neither a thread nor what it has opened survives a fork.
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._asker, self._question = None, _Question(self._make)
            if self._asker is None or self._asker.is_over:
                self._asker = _Asker(self._what, self._question, self._clock,
                                     self._rest)
            self._asker.wanted_at = self._clock()
            return self._asker

    def verdict(self):
        """Return the answer; never raises, and never takes longer than that.

        Or than ``LATE_SECONDS``, if that is more.
        """
        called_at = self._clock()
        while True:
            asker = self.begin()
            found, answered_at = asker.answer
            if found is not None and self._clock() - answered_at < (
                    KEEP_SECONDS if found.is_good else KEEP_BAD_SECONDS):
                return found
            begun_at, now = asker.begun_at, self._clock()
            waited = now - (called_at if begun_at is None else begun_at)
            if waited >= self._deadline_seconds and (
                    now - called_at >= LATE_SECONDS):
                return verdict.silent(self._what, waited)
            self._sleep(LOOK_SECONDS)


class _Question:
    """A question that is made when it is asked first."""

    def __init__(self, make):
        self._make = make
        self._ask = None

    def __call__(self):
        if self._ask is None:
            self._ask = self._make()
        return self._ask()


class _Asker:
    """A thread that asks a question until nobody wants to know.

    It may neither log nor use a lock of the service: under eventlet these
    belong to the hub.
    """

    def __init__(self, what, question, clock, rest):
        self._what = what
        self._question = question
        self._clock = clock
        self._rest = rest or native.module('time').sleep
        #: When somebody has asked last.
        self.wanted_at = clock()
        #: When the question was asked that has no answer; ``None`` if all
        #: have.
        self.begun_at = self.wanted_at
        #: The newest answer, and when it came.
        self.answer = None, None
        self.is_over = False
        native.module('threading').Thread(
            target=self._run, name='dcn-health', daemon=True).start()

    def _run(self):
        while True:
            found = self._found()
            # In this order: what is neither asked nor answered is waited for
            # from the beginning.
            self.answer = found, self._clock()
            self.begun_at = None
            self._rest(PAUSE_SECONDS if found.is_good else BAD_PAUSE_SECONDS)
            if self._clock() - self.wanted_at > IDLE_SECONDS:
                break
            self.begun_at = self._clock()
        self.is_over = True

    def _found(self):
        try:
            return self._question()
        # Whatever it is, somebody waits for a word.
        except BaseException as exc:
            return verdict.Verdict(False, f'{self._what} cannot be asked',
                                   f'{type(exc).__name__}: {exc}')
