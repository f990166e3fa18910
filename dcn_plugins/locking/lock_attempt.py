# SPDX-License-Identifier: Apache-2.0
"""One claim on its way to the grant."""

import dataclasses
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import lock_waits
from dcn_plugins.locking import session

LOG = logging.getLogger(__name__)

# How long one transaction may take, all endpoints together.
CALL_SECONDS = 10.0

# A waiter looks again after so long in any case: a watch may be cut off
# without a word.
WATCH_SECONDS = 10.0


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


class Attempt:
    """One claim on its way, from its first message to the grant.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param own_session: :class:`~dcn_plugins.locking.session.Session`.
    :param queues: :class:`~dcn_plugins.locking.lock_queue.Queues`.
    :param patience: :class:`~dcn_plugins.locking.lock_waits.Patience`.
    :param fence: see :meth:`~dcn_plugins.locking.locks.Locks.acquire`.
    """

    def __init__(self, client, own_session, queues, claim, patience, fence):
        self._lease_id = None
        self._is_doubtful = False
        self._is_entered = False
        self._has_replaced = False
        self._client = client
        self._session = own_session
        self._queues = queues
        self._claim = claim
        self._patience = patience
        self._fence = fence

    def run(self):
        """Return a Hold, ``None`` if time is over, Gone if the lease was."""
        step = self._take
        while True:
            try:
                found = step()
            except exceptions.EtcdUnavailable as exc:
                self._patience.endure(exc)
                step = self._enter
                continue
            self._patience.answered()
            if isinstance(found, lock_queue.Granted):
                self._is_entered = True
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

    @property
    def has_traces(self):
        """Whether anything of it may be in etcd, or get there."""
        return self._is_entered or self._is_doubtful

    @property
    def has_replaced(self):
        """Whether its record may stand for some that it has deleted."""
        return self._has_replaced

    def _take(self):
        """Take the locks if they are free, else enter the queue."""
        return self._with_lease(self._taken)

    def _enter(self):
        """Enter the queue, or look what has become of having done so."""
        return self._with_lease(self._entered)

    def _with_lease(self, send):
        if self._lease_id is None:
            self._lease_id = self._session.lease(CALL_SECONDS).id
        if not self._session.is_valid(self._lease_id):
            return lock_queue.Gone()
        try:
            return send()
        except exceptions.EtcdRefused as exc:
            if not etcd.is_not_found(exc):
                raise
            self._session.forget(self._lease_id)
            return lock_queue.Gone()

    def _taken(self):
        granted = self._queues.taken(self._answer(self._queues.take(
            self._claim, self._lease_id)))
        if granted:
            return granted
        if self._patience.is_patient:
            return self._entered()
        # What another member did not answer may have been our grant.
        return self._look() if self._is_doubtful else None

    def _entered(self):
        self._is_entered = True
        return self._verdict(self._queues.enter(self._claim, self._lease_id))

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
                self._has_replaced = True
            return self._verdict(self._queues.grant(self._claim, next_),
                                 next_.token)
        return grant

    def _waiting(self, waiting):
        def wait():
            seconds = self._patience.left(WATCH_SECONDS)
            until = session.clock() + seconds
            keys = tuple(etcd_requests.encoded(key) for key in (
                waiting.key, waiting.before) if key)
            try:
                with self._client.watch(keys, seconds) as events:
                    return self._watched(waiting.key, events)
            except exceptions.EtcdError as exc:
                # Silence, mostly. What does not watch at all must not make
                # us look without end.
                left = until - session.clock()
                if left > 0:
                    LOG.debug('A watch has ended early: %s', exc)
                    time.sleep(min(left, lock_waits.LAST_PAUSE_SECONDS))
            return self._look()
        return wait

    def _watched(self, key, events):
        """Return what is found when a key that is watched goes.

        It is looked once when the watch has begun, as the key may have gone
        before. What is seen then stays so until it goes: so who waits for
        nothing else need not look again.

        That can be seen when the one before has gone, while the key is
        there. A new one before it is not watched: that happens if somebody
        gives up, and costs a look. Whose time is limited begins anew then:
        a watch lasts so long after the last that it has told.
        """
        found = None
        for deleted in events:
            if (found and found.is_last
                    and etcd_requests.encoded(key) in deleted):
                return lock_queue.Granted(found.token)
            found = self._look()
            if (not isinstance(found, lock_queue.Waiting)
                    or found.key != key or self._patience.is_over
                    or deleted and self._patience.is_limited):
                return found
        return self._look()

    def _look(self):
        return self._verdict(self._queues.look(self._claim))

    def _verdict(self, body, token=None):
        return self._queues.verdict(self._claim, self._answer(body), token)

    def _answer(self, body):
        was_doubtful, self._is_doubtful = self._is_doubtful, True
        try:
            # A look must get its answer also when the time has just run out.
            answer = self._client.transaction(body, CALL_SECONDS)
        except exceptions.EtcdError as exc:
            self._is_doubtful = was_doubtful or exc.is_sent
            raise
        # Whatever else interrupts it leaves the doubt.
        self._is_doubtful = was_doubtful or answer.is_repeated
        return answer
