# SPDX-License-Identifier: Apache-2.0
"""The memory for all data that are under way: so much, and no more. Pure."""

UNIT_BYTES = 64 << 10


class Arena:
    """Parts of one block of memory, in whole units.

    A part may be given back piece by piece.
    """

    def __init__(self, total_bytes):
        self._units = bytearray(total_bytes // UNIT_BYTES)
        self.free_bytes = len(self._units) * UNIT_BYTES

    def take(self, length):
        """Return the offset of so many bytes, or ``None`` if there are none.

        The first place that is large enough; what is in use is given back in
        about the order in which it was taken, so that gaps close again.
        """
        count = -(-length // UNIT_BYTES)
        first = self._units.find(bytes(count))
        if first < 0:
            return None
        self._units[first:first + count] = b'\1' * count
        self.free_bytes -= count * UNIT_BYTES
        return first * UNIT_BYTES

    def give_back(self, offset, length):
        """Take back a part, or whole units of one.

        :raises ValueError: for what is not in use.
        """
        first, count = offset // UNIT_BYTES, -(-length // UNIT_BYTES)
        if self._units[first:first + count] != b'\1' * count:
            raise ValueError(f'{length} bytes at {offset} are not in use')
        self._units[first:first + count] = bytes(count)
        self.free_bytes += count * UNIT_BYTES
