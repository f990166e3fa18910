# SPDX-License-Identifier: Apache-2.0
"""What is under way to librbd at one time: not too much, and not for ever.

librbd calls back in threads of its own, which know nothing of eventlet. So
whoever waits here must be a thread of the operating system, too.
"""

import os

from dcn_plugins.ceph import errors
from dcn_plugins import exceptions
from dcn_plugins import native

#: Two times as much may be in memory, as librbd has a cache.
MOST_BYTES = 32 << 20

# Small calls cost something, too.
MOST_CALLS = 128

# How often it is checked whether to go on, when nothing comes back.
CHECK_SECONDS = 1.0


class Window:
    """Calls to librbd that have not come back; for one thread that makes them.

    :param doing: what they do, for people.
    :param check: raises if it is no use to wait any longer.
    :param stall_seconds: for which nothing may come back.
    """

    def __init__(self, doing, check, stall_seconds):
        self._doing = doing
        self._check = check
        self._stall_seconds = stall_seconds
        self._changed = native.module('threading').Condition()
        self._under_way = 0
        self._ended = 0
        self._code = 0
        self._found = []

    def admit(self, size):
        """Wait until so many bytes may be added, and return a callback.

        :returns: to be called by librbd at the end of that one call.
        :raises CephError: if an earlier call has failed, or none of them
            comes back.
        """
        cost = max(size, MOST_BYTES // MOST_CALLS)
        self._wait(lambda: not self._under_way
                   or self._under_way + cost <= MOST_BYTES)
        with self._changed:
            self._under_way += cost
        return lambda completion, *found: self._end(cost, completion, found)

    def drain(self):
        """Wait until all have come back; raises as :meth:`admit`."""
        self._wait(lambda: not self._under_way)

    def taken(self):
        """Return what has come back since the last time, in any order."""
        with self._changed:
            found, self._found = self._found, []
        return found

    def _end(self, cost, completion, found):
        code = completion.get_return_value()
        with self._changed:
            self._under_way -= cost
            self._ended += 1
            if code >= 0:
                self._found.extend(found)
            elif not self._code:
                self._code = code
            self._changed.notify()

    def _wait(self, is_enough):
        left_seconds = self._stall_seconds
        while True:
            with self._changed:
                ended = self._ended
                self._changed.wait_for(
                    lambda: self._code or is_enough(), CHECK_SECONDS)
                if self._code:
                    raise errors.of(self._code, self._doing,
                                    os.strerror(-self._code))
                if is_enough():
                    return
                if self._ended != ended:
                    left_seconds = self._stall_seconds
            self._check()
            left_seconds -= CHECK_SECONDS
            if left_seconds <= 0:
                raise exceptions.ClusterUnreachable(
                    self._doing,
                    f'nothing has come back for {self._stall_seconds:g} s')
