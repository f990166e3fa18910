# SPDX-License-Identifier: Apache-2.0
"""Take and give back locks in etcd; what is lost is found out, not assumed.

The rules are those of :mod:`~dcn_plugins.locking.lock_queue`. Here are the
waits: for older claims, for an etcd that is away, and for an answer that tells
whether a lock was given back.
"""

import secrets
import threading
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.locking import claim_id as claim_ids
from dcn_plugins.locking import etcd
from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import lock_attempt
from dcn_plugins.locking import lock_keys
from dcn_plugins.locking import lock_leftovers
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import lock_survey
from dcn_plugins.locking import lock_waits
from dcn_plugins.locking import session

LOG = logging.getLogger(__name__)

# How long one transaction may take, all endpoints together.
CALL_SECONDS = 10.0

# Marks of claims that were broken are there for so long: for longer than
# anybody repeats a release.
BROKEN_SECONDS = 3600

# How long somebody who has ended his work waits for the answer to his
# release. After that nobody waits, but it goes on being sent.
RELEASE_SECONDS = 30.0


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
        keys = lock_keys.Keys(prefix)
        self._queues = lock_queue.Queues(keys)
        self._survey = lock_survey.Survey(keys)
        self._outage_seconds = outage_seconds
        self._holder = holder
        self._leftovers = lock_leftovers.Leftovers(client)
        # Claims with a fence record: wanted, or held by work that runs.
        self._guarding = set()

    def acquire(self, wishes, wait_seconds=None, record=None, fence=None):
        """Return a ``lock_attempt.Hold``, or ``None`` if it was not granted.

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
        :raises Exception: that of ``fence``; nothing is held then, and all
            that was left behind is still there.
        """
        names, modes = zip(*sorted(dict(wishes).items()))
        if len(names) > lock_queue.MAX_NAMES:
            raise ValueError(f'{len(names)} locks at once are more than '
                             f'{lock_queue.MAX_NAMES}')
        patience = lock_waits.Patience(wait_seconds, self._outage_seconds)
        while True:
            claim_id = claim_ids.made(time.time(), secrets.token_urlsafe(12))
            claim = lock_queue.Claim(
                claim_id, names, modes, self._holder,
                record(claim_id) if callable(record) else record)
            attempt = lock_attempt.Attempt(
                self._client, self._session, self._queues, claim, patience,
                fence)
            if claim.record is not None:
                self._guarding.add(claim_id)
            try:
                found = attempt.run()
            except BaseException:
                self._end(attempt)
                raise
            if isinstance(found, lock_attempt.Hold):
                return found
            self._end(attempt)
            if found is None or patience.is_over:
                return None
            # Leases that never last must not make a busy loop.
            time.sleep(patience.left(lock_waits.FIRST_PAUSE_SECONDS))

    def _end(self, attempt):
        """End a claim that was not granted, or that we do not know was."""
        self._guarding.discard(attempt.hold(0).claim.id)
        if attempt.has_traces:
            # Nothing was begun under it. But if it was granted, nothing but
            # its record tells of the work that others have left.
            self._leftovers.add(
                attempt.hold(0), self._queues.abandon if attempt.has_replaced
                else self._queues.withdraw)

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
            self._leftovers.add(hold, self._queues.withdraw)
            raise
        finally:
            self._guarding.discard(hold.claim.id)

    def release_soon(self, hold, work, end=lambda is_released: None):
        """Give all locks of a hold back, and do not wait for the answer.

        For work that has ended, whatever becomes of the locks since then;
        what does is logged. :meth:`is_guarding` until it is done.

        :param work: what has ended, for people.
        :param end: called after that, with whether it has succeeded.
        """
        try:
            threading.Thread(target=self._release_after,
                             args=(hold, work, end), name='dcn-release',
                             daemon=True).start()
        except RuntimeError:
            # There are too many, or the process is about to end.
            self._release_after(hold, work, end)

    def _release_after(self, hold, work, end):
        is_released = False
        try:
            self.release(hold)
            is_released = True
        except exceptions.LockError as exc:
            LOG.warning('%s has ended well, and etcd does not know that yet: '
                        '%s', work, exc)
        finally:
            end(is_released)

    def _release(self, hold):
        name = hold.claim.names[0]
        deadline = session.clock() + RELEASE_SECONDS
        answer, is_repeated = self._sent(
            lambda mark: self._queues.release(hold.claim, hold.token, mark),
            hold, deadline)
        if answer.get('succeeded'):
            return
        if not is_repeated:
            self._leftovers.add(hold, self._queues.clear)
            raise exceptions.LockLost(name, 'its holder')
        answer, _is_repeated = self._sent(
            lambda mark: self._queues.clear(hold.claim, mark), hold, deadline)
        if self._queues.is_broken(answer):
            raise exceptions.LockLost(name, 'its holder')
        if not self._session.is_valid(hold.lease_id):
            raise exceptions.LockServiceError(
                name, 'the answer to its release was lost, and so was the '
                'lease: nobody knows which was first')
        # The lease has been there all the time, and nobody has broken the
        # locks: who took them was our own first try.

    def _sent(self, body, hold, deadline):
        """Return an answer, and whether it was sent more than once.

        :param body: function that returns the transaction, with a mark.
        """
        mark = hold.mark
        pauses = lock_waits.pauses()
        is_repeated = False
        while True:
            try:
                answer = self._client.transaction(
                    body(mark),
                    min(CALL_SECONDS, max(0.0, deadline - session.clock())))
                return answer, is_repeated or answer.is_repeated
            except exceptions.EtcdError as exc:
                is_repeated |= exc.is_sent
                if mark is not None and etcd.is_not_found(exc):
                    mark = None
                    continue
                if (isinstance(exc, exceptions.EtcdRefused)
                        or session.clock() >= deadline):
                    self._leftovers.add(hold, self._queues.withdraw)
                    raise exceptions.LockServiceError(
                        hold.claim.names[0], str(exc)) from exc
            time.sleep(next(pauses))

    def abandon(self, hold):
        """Give up all locks of a hold and leave its fence records behind.

        For work that has failed half-way: whoever is next repairs it. If
        etcd does not answer, it goes on being sent.
        """
        self._guarding.discard(hold.claim.id)
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
        heads = self._heads(name)
        return heads[0].text if heads else None

    def break_(self, name):
        """Take a lock away from whoever holds it.

        It fences nobody: who still works goes on. Records are kept, so that
        whoever is next fences those who have left one. Who waits keeps his
        place.

        :returns: whether there was anybody.
        :raises EtcdError: if etcd does not answer.
        """
        heads = self._heads(name)
        if not heads:
            return False
        lease = int(self._client.call(
            '/lease/grant', {'TTL': str(BROKEN_SECONDS), 'ID': '0'},
            CALL_SECONDS)['ID'])
        for first in range(0, len(heads), lock_queue.MAX_NAMES):
            self._client.transaction(self._queues.break_(
                heads[first:first + lock_queue.MAX_NAMES], lease),
                CALL_SECONDS)
        return True

    def left_behind(self):
        """Return the fence records of all claims that have no entry any more.

        A list of ``lock_survey.LeftBehind``, the oldest first. Each was there
        when it was looked at, and may be taken by others since.

        :raises EtcdError: if etcd does not tell.
        """
        keys, answer = [], {'more': True}
        while answer.get('more'):
            answer = self._client.call(
                '/kv/range', self._survey.page(keys[-1] if keys else None),
                CALL_SECONDS)
            keys += [etcd_requests.decoded(item['key'])
                     for item in answer.get('kvs', ())]
        found = [
            self._survey.left_behind(claim, modes, self._client.transaction(
                self._survey.inspect(claim, modes), CALL_SECONDS))
            for claim, modes in self._survey.suspects(keys).items()]
        return sorted(filter(None, found), key=lambda left: left.token)

    def is_claimed(self, names):
        """Tell whether anybody has any of some locks, or waits for it.

        A fence record that was left behind counts, too.

        :raises EtcdError: if etcd does not tell.
        """
        names, most = sorted(names), lock_survey.MAX_NAMES
        return not all(
            self._client.transaction(
                self._survey.is_free(names[first:first + most]),
                CALL_SECONDS).get('succeeded')
            for first in range(0, len(names), most))

    def _heads(self, name):
        return self._queues.heads(self._client.call(
            '/kv/range', self._queues.all_of(name), CALL_SECONDS))

    @property
    def is_guarding(self):
        """Whether work with a fence record is under way, or waits."""
        return bool(self._guarding)

    def is_available(self, seconds):
        """Tell whether there is a lease, or one to be had within seconds."""
        try:
            self._session.lease(seconds)
            return True
        except exceptions.EtcdError:
            return False

    def close(self):
        """Wait no longer for claims that could not be withdrawn."""
        self._leftovers.close()
