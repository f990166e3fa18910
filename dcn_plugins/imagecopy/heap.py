# SPDX-License-Identifier: Apache-2.0
"""The heap of the C library, and the pages in it that nobody uses."""

import ctypes
import mmap
import threading
import time

_CHECK_SECONDS = 0.05
# What is in use may be more than was thought: then do not try at each check.
_STEP_BYTES = 8 << 20

#: For the environment of a process with a :class:`Heap`: what librados reads
#: stays in at most two heaps, whatever its size.
SETTINGS = {'MALLOC_ARENA_MAX': '2', 'MALLOC_TRIM_THRESHOLD_': '8388608',
            'MALLOC_MMAP_THRESHOLD_': '33554432'}


class Heap:
    """Gives unused pages back to the system, but only if they are many.

    librados takes and returns some megabytes for each read. If the C library
    maps pages for each, the kernel has to zero them all: a second of CPU for
    a GiB. If it keeps them, its heap has holes, and those grow.

    :param most_bytes: resident memory that is left alone.
    """

    def __init__(self, most_bytes):
        self._most_bytes = most_bytes
        self._limit_bytes = most_bytes
        # Other C libraries have no such function, and settings of their own.
        self._trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)

    def check(self):
        """Give back what is unused if there is too much; return whether."""
        if self._trim is None or resident_bytes() <= self._limit_bytes:
            return False
        self._trim(0)
        self._limit_bytes = max(self._most_bytes,
                                resident_bytes() + _STEP_BYTES)
        return True

    def watch(self):
        """Check in a thread for as long as the process lives."""
        threading.Thread(target=self._work, name='dcn-heap',
                         daemon=True).start()

    def _work(self):
        while True:
            time.sleep(_CHECK_SECONDS)
            self.check()


def resident_bytes():
    """Return how much of this process is in memory."""
    with open('/proc/self/statm', 'rb') as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE
