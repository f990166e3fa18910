# SPDX-License-Identifier: Apache-2.0
"""An image that copies are made of."""

import errno
import os
import queue
import random

from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import cluster as clusters
from dcn_plugins.ceph import errors
from dcn_plugins.ceph import image_handle
from dcn_plugins import exceptions
from dcn_plugins import extents

# So many objects that a map calls empty are looked at. A map that lies about
# one in a hundred is found out in seven of eight copies.
_SAMPLES = 200


class CopySource:
    """A snapshot of an image; or the image itself if ``snapshot`` is None.

    :param cluster: a :class:`~dcn_plugins.ceph.cluster.Cluster`.
    :raises CephError: if it cannot be opened; with ``errno`` ENOENT if it, or
        the snapshot, is not there.
    """

    def __init__(self, cluster, pool, name, snapshot):
        self._cluster = cluster
        self._pool = pool
        self._name = name
        self._snapshot = snapshot
        self._image = image_handle.ImageHandle(cluster, pool, name, snapshot)
        self.size = self._image.size
        self.object_bytes = self._image.object_bytes
        self.read = self._image.read

    @property
    def name(self):
        """``FSID/POOL/ID@SNAPSHOT``: what has it, for ever."""
        return (f'{self._cluster.fsid}/{self._pool}/{self._image.id}'
                f'@{self._image.snapshot_id}')

    @property
    def is_summable(self):
        """Whether its bytes are those of its objects, one after the other."""
        return not (self._image.is_clone or self._image.is_striped)

    def sums(self, number, done):
        """Begin to ask an OSD for the checksums of the grains of an object.

        As :func:`~dcn_plugins.ceph.checksums.of_object`; only if it is
        summable.
        """
        length = min(self.object_bytes,
                     self.size - number * self.object_bytes)
        self._image.sums(number, [(0, length, checksums.GRAIN_BYTES)], done)

    def extents(self):
        """Return where there is data, in order.

        In whole objects where a map knows them at once. What a map calls
        empty is sampled. librbd reads zeros there without asking any OSD, so
        there is nothing to copy from if that is wrong.

        :raises VerifyFailed: if one of the samples has data.
        """
        size = self._image.object_bytes
        found = extents.merged(self._image.extents(self._image.has_map))
        if not self.is_summable:
            return found
        empty = [(begin // size, -(-end // size))
                 for begin, end in extents.complement(
                     extents.aligned(found, size, self.size), self.size)]
        count = extents.total_bytes(empty)
        chosen = random.SystemRandom().sample(
            range(count), min(_SAMPLES, count))
        for number in self._not_empty(extents.places(empty, chosen)):
            raise exceptions.VerifyFailed(
                self.name, number * size, 'the object map says that there is '
                'no data, and there is some; run "rbd object-map rebuild '
                f'{self._pool}/{self._name}@{self._snapshot}"')
        return found

    def _not_empty(self, numbers):
        answers = queue.SimpleQueue()
        for number in numbers:
            # Any answer but "no such object" says that there is something.
            self.sums(
                number, lambda code, sums, number=number: answers.put(
                    (number, code == -errno.EINVAL or any(sums))))
        found = [answers.get() for _number in numbers]
        return [number for number, has_data in found if has_data]

    def error(self, code):
        """Return the error of a read that has returned ``code``."""
        doing = f'reading {self._image.doing}'
        if code >= 0:
            return exceptions.CephRefused(doing, 'the image has shrunk',
                                          errno.EIO)
        return errors.of(code, doing, os.strerror(-code))

    def is_unchanged(self):
        """Say whether the snapshot is still the one that was opened.

        What is read of a snapshot that was removed may be zeros.
        """
        try:
            with image_handle.ImageHandle(self._cluster, self._pool,
                                          self._name, self._snapshot) as now:
                return (now.id, now.snapshot_id) == (
                    self._image.id, self._image.snapshot_id)
        except exceptions.CephRefused as exc:
            if exc.errno == errno.ENOENT:
                return False
            raise

    def attribute(self, key):
        """Return a text that is kept with the image, or ``None``."""
        return clusters.attribute(
            self._cluster.context(self._pool), self._image.header, key)

    def set_attribute(self, key, text):
        """Keep a text with the image; raises CephError if that is refused."""
        clusters.set_attribute(
            self._cluster.context(self._pool), self._image.header, key, text)

    def close(self):
        """Close the image."""
        self._image.close()
