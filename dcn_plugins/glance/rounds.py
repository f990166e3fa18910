# SPDX-License-Identifier: Apache-2.0
"""A thread that does the same again and again, whatever fails."""

import threading

from oslo_db import exception as db_exception
from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import lazy_thread

LOG = logging.getLogger(__name__)

_AWAY = (exceptions.CopyError, exceptions.EtcdError, exceptions.LockError,
         db_exception.DBError)


class Rounds:
    """Work in rounds, with a pause after each.

    The thread is a daemon: what it had in hand, another process goes on with.
    Subclasses have ``work()``, which does what is due, and look at
    ``_stopped`` where that takes long.

    :param name: of the thread.
    :param what: it does, for messages.
    :param pause: returns for how many seconds nothing is done after a round.
    """

    def __init__(self, name, what, pause):
        self._what = what
        self._pause = pause
        self._is_away = False
        self._stopped = threading.Event()
        self._thread = lazy_thread.LazyThread(name, self._run)

    def start(self):
        """Begin, unless it has begun."""
        self._thread.begin()

    def stop(self, timeout_seconds=None):
        """End the thread as soon as may be; return whether it has ended."""
        self._stopped.set()
        return self._thread.join(timeout_seconds)

    def _run(self):
        while not self._stopped.is_set():
            self.round()
            self._stopped.wait(self._pause())

    def round(self):
        """Do what is due; never raises."""
        try:
            self.work()
        except _AWAY as exc:
            # Said once aloud, as it is said again in each round.
            LOG.log(logging.DEBUG if self._is_away else logging.WARNING,
                    'The %s waits: %s', self._what, exc)
            self._is_away = True
        # The top of a thread.
        except Exception:
            LOG.exception('A round of the %s has failed', self._what)
        else:
            self._is_away = False
