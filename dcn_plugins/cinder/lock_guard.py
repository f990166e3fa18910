# SPDX-License-Identifier: Apache-2.0
"""One operation of the driver, from its locks to their end.

With our driver of tooz an operation has a RADOS client of its own, its locks
come with a fence record that names it, and a marker in RADOS says that it has
begun and not ended. If its process dies, or is not heard of for as long as a
lease lasts, the next holder of any of its locks cuts that client off, ends
what was half done, and goes on: see :mod:`dcn_plugins.cinder.settlement`.

With any other driver of tooz the locks are what that driver makes of them.
"""

import contextlib
import errno
import functools
import time

from oslo_log import log as logging

from dcn_plugins.cinder import fence_record
from dcn_plugins.cinder import operation as operations
from dcn_plugins.cinder import repair
from dcn_plugins.cinder import settlement
from dcn_plugins import exceptions
from dcn_plugins.locking import guard
from dcn_plugins.locking import session

LOG = logging.getLogger(__name__)

# A lock that is taken while others are held is waited for no longer: two
# operations that wait for each other would do so to the end of their time.
NESTED_WAIT_SECONDS = 10.0

# For how long Ceph is asked to take note that an operation has ended, and the
# pause between two tries: each may take as long as Ceph may take to answer.
END_SECONDS = 30.0
END_PAUSE_SECONDS = 0.5

# How often an operation may find something in its way that it has to settle,
# or that what it touches has changed while it waited.
MOST_ROUNDS = 20


class _Changed(Exception):
    """Say that an operation touches something else than was thought."""

    def __init__(self, touched):
        self.touched = touched
        super().__init__()


class _CutOff(Exception):
    """Say that a client was cut off before its operation has begun.

    Somebody was about to end an operation that this client has ended itself.
    """


# What leads to another round.
_ROUND = (settlement.LeftBehind, _Changed, _CutOff)


def _check(touch, operation):
    touched = operation.touched
    if touched.is_found:
        try:
            # What it opens stays open for what comes next.
            with operation.running():
                now = touch(operation.own)
        # Whatever librbd makes of it.
        except Exception as exc:
            if getattr(exc, 'errno', None) == errno.ESHUTDOWN:
                raise _CutOff from exc
            raise
        if (now.wishes, now.intents) != (touched.wishes, touched.intents):
            raise _Changed(now)


class LockGuard:
    """Run operations under their locks.

    :param backend: :class:`~dcn_plugins.cinder.backend.Backend`.
    """

    def __init__(self, backend):
        self._backend = backend
        self.settlement = settlement.Settlement(backend, self)

    @contextlib.contextmanager
    def hold(self, name, touch):
        """Hold the locks of an operation while the block runs; yield it.

        :param touch: returns the Touched. It is asked with ``None`` first
            and, if what it says has to be looked up in Ceph, under the locks
            with an OwnClient to do so; these are taken anew until they are
            those of what is there.
        :raises LockError: with the outcome of what had happened.
        """
        outer = operations.current()
        own = outer.own if outer else operations.OwnClient(
            self._backend.clients())
        is_well = False
        try:
            touched = touch(None)
            if outer is not None and outer.covers(touched.wishes):
                yield outer
            else:
                with contextlib.ExitStack() as held:
                    yield self._entered(held, name, touch, touched, own)
            is_well = True
        finally:
            if outer is None:
                own.end(is_well)

    def _entered(self, held, name, touch, touched, own):
        """Return the operation when its locks are held."""
        outer = operations.current()
        wait_seconds = (NESTED_WAIT_SECONDS if outer
                        else self._backend.wait_seconds())
        deadline = session.clock() + wait_seconds
        for number in range(MOST_ROUNDS):
            operation = operations.Operation(name, touched, own, outer)
            # The first wait has its full time, and a guess has none: it may
            # be about somebody who works for hours.
            left = (0.0 if touched.otherwise else wait_seconds
                    if not number else max(0.0, deadline - session.clock()))
            try:
                held.enter_context(self.locked(
                    operation, left, check=functools.partial(
                        _check, touch, operation)))
                return operation
            except (exceptions.LockTimeout, exceptions.LockServiceError):
                if touched.otherwise is None:
                    raise
                touched = touched.otherwise
            except settlement.LeftBehind as exc:
                self.settlement.settle(exc.records, deadline)
            except _Changed as exc:
                touched = exc.touched
            except _CutOff as exc:
                if outer:
                    raise exceptions.Fenced(name) from exc
                own.end(False)
        raise exceptions.LockTimeout(min(touched.wishes), wait_seconds)

    @contextlib.contextmanager
    def locked(self, operation, wait_seconds, fence=settlement.refuse,
               markers=dict, check=bool):
        """Hold the locks of an operation while the block runs.

        Yields the markers of others that were in the way and are replaced.

        :param fence: see ``Locks.acquire``.
        :param markers: returns which of others may be replaced, by key.
        :param check: called under the locks before anything is begun.
        :raises LeftBehind: before anything is begun, if others have died with
            the locks.
        """
        locks = self._backend.locks()
        if locks is None:
            with guard.hold(self._backend.get_lock, operation.touched.wishes,
                            wait_seconds, operation.name):
                try:
                    check()
                    with operation.running():
                        yield {}
                finally:
                    operation.close_images()
            return
        self._acquire(locks, operation, wait_seconds, fence)
        try:
            version = self._version(operation)
            check()
            replaced = markers()
            if not self._begin(operation, replaced, version):
                # Somebody may have worked while we looked, of whom etcd knows
                # nothing: it was restored from a backup, or lost its data.
                operation.close_images()
                check()
            with operation.running():
                yield replaced
            operation.close_images()
        except BaseException as exc:
            is_ended = self._end_badly(locks, operation, exc)
            if (isinstance(exc, (*_ROUND, exceptions.LockError))
                    or not isinstance(exc, Exception)):
                raise
            name = operation.hold.claim.names[0]
            if operation.is_lost:
                # Whatever it looks like: that is why.
                raise exceptions.LockLost(name, operation.name) from exc
            if not is_ended:
                # Nobody may be told that nothing has happened, as "is busy"
                # does: others are about to end it.
                raise exceptions.WorkLeft(
                    name, operation.name, str(exc)) from exc
            raise
        self._end_well(locks, operation)

    def _acquire(self, locks, operation, wait_seconds, fence):
        wishes = operation.missing_wishes
        name = min(wishes)
        try:
            hold = locks.acquire(
                wishes.items(), wait_seconds, self._record(operation), fence)
        except exceptions.EtcdError as exc:
            error = exceptions.LockServiceError(name, str(exc))
            # Nobody knows about the locks, but the work has not begun.
            error.outcome = exceptions.Outcome.NOTHING_DONE
            raise error from exc
        if hold is None:
            raise exceptions.LockTimeout(name, wait_seconds)
        operation.granted(locks, hold)

    def _record(self, operation):
        """Return a function that makes the record for the id of a claim."""
        addresses = operation.own.get().addresses
        scope = self._backend.scope()

        def record(claim):
            return fence_record.Record(
                claim, operation.missing_wishes, scope.cluster, scope.pool,
                addresses, self._backend.host,
                operation.touched.intents).to_text()

        return record

    def _version(self, operation):
        """Return what tells whether markers change from now on."""
        if not operation.touched.is_found:
            return None
        try:
            return self._backend.markers(operation.own.get()).version()
        except exceptions.Fenced as exc:
            raise _CutOff from exc

    def _begin(self, operation, replaced, version):
        """Write the markers.

        :returns: whether nothing was looked up, or none has changed since.
        """
        claim = operation.hold.claim
        marker = claim.record
        if operation.is_heir:
            if not replaced:
                # There is nothing to end, and no marker may say so.
                return True
            marker = settlement.inherited(claim.record, replaced)
        # From here on it may be there, whatever answer is lost.
        operation.marker = marker
        begin = functools.partial(
            self._backend.markers(operation.own.get()).begin, claim.id,
            dict(claim.wishes), marker, replaced)
        is_seen, in_the_way = not operation.touched.is_found, None
        try:
            if version is not None:
                in_the_way = begin(version=version)
                is_seen = in_the_way is not None
            if in_the_way is None:
                in_the_way = begin()
        except exceptions.Fenced as exc:
            raise _CutOff from exc
        if in_the_way:
            operation.marker = None
            # It was restored from a backup, or lost its data.
            LOG.warning('%s: Ceph knows of work that etcd has forgotten',
                        operation.name)
            raise settlement.LeftBehind.of_texts(in_the_way.values())
        return is_seen

    def _end_marker(self, operation):
        """Remove the markers; return whether they were there."""
        claim = operation.hold.claim
        return self._backend.markers(operation.own.get()).end(
            claim.id, dict(claim.wishes), operation.marker)

    def _is_marker_ended(self, locks, operation):
        """Remove the markers of work that is done; return whether they were.

        What Ceph does not answer in time it may do all the same, and nobody
        would undo what Cinder was told has failed. So it is asked again for a
        while. If they are gone then, an earlier try has removed them, unless
        somebody has taken over: his grant would have deleted our record.
        """
        deadline = session.clock() + END_SECONDS
        is_repeated = False
        while True:
            try:
                return self._end_marker(operation) or (
                    is_repeated and (not operation.is_lost
                                     or locks.is_held(operation.hold)))
            except exceptions.ClusterUnreachable as exc:
                if session.clock() > deadline:
                    raise
                LOG.warning('%s has ended, and Ceph does not take note of it '
                            'yet: %s', operation.name, exc)
                is_repeated = True
                time.sleep(END_PAUSE_SECONDS)

    def _end_well(self, locks, operation):
        try:
            if operation.is_begun and not self._is_marker_ended(
                    locks, operation):
                # Somebody has ended it, and has cut nobody off.
                raise exceptions.LockLost(operation.hold.claim.names[0],
                                          operation.name)
        except BaseException:
            # To Cinder it has failed, so whoever is next has to undo it.
            locks.abandon(operation.hold)
            raise
        if operation.is_begun:
            # With its markers it has ended, whoever has the locks since then.
            # The next one with its client must not be taken for it.
            locks.release_soon(operation.hold, operation.name,
                               operation.lend_client())
        else:
            locks.release(operation.hold)

    def _end_badly(self, locks, operation, error):
        """End an operation that has failed; never raises an Exception.

        What it has made and nobody will ask for is removed. If that cannot
        be done, it is left to whoever is next, with its record.

        :returns: whether it has ended.
        """
        try:
            self._undo(operation, error)
        # Whatever it is, the record says what is to be done.
        except BaseException as exc:
            LOG.warning('%s has failed, and is left to be ended by whoever '
                        'comes next: %s', operation.name, exc)
            locks.abandon(operation.hold)
            operation.close_images()
            if not isinstance(exc, Exception):
                raise
            return False
        operation.close_images()
        try:
            locks.release(operation.hold)
        except exceptions.LockError as exc:
            LOG.error('While %s failed for another reason: %s',
                      operation.name, exc)
        return True

    def _undo(self, operation, error):
        """Undo what an operation has done, or raise why that is left."""
        if operation.is_heir:
            raise error
        if not operation.is_begun:
            return
        # Whoever was killed may have left a call of librbd under way.
        if (operation.is_lost or not isinstance(error, Exception)
                or isinstance(error, (exceptions.LockLost, exceptions.Fenced,
                                      _CutOff))
                or repair.is_half_done(self._backend, operation)):
            raise error
        # One that is still open has the lock of its image and may not know
        # what is in it, if Ceph has not answered it in time. librbd would
        # have it remove a snapshot for us, of which it says that there is
        # none, and that counts as done.
        operation.close_images()
        if not isinstance(error, _ROUND):
            with operation.running():
                repair.undo(self._backend, operation)
        operation.close_images()
        self._end_marker(operation)
