# SPDX-License-Identifier: Apache-2.0
"""How a worker claims a job in etcd, and gives it back.

A claim hangs on the lease of its process: who dies, or cannot reach etcd for
longer than that, has lost it, and another one goes on.

Error handling: each method raises ``EtcdError`` when etcd does not answer or
refuses. What was to be done may have been done then; ``drop_strays`` finds a
claim that nobody knows of.
"""

import dataclasses
import secrets
import time

from dcn_plugins import exceptions
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import jobs
from dcn_plugins.placement import stored_keys


@dataclasses.dataclass(frozen=True)
class Held:
    """A job that this process has claimed."""

    job: steps.Job
    claim: job_requests.Claim
    lease_id: int


class JobClaims:
    """The claims of one process; thread-safe.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param own_session: :class:`~dcn_plugins.locking.session.Session`.
    :param prefix: of all keys.
    :param holder: the name of this process, that no other one has.
    :param clock: seconds since 1970.
    :param local: the local time of a time of the clock, as
        ``time.localtime``.
    """

    def __init__(self, client, own_session, prefix, holder, clock=time.time,
                 local=time.localtime):
        self._keys = stored_keys.StoredKeys(client)
        self._session = own_session
        self._requests = job_requests.Requests(prefix)
        self._jobs = jobs.Jobs(client, prefix, clock)
        self._holder = holder
        self._clock = clock
        self._local = local

    def claim(self, entry):
        """Claim a job; return a :class:`Held`, or ``None`` if it is not had.

        :param entry: as it was listed. If anything has changed since, it is
            not had.
        """
        now = self._clock()
        local = self._local(now)
        if not entry.job.is_open(now, 60 * local.tm_hour + local.tm_min):
            return None
        claim_id = f'{self._holder} {secrets.token_urlsafe(9)}'
        job = steps.claimed(entry.job, claim_id, now)
        if job is entry.job or entry.claim is not None:
            return None
        if job.state is not steps.State.WAITING:
            self._keys.call(self._requests.change(
                job.image_id, job.store, entry.found, job))
            return None
        lease = self._session.lease(stored_keys.CALL_SECONDS)
        answer = self._keys.call(self._requests.claim(
            entry.found, job, claim_id, lease.id))
        if answer.get('succeeded'):
            # All that one transaction writes has its revision.
            token = int(answer['header']['revision'])
        else:
            found = self._requests.found(answer)
            # Of a call that was sent twice the second one fails.
            if found.claim is None or found.claim.id != claim_id:
                return None
            token = found.claim.token
        return Held(job, job_requests.Claim(claim_id, token), lease.id)

    def is_valid(self, held):
        """Tell whether a claim is provably still ours; asks nobody."""
        return self._session.is_valid(held.lease_id)

    def done(self, held):
        """End a job whose image is in the store.

        :raises ClaimLost: if the claim was lost; the job may be there still.
        """
        self._settle(held, lambda job: steps.done(job, held.claim.id))

    def failed(self, held, reason, is_final=False):
        """End a try that has failed; return the job, ``None`` if it is gone.

        :raises ClaimLost: if the claim was lost.
        """
        now = self._clock()
        return self._settle(held, lambda job: steps.failed(
            job, held.claim.id, reason, now, is_final))

    def postponed(self, held, reason, seconds):
        """Give a job back that could not be tried; return it, or ``None``.

        :raises ClaimLost: if the claim was lost.
        """
        now = self._clock()
        return self._settle(held, lambda job: steps.postponed(
            job, held.claim.id, reason, now, seconds))

    def dropped(self, held):
        """End a job that is no longer wanted.

        :raises ClaimLost: if the claim was lost.
        """
        self._settle(held, lambda job: None)

    def look(self, held):
        """Return a claimed job as it is now; ``None`` if it is no more.

        :raises ClaimLost: if the claim was lost.
        """
        return self._looked(held).job

    def drop_strays(self, held):
        """Give up claims of this process that it does not know of.

        An answer that was lost may have left one, and it would stay for as
        long as the process lives.

        :param held: of each :class:`Held` that it knows of.
        :returns: how many were given up.
        """
        known = {one.claim.id for one in held}
        found = self._jobs.claims()
        strays = [(place, claim) for place, claim in found.items()
                  if claim.id.rpartition(' ')[0] == self._holder
                  and claim.id not in known]
        for (image_id, store), claim in strays:
            self._keys.call(self._requests.drop_claim(image_id, store, claim))
        return len(strays)

    def _looked(self, held):
        found = self._requests.found(self._keys.call(self._requests.look(
            held.job.image_id, held.job.store)))
        if found.claim is None or found.claim.token != held.claim.token:
            raise exceptions.ClaimLost(held.job.image_id, held.job.store)
        return found

    def _settle(self, held, step):
        image_id, store = held.job.image_id, held.job.store
        is_sent = False
        job = None
        for _race in range(jobs.MOST_RACES):
            try:
                found = self._looked(held)
            except exceptions.ClaimLost:
                if is_sent and self._is_settled(image_id, store, job):
                    return job
                raise
            job = step(found.job)
            if self._keys.call(self._requests.settle(
                    image_id, store, found, held.claim, job)).get(
                        'succeeded'):
                return job
            is_sent = True
        raise jobs.contended(image_id, store)

    def _is_settled(self, image_id, store, job):
        """Tell whether a call that was sent twice has worked at first."""
        found = self._requests.found(self._keys.call(
            self._requests.look(image_id, store)))
        return found.claim is None and found.job == job
