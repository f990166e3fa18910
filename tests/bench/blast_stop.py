# SPDX-License-Identifier: Apache-2.0
"""A process that dies, or stands still, in the middle of an operation.

It tells before how long its locks are there, and which clients it has.
"""

import os
import signal

from dcn_plugins.ceph import guarded_rbd
from dcn_plugins.locking import session
from dcn_plugins import native

BEFORE, DURING, AFTER = 'before', 'during', 'after'
#: In the place of a call: as soon as the manager's lock is held.
HELD = 'held'

# How long a call is under way before the process stops during it.
_DURING_SECONDS = 0.01


class Stop:
    """When and how this process is to end.

    :param tell: says something to who has asked for it.
    :param left: returns for how many seconds a hold is provably there.
    :param when: ``BEFORE``, ``DURING`` or ``AFTER``.
    :param call: of librbd, or ``HELD``.
    :param number: name of a signal.
    """

    def __init__(self, tell, left, when, call, number):
        self._tell = tell
        self._left = left
        self._when = when
        self._call_name = call
        self._number = getattr(signal, number)
        self._is_due = True

    def watch(self):
        """Have all calls of librbd looked at."""
        original = guarded_rbd._Guarded._call

        def _call(thing, name, *args, **kwargs):
            is_it = name == self._call_name
            if is_it and self._when == BEFORE:
                self._now(thing._operation)
            if is_it and self._when == DURING:
                self._soon(thing._operation)
            found = original(thing, name, *args, **kwargs)
            if is_it and self._when == AFTER:
                self._now(thing._operation)
            return found

        guarded_rbd._Guarded._call = _call

    def held(self, seconds):
        """Stop if that is to happen when a lock is held.

        :param seconds: for which the lock is there, without renewal.
        """
        if self._call_name == HELD and self._is_due:
            self._is_due = False
            now = session.clock()
            self._end(now, now + seconds, ())

    def _now(self, operation):
        if self._is_due and operation is not None and operation.hold:
            self._is_due = False
            self._end_of(operation, operation.own.get().addresses)

    def _soon(self, operation):
        if self._is_due and operation is not None and operation.hold:
            self._is_due = False
            # A greenlet might not get its turn meanwhile.
            native.module('threading').Thread(
                target=self._later, args=(
                    operation, operation.own.get().addresses)).start()

    def _later(self, operation, addresses):
        native.module('time').sleep(_DURING_SECONDS)
        self._end_of(operation, addresses)

    def _end_of(self, operation, addresses):
        now = session.clock()
        self._end(now, now + self._left(operation.hold), addresses)

    def _end(self, now, lease_ends_at, addresses):
        self._tell(stopped_at=now, lease_ends_at=lease_ends_at,
                   addresses=list(addresses))
        os.kill(os.getpid(), self._number)
