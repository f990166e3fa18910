# SPDX-License-Identifier: Apache-2.0
"""Who holds a lock, who waits, and who has died with it. Pure."""

import collections
import dataclasses
import json

from dcn_plugins.locking import claim_id as claim_ids
from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import lock_keys


@dataclasses.dataclass(frozen=True)
class Claim:
    """Somebody in the queue of a lock, or what he has left.

    :param kind: of ``lock_keys``; ``FENCE`` is a record.
    :param token: revision of etcd; the lesser one comes first.
    :param text: who it is, or the record.
    :param lease: its id as text; ``None`` of a record.
    """

    claim: str
    mode: str
    kind: str
    token: int
    text: str
    lease: str | None

    @property
    def claimed_at(self):
        """When its owner asked for the lock, by his clock, or ``None``."""
        return claim_ids.claimed_at(self.claim)


@dataclasses.dataclass(frozen=True)
class Lock:
    """One lock at one moment.

    :param holders: claims that have it.
    :param waiting: claims that do not have it yet, in their order.
    :param records: fence records, by the claim that they are of.
    """

    name: str
    holders: tuple
    waiting: tuple
    records: dict

    @property
    def left_behind(self):
        """Records of claims that have no entry: their work was not ended.

        Whoever is next fences them first.
        """
        alive = {claim.claim for claim in self.holders + self.waiting}
        return tuple(record for claim, record in sorted(self.records.items())
                     if claim not in alive)

    @property
    def state(self):
        """``held``, ``waiting`` or ``left behind``."""
        if self.holders:
            return 'held'
        return 'left behind' if self.left_behind else 'waiting'


def locks_of(keys, items):
    """Return each :class:`Lock`, by its name.

    :param keys: :class:`~dcn_plugins.locking.lock_keys.Keys`.
    :param items: as etcd lists them.
    """
    found = collections.defaultdict(list)
    for item in items:
        try:
            place = keys.place(etcd_requests.decoded(item['key']))
        except ValueError:
            # Nobody of us has written it.
            continue
        found[place.name].append(Claim(
            place.claim, place.mode, place.kind,
            int(item['create_revision']), _text(item),
            None if item.get('lease', '0') == '0' else str(item['lease'])))
    return {name: _lock(name, claims)
            for name, claims in sorted(found.items())}


def record_of(text):
    """Return what a fence record says, as a dictionary; empty if nothing."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _lock(name, claims):
    records = {claim.claim: claim for claim in claims
               if claim.kind == lock_keys.FENCE}
    entries = sorted((claim for claim in claims
                      if claim.kind != lock_keys.FENCE),
                     key=lambda claim: claim.token)
    alive = {claim.claim for claim in entries}
    dead = [record for claim, record in records.items()
            if claim not in alive]
    holders, waiting = [], []
    for entry in entries:
        (holders if _is_granted(entry, entries, records, dead)
         else waiting).append(entry)
    return Lock(name, tuple(holders), tuple(waiting), records)


def _is_granted(entry, entries, records, dead):
    """Tell whether a claim has the lock, as far as this lock says.

    A claim to several locks has none before it has all of them. Who leaves a
    record has one from his grant on.
    """
    if entry.kind == lock_keys.GUARDED:
        return entry.claim in records
    return not any(_conflict(entry, other) for other in entries
                   if other.token < entry.token) and not any(
        _conflict(entry, record) for record in dead)


def _conflict(one, other):
    return lock_keys.EXCLUSIVE in (one.mode, other.mode)


def _text(item):
    try:
        return etcd_requests.decoded(item.get('value', ''))
    except ValueError:
        return ''
