# SPDX-License-Identifier: Apache-2.0
"""What stands in etcd of all locks, for who looks after them. Pure."""

import dataclasses

from dcn_plugins.locking import etcd_requests as requests
from dcn_plugins.locking import lock_keys

# Of one page; of some 150 bytes each.
MAX_KEYS = 1000

#: How many locks one transaction asks for.
MAX_NAMES = 100


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


class Survey:
    """Questions about all locks below one prefix.

    :param keys: :class:`~dcn_plugins.locking.lock_keys.Keys`.
    """

    def __init__(self, keys):
        self._keys = keys

    def page(self, after=None):
        """Return the range of the keys of all locks, a page of it.

        :param after: the last key of the page before.
        """
        found = requests.range_of(self._keys.of_all())
        if after is not None:
            found['key'] = requests.encoded(after + '\0')
        return {**found, 'keys_only': True, 'limit': str(MAX_KEYS)}

    def suspects(self, keys):
        """Return the claims that have fence records and no entry, unproven.

        :param keys: of some pages, so not all of one moment.
        :returns: ``{claim id: {name: mode}}``.
        """
        records, alive = {}, set()
        for place in map(self._keys.place, keys):
            if place.kind == lock_keys.FENCE:
                records.setdefault(place.claim, {})[place.name] = place.mode
            else:
                alive.add(place.claim)
        return {claim: modes for claim, modes in records.items()
                if claim not in alive}

    def inspect(self, claim_id, modes):
        """Return the transaction that reads a suspect's records and entry."""
        return requests.transaction(success=[
            requests.read(self._keys.key(name, mode, kind, claim_id))
            # Who leaves records has entries of the other kind.
            for kind in (lock_keys.FENCE, lock_keys.GUARDED)
            for name, mode in modes.items()])

    def left_behind(self, claim_id, modes, answer):
        """Return the :class:`LeftBehind` of an answer to :meth:`inspect`.

        ``None`` if it was released, granted or fenced meanwhile.
        """
        found = [part.get('response_range', {}).get('kvs', ())
                 for part in answer.get('responses', ())]
        records, entries = found[:len(modes)], found[len(modes):]
        if any(entries) or not all(records):
            return None
        record = records[0][0]
        return LeftBehind(
            claim_id, modes, requests.decoded(record.get('value', '')),
            int(record['create_revision']))

    def look_at(self, place, token):
        """Return the transaction that reads a holder's entry, if he has one.

        It fails if he is not there any more, or has no fence record although
        his claim leaves one.

        :param place: :class:`~dcn_plugins.locking.lock_keys.Place` of it.
        :param token: of his claim.
        """
        entry = self._keys.key(place.name, place.mode, place.kind,
                               place.claim)
        compare = [requests.was_created_at(entry, token)]
        if place.kind == lock_keys.GUARDED:
            compare.append(requests.is_present(self._keys.key(
                place.name, place.mode, lock_keys.FENCE, place.claim)))
        return requests.transaction(compare, [requests.read(entry)])

    def lease(self, answer):
        """Return the id of the lease that :meth:`look_at` has found, a text.

        ``None`` if it has failed.
        """
        if not answer.get('succeeded'):
            return None
        return answer['responses'][0]['response_range']['kvs'][0]['lease']

    def is_free(self, names):
        """Return the transaction that succeeds if nothing is of these locks.

        :param names: at most ``MAX_NAMES``.
        """
        return requests.transaction(
            requests.is_empty(self._keys.of_lock(name)) for name in names)
