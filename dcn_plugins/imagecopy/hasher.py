# SPDX-License-Identifier: Apache-2.0
"""The hash of a whole image, beside the copying.

hashlib works without the GIL, so on another core than the copying.
"""

import ctypes
import hashlib
import queue
import threading

_ZEROS = memoryview(bytes(1 << 20))


class Hasher:
    """Hashes runs of data in their order, with the zeros between them.

    :param algorithm: a name of hashlib.
    :param events: queue that gets ``(function, arguments)`` to call in the
        thread that copies.
    :raises ValueError: for an algorithm that hashlib does not have.
    """

    def __init__(self, algorithm, events):
        self._hash = hashlib.new(algorithm)
        self._events = events
        self._runs = queue.SimpleQueue()
        self._position = 0
        self._is_dropped = False
        self._thread = threading.Thread(
            target=self._work, name='dcn-hash', daemon=True)
        self._thread.start()

    def add(self, held):
        """Hash a run; it is released afterwards, by way of the events."""
        held.keep()
        self._runs.put(held)

    def close(self, size, ended):
        """Hash zeros up to the size of the image, then tell the hash.

        :param ended: called with the hash, hexadecimal, by way of the events.
        """
        self._runs.put((size, ended))

    def drop(self):
        """End as soon as possible; what is held need not be released."""
        self._is_dropped = True
        self._runs.put(None)

    def _work(self):
        while not self._is_dropped:
            found = self._runs.get()
            if found is None:
                return
            if isinstance(found, tuple):
                size, ended = found
                self._zeros(size - self._position)
                self._events.put((ended, (self._hash.hexdigest(),)))
                return
            self._zeros(found.start - self._position)
            self._hash.update(
                (ctypes.c_char * found.length).from_address(found.address))
            self._position = found.end
            self._events.put((found.release, ()))

    def _zeros(self, length):
        while length > 0 and not self._is_dropped:
            self._hash.update(_ZEROS[:length])
            length -= len(_ZEROS)
