# SPDX-License-Identifier: Apache-2.0
"""Hold several locks of a DLM while a block runs.

tooz leaves three things to its caller, and each has cost data somewhere:
``acquire()`` tells by a bool whether the lock was granted, ``release()``
tells by a bool whether it was still ours, and nothing bounds the wait for
more than one lock. Here every answer is looked at.
"""

import contextlib
import contextvars
import time

from oslo_log import log as logging
import tenacity

from dcn_plugins import exceptions
from dcn_plugins.locking import names as lock_names

LOG = logging.getLogger(__name__)

# A release that gets no answer is repeated for about as long as a lease lasts
# (30 s in tooz): a repetition is safe, as it names the holder.
RELEASE_SECONDS = 30.0
RELEASE_PAUSE_SECONDS = 1.0

# Names that the present flow of control holds. A context variable belongs to
# one thread, and to one greenlet where there are some; a new thread or
# greenlet starts with none, as it must: it would run beside the holder.
_HELD = contextvars.ContextVar('dcn_plugins_held_locks', default=frozenset())


@contextlib.contextmanager
def hold(get_lock, names, wait_seconds, operation):
    """Hold the locks of all names while the block runs.

    Names that the caller holds already are not taken again, so that a
    guarded operation may call another on the same objects. Names that would
    be taken out of order, because a caller up the stack holds a later one,
    are tried without waiting: nobody waits for an earlier name while he
    holds a later one, so no two flows can wait for each other.

    Raises LockTimeout when a lock is not granted within the time,
    LockServiceError when the service fails, LockLost when a lock was no
    longer ours at the end. If the block itself raises, its exception wins
    and what went wrong with the locks is logged. Locks that were granted are
    always given back.

    :param get_lock: takes a name, returns a lock as tooz defines it.
    :param names: names of the locks, in any order.
    :param wait_seconds: how long to queue for all of them together. A lock
        service that polls may need about a second more.
    :param operation: what the block does, for messages.
    """
    held = _HELD.get()
    wanted = lock_names.ordered(set(names) - held)
    deadline = time.monotonic() + wait_seconds
    failures = []
    try:
        with contextlib.ExitStack() as granted:
            for name in wanted:
                in_order = not held or name > max(held)
                lock = _acquire(get_lock, name, wait_seconds if in_order
                                else 0, deadline)
                granted.callback(_release, lock, name, operation, failures)
            granted.callback(_HELD.reset, _HELD.set(held.union(wanted)))
            yield
    except BaseException:
        for failure in failures:
            LOG.error('While %s failed for another reason: %s', operation,
                      failure)
        raise
    _report(failures)


def _acquire(get_lock, name, wait_seconds, deadline):
    """Return the granted lock of this name or raise."""
    left = min(wait_seconds, deadline - time.monotonic())
    try:
        lock = get_lock(name)
        granted = lock.acquire(blocking=_blocking(left))
    except tenacity.RetryError as exc:
        # The etcd driver of tooz lets its own retry library say "not
        # granted" (6.3, 8.1 and 9.0 alike).
        raise exceptions.LockTimeout(name, wait_seconds) from exc
    except Exception as exc:
        # What a lock service raises is no closed list: besides ToozError its
        # libraries leak what they like (KeyError for a lease that is gone).
        error = exceptions.LockServiceError(name, _reason(exc))
        # Nobody knows about the lock, but the block has not begun.
        error.outcome = exceptions.Outcome.NOTHING_DONE
        raise error from exc
    if not granted:
        raise exceptions.LockTimeout(name, wait_seconds)
    LOG.debug('Lock %s granted', name)
    return lock


def _blocking(seconds):
    """Return the wait as tooz wants it in ``blocking``.

    Before tooz 9 the etcd driver takes any number that equals True or False
    for "wait for ever": 1.0 and 0 are such numbers.
    """
    if seconds <= 0:
        return False
    return 1.001 if seconds == 1 else seconds


def _release(lock, name, operation, failures):
    """Give the lock back; note in ``failures`` what went wrong.

    It does not raise, so that the other locks are given back too.
    """
    deadline = time.monotonic() + RELEASE_SECONDS
    error = None
    while True:
        try:
            released = lock.release()
            break
        except Exception as exc:
            error = exceptions.LockServiceError(name, _reason(exc))
            error.__cause__ = exc
            if time.monotonic() >= deadline:
                released = False
                break
            LOG.warning('Lock %s is not released yet: %s', name, exc)
            time.sleep(RELEASE_PAUSE_SECONDS)
    if released:
        LOG.debug('Lock %s released', name)
        return
    # "Not yours" after a try without an answer may be the answer to that
    # one: nobody knows.
    failures.append(error or exceptions.LockLost(name, operation))
    _forget(lock)


def _forget(lock):
    """Keep tooz from renewing a lock that we are done with.

    Its etcd driver removes a lock from the list that its heart renews only
    after a release that went well; any other lock would stay taken for as
    long as this process lives. There is no call for it, so this looks for
    that list, and leaves all as it is where there is none.
    """
    renewed = getattr(getattr(lock, '_coord', None), '_acquired_locks', None)
    if isinstance(renewed, set):
        renewed.discard(lock)


def _report(failures):
    """Raise the worst failure and log the others; return if there is none."""
    # A lock that was surely lost says more than one that nobody knows of.
    failures.sort(key=lambda failure: not isinstance(failure,
                                                     exceptions.LockLost))
    for failure in failures[1:]:
        LOG.error('%s', failure)
    if failures:
        raise failures[0]


def _reason(exc):
    return f'{type(exc).__name__}: {exc}'
