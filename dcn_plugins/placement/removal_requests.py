# SPDX-License-Identifier: Apache-2.0
"""What is asked of etcd about removals, and what its answers mean. Pure.

Below the prefix of :mod:`~dcn_plugins.placement.job_requests`::

    e/IMAGE          the removal of an image from one of its stores
    u/STORE/IMAGE    the note of a copy that may have to leave

A removal begins only if nobody has a job of the image in hand and its store
is to have none; and no job of the image is claimed as long as it is there. So
Glance, which writes all locations of an image as it has read them, is never
asked by us to add one and to remove one at the same time.
"""

import urllib.parse

from dcn_plugins.locking import etcd_requests as requests
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import job as jobs
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import removal as steps
from dcn_plugins.placement import stored_keys


class Requests:
    """Requests below one prefix.

    :param prefix: that of the jobs.
    """

    def __init__(self, prefix):
        self._prefix = prefix.rstrip('/')
        self._jobs = job_requests.Requests(prefix)

    def removals(self):
        """Return the prefix of all removals."""
        return f'{self._prefix}/e/'

    def notes(self, store):
        """Return the prefix of all notes of a store."""
        return f'{self._prefix}/u/{_quoted(store)}/'

    def note_key(self, store, image_id):
        """Return the key of a note."""
        return f'{self.notes(store)}{_quoted(image_id)}'

    def image_of(self, key):
        """Return the image id of the key of a note."""
        return urllib.parse.unquote(key.rpartition('/')[2])

    def key(self, image_id):
        """Return the key of the removal of an image: there is one at most."""
        return self._jobs.removal_key(image_id)

    def begin(self, removal, found=None):
        """Return the transaction that begins a removal.

        :param found: the ``job_requests.Found`` of the same place, if it has
            a job that was cancelled: that one wants no copy there. The
            transaction holds if it is still so.
        """
        key = self._jobs.removal_key(removal.image_id)
        job_key = self._jobs.job_key(removal.image_id, removal.store)
        return requests.transaction(
            [requests.is_absent(key),
             requests.is_empty(self._jobs.claims(removal.image_id)),
             requests.is_absent(job_key) if found is None else
             requests.was_changed_at(job_key, found.revision),
             requests.is_absent(self._jobs.tombstone_key(removal.image_id))],
            [requests.put(key, steps.text_of(removal))],
            [requests.read(key)])

    def change(self, removal, revision, changed):
        """Return the transaction that makes a removal another one.

        :param revision: of the removal as it was read.
        """
        key = self._jobs.removal_key(removal.image_id)
        return requests.transaction(
            [requests.was_changed_at(key, revision)],
            [requests.put(key, steps.text_of(changed))],
            [requests.read(key)])

    def end(self, removal, revision, note):
        """Return the transaction that ends a removal and keeps the copy.

        :param note: of the copy; ``None`` to leave the one that is there.
        """
        key = self._jobs.removal_key(removal.image_id)
        return requests.transaction(
            [requests.was_changed_at(key, revision)],
            [requests.delete(key)] + ([] if note is None else [
                self.put_note(removal.store, removal.image_id, note)]),
            [requests.read(key)])

    def look(self, removal):
        """Return the transaction that reads the job of the same place."""
        return self._jobs.look(removal.image_id, removal.store)

    def found(self, answer):
        """Return the ``job_requests.Found`` of that transaction."""
        return self._jobs.found(answer)

    def gone(self, removal, revision, found, job):
        """Return the transaction that ends a removal whose copy has gone.

        It holds if the job of the same place is still what was found.

        :param job: what it is to be; ``None`` for none.
        """
        key = self._jobs.removal_key(removal.image_id)
        place = removal.image_id, removal.store
        change = self._jobs.change(*place, found, job)
        compare = change['compare']
        write = change['success'] if job != found.job else []
        return requests.transaction(
            [requests.was_changed_at(key, revision), *compare],
            [requests.delete(key),
             requests.delete(self.note_key(removal.store, removal.image_id)),
             *write], [requests.read(key)])

    def put_note(self, store, image_id, note):
        """Return the operation that writes a note."""
        return requests.put(self.note_key(store, image_id),
                            copy_note.text_of(note))

    def read(self, answer):
        """Return ``(removal, revision)`` of a transaction that has failed.

        ``(None, 0)`` if there is none.
        """
        item = stored_keys.item_read(answer)
        return (None, 0) if item is None else item_of(item)


def item_of(item):
    """Return ``(removal, revision)`` of a key."""
    return (steps.removal_of(stored_keys.text_of(item)),
            int(item['mod_revision']))


def job_after(found, removal, now):
    """Return the job of a place whose copy has gone.

    Where the image is wanted it stays away, as a job that was cancelled,
    unless somebody has asked for it.

    :param found: :class:`~dcn_plugins.placement.job_requests.Found`.
    """
    if not removal.is_wanted or found.is_buried or (
            found.job is not None and found.job.is_asked):
        return found.job
    job = found.job or jobs.Job(removal.image_id, removal.store, now, now)
    return jobs.left(job, removal.reason)


def _quoted(text):
    return urllib.parse.quote(text, safe='')
