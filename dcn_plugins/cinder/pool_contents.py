# SPDX-License-Identifier: Apache-2.0
"""What is in a pool, and what Cinder's database says of it, as plain data."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Child:
    """A clone of a snapshot; it may be in another pool, and in the trash."""

    pool: str
    image: str
    id: str
    is_trashed: bool = False


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot of an image.

    :param created: seconds since the epoch.
    :param children: clones, or ``None`` if nobody knows.
    :param is_hidden: whether librbd keeps it for itself, for instance as it
        was removed while it had clones.
    """

    name: str
    created: float
    children: tuple = ()
    is_protected: bool = True
    is_hidden: bool = False


@dataclasses.dataclass(frozen=True)
class Image:
    """An image that bears the name of a volume, deleted or not.

    :param parent: pool, image and snapshot that it is a clone of.
    :param watchers: how many clients have it open.
    :param changed: when it was made or written last.
    :param is_secondary: whether it is the copy of one in another cluster.
    """

    name: str
    id: str
    size: int
    snapshots: tuple = ()
    parent: tuple = None
    watchers: int = 0
    changed: float = 0.0
    is_secondary: bool = False


@dataclasses.dataclass(frozen=True)
class TrashEntry:
    """An image in the trash that bears the name of a volume."""

    id: str
    name: str
    source: str
    deferment_end: float
    size: int = 0


@dataclasses.dataclass(frozen=True)
class Marker:
    """A note in RADOS of an operation that etcd knows nothing of."""

    key: str
    text: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """What is in a pool.

    :param images: by name; those of volumes only.
    :param unread: names of others of volumes, which are there.
    :param unreadable: why, by the name of the image.
    """

    pool: str
    images: dict
    trash: tuple = ()
    markers: tuple = ()
    unread: frozenset = frozenset()
    unreadable: dict = dataclasses.field(default_factory=dict)
    foreign_images: int = 0
    foreign_trash: int = 0


@dataclasses.dataclass(frozen=True)
class VolumeRecord:
    """A volume in Cinder's database.

    :param name_id: the id that its image has.
    :param backend: ``HOST@BACKEND`` or ``CLUSTER@BACKEND``; may be empty.
    :param changed: seconds since the epoch.
    """

    id: str
    name_id: str
    status: str
    backend: str
    changed: float
    is_deleted: bool = False
    is_migrating: bool = False


@dataclasses.dataclass(frozen=True)
class SnapshotRecord:
    """A snapshot in Cinder's database."""

    id: str
    status: str
    changed: float
    is_deleted: bool = False


@dataclasses.dataclass(frozen=True)
class Known:
    """What Cinder's database says of the ids that it was asked for.

    :param volumes: by id; a volume whose image has another id, by both.
    """

    volumes: dict = dataclasses.field(default_factory=dict)
    snapshots: dict = dataclasses.field(default_factory=dict)
