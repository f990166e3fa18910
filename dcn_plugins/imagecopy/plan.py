# SPDX-License-Identifier: Apache-2.0
"""Which pieces of a source are read, in which order. Pure."""

from dcn_plugins import extents

#: What is read at once. Larger ones take the same time and more memory.
PIECE_BYTES = 4 << 20
LEAST_PIECE_BYTES = 64 << 10

# A list of more extents takes more memory than it saves reads.
_MOST_EXTENTS = 100000


def wanted(found, size, grain_bytes):
    """Return the extents to read.

    :param found: what the source has, in any order.
    """
    step = grain_bytes
    ranges = extents.aligned(found, step, size)
    while len(ranges) > _MOST_EXTENTS:
        step *= 2
        ranges = extents.aligned(ranges, step, size)
    return ranges


def piece_bytes(share_bytes, object_bytes):
    """Return what is read at once: a power of two, and no part of two objects.

    :param share_bytes: of the memory, for one target.
    :param object_bytes: of the targets, the smallest.
    """
    found = min(PIECE_BYTES, object_bytes)
    while found > max(share_bytes, LEAST_PIECE_BYTES):
        found //= 2
    return found


def pieces(ranges, step, begin=0):
    """Yield ``(start, end)`` of each piece.

    :param step: of :func:`piece_bytes`.
    :param begin: what ends before that is left out.
    """
    for start, end in extents.cut(ranges, step):
        if end > begin:
            yield start, end
