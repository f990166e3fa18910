# SPDX-License-Identifier: Apache-2.0
"""What is asked of etcd about jobs, and what its answers mean. Pure.

Below the prefix of the namespace::

    j/IMAGE/STORE    the job, until it is done
    c/IMAGE/STORE    the claim of a worker, with his lease: its id, and in a
                     second line how far the copy is
    t/IMAGE          tombstone: the image was deleted, and when
    e/IMAGE          removal: a copy of the image is leaving
    s/IMAGE          somebody wants the copies of the image compared
    b                written when somebody begins to wait for a job

So there are two keys at most for an image and a store. A step of a job is one
transaction, and holds only if the job is still what was read before. A claim
is told from others by the revision that has made it, so what is written into
it later is in nobody's way.
"""

import dataclasses
import urllib.parse

from dcn_plugins.locking import etcd_requests as requests
from dcn_plugins.placement import job as jobs
from dcn_plugins.placement import job_progress
from dcn_plugins.placement import stored_keys


@dataclasses.dataclass(frozen=True)
class Claim:
    """A worker's claim of a job.

    :param id: that the worker has given it, with the name of its process.
    :param token: etcd's revision of it, greater than that of all before.
    :param progress: as whoever copies has told;
        :class:`~dcn_plugins.placement.job_progress.Progress`, or ``None``.
    """

    id: str
    token: int
    progress: job_progress.Progress | None = dataclasses.field(
        default=None, compare=False)


@dataclasses.dataclass(frozen=True)
class Found:
    """What etcd has of one image and store.

    :param job: ``None`` if there is none, or none that can be read.
    :param revision: of the job; 0 if there is none.
    :param is_buried: whether the image was deleted.
    """

    job: jobs.Job | None
    revision: int
    claim: Claim | None
    is_buried: bool


class Requests:
    """Requests below one prefix.

    :param prefix: of all keys.
    """

    def __init__(self, prefix):
        self._prefix = prefix.rstrip('/')

    def job_key(self, image_id, store):
        """Return the key of a job."""
        return f'{self.jobs()}{_quoted(image_id)}/{_quoted(store)}'

    def claim_key(self, image_id, store):
        """Return the key of the claim of a job."""
        return f'{self.claims()}{_quoted(image_id)}/{_quoted(store)}'

    def tombstone_key(self, image_id):
        """Return the key of the tombstone of an image."""
        return f'{self.tombstones()}{_quoted(image_id)}'

    def removal_key(self, image_id):
        """Return the key of the removal of one of the copies of an image."""
        return f'{self._prefix}/e/{_quoted(image_id)}'

    def bell_key(self):
        """Return the key that is written when somebody begins to wait."""
        return f'{self._prefix}/b'

    def jobs(self, image_id=None):
        """Return the prefix of all jobs, or of those of an image."""
        return self._below('j', image_id)

    def claims(self, image_id=None):
        """Return the prefix of all claims, or of those of an image."""
        return self._below('c', image_id)

    def tombstones(self):
        """Return the prefix of all tombstones."""
        return self._below('t', None)

    def _below(self, kind, image_id):
        image = '' if image_id is None else f'{_quoted(image_id)}/'
        return f'{self._prefix}/{kind}/{image}'

    def look(self, image_id, store):
        """Return the transaction that reads all there is of a job."""
        return requests.transaction(success=self._reads(image_id, store))

    def _reads(self, image_id, store):
        return [requests.read(self.job_key(image_id, store)),
                requests.read(self.claim_key(image_id, store)),
                requests.read(self.tombstone_key(image_id))]

    def change(self, image_id, store, found, job):
        """Return the transaction that makes a job what it is to be.

        It holds if the job is still what was found. It reads as :meth:`look`
        else.

        :param job: ``None`` to have it go.
        """
        compare = [self._is_unchanged(image_id, store, found)]
        if found.job is None and job is not None:
            compare.append(requests.is_absent(self.tombstone_key(image_id)))
        return requests.transaction(
            compare, [self._write(image_id, store, job)],
            self._reads(image_id, store))

    def claim(self, found, job, claim_id, lease_id):
        """Return the transaction that claims a job.

        It does not as long as a copy of the image is leaving.

        :param job: as it is to be when it is claimed.
        """
        key = self.claim_key(job.image_id, job.store)
        return requests.transaction(
            [self._is_unchanged(job.image_id, job.store, found),
             requests.is_absent(key),
             requests.is_absent(self.removal_key(job.image_id))],
            [requests.put(key, claim_id, lease_id),
             self._write(job.image_id, job.store, job)],
            self._reads(job.image_id, job.store))

    def settle(self, image_id, store, found, claim, job):
        """Return the transaction that ends a claim, and what becomes of it.

        It holds if nobody else has claimed the job, and it is still what was
        found.
        """
        key = self.claim_key(image_id, store)
        write = [] if job == found.job else [
            self._write(image_id, store, job)]
        return requests.transaction(
            [requests.was_created_at(key, claim.token),
             self._is_unchanged(image_id, store, found)],
            [requests.delete(key), *write], self._reads(image_id, store))

    def drop_claim(self, image_id, store, claim):
        """Return the transaction that gives up a claim and nothing else."""
        key = self.claim_key(image_id, store)
        return requests.transaction(
            [requests.was_created_at(key, claim.token)],
            [requests.delete(key)])

    def report(self, image_id, store, claim, progress):
        """Return the transaction that writes into a claim how far it is.

        It holds if the claim is still there, and leaves it its lease.
        """
        key = self.claim_key(image_id, store)
        return requests.transaction(
            [requests.was_created_at(key, claim.token)],
            [requests.put_again(
                key, f'{claim.id}\n{job_progress.text_of(progress)}')])

    def bury(self, image_id, now):
        """Return the transaction that ends all jobs of a deleted image.

        Claims end with their work.
        """
        return requests.transaction(success=[
            {'request_delete_range': requests.range_of(self.jobs(image_id))},
            requests.delete(self.removal_key(image_id)),
            requests.put(self.tombstone_key(image_id), repr(now))])

    def found(self, answer):
        """Return the :class:`Found` of a transaction that has read.

        :raises ValueError: if the transaction has done something instead.
        """
        parts = [part.get('response_range')
                 for part in answer.get('responses', ())]
        if len(parts) != 3 or None in parts:
            raise ValueError('nothing was read')
        job, claim, tombstone = (
            next(iter(part.get('kvs', ())), None) for part in parts)
        return Found(
            job=None if job is None else jobs.job_of(stored_keys.text_of(job)),
            revision=0 if job is None else int(job['mod_revision']),
            claim=None if claim is None else claim_of(claim),
            is_buried=tombstone is not None)

    def place(self, key):
        """Return ``(image id, store)`` of the key of a job or a claim.

        :raises ValueError: if it is none.
        """
        image, store = key[len(self._prefix) + 3:].split('/')
        return urllib.parse.unquote(image), urllib.parse.unquote(store)

    def buried(self, key):
        """Return the id of the image of a tombstone."""
        return urllib.parse.unquote(key[len(self.tombstones()):])

    def _is_unchanged(self, image_id, store, found):
        key = self.job_key(image_id, store)
        return (requests.is_absent(key) if not found.revision
                else requests.was_changed_at(key, found.revision))

    def _write(self, image_id, store, job):
        key = self.job_key(image_id, store)
        return (requests.delete(key) if job is None
                else requests.put(key, jobs.text_of(job)))


def claim_of(item):
    """Return the :class:`Claim` of a key as etcd has answered."""
    claim_id, _line, told = stored_keys.text_of(item).partition('\n')
    return Claim(claim_id, int(item['create_revision']),
                 job_progress.progress_of(told))


def _quoted(text):
    # Whatever it is, it is one part of a key, and no other's.
    return urllib.parse.quote(text, safe='')
