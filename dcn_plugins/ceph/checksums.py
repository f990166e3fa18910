# SPDX-License-Identifier: Apache-2.0
"""xxHash of pieces of data: here, and where they are stored.

An OSD reads an object and answers with eight bytes for each grain of it, so
that data are compared without being sent. xxHash finds what has broken; it
does not withstand somebody who makes collisions on purpose.
"""

import ctypes
import errno
import struct

from dcn_plugins.ceph import calls
from dcn_plugins.ceph import libraries

#: What one checksum is of. A gap of zeros that is smaller is written.
GRAIN_BYTES = 64 << 10
#: The same, where it is asked what of a grain has changed: what file systems
#: of guests write at least.
BLOCK_BYTES = 4096
_XXHASH64 = 1
_SEED = bytes(8)


def of_memory(address, length, grain_bytes=GRAIN_BYTES):
    """Return the checksums of some bytes, the last may be of fewer."""
    xxh64 = libraries.libxxhash().XXH64
    return [xxh64(address + start, min(grain_bytes, length - start), 0)
            for start in range(0, length, grain_bytes)]


def of_bytes(data):
    """Return the checksum of some bytes."""
    return libraries.libxxhash().XXH64(
        ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data), 0)


class _Part:
    """One checksum operation on a part of an object, and its answer."""

    def __init__(self, operation, offset, length, grain_bytes):
        count = -(-length // grain_bytes)
        self._answer = ctypes.create_string_buffer(4 + 8 * count)
        self._code = ctypes.c_int()
        libraries.librados().rados_read_op_checksum(
            operation, _XXHASH64, _SEED, len(_SEED), offset, length,
            grain_bytes, self._answer, len(self._answer),
            ctypes.byref(self._code))

    def sums(self):
        count, = struct.unpack_from('<I', self._answer)
        return list(struct.unpack_from(f'<{count}Q', self._answer, 4))


def _parts(operation, offset, length, grain_bytes):
    """Ask for whole grains, and for the shorter one behind them."""
    whole = length - length % grain_bytes
    return [_Part(operation, begin, part, grain)
            for begin, part, grain in (
                (offset, whole, grain_bytes),
                (offset + whole, length - whole, length - whole)) if part]


def of_object(ioctx, name, ranges, done):
    """Have an OSD tell the checksums of parts of an object.

    :param ranges: ``(offset, length, grain_bytes)`` of each part: the offset
        is a multiple of the size of its grains, of which the last may be
        shorter, where the object cannot have more. All are of one state of
        the object.
    :param done: called with a code and a list of checksums for each part, in
        a thread of Ceph; fewer than there are grains if the object is
        shorter, and none if it is not there. A code of EINVAL says that it
        ends within a grain: whatever has made it, it was not us.
    :raises CephError: if it cannot be asked; ``done`` is not called then.
    """
    library = libraries.librados()
    operation = library.rados_create_read_op()
    asked = [_parts(operation, *part) for part in ranges]

    def end(code):
        library.rados_release_read_op(operation)
        if code < 0:
            done(0 if code == -errno.ENOENT else code, [[] for _ in asked])
        else:
            done(0, [[found for part in parts for found in part.sums()]
                     for parts in asked])

    try:
        calls.rados_read(ioctx, operation, name, end)
    except Exception:
        library.rados_release_read_op(operation)
        raise
