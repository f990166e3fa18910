# SPDX-License-Identifier: Apache-2.0
"""What an audit of a pool can find.

``clone-snapshot``
    ``volume-D.clone_snap`` of a volume. It was made to clone volume D from,
    and is of no use once it has no clone, whatever has become of D.
``deleted-image``
    ``volume-S.deleted``, a volume that was deleted while it had clones. With
    the last of its snapshots it is of no use.
``expired-trash``
    What Cinder has put into the trash, long after its time was over.
``unknown-volume``, ``unknown-snapshot``
    Nothing in the database has this id, or it is deleted there.
``stray-volume``
    The database has the volume elsewhere, or nowhere.
``unreadable-image``
    It is listed, and cannot be opened: half made or half removed.
``marker``
    Somebody has begun an operation of which etcd has no record.
"""

import dataclasses

CLONE_SNAPSHOT = 'clone-snapshot'
DELETED_IMAGE = 'deleted-image'
EXPIRED_TRASH = 'expired-trash'
UNKNOWN_VOLUME = 'unknown-volume'
UNKNOWN_SNAPSHOT = 'unknown-snapshot'
STRAY_VOLUME = 'stray-volume'
UNREADABLE_IMAGE = 'unreadable-image'
MARKER = 'marker'


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is left over.

    :param evidence: how that is known.
    :param reason: why it cannot be reclaimed; empty if it can.
    :param bytes: about how much it holds, or ``None`` if nobody knows.
    """

    kind: str
    image: str
    evidence: str
    reason: str = ''
    snapshot: str = None
    trash_id: str = None
    bytes: int = None

    @property
    def is_reclaimable(self):
        return not self.reason

    @property
    def subject(self):
        """What it is about, as ``rbd`` writes it."""
        if self.trash_id:
            return f'{self.image} (trash {self.trash_id})'
        return f'{self.image}@{self.snapshot}' if self.snapshot else self.image

    @property
    def key(self):
        """What tells it from all others."""
        return self.kind, self.image, self.snapshot, self.trash_id


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of an audit.

    :param findings: in the order in which they can be reclaimed.
    :param counted: what there is, by name.
    """

    findings: tuple
    counted: dict

    @property
    def reclaimable_bytes(self):
        return sum(finding.bytes or 0 for finding in self.findings
                   if finding.is_reclaimable)
