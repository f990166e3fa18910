# SPDX-License-Identifier: Apache-2.0
"""The one thread of a process that works on something, begun when needed."""

import threading


class LazyThread:
    """A daemon thread that begins at the first :meth:`begin`; thread-safe.

    Under eventlet ``threading`` is patched by the host process and this is a
    green thread; nothing here knows.

    :param run: what it does; called once.
    """

    def __init__(self, name, run):
        self._name = name
        self._run = run
        self._lock = threading.Lock()
        self._thread = None

    @property
    def is_begun(self):
        """Whether there is, or was, a thread."""
        return self._thread is not None

    def begin(self):
        """Begin, unless it has begun; return whether it does so now.

        :raises RuntimeError: if no thread can be started; the next call
            tries again.
        """
        with self._lock:
            if self._thread is not None:
                return False
            thread = threading.Thread(target=self._run, name=self._name,
                                      daemon=True)
            thread.start()
            self._thread = thread
            return True

    def join(self, timeout_seconds=None):
        """Wait for its end; return whether it is over, or never began."""
        thread = self._thread
        if thread is None:
            return True
        thread.join(timeout_seconds)
        return not thread.is_alive()
