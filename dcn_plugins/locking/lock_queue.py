# SPDX-License-Identifier: Apache-2.0
"""The queue of each lock in etcd: its keys, transactions and verdicts. Pure.

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

Keys, below the prefix of the namespace::

    n/NAME/MODE/q/CLAIM   entry, with the lease; MODE is "x" or "s"
    n/NAME/MODE/f/CLAIM   fence record, without lease
    d/CLAIM               the claim is done, with the lease

So one range holds all that is in the way of a writer, and one what is in the
way of a reader.

A transaction may be sent again when its answer was lost: each one asks for
what it has changed itself. It may also arrive long after its sender has given
it up, from a member that stood still. Where that has to be feared, the claim
is marked as done when it ends, so that it cannot enter any more. A mark goes
with the lease, and without its lease no entry can be made either.
"""

import base64
import dataclasses
import urllib.parse

EXCLUSIVE, SHARED = 'x', 's'

# What a mark says of a claim that somebody else has ended.
_BROKEN = 'broken'

#: Names of one claim, and records that one grant removes: a transaction of
#: etcd has at most 128 operations.
MAX_NAMES = 40
MAX_RECORDS = 40

# Of one page; 128 bytes each or so.
MAX_KEYS = 1000


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
    :param token: revision that created it.
    :param version: revision that changed it last.
    :param text: the holder, or the record.
    """

    key: str
    name: str
    mode: str
    claim: str
    token: int
    version: int
    text: str = ''


@dataclasses.dataclass(frozen=True)
class LeftBehind:
    """The fence record of a claim that has no entry any more.

    :param claim: its id.
    :param modes: of its names, a dictionary.
    :param record: the text.
    :param token: revision that wrote it.
    """

    claim: str
    modes: dict[str, str]
    record: str
    token: int


@dataclasses.dataclass(frozen=True)
class Granted:
    """The claim holds all its locks."""

    token: int


@dataclasses.dataclass(frozen=True)
class Waiting:
    """An older entry is in the way; its key is to be watched."""

    token: int
    key: str
    holder: str = ''


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
    """The queues below one prefix.

    :param prefix: of all keys; services that share it exclude each other.
    """

    def __init__(self, prefix):
        self._prefix = prefix.rstrip('/')

    def enter(self, claim, lease_id, is_patient=True):
        """Return the transaction that grants a claim, or puts it in line.

        Its answer is for :meth:`verdict`.

        :param is_patient: whether it is put in line; if not, its verdict is
            :class:`Gone` when it was not granted.
        """
        entries = self._puts(claim, lease_id)
        return {
            'compare': [
                *(_is_empty(self._in_the_way(name, mode))
                  for name, mode in claim.wishes),
                *self._is_new(claim)],
            'success': entries + self._record_puts(claim),
            'failure': [
                {'request_txn': {'compare': self._is_new(claim),
                                 'success': entries, 'failure': []}},
                *self._ranges(claim)] if is_patient else self._ranges(claim)}

    def look(self, claim):
        """Return the transaction that reads the state of a claim's queues."""
        return {'compare': [], 'success': self._ranges(claim), 'failure': []}

    def grant(self, claim, next_):
        """Return the transaction that grants a claim whose turn it is.

        :param next_: the :class:`Next` of :meth:`verdict`; all that is left
            behind must have been fenced.
        """
        return {
            'compare': [
                *(_has_token(self._entry(claim, name, mode), next_.token)
                  for name, mode in claim.wishes),
                *(_is_unchanged(record) for record in next_.left_behind)],
            'success': [
                *({'request_delete_range': {'key': encoded(record.key)}}
                  for record in next_.left_behind),
                # Who has more to fence is not granted yet.
                *(self._ranges(claim) if next_.has_more
                  else self._record_puts(claim))],
            'failure': self._ranges(claim)}

    def release(self, claim, token, lease_id=None):
        """Return the transaction that gives all locks of a claim back.

        It succeeds if the claim has been the only one: it had its entries,
        or its fence records, to the end.

        :param lease_id: if ``enter`` may still be on its way.
        """
        if claim.record is None:
            compare = [_has_token(self._entry(claim, name, mode), token)
                       for name, mode in claim.wishes]
        else:
            compare = [_is_present(self._record(claim, name, mode))
                       for name, mode in claim.wishes]
        entries = self._deletions(claim, self._entry)
        return {
            'compare': compare,
            'success': entries + self._done(claim, lease_id) + (
                [] if claim.record is None
                else self._deletions(claim, self._record)),
            # Somebody has fenced it. A record that is left is for whoever is
            # next under that name.
            'failure': [
                *entries,
                {'request_range': {'key': encoded(self._mark(claim))}},
                # A mark that is there says more.
                {'request_txn': {'compare': [_is_absent(self._mark(claim))],
                                 'success': self._done(claim, lease_id),
                                 'failure': []}}]}

    def is_broken(self, claim, answer):
        """Tell whether a release that failed was of a broken claim."""
        return any(
            decoded(item.get('value', '')) == _BROKEN
            for part in answer.get('responses', ())
            for item in part.get('response_range', {}).get('kvs', ()))

    def break_(self, entries, lease_id):
        """Return the transaction that takes entries out of their queues.

        :param entries: those of :meth:`entries`.
        :param lease_id: for the marks that tell it to their claims.
        """
        return {
            'compare': [],
            'success': [
                operation for entry in entries for operation in (
                    {'request_delete_range': {'key': encoded(entry.key)}},
                    {'request_put': {
                        'key': encoded(f'{self._prefix}/d/{entry.claim}'),
                        'value': encoded(_BROKEN), 'lease': str(lease_id)}})],
            'failure': []}

    def withdraw(self, claim, lease_id=None):
        """Return the transaction that takes a claim out of all queues.

        :param lease_id: if ``enter`` may still be on its way.
        """
        return {'compare': [],
                'success': (self._deletions(claim, self._entry)
                            + self._deletions(claim, self._record)
                            + self._done(claim, lease_id)),
                'failure': []}

    def abandon(self, claim, lease_id=None):
        """Return the transaction that ends a claim and leaves its records.

        Whoever is next finds them as if the lease had ended.

        :param lease_id: if ``enter`` may still be on its way.
        """
        return {'compare': [],
                'success': (self._deletions(claim, self._entry)
                            + self._done(claim, lease_id)),
                'failure': []}

    def is_held(self, claim, token):
        """Return the transaction that succeeds while a claim is held."""
        return {**self.release(claim, token), 'success': [], 'failure': []}

    def verdict(self, claim, answer, token=None):
        """Return what the answer to ``enter``, ``look`` or ``grant`` means.

        :param token: of the :class:`Next` that ``grant`` was made of.
        :returns: :class:`Granted`, :class:`Waiting`, :class:`Next` or
            :class:`Gone`.
        """
        ranges = [part['response_range'] for part in answer.get(
            'responses', ()) if 'response_range' in part]
        if answer.get('succeeded') and not ranges:
            return Granted(token or int(answer['header']['revision']))
        tokens, older, fences, has_records = set(), [], [], True
        dead = set()
        for (name, mode), found in zip(claim.wishes, ranges):
            entries = self._entries('q', name, found)
            mine = entries.pop(claim.id, None)
            tokens.add(mine and mine.token)
            older += [entry for entry in entries.values()
                      if mine and entry.token < mine.token
                      and _conflict(mode, entry.mode)]
            records = self._entries('f', name, found)
            has_records &= records.pop(claim.id, None) is not None
            fences += records.values()
            dead.update(entry.claim for entry in records.values()
                        if _conflict(mode, entry.mode))
        if len(tokens) != 1 or None in tokens:
            return Gone()
        token = tokens.pop()
        if older:
            # The youngest of them is the last to go, mostly.
            last = max(older, key=lambda entry: entry.token)
            return Waiting(token, last.key, last.text)
        # A record is one thing, whatever its modes: who has to take it away
        # under one name does so under all that he holds.
        left = [entry for entry in fences if entry.claim in dead]
        if left or (claim.record is not None and not has_records):
            return Next(token, tuple(left[:MAX_RECORDS]),
                        len(left) > MAX_RECORDS)
        return Granted(token)

    def all_of(self, name):
        """Return the range of all entries and fence records of a lock."""
        return _range(self._scope(name))

    def entries(self, name, found):
        """Return the entries of an answer to :meth:`all_of`."""
        return list(self._entries('q', name, found).values())

    def all_keys(self, after=None):
        """Return the range of the keys of all locks, a page of it.

        :param after: the last key of the page before.
        """
        first = f'{self._prefix}/n/'
        return {'key': encoded(first if after is None else after + '\0'),
                'range_end': encoded(end_of(first)), 'keys_only': True,
                'limit': str(MAX_KEYS)}

    def suspects(self, keys):
        """Return the claims that have fence records and no entry, unproven.

        :param keys: of :meth:`all_keys`; not all of one moment, as there are
            pages.
        :returns: ``{claim id: {name: mode}}``.
        """
        records, alive = {}, set()
        start = len(f'{self._prefix}/n/')
        for key in keys:
            name, mode, kind, claim = key[start:].split('/')
            if kind == 'f':
                records.setdefault(claim, {})[
                    urllib.parse.unquote(name)] = mode
            else:
                alive.add(claim)
        return {claim: modes for claim, modes in records.items()
                if claim not in alive}

    def inspect(self, claim_id, modes):
        """Return the transaction that reads a claim's records and entries."""
        return {'compare': [], 'failure': [], 'success': [
            {'request_range': {'key': encoded(
                f'{self._scope(name)}{mode}/{kind}/{claim_id}')}}
            for kind in 'fq' for name, mode in modes.items()]}

    def left_behind(self, claim_id, modes, answer):
        """Return the :class:`LeftBehind` of an answer to :meth:`inspect`.

        ``None`` if there is a release, a grant or a fence meanwhile.
        """
        found = [part.get('response_range', {}).get('kvs', ())
                 for part in answer.get('responses', ())]
        records, entries = found[:len(modes)], found[len(modes):]
        if any(entries) or not all(records):
            return None
        record = records[0][0]
        return LeftBehind(claim_id, modes, decoded(record.get('value', '')),
                          int(record['create_revision']))

    def is_free(self, names):
        """Return the transaction that succeeds if nothing is of these locks.

        :param names: at most 128.
        """
        return {'compare': [_is_empty(self._scope(name)) for name in names],
                'success': [], 'failure': []}

    def _scope(self, name):
        return f'{self._prefix}/n/{_quoted(name)}/'

    def _in_the_way(self, name, mode):
        """Return the prefix that must be empty for a grant at once."""
        # Of readers only a writer is in the way.
        return self._scope(name) + (
            f'{EXCLUSIVE}/' if mode == SHARED else '')

    def _entry(self, claim, name, mode):
        return f'{self._scope(name)}{mode}/q/{claim.id}'

    def _record(self, claim, name, mode):
        return f'{self._scope(name)}{mode}/f/{claim.id}'

    def _mark(self, claim):
        return f'{self._prefix}/d/{claim.id}'

    def _is_new(self, claim):
        """Return the comparisons that keep a claim from meeting itself."""
        return [_is_absent(self._mark(claim)),
                *(_is_absent(self._entry(claim, name, mode))
                  for name, mode in claim.wishes)]

    def _done(self, claim, lease_id):
        if lease_id is None:
            return []
        return [{'request_put': {
            'key': encoded(self._mark(claim)), 'value': '',
            'lease': str(lease_id)}}]

    def _puts(self, claim, lease_id):
        return [{'request_put': {
            'key': encoded(self._entry(claim, name, mode)),
            'value': encoded(claim.holder), 'lease': str(lease_id)}}
            for name, mode in claim.wishes]

    def _record_puts(self, claim):
        if claim.record is None:
            return []
        return [{'request_put': {
            'key': encoded(self._record(claim, name, mode)),
            'value': encoded(claim.record)}} for name, mode in claim.wishes]

    def _deletions(self, claim, key_of):
        return [{'request_delete_range': {
            'key': encoded(key_of(claim, name, mode))}}
            for name, mode in claim.wishes]

    def _ranges(self, claim):
        return [{'request_range': self.all_of(name)}
                for name, _mode in claim.wishes]

    def _entries(self, kind, name, found):
        """Return the entries of an answered range by their claims."""
        start = len(self._scope(name))
        entries = {}
        for item in found.get('kvs', ()):
            key = decoded(item['key'])
            mode, its_kind, claim = key[start:].split('/')
            if its_kind == kind:
                entries[claim] = Entry(
                    key, name, mode, claim, int(item['create_revision']),
                    int(item['mod_revision']),
                    decoded(item.get('value', '')))
        return entries


def encoded(text):
    """Return a text as etcd's gateway takes keys and values."""
    return base64.b64encode(text.encode()).decode()


def decoded(text):
    """Return a key or a value of etcd's gateway as a text."""
    return base64.b64decode(text).decode()


def end_of(prefix):
    """Return the key behind all keys with a prefix, which is not empty."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _conflict(one, other):
    return EXCLUSIVE in (one, other)


def _range(prefix):
    return {'key': encoded(prefix), 'range_end': encoded(end_of(prefix))}


def _is_empty(prefix):
    return {**_range(prefix), 'target': 'CREATE', 'result': 'EQUAL',
            'create_revision': '0'}


def _is_absent(key):
    return {'key': encoded(key), 'target': 'CREATE', 'result': 'EQUAL',
            'create_revision': '0'}


def _is_present(key):
    return {**_is_absent(key), 'result': 'GREATER'}


def _has_token(key, token):
    return {**_is_absent(key), 'create_revision': str(token)}


def _is_unchanged(record):
    return {'key': encoded(record.key), 'target': 'MOD', 'result': 'EQUAL',
            'mod_revision': str(record.version)}


def _quoted(name):
    # No name may be the beginning of another one's prefix.
    return urllib.parse.quote(name, safe='')
