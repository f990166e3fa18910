# SPDX-License-Identifier: Apache-2.0
"""What there is in Ceph and in etcd at one moment. Pure."""

import dataclasses

#: How a parent in the trash is named: it has no name any more.
TRASH = 'trash:'


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot of an image.

    :param is_trash: whether it is one that Ceph keeps for its children only.
    """

    content: str = ''
    is_trash: bool = False


@dataclasses.dataclass(frozen=True)
class Image:
    """An image.

    :param size: in GiB; a part counts.
    :param content: what is written at its beginning.
    :param parent: image and snapshot that it shares data with.
    """

    size: float
    content: str = ''
    parent: tuple[str, str] | None = None
    snapshots: dict[str, Snapshot] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Inventory:
    """All of a pool and of a lock service.

    :param images: by name; those in the trash by :data:`TRASH` and their id.
    :param counter: what the counter of increments says, or None.
    :param keys: of etcd, without those that belong to no operation.
    :param leases: numbers of the leases in etcd.
    :param markers: of operations that have begun and not ended, in RADOS.
    """

    images: dict[str, Image]
    counter: int | None = None
    keys: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()

    def ancestors(self, name):
        """Return the names of all images that an image shares data with."""
        found = []
        image = self.images.get(name)
        while image and image.parent and image.parent[0] not in found:
            found.append(image.parent[0])
            image = self.images.get(image.parent[0])
        return found

    def links(self):
        """Return ``{(image, snapshot)}`` that some image shares data with."""
        return {image.parent for image in self.images.values()
                if image.parent}


def renamed(found, names):
    """Return an inventory with other names.

    :param names: ``{name: other name}``, of images and snapshots. What comes
        after them in a name, like ``.deleted``, is kept.
    """
    def other(name):
        known, dot, rest = name.partition('.')
        return names.get(known, known) + dot + rest

    images = {}
    for name, image in found.images.items():
        parent = image.parent and tuple(map(other, image.parent))
        images[other(name)] = dataclasses.replace(
            image, parent=parent, snapshots={
                other(snapshot): held
                for snapshot, held in image.snapshots.items()})
    return dataclasses.replace(found, images=images)
