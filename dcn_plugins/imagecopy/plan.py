# SPDX-License-Identifier: Apache-2.0
"""Which pieces of a source are read, in which order. Pure."""

from dcn_plugins import extents

#: What is read at once. Larger ones take the same time and more memory.
PIECE_BYTES = 4 << 20

# A list of more extents takes more memory than it saves reads.
_MOST_EXTENTS = 100000


def wanted(found, size, grain_bytes, object_bytes, is_compared):
    """Return the extents to read.

    :param found: what the source has, in any order.
    :param object_bytes: of the targets, the largest.
    :param is_compared: whether a target has something already. Then an object
        is looked at as a whole, as that is how its checksums are told.
    """
    step = object_bytes if is_compared else grain_bytes
    ranges = extents.aligned(found, step, size)
    while len(ranges) > _MOST_EXTENTS:
        step *= 2
        ranges = extents.aligned(ranges, step, size)
    return ranges


def pieces(ranges, object_bytes, begin=0):
    """Yield ``(start, end)`` of each piece, none in two objects.

    :param object_bytes: of the targets, the smallest.
    :param begin: what ends before that is left out.
    """
    for start, end in extents.cut(ranges, min(PIECE_BYTES, object_bytes)):
        if end > begin:
            yield start, end
