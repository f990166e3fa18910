# SPDX-License-Identifier: Apache-2.0
"""All jobs of a cloud, in etcd: whoever dies, they stay.

Error handling: each method raises ``EtcdError`` when etcd does not answer or
refuses; what was to be done may have been done then, and may be asked for
again without harm.
"""

import dataclasses
import time

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd_requests
from dcn_plugins.placement import job as jobs
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import stored_keys

#: How often a step is tried anew because somebody else was faster.
MOST_RACES = 20


@dataclasses.dataclass(frozen=True)
class Entry:
    """A job, and whether somebody works on it.

    :param found: :class:`~dcn_plugins.placement.job_requests.Found`.
    """

    job: jobs.Job
    found: job_requests.Found

    @property
    def claim(self):
        """The claim of whoever works on it; ``None`` if nobody does."""
        return self.found.claim


class Jobs:
    """The jobs below one prefix; thread-safe.

    What workers do with them is in
    :class:`~dcn_plugins.placement.job_claims.JobClaims`.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param clock: seconds since 1970.
    """

    def __init__(self, client, prefix, clock=time.time):
        self._keys = stored_keys.StoredKeys(client)
        self._requests = job_requests.Requests(prefix)
        self._clock = clock

    # What is wanted

    def register(self, wanted):
        """Have a job done; return it, or ``None`` if the image was deleted.

        One that is there already stays, see
        :func:`~dcn_plugins.placement.job.registered`.
        """
        now = self._clock()
        return self._change(wanted.image_id, wanted.store,
                            lambda job: jobs.registered(job, wanted, now))

    def drop(self, image_id, store):
        """Forget a job that is no longer wanted."""
        self._change(image_id, store, lambda job: None)

    def bury(self, image_id):
        """End all jobs of a deleted image, and let no other begin."""
        self._keys.call(self._requests.bury(image_id, self._clock()))

    def tombstones(self):
        """Return when each deleted image was buried, by its id."""
        found = {}
        for key, item in self._keys.items(self._requests.tombstones()):
            try:
                found[self._requests.buried(key)] = float(
                    stored_keys.text_of(item))
            except ValueError:
                # Of nobody who is known; it is old enough to go.
                found[self._requests.buried(key)] = 0.0
        return found

    def unbury(self, image_id):
        """Remove a tombstone."""
        self._keys.call(etcd_requests.transaction(success=[
            etcd_requests.delete(self._requests.tombstone_key(image_id))]))

    # What operators do

    def pause(self, image_id, store):
        """Have nobody begin a job; return it, or ``None`` if there is none.

        Who works on it now is to look and to stop.
        """
        return self._change(image_id, store, jobs.paused)

    def resume(self, image_id, store):
        """Have a paused job go on; return it, or ``None``."""
        now = self._clock()
        return self._change(image_id, store,
                            lambda job: jobs.resumed(job, now))

    def cancel(self, image_id, store):
        """Have a job not done, also if it is wanted; return it, or ``None``.

        It stays, as a sign to whoever looks what is wanted, until it is
        redone or no longer wanted.
        """
        return self._change(image_id, store, jobs.cancelled)

    def redo(self, image_id, store):
        """Begin a job anew that has failed or was cancelled; return it."""
        now = self._clock()
        return self._change(image_id, store,
                            lambda job: jobs.redone(job, now))

    def ask(self, image_id, store):
        """Have a job done for somebody who waits; return it, or ``None``.

        It goes before all that the policy wants, at any hour, and also if it
        was paused, cancelled or given up. ``None`` if the image was deleted.
        """
        now = self._clock()
        wanted = jobs.Job(image_id, store, now, now,
                          priority=jobs.ASKED_PRIORITY, is_asked=True)
        found = self._change(
            image_id, store, lambda job: jobs.asked(job, wanted, now))
        if found is not None:
            self._keys.call(etcd_requests.transaction(success=[
                etcd_requests.put(self._requests.bell_key(), image_id)]))
        return found

    def bell(self):
        """Return a number that rises whenever somebody begins to wait."""
        found = self._keys.item(self._requests.bell_key())
        return 0 if found is None else int(found['mod_revision'])

    def entry(self, image_id, store):
        """Return the :class:`Entry` of one job; ``None`` if there is none."""
        found = self._requests.found(self._keys.call(
            self._requests.look(image_id, store)))
        return None if found.job is None else Entry(found.job, found)

    def prioritise(self, image_id, store, priority):
        """Give a job another priority; return it, or ``None``."""
        return self._change(image_id, store,
                            lambda job: jobs.prioritised(job, priority))

    # What there is

    def entries(self, image_id=None):
        """Return each :class:`Entry`, or those of an image, in their order.

        Jobs and claims are read one after the other: a claim may be of a
        moment later.
        """
        listed = {}
        for key, item in self._keys.items(self._requests.jobs(image_id)):
            job = jobs.job_of(stored_keys.text_of(item))
            if job is not None:
                listed[self._requests.place(key)] = (
                    job, int(item['mod_revision']))
        claims = self.claims(image_id)
        return sorted(
            (Entry(job, job_requests.Found(job, revision, claims.get(place),
                                           False))
             for place, (job, revision) in listed.items()),
            key=lambda entry: entry.job.order)

    def claims(self, image_id=None):
        """Return each claim, or those of an image, by image id and store."""
        return {
            self._requests.place(key): job_requests.claim_of(item)
            for key, item in self._keys.items(self._requests.claims(image_id))}

    def _change(self, image_id, store, step):
        answer = self._keys.call(self._requests.look(image_id, store))
        for _race in range(MOST_RACES):
            found = self._requests.found(answer)
            job = step(found.job)
            if job == found.job:
                return job
            if found.is_buried and found.job is None:
                return None
            answer = self._keys.call(self._requests.change(
                image_id, store, found, job))
            if answer.get('succeeded'):
                return job
        raise contended(image_id, store)


def contended(image_id, store):
    """Return the error of a job that others change all the time."""
    return exceptions.EtcdUnavailable(
        f'the job of image {image_id} and store {store} was changed by '
        f'others {MOST_RACES} times in a row')
