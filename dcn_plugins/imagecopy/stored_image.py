# SPDX-License-Identifier: Apache-2.0
"""What an RBD image is like, and what its content has been found to be. Pure.
"""

import dataclasses

from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import record as records

#: What the name of an image ends with that is about to be removed.
ASIDE = '.dcn-removed'

#: How a content was compared with a hash.
CHECKSUMS, HASH = 'checksums of the OSDs', 'hash of all bytes'


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The snapshot that an image is read from.

    :param children: how many clones it has.
    """

    size: int
    is_protected: bool
    children: int = 0


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """An RBD image.

    :param id: what Ceph calls it, whatever its name is.
    :param changed: when it was made or written last, seconds since 1970.
    :param snapshot: :class:`Snapshot`, or ``None`` if it has none.
    :param others: names of its other snapshots.
    :param watchers: how many clients have it open for writing.
    :param record: that makes it a copy of ours, or ``None``.
    :param proof: that is kept with it, or ``None``.
    """

    name: str
    id: str
    size: int
    changed: float
    snapshot: Snapshot | None = None
    others: tuple = ()
    watchers: int = 0
    record: records.Record | None = None
    proof: manifest.Proof | None = None

    @property
    def read_bytes(self):
        """The size of what is read of it."""
        return self.snapshot.size if self.snapshot else self.size

    @property
    def obstacle(self):
        """Why nobody should remove it; empty if there is no reason."""
        if self.watchers:
            return 'a client has it open'
        if self.others:
            return 'it has snapshots: ' + ', '.join(sorted(self.others))
        return 'it has clones' if self.snapshot and (
            self.snapshot.children) else ''


@dataclasses.dataclass(frozen=True)
class Content:
    """What is known of the content of an image.

    :param is_same: whether it has the hash that it should have; ``None`` if
        that cannot be told.
    :param how: it was compared, or why it was not.
    :param offset: near which it differs, or ``None`` if nobody knows.
    """

    is_same: bool | None
    how: str
    offset: int | None = None
