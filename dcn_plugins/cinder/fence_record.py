# SPDX-License-Identifier: Apache-2.0
"""What an operation leaves for whoever has to end it in its place. Pure.

The text is the fence record in etcd and the marker in RADOS.
"""

import dataclasses
import json

from dcn_plugins.locking import lock_queue

VERSION = 1


class UnknownRecord(ValueError):
    """Report a record that was not written by this version or an older one."""


@dataclasses.dataclass(frozen=True)
class Record:
    """Who works, with which clients of Ceph, on what.

    :param claim: id of its claim in etcd, unlike any other.
    :param wishes: mode (``x`` or ``s``) by name of each lock.
    :param fsid: of the Ceph cluster.
    :param pool: where the marker is, and what has no pool of its own.
    :param addresses: what to fence.
    :param host: for people.
    :param intents: dictionaries with ``operation`` and what it is about.
    """

    claim: str
    wishes: dict
    fsid: str
    pool: str
    addresses: tuple
    host: str
    intents: tuple

    def to_text(self):
        """Return the record as a text that :meth:`parsed` takes."""
        return json.dumps({'v': VERSION, **dataclasses.asdict(self)},
                          separators=(',', ':'), sort_keys=True)

    @classmethod
    def parsed(cls, text):
        """Return the record of a text.

        :raises UnknownRecord: if it is none that we understand. It must not
            be thrown away then: somebody else's work depends on it.
        """
        try:
            found = json.loads(text)
            if found.pop('v') != VERSION:
                raise UnknownRecord(
                    'it was written by another version of dcn_plugins: let '
                    'a cinder-volume of that version end it')
            record = cls(**{**found,
                            'addresses': tuple(found['addresses']),
                            'intents': tuple(found['intents'])})
            record._check()
        except UnknownRecord:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise UnknownRecord(f'it is no fence record: {exc}') from exc
        return record

    def _check(self):
        """Raise ValueError for what would fail when somebody ends it."""
        texts = [self.claim, self.fsid, self.pool, self.host, *self.wishes,
                 *self.addresses, *(intent['operation']
                                    for intent in self.intents)]
        if not self.wishes or not all(
                isinstance(text, str) for text in texts):
            raise ValueError('a name is missing')
        if not set(self.wishes.values()) <= {lock_queue.EXCLUSIVE,
                                             lock_queue.SHARED}:
            raise ValueError('there is no such mode')

    @property
    def marker_keys(self):
        """The keys of its markers in RADOS."""
        return tuple(
            name if mode == lock_queue.EXCLUSIVE else f'{name}/{self.claim}'
            for name, mode in sorted(self.wishes.items()))
