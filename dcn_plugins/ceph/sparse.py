# SPDX-License-Identifier: Apache-2.0
"""Where a file, or a block of bytes, has anything but zeros."""

import errno
import os

# As "rbd import" looks for zeros. Less is not kept apart by a file system,
# nor by an OSD.
BLOCK_BYTES = 4096


def extents(descriptor, size):
    """Yield ``(start, end)`` of each part of a file that is not a hole.

    A file system that knows no holes has one part, the whole file.

    :raises OSError: if the file cannot be read.
    """
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                # Nothing but a hole up to the end.
                return
            if exc.errno != errno.EINVAL:
                raise
            yield end, size
            return
        end = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        if start < end:
            yield start, end


def runs(data):
    """Yield ``(start, end)`` of each part of some bytes that is not zero.

    Parts begin at multiples of ``BLOCK_BYTES``. Pure.
    """
    zeros = bytes(BLOCK_BYTES)
    begin = None
    for start in range(0, len(data), BLOCK_BYTES):
        block = data[start:start + BLOCK_BYTES]
        if block == zeros[:len(block)]:
            if begin is not None:
                yield begin, start
            begin = None
        elif begin is None:
            begin = start
    if begin is not None:
        yield begin, len(data)
