# SPDX-License-Identifier: Apache-2.0
"""Memory that is taken from the system once and used again and again."""

import ctypes
import mmap

from dcn_plugins.imagecopy import arena


class Memory:
    """An :class:`~dcn_plugins.imagecopy.arena.Arena` with what it is about.

    :param total_bytes: of it; pages count when they are first used.
    """

    def __init__(self, total_bytes):
        self.total_bytes = total_bytes
        self._arena = arena.Arena(total_bytes)
        self._pages = mmap.mmap(-1, total_bytes)
        self._address = ctypes.addressof(
            ctypes.c_char.from_buffer(self._pages))

    def take(self, length):
        """Return the address of so many bytes, or ``None`` for now."""
        offset = self._arena.take(length)
        return None if offset is None else self._address + offset

    def give_back(self, address, length):
        """Take back a part, or whole units of one."""
        self._arena.give_back(address - self._address, length)
