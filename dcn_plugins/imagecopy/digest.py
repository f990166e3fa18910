# SPDX-License-Identifier: Apache-2.0
"""What a whole source is: its manifest, and its hash if nobody has proved it.
"""

from dcn_plugins.imagecopy import manifest as manifests


class Digest:
    """Gets all pieces of a source in their order.

    :param grains: a :class:`~dcn_plugins.imagecopy.grains.Grains`.
    :param sum_of_bytes: checksum of some bytes.
    :param hasher: a :class:`~dcn_plugins.imagecopy.hasher.Hasher`; ``None``
        if the hash is known.
    """

    def __init__(self, size, grains, sum_of_bytes, hasher=None):
        self._size = size
        self._grains = grains
        self._hasher = hasher
        self._manifest = manifests.Manifest(
            size, grains.grain_bytes, grains.zero_sum, sum_of_bytes)
        self.digests = None
        self.value = None
        self.is_closed = False

    @property
    def is_known(self):
        """Whether all has been read, and hashed where that is to be done."""
        return self.is_closed and (
            self._hasher is None or self.value is not None)

    def add(self, start, runs, sums):
        """Add the next piece, with each ``Held`` of its data."""
        self._manifest.add(start, sums)
        if self._hasher:
            for run in runs:
                self._hasher.add(run)

    def close(self):
        """Note that this was the last piece."""
        tail = self._size % self._grains.grain_bytes
        self.digests = self._manifest.close(
            self._grains.sum_of_zeros(tail) if tail else None)
        self.is_closed = True
        if self._hasher:
            self._hasher.close(self._size, self._hashed)

    def drop(self):
        """Let a hash that nobody waits for be."""
        if self._hasher:
            self._hasher.drop()

    def _hashed(self, value):
        self.value = value
