# SPDX-License-Identifier: Apache-2.0
"""What Glance and the pools say at one moment, as plain data. Pure."""

import dataclasses
import urllib.parse

#: Of a location: not yet removed by Glance's own scrubber.
PENDING = 'pending_delete'

_SETTLED = frozenset(['active', 'deactivated'])


@dataclasses.dataclass(frozen=True)
class Location:
    """Where Glance says that an image is.

    :param store: that it is in, ``None`` if Glance does not say.
    :param fsid: of the cluster; ``fsid`` and ``pool`` are ``None`` in the
        short form ``rbd://IMAGE``, which means those of the store.
    :param name: of the RBD image; ``None`` if it is in no RBD.
    """

    store: str | None
    status: str
    fsid: str | None = None
    pool: str | None = None
    name: str | None = None
    snapshot: str | None = None

    @classmethod
    def of(cls, url, store, status='active'):
        """Return the location of a URL, as glance_store reads it."""
        scheme, separator, path = (url or '').partition('://')
        parts = [urllib.parse.unquote(part) for part in path.split('/')]
        if scheme == 'rbd' and separator and all(parts):
            if len(parts) == 4:
                return cls(store, status, *parts)
            if len(parts) == 1:
                return cls(store, status, name=parts[0])
        return cls(store, status)


@dataclasses.dataclass(frozen=True)
class GlanceImage:
    """An image in Glance's database.

    :param changed: when, seconds since 1970.
    :param is_deleted: whether it is no more; ``status`` is another thing
        while its data are removed later.
    :param is_busy: whether an import or a copy has it in hand.
    :param locations: those that are not deleted.
    """

    id: str
    status: str
    changed: float
    is_deleted: bool = False
    is_busy: bool = False
    size: int | None = None
    hash_algorithm: str | None = None
    hash_value: str | None = None
    locations: tuple = ()

    @property
    def is_settled(self):
        """Whether nobody may be about to add or remove data of it."""
        return not self.is_busy and (
            self.is_deleted or self.status in _SETTLED)


@dataclasses.dataclass(frozen=True)
class StoreState:
    """The cluster of a store, and the images in it that matter.

    :param images: :class:`~dcn_plugins.imagecopy.stored_image.StoredImage` by
        pool and name: those that locations name, and those of the pool of the
        store that are named as images of Glance or as copies of ours.
    :param unreadable: why, by pool and name; they are listed.
    :param needs_protection: whether a clone needs a protected snapshot;
        ``protection``: how that is known.
    :param foreign: how many others its pool has.
    :param headless: those that are unreadable as they have no header.
    """

    name: str
    fsid: str
    pool: str
    images: dict
    unreadable: dict = dataclasses.field(default_factory=dict)
    needs_protection: bool = False
    protection: str = ''
    foreign: int = 0
    headless: frozenset = frozenset()

    def place_of(self, location):
        """Return pool and name of a location of this store."""
        return location.pool or self.pool, location.name

    def has(self, location):
        """Tell whether a location is in this cluster."""
        return location.name is not None and (
            location.fsid in (None, self.fsid))


@dataclasses.dataclass(frozen=True)
class Facts:
    """Both sides.

    :param images: :class:`GlanceImage` by id, deleted ones that were asked
        for included.
    :param stores: :class:`StoreState` of each store that has answered.
    :param contents: :class:`~dcn_plugins.imagecopy.stored_image.Content` by
        store, pool and name of the copies that were compared.
    """

    images: dict
    stores: tuple
    contents: dict = dataclasses.field(default_factory=dict)

    def store(self, name):
        """Return a store by its name, or ``None``."""
        return next((store for store in self.stores if store.name == name),
                    None)
