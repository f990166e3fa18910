# SPDX-License-Identifier: Apache-2.0
"""All removals of a cloud, in etcd, and what is noted of copies.

Whoever begins one is alone with the image: a removal is changed only by
whoever knows it as it is.

Error handling: each method raises ``EtcdError`` when etcd does not answer or
refuses, and ``RemovalLost`` when somebody else has taken a removal over. What
was to be done may have been done then; another worker finishes it.
"""

import dataclasses
import time

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd_requests
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import job
from dcn_plugins.placement import jobs
from dcn_plugins.placement import removal as steps
from dcn_plugins.placement import removal_requests
from dcn_plugins.placement import stored_keys

#: Operations of one transaction; etcd takes 128.
_AT_ONCE = 100


@dataclasses.dataclass(frozen=True)
class Held:
    """A removal as it was last read or written.

    :param revision: of its key.
    """

    removal: steps.Removal
    revision: int


class Removals:
    """The removals below one prefix; thread-safe.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param prefix: that of the jobs.
    :param clock: seconds since 1970.
    """

    def __init__(self, client, prefix, clock=time.time):
        self._keys = stored_keys.StoredKeys(client)
        self._requests = removal_requests.Requests(prefix)
        self._clock = clock

    def begin(self, removal):
        """Begin a removal; return it as :class:`Held`, or ``None``.

        ``None`` if another copy of the image leaves, a job of the image is in
        hand, its store is to have one, or the image was deleted. A job that
        was cancelled is none that its store is to have.
        """
        found = self._requests.found(self._keys.call(
            self._requests.look(removal)))
        is_cancelled = (found.job is not None
                        and found.job.state is job.State.CANCELLED)
        return self._written(self._requests.begin(
            removal, found if is_cancelled else None), removal)

    def take(self, held, worker):
        """Take a removal over; return it, or ``None`` if it is not had."""
        removal = steps.taken(held.removal, worker, self._clock())
        return removal and self._written(self._requests.change(
            held.removal, held.revision, removal), removal)

    def change(self, held, removal):
        """Make a removal another one; return it.

        :raises RemovalLost: if somebody else has changed it.
        """
        found = self._written(self._requests.change(
            held.removal, held.revision, removal), removal)
        if found is None:
            raise exceptions.RemovalLost(removal.image_id, removal.store)
        return found

    def end(self, held, note=None):
        """End a removal; the copy stays.

        :param note: of the copy from now on; ``None`` to leave it.
        :raises RemovalLost: if somebody else has changed it.
        """
        self._ended(held, self._requests.end(
            held.removal, held.revision, note))

    def gone(self, held):
        """End a removal whose copy has gone.

        :raises RemovalLost: if somebody else has changed it.
        """
        for _race in range(jobs.MOST_RACES):
            found = self._requests.found(self._keys.call(
                self._requests.look(held.removal)))
            left = removal_requests.job_after(found, held.removal,
                                              self._clock())
            if self._ended(held, self._requests.gone(
                    held.removal, held.revision, found, left)):
                return
        raise jobs.contended(held.removal.image_id, held.removal.store)

    def all(self):
        """Return each removal as :class:`Held`, by image id."""
        found = [Held(*removal_requests.item_of(item))
                 for _key, item in self._keys.items(self._requests.removals())]
        return [held for held in found if held.removal is not None]

    def of(self, image_id):
        """Return the removal of an image, or ``None``."""
        item = self._keys.item(self._requests.key(image_id))
        return item and removal_requests.item_of(item)[0]

    # Notes

    def notes(self, store):
        """Return each ``copy_note.Note`` of a store, by image id.

        ``None`` for one that nobody can read.
        """
        return {self._requests.image_of(key):
                copy_note.note_of(stored_keys.text_of(item))
                for key, item in self._keys.items(self._requests.notes(store))}

    def notes_of(self, image_id, stores):
        """Return the notes of an image, by store; as far as there are any."""
        stores = list(stores)
        found = {}
        for first in range(0, len(stores), _AT_ONCE):
            some = stores[first:first + _AT_ONCE]
            answer = self._keys.call(etcd_requests.transaction(success=[
                etcd_requests.read(self._requests.note_key(store, image_id))
                for store in some]))
            for store, part in zip(some, answer['responses'], strict=True):
                for item in part['response_range'].get('kvs', ()):
                    found[store] = copy_note.note_of(stored_keys.text_of(item))
        return {store: note for store, note in found.items() if note}

    def write_notes(self, store, notes):
        """Write notes of a store.

        :param notes: by image id; ``None`` to remove one.
        """
        operations = [
            etcd_requests.delete(self._requests.note_key(store, image_id))
            if note is None else
            self._requests.put_note(store, image_id, note)
            for image_id, note in notes.items()]
        self._do(operations)

    def clear_notes(self, stores):
        """Remove all notes of some stores."""
        self._do([{'request_delete_range': etcd_requests.range_of(
            self._requests.notes(store))} for store in stores])

    def _do(self, operations):
        for first in range(0, len(operations), _AT_ONCE):
            self._keys.call(etcd_requests.transaction(
                success=operations[first:first + _AT_ONCE]))

    def _written(self, body, removal):
        answer = self._keys.call(body)
        if answer.get('succeeded'):
            return Held(removal, int(answer['header']['revision']))
        found, revision = self._requests.read(answer)
        # Of a call that was sent twice the second one fails. No two workers
        # have the same name, and one changes a removal once at a time.
        return Held(found, revision) if found == removal else None

    def _ended(self, held, body):
        """Return whether a removal was ended; raises if it is not ours."""
        answer = self._keys.call(body)
        if answer.get('succeeded'):
            return True
        found, revision = self._requests.read(answer)
        if found is None and answer.is_repeated:
            return True
        if found is None or revision != held.revision:
            raise exceptions.RemovalLost(held.removal.image_id,
                                         held.removal.store)
        return False
