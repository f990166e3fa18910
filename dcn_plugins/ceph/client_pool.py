# SPDX-License-Identifier: Apache-2.0
"""Connections to Ceph, each for one operation at a time.

An operation that may have to be fenced needs a client of its own: a fence
cuts off whatever shares its client. Connecting takes longer than most
operations wait for their locks, so clients are kept and used again.
"""

import collections
import logging
import threading
import time

from dcn_plugins.ceph import addresses

LOG = logging.getLogger(__name__)

# More clients than these are closed after use; so are those that nobody has
# used for so long.
MOST_IDLE = 16
IDLE_SECONDS = 600.0


class Client:
    """A connection to one cluster, with its I/O contexts by pool.

    :param cluster: a connected ``rados.Rados``, or a proxy of one.
    :param pool: name of the pool of ``ioctx``.
    """

    def __init__(self, cluster, pool, ioctx):
        self.cluster = cluster
        self.given_back_at = 0.0
        self._ioctxs = {pool: ioctx}

    @property
    def addresses(self):
        """What a fence of this client has to name; asks nobody.

        :raises ValueError: if Ceph's library tells none that is of use.
        """
        return addresses.parsed(self.cluster.get_addrs())

    def ioctx(self, pool):
        """Return the I/O context of a pool; raises as ``open_ioctx`` does."""
        if pool not in self._ioctxs:
            self._ioctxs[pool] = self.cluster.open_ioctx(pool)
        return self._ioctxs[pool]

    def close(self):
        """Disconnect; may take as long as Ceph does not answer."""
        for ioctx in self._ioctxs.values():
            ioctx.close()
        self.cluster.shutdown()


class ClientPool:
    """Clients of one cluster; thread-safe.

    :param connect: returns a new :class:`Client`, or raises.
    :param clock: seconds that never go back.
    """

    def __init__(self, connect, clock=time.monotonic):
        self._connect = connect
        self._clock = clock
        self._idle = collections.deque()

    def take(self, is_new=False):
        """Return a client that nobody else uses; raises as ``connect``.

        :param is_new: whether it must be one that nobody can have cut off.
        """
        try:
            if not is_new:
                # The one that was used last: the others may grow old.
                return self._idle.pop()
        except IndexError:
            LOG.debug('No client is idle')
        return self._connect()

    def give_back(self, client):
        """Take a client back after an operation that has ended well.

        All that was opened with it must be closed.
        """
        client.given_back_at = self._clock()
        self._idle.append(client)
        try:
            if len(self._idle) > MOST_IDLE or self._is_old(self._idle[0]):
                self.discard(self._idle.popleft())
        except IndexError:
            LOG.debug('Another thread has taken the idle clients')

    def discard(self, client):
        """Close a client, without waiting for it."""
        # It waits for Ceph, and after a failure that may not answer.
        threading.Thread(target=self._close, args=(client,),
                         name='dcn-disconnect', daemon=True).start()

    def close(self):
        """Close all idle clients."""
        while self._idle:
            self._close(self._idle.pop())

    def _is_old(self, client):
        return self._clock() - client.given_back_at > IDLE_SECONDS

    @staticmethod
    def _close(client):
        try:
            client.close()
        # It is gone in any case, and nobody waits for the answer.
        except Exception as exc:
            LOG.warning('A client of Ceph was not closed in order: %s', exc)
