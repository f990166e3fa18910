# SPDX-License-Identifier: Apache-2.0
"""What is to be copied where, and what has become of it."""

import dataclasses
import enum

#: What glance_store calls the snapshot that an image is read from.
SNAPSHOT = 'snap'


@dataclasses.dataclass(frozen=True)
class Place:
    """A pool of a Ceph cluster, and how to get there.

    :param store: its name for people: that of the Glance store.
    :param conf: path of ceph.conf; ``user``: ``client.USER`` of it.
    :param connect_seconds: after which a cluster counts as unreachable.
    """

    store: str
    conf: str
    user: str
    pool: str
    connect_seconds: float = 30.0


class Priority(enum.IntEnum):
    """Who goes first where not all can: the higher one."""

    PREFETCH = 10
    USER = 20
    BOOT = 30


@dataclasses.dataclass(frozen=True)
class CopyRequest:
    """One image for several stores.

    :param image_id: of Glance; partial copies are recognised by it.
    :param name: of the RBD image, at the source and at each target.
    :param sources: that have the image, the preferred one first.
    :param targets: that lack it.
    :param object_bytes: of the images that are made; a power of two.
    :param hash_algorithm: of ``hash_value``, a name of hashlib.
    :param hash_value: that the content must have, hexadecimal; ``None`` where
        nobody knows it yet: it is computed and told then.
    :param base: RBD name of an image whose content this one was made from and
        which a target may have; ``None`` if there is none. Only what differs
        is sent to such a target.
    """

    image_id: str
    name: str
    sources: tuple
    targets: tuple
    object_bytes: int = 8 << 20
    hash_algorithm: str = 'sha512'
    hash_value: str | None = None
    base: str | None = None
    priority: Priority = Priority.USER


class Outcome(enum.Enum):
    """What has become of a copy to one target."""

    COPIED = 'copied'
    #: A verified copy was there already, and is registered by nobody.
    PRESENT = 'present'
    FAILED = 'failed'
    CANCELLED = 'cancelled'


@dataclasses.dataclass(frozen=True)
class Result:
    """A copy to one target, at its end.

    :param location: ``rbd://FSID/POOL/IMAGE/SNAPSHOT``; with COPIED and
        PRESENT only.
    :param size_bytes: of the image, holes included.
    :param sent_bytes: that went to the target.
    :param saved_bytes: of its data that it had already: from a base, or from
        a copy that was interrupted.
    :param hash_value: of the whole image as it was read.
    :param error: the ``DCNError`` of FAILED.
    """

    store: str
    outcome: Outcome
    location: str | None = None
    size_bytes: int = 0
    sent_bytes: int = 0
    saved_bytes: int = 0
    seconds: float = 0.0
    hash_value: str | None = None
    error: Exception | None = None


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a copy to one target is.

    :param step: ``waits``, ``plan``, ``pump``, ``verify`` or ``publish``.
    :param total_bytes: of data that have to be there at its end; as many as
        are known so far.
    """

    store: str
    step: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
