# SPDX-License-Identifier: Apache-2.0
"""The one thread of a process that looks for dead tasks."""

import os
import random
import threading

from oslo_log import log as logging

from dcn_plugins.glance import lazy_thread

LOG = logging.getLogger(__name__)

#: Between two passes; each is a fifth longer or shorter, so that processes
#: that were started together do not look together.
PASS_SECONDS = 15.0


class TaskReaper:
    """Look for dead tasks in the background, until the process ends.

    The first pass is after a pause: a process that forks its workers has
    done so by then, and a program that is soon over asks nothing. Under
    eventlet it is a green thread, so it may use the database.

    :param make: called by the thread; returns what has ``look()``, or
        ``None`` if there is nothing to do.
    :param moved: called instead by a green thread that has been forked with
        its process, and goes on in the child.
    """

    def __init__(self, make, moved=lambda: None):
        self._make = make
        self._moved = moved
        self._stopped = threading.Event()
        self._thread = lazy_thread.LazyThread(
            'dcn_reaper', lambda: self._run(self._pid))
        self._pid = None

    def start(self):
        """Start the thread, unless it has been; a later call does nothing."""
        if not self._thread.is_begun and not self._stopped.is_set():
            # A green thread first runs later, maybe in a child.
            self._pid = os.getpid()
            self._thread.begin()

    def stop(self, timeout_seconds=None):
        """End the thread after the pass under way; return whether it did.

        :param timeout_seconds: how long to wait for that; 0: not at all.
        """
        self._stopped.set()
        return self._thread.join(timeout_seconds)

    def _run(self, pid):
        tasks = None
        is_quiet = False
        while not self._is_over():
            if os.getpid() != pid:
                self._moved()
                return
            try:
                tasks = tasks or self._make()
                if tasks is None:
                    return
                tasks.look()
                is_quiet = False
            # The top of a thread: the database may come back.
            except Exception as exc:
                if not is_quiet:
                    LOG.warning('Nobody looks for copies that have lost '
                                'their glance-api: %s', exc)
                is_quiet = True

    def _is_over(self):
        # Nothing is kept secret by it.
        seconds = PASS_SECONDS * random.uniform(0.8, 1.2)  # nosec B311
        return self._stopped.wait(seconds)
