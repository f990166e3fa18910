# SPDX-License-Identifier: Apache-2.0
"""What of some memory is zero, and the checksums of its grains."""

import ctypes
import mmap


class Grains:
    """Looks through memory as fast as it can be read, without the GIL.

    :param grain_bytes: what one checksum is of. A shorter run of zeros is
        taken for data if it is not at the begin of some.
    :param block_bytes: the least that is looked at where it matters which
        part of a grain it is.
    :param sum_of: function from an address and a length to a checksum.
    """

    def __init__(self, grain_bytes, block_bytes, most_bytes, sum_of):
        self.grain_bytes = grain_bytes
        self.block_bytes = block_bytes
        self._sum_of = sum_of
        self._zeros = mmap.mmap(-1, most_bytes)
        self._zero_address = ctypes.addressof(
            ctypes.c_char.from_buffer(self._zeros))
        self._memcmp = ctypes.CDLL(None).memcmp
        self._memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p,
                                 ctypes.c_size_t]
        self.zero_sum = self.sum_of_zeros(grain_bytes)
        self.zero_block_sum = self.sum_of_zeros(block_bytes)

    def sum_of_zeros(self, length):
        """Return the checksum of a shorter grain of zeros."""
        return self._sum_of(self._zero_address, length)

    def is_zero(self, address, length):
        """Say whether there is nothing but zeros."""
        return not self._memcmp(address, self._zero_address, length)

    def scan(self, address, length):
        """Return ``(runs, sums)`` of a piece that begins with a grain.

        :returns: ``(start, end, lead)`` of the grains with data, with how
            many bytes of zeros they begin; and the checksum of each grain.
        """
        if self.is_zero(address, length):
            return [], self.zero_sums(length)
        runs, sums, begin, lead = [], [], None, 0
        for start in range(0, length, self.grain_bytes):
            size = min(self.grain_bytes, length - start)
            if self.is_zero(address + start, size):
                sums.append(self.zero_sum if size == self.grain_bytes
                            else self.sum_of_zeros(size))
                if begin is not None:
                    runs.append((begin, start, lead))
                begin = None
            else:
                sums.append(self._sum_of(address + start, size))
                if begin is None:
                    begin = start
                    lead = self._leading_zeros(address + start, size)
        if begin is not None:
            runs.append((begin, length, lead))
        return runs, sums

    def _leading_zeros(self, address, length):
        for start in range(0, length, self.block_bytes):
            if not self.is_zero(address + start,
                                min(self.block_bytes, length - start)):
                return start
        return length

    def block_sums(self, address, length):
        """Return the checksum of each block."""
        return [self._sum_of(address + start,
                             min(self.block_bytes, length - start))
                for start in range(0, length, self.block_bytes)]

    def zero_sums(self, length):
        """Return the checksums of grains of zeros, the last may be short."""
        whole, rest = divmod(length, self.grain_bytes)
        return [self.zero_sum] * whole + (
            [self.sum_of_zeros(rest)] if rest else [])
