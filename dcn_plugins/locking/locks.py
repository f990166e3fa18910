# SPDX-License-Identifier: Apache-2.0
"""Take and give back locks in etcd; what is lost is found out, not assumed.

The rules are those of :mod:`~dcn_plugins.locking.lock_queue`. Here are the
waits: for older claims, for an etcd that is away, and for an answer that tells
whether a lock was given back.
"""

import collections
import dataclasses
import secrets
import threading
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import session

LOG = logging.getLogger(__name__)

# How long one transaction may take, all endpoints together.
CALL_SECONDS = 10.0

# A waiter looks again after so long in any case: a watch may be cut off
# without a word.
WATCH_SECONDS = 10.0

# Between two tries while etcd is away.
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 1.0

# Marks of claims that were broken are there for so long: for longer than
# anybody repeats a release.
BROKEN_SECONDS = 3600

# How long somebody who has ended his work waits for the answer to his
# release. After that nobody waits, but it goes on being sent.
RELEASE_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Hold:
    """What a claim that was granted holds.

    :param token: greater than that of everybody who held any of the locks
        before.
    :param is_doubtful: whether its first message may still be on its way.
    """

    claim: lock_queue.Claim
    token: int
    lease_id: int
    is_doubtful: bool = False

    @property
    def mark(self):
        """The lease for a mark that the claim is done, if it needs one."""
        return self.lease_id if self.is_doubtful else None


class Locks:
    """The locks of one namespace in one etcd; thread-safe.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param own_session: :class:`~dcn_plugins.locking.session.Session`.
    :param prefix: of the keys.
    :param outage_seconds: how long a claim outlasts an etcd that is away.
    :param holder: who we are, for people.
    """

    def __init__(self, client, own_session, prefix, outage_seconds=300.0,
                 holder=''):
        self._client = client
        self._session = own_session
        self._queues = lock_queue.Queues(prefix)
        self._outage_seconds = outage_seconds
        self._holder = holder
        self._leftovers = _Leftovers(client, self._queues)

    def acquire(self, wishes, wait_seconds=None, record=None, fence=None):
        """Return a :class:`Hold`, or ``None`` if the locks were not free.

        They are granted in the order in which they were asked for, also to
        those who wait in other processes. While etcd is away the claim waits
        on; if that takes longer than its lease, it goes to the end of the
        queue.

        :param wishes: pairs of a name and a mode of ``lock_queue``; all of
            them are granted at once.
        :param wait_seconds: how long to queue; ``None`` for as long as it
            takes, 0 for one look.
        :param record: what others need to fence us, a text; see
            ``lock_queue``. Or a function that returns it for the id of a
            claim: who waits for longer than a lease claims more than once.
        :param fence: called with the list of ``lock_queue.Entry``, the
            records of holders who have died with the locks. It returns when
            none of them can do any harm any more, and may be called again
            for the same ones. The grant deletes these records, and writes
            ours. So if one names work that has to be repaired, it has to
            raise, unless our own record says that, too, and we have claimed
            all of the names that the record stands under. With their own
            modes that suffices; somebody else's record is not in the way
            then. One that is shared everywhere takes an exclusive one.
        :raises ValueError: with more names than one transaction can take.
        :raises EtcdError: if etcd is away for too long, or refuses.
        :raises LockServiceError: if there is somebody to be fenced, and no
            ``fence``.
        :raises Exception: that of ``fence``; nothing is held then.
        """
        names, modes = zip(*sorted(dict(wishes).items()))
        if len(names) > lock_queue.MAX_NAMES:
            raise ValueError(f'{len(names)} locks at once are more than '
                             f'{lock_queue.MAX_NAMES}')
        patience = _Patience(wait_seconds, self._outage_seconds)
        while True:
            claim_id = secrets.token_urlsafe(12)
            claim = lock_queue.Claim(
                claim_id, names, modes, self._holder,
                record(claim_id) if callable(record) else record)
            attempt = _Attempt(self._client, self._session, self._queues,
                               claim, patience, fence)
            try:
                found = attempt.run()
            except BaseException:
                self._leftovers.add(attempt.hold(0))
                raise
            if isinstance(found, Hold):
                return found
            # Gone with its lease, or broken: a record may have been left.
            self._leftovers.add(attempt.hold(0))
            if found is None or patience.is_over:
                return None
            # Leases that never last must not make a busy loop.
            time.sleep(patience.left(FIRST_PAUSE_SECONDS))

    def release(self, hold):
        """Give all locks of a hold back.

        :raises LockLost: if somebody else may have had one of them meanwhile.
        :raises LockServiceError: if etcd does not tell. It will be given back
            as soon as etcd is there again, as also if this is interrupted.
        """
        try:
            self._release(hold)
        except exceptions.LockError:
            raise
        except BaseException:
            self._leftovers.add(hold)
            raise

    def _release(self, hold):
        name = hold.claim.names[0]
        deadline = session.clock() + RELEASE_SECONDS
        mark = hold.mark
        pauses = _pauses()
        is_repeated = False
        while True:
            try:
                answer = self._client.transaction(
                    self._queues.release(hold.claim, hold.token, mark),
                    min(CALL_SECONDS, max(0.0, deadline - session.clock())))
                is_repeated |= answer.is_repeated
                break
            except exceptions.EtcdError as exc:
                is_repeated |= exc.is_sent
                if mark is not None and _is_without_lease(exc):
                    mark = None
                    continue
                if (isinstance(exc, exceptions.EtcdRefused)
                        or session.clock() >= deadline):
                    self._leftovers.add(hold)
                    raise exceptions.LockServiceError(name, str(exc)) from exc
            time.sleep(next(pauses))
        if answer.get('succeeded'):
            return
        if self._queues.is_broken(hold.claim, answer):
            raise exceptions.LockLost(name, 'its holder')
        if is_repeated and self._session.is_valid(hold.lease_id):
            # The lease has been there all the time, and nobody has broken
            # the locks: who took them was our own first try.
            return
        if is_repeated:
            raise exceptions.LockServiceError(
                name, 'the answer to its release was lost, and so was the '
                'lease: nobody knows which was first')
        raise exceptions.LockLost(name, 'its holder')

    def abandon(self, hold):
        """Give up all locks of a hold and leave its fence records behind.

        For work that has failed half-way: whoever is next repairs it. If
        etcd does not answer, it goes on being sent.
        """
        self._leftovers.add(hold, self._queues.abandon)

    def is_valid(self, hold, margin_seconds=0.0):
        """Tell whether a hold is provably there; asks nobody."""
        return self._session.is_valid(hold.lease_id, margin_seconds)

    def left(self, hold):
        """Return for how many seconds a hold is provably there."""
        return self._session.left(hold.lease_id)

    def is_held(self, hold):
        """Ask etcd whether a hold is there.

        :raises EtcdError: if it does not tell.
        """
        return bool(self._client.transaction(
            self._queues.is_held(hold.claim, hold.token),
            CALL_SECONDS).get('succeeded'))

    def holder(self, name):
        """Return who holds a lock, or ``None``: of several the oldest.

        :raises EtcdError: if etcd does not tell.
        """
        entries = self._entries(name)
        return min(entries, key=lambda entry: entry.token).text if (
            entries) else None

    def break_(self, name):
        """Take a lock away from whoever holds it or waits for it.

        It fences nobody: who still works goes on. Records are kept, so that
        whoever is next fences those who have left one.

        :returns: whether there was anybody.
        :raises EtcdError: if etcd does not answer.
        """
        entries = self._entries(name)
        if not entries:
            return False
        lease = int(self._client.call(
            '/lease/grant', {'TTL': str(BROKEN_SECONDS), 'ID': '0'},
            CALL_SECONDS)['ID'])
        for first in range(0, len(entries), lock_queue.MAX_NAMES):
            self._client.transaction(self._queues.break_(
                entries[first:first + lock_queue.MAX_NAMES], lease),
                CALL_SECONDS)
        return True

    def left_behind(self):
        """Return the fence records of all claims that have no entry any more.

        A list of ``lock_queue.LeftBehind``, the oldest first. Each was there
        when it was looked at, and may be taken by others since.

        :raises EtcdError: if etcd does not tell.
        """
        keys, answer = [], {'more': True}
        while answer.get('more'):
            answer = self._client.call(
                '/kv/range', self._queues.all_keys(keys[-1] if keys else None),
                CALL_SECONDS)
            keys += [lock_queue.decoded(item['key'])
                     for item in answer.get('kvs', ())]
        found = [
            self._queues.left_behind(claim, modes, self._client.transaction(
                self._queues.inspect(claim, modes), CALL_SECONDS))
            for claim, modes in self._queues.suspects(keys).items()]
        return sorted(filter(None, found), key=lambda left: left.token)

    def is_claimed(self, names):
        """Tell whether anybody has any of some locks, or waits for it.

        A fence record that was left behind counts, too.

        :raises EtcdError: if etcd does not tell.
        """
        names = sorted(names)
        return not all(
            self._client.transaction(self._queues.is_free(
                names[first:first + lock_queue.MAX_NAMES]),
                CALL_SECONDS).get('succeeded')
            for first in range(0, len(names), lock_queue.MAX_NAMES))

    def _entries(self, name):
        return self._queues.entries(name, self._client.call(
            '/kv/range', self._queues.all_of(name), CALL_SECONDS))

    def close(self):
        """Wait no longer for claims that could not be withdrawn."""
        self._leftovers.close()


class _Patience:
    """How long somebody waits: for others, and for etcd."""

    def __init__(self, wait_seconds, outage_seconds):
        self._wait_seconds = wait_seconds
        self._deadline = None if wait_seconds is None else (
            session.clock() + wait_seconds)
        self._outage_seconds = outage_seconds
        self._away_since = None
        self._pauses = _pauses()

    def left(self, most):
        """Return the seconds that are left, but no more than some."""
        if self._deadline is None:
            return most
        return max(0.0, min(most, self._deadline - session.clock()))

    @property
    def is_patient(self):
        """Whether there is any time to wait for others."""
        return self._wait_seconds != 0

    @property
    def is_over(self):
        return self._deadline is not None and (
            session.clock() >= self._deadline)

    def answered(self):
        """Etcd is there."""
        if self._away_since is not None:
            self._away_since = None
            self._pauses = _pauses()

    def endure(self, error):
        """Wait a little for an etcd that is away, or raise the error."""
        now = session.clock()
        if self._away_since is None:
            self._away_since = now
            LOG.warning('A claim waits: %s', error)
        if self.is_over or now - self._away_since >= self._outage_seconds:
            raise error
        time.sleep(self.left(next(self._pauses)))


class _Attempt:
    """One claim on its way, from the end of the queue to the grant."""

    def __init__(self, client, own_session, queues, claim, patience, fence):
        self._lease_id = None
        self._is_doubtful = False
        self._client = client
        self._session = own_session
        self._queues = queues
        self._claim = claim
        self._patience = patience
        self._fence = fence

    def run(self):
        """Return a Hold, ``None`` if time is over, Gone if the lease was."""
        step = self._enter
        while True:
            try:
                found = step()
            except exceptions.EtcdUnavailable as exc:
                self._patience.endure(exc)
                step = self._enter
                continue
            self._patience.answered()
            if isinstance(found, lock_queue.Granted):
                if self._session.is_valid(self._lease_id):
                    return self.hold(found.token)
                return lock_queue.Gone()
            if isinstance(found, lock_queue.Gone):
                return found
            if isinstance(found, lock_queue.Next):
                step = self._granting(found)
            elif self._patience.is_over:
                return None
            else:
                step = self._waiting(found)

    def hold(self, token):
        """Return what is held, or what there is to withdraw."""
        return Hold(self._claim, token, self._lease_id, self._is_doubtful)

    def _enter(self):
        """Enter the queue, or look what has become of having done so."""
        if self._lease_id is None:
            self._lease_id = self._session.lease(CALL_SECONDS).id
        if not self._session.is_valid(self._lease_id):
            return lock_queue.Gone()
        try:
            return self._verdict(self._queues.enter(
                self._claim, self._lease_id, self._patience.is_patient))
        except exceptions.EtcdRefused as exc:
            if not _is_without_lease(exc):
                raise
            self._session.forget(self._lease_id)
            return lock_queue.Gone()

    def _granting(self, next_):
        def grant():
            if next_.left_behind:
                if self._fence is None:
                    error = exceptions.LockServiceError(
                        self._claim.names[0],
                        'its last holder has died with it and must be '
                        'fenced, which this lock cannot do')
                    error.outcome = exceptions.Outcome.NOTHING_DONE
                    raise error
                if not self._session.is_valid(self._lease_id):
                    # Somebody else may have fenced them long ago.
                    return lock_queue.Gone()
                self._fence(list(next_.left_behind))
            return self._verdict(self._queues.grant(self._claim, next_),
                                 next_.token)
        return grant

    def _waiting(self, waiting):
        def wait():
            seconds = self._patience.left(WATCH_SECONDS)
            until = session.clock() + seconds
            found = waiting
            try:
                with self._client.watch(lock_queue.encoded(waiting.key),
                                        seconds) as events:
                    for _event in events:
                        # Once when the watch has begun, as the key may have
                        # gone before, and once when it goes.
                        found = self._verdict(self._queues.look(self._claim))
                        if found != waiting or self._patience.is_over:
                            return found
            except exceptions.EtcdError as exc:
                # Silence, mostly. What does not watch at all must not make
                # us look without end.
                left = until - session.clock()
                if left > 0:
                    LOG.debug('A watch has ended early: %s', exc)
                    time.sleep(min(left, LAST_PAUSE_SECONDS))
            return self._verdict(self._queues.look(self._claim))
        return wait

    def _verdict(self, body, token=None):
        was_doubtful, self._is_doubtful = self._is_doubtful, True
        try:
            # A look must get its answer also when the time has just run out.
            answer = self._client.transaction(body, CALL_SECONDS)
        except exceptions.EtcdError as exc:
            self._is_doubtful = was_doubtful or exc.is_sent
            raise
        # Whatever else interrupts it leaves the doubt.
        self._is_doubtful = was_doubtful or answer.is_repeated
        return self._queues.verdict(self._claim, answer, token)


class _Leftovers:
    """Claims that nobody waits for any more; they are taken out of the queue.

    Their records go, too: either no work was begun, or it was ended. Those of
    a claim that was abandoned stay.

    They would be in the way of others for as long as this process lives, as
    it goes on renewing its lease.
    """

    def __init__(self, client, queues):
        self._client = client
        self._queues = queues
        self._holds = collections.deque()
        self._lock = threading.Lock()
        self._thread = None
        self._is_closed = False

    def add(self, hold, end=None):
        """End a claim, now or as soon as etcd is there; never raises.

        :param end: how, ``withdraw`` or ``abandon`` of the queues; withdraw
            unless given.
        """
        end = end or self._queues.withdraw
        if hold.lease_id is None:
            # Nothing was ever sent.
            return
        try:
            self._end(hold, end)
        except exceptions.EtcdError as exc:
            LOG.warning('A claim to %s is withdrawn later: %s',
                        ', '.join(hold.claim.names), exc)
            self._add_later(hold, end)
        except BaseException:
            self._add_later(hold, end)
            raise

    def _add_later(self, hold, end):
        with self._lock:
            self._holds.append((hold, end))
            # A process that was forked has the deque, and not the thread.
            if self._is_closed or self._thread and self._thread.is_alive():
                return
            self._thread = threading.Thread(
                target=self._run, name='dcn-withdraw', daemon=True)
            self._thread.start()

    def close(self):
        self._is_closed = True

    def _end(self, hold, end):
        try:
            self._client.transaction(end(hold.claim, hold.mark), CALL_SECONDS)
        except exceptions.EtcdRefused as exc:
            if not _is_without_lease(exc):
                raise
            self._client.transaction(end(hold.claim), CALL_SECONDS)

    def _run(self):
        pauses = _pauses()
        while True:
            with self._lock:
                if not self._holds or self._is_closed:
                    self._thread = None
                    return
                hold, end = self._holds[0]
            try:
                self._end(hold, end)
                pauses = _pauses()
            # Whatever it is, the others must not wait for this one.
            except Exception as exc:
                LOG.debug('A claim is not withdrawn yet: %s', exc)
                time.sleep(next(pauses))
                self._holds.append((hold, end))
            self._holds.popleft()


def _is_without_lease(error):
    return isinstance(error, exceptions.EtcdRefused) and (
        error.code == etcd.NOT_FOUND)


def _pauses():
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, LAST_PAUSE_SECONDS)
