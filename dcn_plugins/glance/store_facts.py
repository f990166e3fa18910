# SPDX-License-Identifier: Apache-2.0
"""What the clusters of the RBD stores say of images."""

import collections
import contextlib
import dataclasses

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import cluster as clusters
from dcn_plugins.ceph import errors
from dcn_plugins.ceph import pool_access
from dcn_plugins import exceptions
from dcn_plugins.glance import drift_facts
from dcn_plugins.glance import drift_rules
from dcn_plugins.imagecopy import content
from dcn_plugins.imagecopy import inventory
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import stored_image

_NO_HEADER = 'it is listed and has no header'


class StoreFacts:
    """One store; to be used as a context manager.

    All methods raise CephError if the cluster does not answer or refuses.

    :param place: a :class:`~dcn_plugins.imagecopy.request.Place`.
    """

    def __init__(self, place):
        self.place = place
        self._client = None

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        if self._client is not None:
            self._client.close()
        self._client = None

    def read(self, locations, only=None, progress=lambda done, total: None):
        """Return the :class:`~drift_facts.StoreState`.

        :param locations: all those of this store.
        :param only: names of images that matter beside those of locations;
            all that can be ours or Glance's unless given.
        :param progress: called with how many images of how many are read.
        """
        client = self._cluster()
        needs_protection, protection = client.needs_protection()
        images, unreadable, foreign = {}, {}, 0
        with self._translated(), pool_access.connected(self.place) as access:
            for pool, names in self._wanted(locations, client.fsid).items():
                with access.open_ioctx(pool) as ioctx:
                    listed = inventory.names(ioctx)
                    if pool == self.place.pool:
                        ours = set(filter(_may_matter, listed))
                        foreign = len(listed - ours - names)
                        names |= {name for name in ours if only is None
                                  or drift_rules.stem(name) in only}
                    _read_pool(ioctx, pool, sorted(names & listed), images,
                               unreadable, progress)
        return drift_facts.StoreState(
            self.place.store, client.fsid, self.place.pool, images,
            unreadable, needs_protection, protection, foreign,
            frozenset(place for place, reason in unreadable.items()
                      if reason is _NO_HEADER))

    def _wanted(self, locations, fsid):
        """Return the names that locations have, by pool; with our pool."""
        wanted = collections.defaultdict(set, {self.place.pool: set()})
        for location in locations:
            if location.name and location.fsid in (None, fsid):
                wanted[location.pool or self.place.pool].add(location.name)
        return wanted

    def compare(self, pool, found, algorithm, value, is_read=False):
        """Return the Content of an image; see :mod:`content`."""
        return content.compare(self._cluster(), pool, found, algorithm, value,
                               is_read)

    def freeze(self, pool, found):
        """Take and protect the snapshot of an image; see inventory."""
        with self._pool(pool) as ioctx:
            inventory.freeze(ioctx, found)

    def set_aside(self, pool, found):
        """Give an image a name by which nobody finds it."""
        with self._pool(pool) as ioctx:
            inventory.set_aside(ioctx, found)

    def put_back(self, pool, name):
        """Give an image that was set aside its name again."""
        with self._pool(pool) as ioctx:
            inventory.rename(ioctx, name,
                             name.removesuffix(stored_image.ASIDE))

    def finish_name(self, pool, found):
        """Give a partial copy the name that it has by half; see inventory."""
        with self._pool(pool) as ioctx:
            return inventory.finish_name(ioctx, found)

    def remove_headless(self, pool, name):
        """Take the name away from an image without a header; see inventory."""
        with self._pool(pool) as ioctx:
            return inventory.remove_headless(ioctx, name)

    def remove(self, pool, found):
        """Remove an image and its snapshot; return whether it is gone."""
        with self._pool(pool) as ioctx:
            return inventory.remove(ioctx, found)

    @contextlib.contextmanager
    def _pool(self, pool):
        place = dataclasses.replace(self.place, pool=pool)
        with self._translated(), pool_access.opened(place) as ioctx:
            yield ioctx

    def _translated(self):
        return errors.translated(
            [bindings.rados()], f'reaching store {self.place.store}')

    def _cluster(self):
        if self._client is None:
            self._client = clusters.Cluster(self.place)
        return self._client


def _read_pool(ioctx, pool, names, images, unreadable, progress):
    vanished = set()
    for number, name in enumerate(names, 1):
        try:
            found = inventory.read(ioctx, name)
        except exceptions.CephRefused as exc:
            unreadable[pool, name] = exc.reason
        else:
            if found is None:
                vanished.add(name)
            else:
                images[pool, name] = found
        progress(number, len(names))
    if vanished:
        # What is still there without a header is half made or half removed.
        unreadable.update(((pool, name), _NO_HEADER)
                          for name in inventory.names(ioctx) & vanished)


def _may_matter(name):
    return name.endswith((record.SUFFIX, stored_image.ASIDE)) or (
        drift_rules.image_id(name) is not None)
