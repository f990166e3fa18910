# SPDX-License-Identifier: Apache-2.0
"""The keys of locks in etcd. Pure.

Below the prefix of the namespace::

    n/NAME/MODE/KIND/CLAIM    MODE is "x" or "s"
    d/CLAIM                   the claim is done, with the lease

The kinds are

``q``
    an entry: a claim holds the lock, or waits for it; with the lease
``g``
    the same, of a claim that leaves a fence record when it is granted
``f``
    a fence record, without lease

So one range holds all that is in the way of a writer, and one what is in the
way of a reader.
"""

import dataclasses
import urllib.parse

EXCLUSIVE, SHARED = 'x', 's'
ENTRY, GUARDED, FENCE = 'q', 'g', 'f'


@dataclasses.dataclass(frozen=True)
class Place:
    """What a key says."""

    name: str
    mode: str
    kind: str
    claim: str


class Keys:
    """The keys below one prefix.

    :param prefix: of all of them.
    """

    def __init__(self, prefix):
        self._prefix = prefix.rstrip('/')

    def of_all(self):
        """Return the prefix of the keys of all locks."""
        return f'{self._prefix}/n/'

    def of_lock(self, name):
        """Return the prefix of the keys of a lock."""
        # No name may be the beginning of another one's prefix.
        return f'{self._prefix}/n/{urllib.parse.quote(name, safe="")}/'

    def in_the_way(self, name, mode):
        """Return the prefix that must be empty for a grant at once."""
        # Of readers only a writer is in the way.
        return self.of_lock(name) + (f'{EXCLUSIVE}/' if mode == SHARED else '')

    def key(self, name, mode, kind, claim_id):
        """Return the key of a claim's entry, or of its record."""
        return f'{self.of_lock(name)}{mode}/{kind}/{claim_id}'

    def mark(self, claim_id):
        """Return the key of the mark that a claim is done."""
        return f'{self._prefix}/d/{claim_id}'

    def place(self, key):
        """Return the :class:`Place` of a key of a lock."""
        name, mode, kind, claim = key[len(self.of_all()):].split('/')
        return Place(urllib.parse.unquote(name), mode, kind, claim)
