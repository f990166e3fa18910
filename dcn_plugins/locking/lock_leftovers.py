# SPDX-License-Identifier: Apache-2.0
"""Claims that nobody waits for any more; they are taken out of the queue.

They would be in the way of others for as long as this process lives, as it
goes on renewing its lease.
"""

import collections
import threading
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import lock_waits

LOG = logging.getLogger(__name__)

# For one transaction, all endpoints together.
CALL_SECONDS = 10.0


class Leftovers:
    """What is still to be told to etcd.

    The records of a claim go, too: either no work was begun, or it was ended.
    Those of a claim that was abandoned stay.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    """

    def __init__(self, client):
        self._client = client
        self._ends = collections.deque()
        self._lock = threading.Lock()
        self._thread = None
        self._is_closed = False

    def add(self, hold, end):
        """End a claim, now or as soon as etcd is there.

        It raises nothing, unless it is interrupted.

        :param end: how, ``withdraw`` or ``abandon`` of the queues.
        """
        try:
            self._send(hold, end)
        except exceptions.EtcdError as exc:
            LOG.warning('A claim to %s is withdrawn later: %s',
                        ', '.join(hold.claim.names), exc)
            self._add_later(hold, end)
        except BaseException:
            self._add_later(hold, end)
            raise

    def close(self):
        """Wait no longer for an etcd that is away."""
        self._is_closed = True

    def _add_later(self, hold, end):
        with self._lock:
            self._ends.append((hold, end))
            # A process that was forked has the deque, and not the thread.
            if self._is_closed or self._thread and self._thread.is_alive():
                return
            self._thread = threading.Thread(
                target=self._run, name='dcn-withdraw', daemon=True)
            self._thread.start()

    def _send(self, hold, end):
        try:
            self._client.transaction(end(hold.claim, hold.mark), CALL_SECONDS)
        except exceptions.EtcdRefused as exc:
            if not etcd.is_not_found(exc):
                raise
            # Without the lease nothing can be entered any more either.
            self._client.transaction(end(hold.claim), CALL_SECONDS)

    def _run(self):
        pauses = lock_waits.pauses()
        while True:
            with self._lock:
                if not self._ends or self._is_closed:
                    self._thread = None
                    return
                hold, end = self._ends[0]
            try:
                self._send(hold, end)
                pauses = lock_waits.pauses()
            # Whatever it is, the others must not wait for this one.
            except Exception as exc:
                LOG.debug('A claim is not withdrawn yet: %s', exc)
                time.sleep(next(pauses))
                self._ends.append((hold, end))
            self._ends.popleft()
