# SPDX-License-Identifier: Apache-2.0
"""Byte ranges as ``(start, end)``, in the order of places. Pure.

Lists of them have no empty ranges, and none that touch or overlap.
"""


def merged(ranges, gap_bytes=0):
    """Return ranges in order, those that are as close as that as one."""
    found = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if found and start - found[-1][1] <= gap_bytes:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def aligned(ranges, step, size):
    """Return ranges that begin and end at multiples of ``step``.

    They are widened for that, but not beyond ``size``.
    """
    return merged((start - start % step, min(size, end + -end % step))
                  for start, end in ranges)


def complement(ranges, size):
    """Return what is not in the ranges, from 0 to ``size``."""
    found = []
    position = 0
    for start, end in ranges:
        if position < start:
            found.append((position, start))
        position = end
    if position < size:
        found.append((position, size))
    return found


def cut(ranges, step):
    """Yield the parts of ranges between multiples of ``step``."""
    for start, end in ranges:
        while start < end:
            stop = min(end, start - start % step + step)
            yield start, stop
            start = stop


def total_bytes(ranges):
    """Return how many bytes are in them."""
    return sum(end - start for start, end in ranges)


def places(ranges, positions):
    """Return what is at some positions of all that is in the ranges.

    :param positions: numbers from 0 to one less than there are places.
    """
    found = []
    before = 0
    left = sorted(positions, reverse=True)
    for start, end in ranges:
        while left and left[-1] - before < end - start:
            found.append(start + left.pop() - before)
        before += end - start
    return found
