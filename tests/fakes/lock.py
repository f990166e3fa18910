# SPDX-License-Identifier: Apache-2.0
"""A DLM in memory, with the faults that a real one has."""

import threading

import tenacity


class LockService:
    """Keep who holds which name; hand out locks as tooz defines them.

    :param retry_error: say "not granted" like tooz' etcd driver, whose retry
        library raises, instead of returning False.
    """

    def __init__(self, retry_error=False):
        self.retry_error = retry_error
        self.owners = {}
        # As tooz' etcd driver keeps what its heart renews.
        self._acquired_locks = set()
        self.journal = []
        self.faults = {}
        self.changed = threading.Condition()

    def get_lock(self, name):
        """Return a new lock; each one is another holder."""
        self._fail('get_lock', name)
        return Lock(self, name)

    def fail(self, call, name, exception, times=None):
        """Let a call (get_lock, acquire, release) raise for this name.

        :param times: how often; None means always.
        """
        self.faults[call, name] = [exception, times]

    def take_away(self, name):
        """Let the lease of this name end behind the back of its holder."""
        with self.changed:
            self.owners.pop(name, None)
            self.changed.notify_all()

    def _fail(self, call, name):
        fault = self.faults.get((call, name))
        if fault is None or fault[1] == 0:
            return
        if fault[1] is not None:
            fault[1] -= 1
        raise fault[0]


class Lock:
    """One holder's lock."""

    def __init__(self, service, name):
        self.service = self._coord = service
        self.name = name

    def acquire(self, blocking=True, shared=False, timeout=None):
        """Return whether the lock was granted within ``blocking`` seconds."""
        self.service._fail('acquire', self.name)
        if not isinstance(blocking, bool) and blocking in (True, False):
            # What tooz before 9 does with 1.0 and with 0.
            raise AssertionError(f'blocking={blocking!r} would wait for ever')
        wait_seconds = {True: None, False: 0}.get(blocking, blocking)
        with self.service.changed:
            granted = self.service.changed.wait_for(
                lambda: self.name not in self.service.owners, wait_seconds)
            if granted:
                self.service.owners[self.name] = self
                self.service._acquired_locks.add(self)
                self.service.journal.append(('acquire', self.name))
                return True
        if self.service.retry_error and blocking is not False:
            raise tenacity.RetryError(None)
        return False

    def release(self):
        """Return whether the lock was still this holder's."""
        self.service._fail('release', self.name)
        with self.service.changed:
            if self.service.owners.get(self.name) is not self:
                return False
            del self.service.owners[self.name]
            self.service._acquired_locks.discard(self)
            self.service.journal.append(('release', self.name))
            self.service.changed.notify_all()
            return True
