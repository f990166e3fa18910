# SPDX-License-Identifier: Apache-2.0
"""One run of one seed: users ask, things break, all is repaired and counted.

What is asked, and how, a subclass knows.
"""

import dataclasses
import random
import threading
import time

from tests.chaos import checker
from tests.chaos import history
from tests.chaos import plan
from tests.chaos import users

# How long what dead processes have left is waited for.
REPAIR_SECONDS = 120.0
# A deletion is asked for so often.
DELETION_TRIES = 3
_LOOK_SECONDS = 0.2
# So many violations of a run are told; more than that say the same.
_SHOWN = 12


@dataclasses.dataclass
class Result:
    """What became of one run.

    :param failures: of the run itself; then it proves nothing.
    """

    seed: int
    record: history.History
    violations: list
    failures: list

    def __str__(self):
        record = self.record
        counts = ', '.join(
            f'{record.count(outcome)} {outcome}' for outcome in (
                history.OK, history.FAILED, history.REFUSED,
                history.UNKNOWN))
        increments = len(record.of(history.INCREMENT))
        return (f'seed {self.seed}: {len(record.operations)} operations '
                f'({increments} increments; {counts}), '
                f'{len(record.faults)} faults, '
                f'{len(self.violations)} violations'
                + ''.join(f'\n  FAILED  {one}' for one in self.failures)
                + ''.join(f'\n  {one}' for one in self.violations[:_SHOWN])
                + ('\n  ...' if len(self.violations) > _SHOWN else ''))


class Run:
    """One seed.

    :param watch: :class:`~tests.chaos.observer.Observer`.
    :param seconds: for which users ask and things break.
    :param ttl_seconds: of the leases.
    :param verbs: of the faults.
    """

    def __init__(self, watch, seed, seconds, ttl_seconds, verbs):
        self.watch = watch
        self.seed = seed
        self.record = history.History()
        # Each with its own, so that one does not change the others' choices.
        self.users = users.Users(random.Random(seed + 1))
        self.random = random.Random(seed + 2)
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.nemesis = None
        self._seconds = seconds
        self._ttl_seconds = ttl_seconds
        self._plans = plan.plan(random.Random(seed), seconds, ttl_seconds,
                                verbs)

    # What a subclass knows.

    def start(self):
        """Start what is tested, and make ``nemesis``."""
        raise NotImplementedError

    def asking(self):
        """Return functions, each of which asks until ``stop``."""
        raise NotImplementedError

    def deleting(self):
        """Return clients, each of which deletes things in the end."""
        raise NotImplementedError

    def perform(self, client, operation, request, size):
        """Have a client do something, and write its end into the operation.

        :param size: of the source, or of the target if there is none.
        """
        raise NotImplementedError

    def finish(self):
        """End what was tested in order; return what went wrong."""
        raise NotImplementedError

    def kill(self):
        """End all that is left of it, somehow."""
        raise NotImplementedError

    def inventory(self):
        """Return what there is now, by the names that users know."""
        return self.watch.inventory()

    def name_of(self, client):
        """Return what a client is called in the history."""
        return client.name

    # What is the same for all.

    def run(self):
        """Carry it out and return its :class:`Result`."""
        try:
            self.start()
            self._ask()
            settled = self._settled()
            until = len(self.record.operations)
            self._delete_all()
            emptied = self._settled()
            failures = self.finish()
            closed = self._closed()
        finally:
            self.kill()
        return Result(
            self.seed, self.record,
            checker.check(self.record, settled, emptied, closed, until),
            failures + self.nemesis.failures)

    def use(self, client, is_running=lambda: True):
        """Ask one client for one thing after another until ``stop``."""
        while not self.stop.wait(self.random.uniform(0.0, 0.1)):
            with self.lock:
                request = is_running() and self.users.request()
                operation = request and self._began(request, client)
            if request:
                self._do(client, operation, request)

    def exists(self, name):
        """Tell whether the database knows a name."""
        with self.lock:
            return self.users.exists(name)

    def image(self, target):
        """Return what a target is called in Ceph."""
        return target

    def _ask(self):
        threads = [threading.Thread(target=ask, daemon=True)
                   for ask in self.asking()]
        for thread in threads:
            thread.start()
        self.nemesis.start(self._plans)
        time.sleep(self._seconds)
        self.stop.set()
        self.nemesis.heal()
        _join(threads)

    def _began(self, request, client):
        by = ('guest' if request.kind == history.WRITE
              else self.name_of(client))
        return self.record.begin(
            process=by, began=time.monotonic(), **request.to_dict())

    def _do(self, client, operation, request):
        if request.kind == history.WRITE:
            self._write(operation)
        else:
            with self.lock:
                size = self.users.size(request.source or request.target)
            self.perform(client, operation, request, size)
        with self.lock:
            self.users.answered(request, operation.outcome)

    def _write(self, operation):
        try:
            self.watch.write(self.image(operation.target), operation.content)
            operation.outcome = history.OK
        # Whatever it is, it is the guest's disk.
        except Exception as exc:
            operation.outcome = history.FAILED
            operation.error = repr(exc)
        operation.ended = time.monotonic()

    def _delete_all(self):
        """Delete all that the users have, as far as that is possible."""
        tries = {}
        threads = [threading.Thread(target=self._delete,
                                    args=(client, tries), daemon=True)
                   for client in self.deleting()]
        for thread in threads:
            thread.start()
        _join(threads)

    def _delete(self, client, tries):
        end = time.monotonic() + checker.STUCK_SECONDS
        while time.monotonic() < end:
            with self.lock:
                request = self.users.deletion()
                operation = request and self._began(request, client)
                is_done = not self.users.names()
            if request:
                self._do(client, operation, request)
                tries[request.target] = tries.get(request.target, 0) + 1
                if tries[request.target] > DELETION_TRIES:
                    return
            if is_done:
                return
            # Nothing yet; or it has failed, and is tried once more.
            if not request or operation.outcome != history.OK:
                time.sleep(_LOOK_SECONDS)

    def _settled(self):
        """Return the inventory when nobody works any more, or after long."""
        return self._wait(REPAIR_SECONDS, lambda found: not (
            found.markers or any('/f/' in key for key in found.keys)))

    def _closed(self):
        """Return the inventory when the leases of the dead have ended."""
        return self._wait(self._ttl_seconds + 60.0, lambda found: not (
            found.leases or found.keys))

    def _wait(self, seconds, is_enough):
        end = time.monotonic() + seconds
        while True:
            found = self.inventory()
            if is_enough(found) or time.monotonic() > end:
                return found
            time.sleep(_LOOK_SECONDS)


def _join(threads):
    """Wait for as long as operations may take; who is stuck is left."""
    end = time.monotonic() + checker.STUCK_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
