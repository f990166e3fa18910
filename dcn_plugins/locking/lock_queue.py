# SPDX-License-Identifier: Apache-2.0
"""The queue of each lock in etcd: its transactions and verdicts. Pure.

Each claim has an entry under each of its names. An entry belongs to the lease
of its process and goes when that ends. etcd's revisions are the order: a claim
is granted when under none of its names an older entry is in its way. All its
entries are written by one transaction and so have one revision, the token:
claims to several names are in one order everywhere, and no two can wait for
each other.

A claim may carry a fence record. It is written by the transaction that grants,
belongs to no lease, and is deleted by the one that releases. So a record
without its entry is that of a holder whose lease has ended while he worked:
whoever is next has to fence him first. Until then nobody else is granted, so
such a holder who ends his work by himself has not lost his lock. A holder who
could not end his work gives up the entries and leaves the records.

The keys are those of :mod:`~dcn_plugins.locking.lock_keys`. What is sent most
of the time is small: the rest, for when a lock is not free or was lost, is
another transaction.

A transaction may be sent again when its answer was lost: each one asks for
what it has changed itself. It may also arrive long after its sender has given
it up, from a member that stood still. Where that has to be feared, the claim
is marked as done when it ends, so that it cannot enter any more. A mark goes
with the lease, and without its lease no entry can be made either.
"""

import dataclasses

from dcn_plugins.locking import etcd_requests as requests
from dcn_plugins.locking import lock_keys

EXCLUSIVE, SHARED = lock_keys.EXCLUSIVE, lock_keys.SHARED

# What a mark says of a claim that somebody else has ended.
_BROKEN = 'broken'

#: Names of one claim, and records that one grant removes: a transaction of
#: etcd has at most 128 operations.
MAX_NAMES = 40
MAX_RECORDS = 40


@dataclasses.dataclass(frozen=True)
class Claim:
    """Somebody's wish to hold some locks at once.

    :param id: unlike any other claim's.
    :param names: of the locks, in one order for all.
    :param modes: ``EXCLUSIVE`` or ``SHARED`` of each.
    :param holder: for people: who it is.
    :param record: what the next holder needs to fence this one, as a text;
        ``None`` for a lock that needs no fence.
    """

    id: str
    names: tuple[str, ...]
    modes: tuple[str, ...]
    holder: str = ''
    record: str | None = None

    @property
    def wishes(self):
        """The pairs of name and mode."""
        return tuple(zip(self.names, self.modes))


@dataclasses.dataclass(frozen=True)
class Entry:
    """Somebody's place in the queue of one lock, or his fence record.

    :param name: of the lock.
    :param claim: id of it.
    :param token: revision that created it.
    :param version: revision that changed it last.
    :param text: the holder, or the record.
    :param is_guarded: whether it is of a claim that leaves records.
    """

    key: str
    name: str
    mode: str
    claim: str
    token: int
    version: int
    text: str = ''
    is_guarded: bool = False


@dataclasses.dataclass(frozen=True)
class Granted:
    """The claim holds all its locks."""

    token: int


@dataclasses.dataclass(frozen=True)
class Waiting:
    """An older entry is in the way; its key is to be watched.

    :param before: key of the entry before that one, if it is worth to look
        when that goes: ``is_last`` may be true then.
    :param is_last: whether the claim is granted as soon as that key goes:
        nothing else is in its way, and nothing can come between.
    """

    token: int
    key: str
    holder: str = ''
    before: str = ''
    is_last: bool = False


@dataclasses.dataclass(frozen=True)
class Next:
    """It is the claim's turn; the grant has yet to be written.

    :param left_behind: fence records of holders who have not released. Who is
        in the way under one of the names is there with all of them.
    :param has_more: whether these are not all of them.
    """

    token: int
    left_behind: tuple[Entry, ...] = ()
    has_more: bool = False


@dataclasses.dataclass(frozen=True)
class Gone:
    """The claim is in no queue: its lease has ended, or it was broken."""


class Queues:
    """The queues of all locks below one prefix.

    :param keys: :class:`~dcn_plugins.locking.lock_keys.Keys`; services that
        share their prefix exclude each other.
    """

    def __init__(self, keys):
        self._keys = keys

    def take(self, claim, lease_id):
        """Return the transaction that grants a claim if nobody is in the way.

        Its success is the grant, and its revision the token. Else nothing is
        done.
        """
        return requests.transaction(
            [*(requests.is_empty(self._keys.in_the_way(name, mode))
               for name, mode in claim.wishes),
             requests.is_absent(self._keys.mark(claim.id)),
             # Sent twice it would tell the second revision. The entries of
             # a writer are in his own way.
             *(requests.is_absent(self._entry(claim, name, mode))
               for name, mode in claim.wishes if mode == SHARED)],
            self._puts(claim, lease_id) + self._record_puts(claim))

    def taken(self, answer):
        """Return the grant of an answer to ``take``, or ``None``."""
        return Granted(int(answer['header']['revision'])) if answer.get(
            'succeeded') else None

    def enter(self, claim, lease_id):
        """Return the transaction that puts a claim in line, and looks.

        Who is in line already keeps his place.
        """
        return requests.transaction(success=[
            requests.nested(requests.transaction(
                [requests.is_absent(self._keys.mark(claim.id))],
                self._puts(claim, lease_id))),
            *self._ranges(claim)])

    def look(self, claim):
        """Return the transaction that reads the state of a claim's queues."""
        return requests.transaction(success=self._ranges(claim))

    def grant(self, claim, next_):
        """Return the transaction that grants a claim whose turn it is.

        :param next_: the :class:`Next` of :meth:`verdict`; all that is left
            behind must have been fenced.
        """
        return requests.transaction(
            [*(requests.was_created_at(
                self._entry(claim, name, mode), next_.token)
                for name, mode in claim.wishes),
             *(requests.was_changed_at(record.key, record.version)
               for record in next_.left_behind)],
            # If there are more, ours is written all the same: it may say what
            # those said.
            [*(requests.delete(record.key) for record in next_.left_behind),
             *self._record_puts(claim),
             *(self._ranges(claim) if next_.has_more else ())],
            self._ranges(claim))

    def release(self, claim, token, lease_id=None):
        """Return the transaction that gives all locks of a claim back.

        It succeeds if the claim has been the only one: it had its entries,
        or its fence records, to the end. Else nothing is done, and
        :meth:`clear` has to follow.

        :param lease_id: if ``take`` or ``enter`` may still be on its way.
        """
        return requests.transaction(
            self._is_held(claim, token),
            self._deletions(claim, self._entry) + self._done(claim, lease_id)
            + self._record_deletions(claim))

    def clear(self, claim, lease_id=None):
        """Return the transaction that ends a claim that was lost.

        A record that is left is for whoever is next under that name. The
        answer is for :meth:`is_broken`.

        :param lease_id: if ``take`` or ``enter`` may still be on its way.
        """
        mark = self._keys.mark(claim.id)
        return requests.transaction(success=[
            *self._deletions(claim, self._entry),
            requests.read(mark),
            # A mark that is there says more.
            requests.nested(requests.transaction(
                [requests.is_absent(mark)], self._done(claim, lease_id)))])

    def is_broken(self, answer):
        """Tell whether the claim that was cleared had been broken."""
        return any(
            requests.decoded(item.get('value', '')) == _BROKEN
            for part in answer.get('responses', ())
            for item in part.get('response_range', {}).get('kvs', ()))

    def break_(self, entries, lease_id):
        """Return the transaction that takes entries out of their queues.

        Those that have gone meanwhile are nobody's any more.

        :param entries: those of :meth:`heads`.
        :param lease_id: for the marks that tell it to their claims.
        """
        return requests.transaction(success=[
            requests.nested(requests.transaction(
                [requests.was_created_at(entry.key, entry.token)],
                [requests.delete(entry.key), requests.put(
                    self._keys.mark(entry.claim), _BROKEN, lease_id)]))
            for entry in entries])

    def withdraw(self, claim, lease_id=None):
        """Return the transaction that takes a claim out of all queues.

        :param lease_id: if ``take`` or ``enter`` may still be on its way.
        """
        return requests.transaction(
            success=self._deletions(claim, self._entry)
            + self._record_deletions(claim) + self._done(claim, lease_id))

    def abandon(self, claim, lease_id=None):
        """Return the transaction that ends a claim and leaves its records.

        Whoever is next finds them as if the lease had ended.

        :param lease_id: if ``take`` or ``enter`` may still be on its way.
        """
        return requests.transaction(
            success=self._deletions(claim, self._entry)
            + self._done(claim, lease_id))

    def is_held(self, claim, token):
        """Return the transaction that succeeds while a claim is held."""
        return requests.transaction(self._is_held(claim, token))

    def verdict(self, claim, answer, token=None):
        """Return what the answer to ``enter``, ``look`` or ``grant`` means.

        :param token: of the :class:`Next` that ``grant`` was made of.
        :returns: :class:`Granted`, :class:`Waiting`, :class:`Next` or
            :class:`Gone`.
        """
        ranges = [part['response_range'] for part in answer.get(
            'responses', ()) if 'response_range' in part]
        if answer.get('succeeded') and not ranges:
            return Granted(token)
        tokens, older, fences = set(), [], []
        own_records = 0
        dead = set()
        for (name, mode), found in zip(claim.wishes, ranges):
            entries, records = self._found(found)
            mine = entries.pop(claim.id, None)
            tokens.add(mine and mine.token)
            older += [entry for entry in entries.values()
                      if mine and entry.token < mine.token
                      and _conflict(mode, entry.mode)]
            own_records += records.pop(claim.id, None) is not None
            fences += records.values()
            dead.update(entry.claim for entry in records.values()
                        if _conflict(mode, entry.mode))
        if len(tokens) != 1 or None in tokens:
            return Gone()
        token = tokens.pop()
        if older:
            return self._waiting(claim, token, older, bool(dead))
        # A record is one thing, whatever its modes: who has to take it away
        # under one name does so under all that he holds.
        left = [entry for entry in fences if entry.claim in dead]
        if left or claim.record is not None and (
                own_records < len(claim.names)):
            return Next(token, tuple(left[:MAX_RECORDS]),
                        len(left) > MAX_RECORDS)
        return Granted(token)

    @staticmethod
    def _waiting(claim, token, older, has_records):
        # The youngest of them is the last to go, mostly.
        *others, last = sorted(older, key=lambda entry: entry.token)
        # A claim that leaves records is granted by a transaction, and so is
        # one that may find any. Of several names somebody may break another
        # one meanwhile; of one, only that of whoever has his turn.
        may_see = (len(claim.names) == 1 and not has_records
                   and claim.record is None and not last.is_guarded)
        return Waiting(token, last.key, last.text,
                       others[-1].key if may_see and others else '',
                       may_see and not others)

    def all_of(self, name):
        """Return the range of all entries and fence records of a lock."""
        return requests.range_of(self._keys.of_lock(name))

    def heads(self, found):
        """Return the entries of a lock whose turn it is, the oldest first.

        Nothing older of that lock is in their way.

        :param found: the answer to :meth:`all_of`.
        """
        entries = sorted(self._found(found)[0].values(),
                         key=lambda entry: entry.token)
        return [entry for number, entry in enumerate(entries)
                if not any(_conflict(entry.mode, older.mode)
                           for older in entries[:number])]

    def _is_held(self, claim, token):
        if claim.record is None:
            return [requests.was_created_at(
                self._entry(claim, name, mode), token)
                for name, mode in claim.wishes]
        return [requests.is_present(self._record(claim, name, mode))
                for name, mode in claim.wishes]

    def _entry(self, claim, name, mode):
        return self._keys.key(
            name, mode, lock_keys.ENTRY if claim.record is None
            else lock_keys.GUARDED, claim.id)

    def _record(self, claim, name, mode):
        return self._keys.key(name, mode, lock_keys.FENCE, claim.id)

    def _done(self, claim, lease_id):
        return [] if lease_id is None else [requests.put(
            self._keys.mark(claim.id), lease_id=lease_id)]

    def _puts(self, claim, lease_id):
        return [requests.put(self._entry(claim, name, mode), claim.holder,
                             lease_id) for name, mode in claim.wishes]

    def _record_puts(self, claim):
        return [] if claim.record is None else [
            requests.put(self._record(claim, name, mode), claim.record)
            for name, mode in claim.wishes]

    def _record_deletions(self, claim):
        return [] if claim.record is None else self._deletions(
            claim, self._record)

    def _deletions(self, claim, key_of):
        return [requests.delete(key_of(claim, name, mode))
                for name, mode in claim.wishes]

    def _ranges(self, claim):
        return [requests.read_all(self._keys.of_lock(name))
                for name in claim.names]

    def _found(self, found):
        """Return entries and records of an answered range by their claims."""
        entries, records = {}, {}
        for item in found.get('kvs', ()):
            key = requests.decoded(item['key'])
            place = self._keys.place(key)
            (records if place.kind == lock_keys.FENCE else entries)[
                place.claim] = Entry(
                    key, place.name, place.mode, place.claim,
                    int(item['create_revision']), int(item['mod_revision']),
                    requests.decoded(item.get('value', '')),
                    place.kind != lock_keys.ENTRY)
        return entries, records


def _conflict(one, other):
    return EXCLUSIVE in (one, other)
