# SPDX-License-Identifier: Apache-2.0
"""What an image was when its hash was known, short enough to be kept. Pure.

Hashing is slow, and an image has one hash for ever. So it is hashed once, and
the checksums of its grains, which every copy computes, are folded into one
digest for each segment. A later copy that has read the same digests has read
the content that had that hash.
"""

import array
import base64
import dataclasses

from dcn_plugins import json_fields

# A text of 11 kB, at most.
_MOST_SEGMENTS = 1024
_LEAST_SEGMENT_BYTES = 8 << 20


def segment_bytes(size):
    """Return how much of an image of that size one digest is of."""
    found = _LEAST_SEGMENT_BYTES
    while found * _MOST_SEGMENTS < size:
        found *= 2
    return found


class Manifest:
    """Digests of an image, made from its grains in their order.

    :param zero_sum: checksum of a grain of zeros.
    :param digest: function from bytes to a number of 64 bits.
    """

    def __init__(self, size, grain_bytes, zero_sum, digest):
        self._size = size
        self._grain_bytes = grain_bytes
        self._zero_sum = zero_sum
        self._digest = digest
        self._per_segment = segment_bytes(size) // grain_bytes
        self._grains = -(-size // grain_bytes)
        self._position = 0
        self._segment = array.array('Q')
        self._digests = array.array('Q')
        self._empty = None

    def add(self, start, sums):
        """Add grains; what is between them and the last ones is zeros."""
        self._fill(start // self._grain_bytes)
        for found in sums:
            self._append(found)

    def close(self, tail_sum=None):
        """Return the digests as a text, once all grains are added.

        :param tail_sum: checksum of the last grain if that is shorter and
            zeros.
        """
        if self._position < self._grains:
            whole = self._size // self._grain_bytes
            self._fill(min(whole, self._grains))
            if self._position < self._grains:
                self._append(tail_sum)
        self._end_segment()
        return base64.b64encode(self._digests.tobytes()).decode()

    def _fill(self, grain):
        while self._position < grain:
            if not self._segment and (
                    grain - self._position >= self._per_segment):
                self._digests.append(self._empty_digest())
                self._position += self._per_segment
            else:
                self._append(self._zero_sum)

    def _append(self, found):
        self._segment.append(found)
        self._position += 1
        if len(self._segment) == self._per_segment:
            self._end_segment()

    def _end_segment(self):
        if self._segment:
            self._digests.append(self._digest(self._segment.tobytes()))
            self._segment = array.array('Q')

    def _empty_digest(self):
        if self._empty is None:
            zeros = array.array('Q', [self._zero_sum]) * self._per_segment
            self._empty = self._digest(zeros.tobytes())
        return self._empty


@dataclasses.dataclass(frozen=True)
class Proof:
    """That content with these digests had this hash.

    :param algorithm: name of the hash; ``value``: it, hexadecimal.
    """

    size: int
    algorithm: str
    value: str
    digests: str

    def to_text(self):
        """Return it as a text of at most 12 kB."""
        return json_fields.text_of(self)

    @classmethod
    def from_text(cls, text):
        """Return the proof in a text, or ``None`` if it holds none."""
        try:
            found = cls(**json_fields.values_of(cls, text))
            _unpacked(found.digests)
            return found
        except (TypeError, ValueError):
            return None

    def is_of(self, size, algorithm, value):
        """Say whether it is about that hash; any, if ``value`` is None."""
        return (self.size, self.algorithm) == (size, algorithm) and (
            value in (None, self.value))

    def difference(self, digests):
        """Return where content with other digests differs, or ``None``.

        :returns: the offset of the first segment that does.
        """
        if digests == self.digests:
            return None
        ours, others = map(_unpacked, (self.digests, digests))
        number = next((number for number, (one, other)
                       in enumerate(zip(ours, others)) if one != other), 0)
        return number * segment_bytes(self.size)


def _unpacked(text):
    return array.array('Q', base64.b64decode(text, validate=True))
