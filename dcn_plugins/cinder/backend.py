# SPDX-License-Identifier: Apache-2.0
"""What the locks of a driver need of its backend: Ceph, etcd, the options."""

import contextlib

from cinder import coordination
from cinder import utils
from cinder.volume.drivers import rbd
from oslo_config import cfg
from oslo_log import log as logging

from dcn_plugins.ceph import client_pool
from dcn_plugins.ceph import fence
from dcn_plugins.ceph import markers
from dcn_plugins.cinder import stuck_objects
from dcn_plugins import exceptions
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import names
from dcn_plugins.locking import session

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# How long to wait for a lease when statistics are asked for.
LEASE_SECONDS = 5.0


def off_hub(function, *args, **kwargs):
    """Call a function so that under eventlet no other greenlet waits for it.

    A call of librbd may take as long as Ceph does not answer. This is
    upstream's own way, of which each release has one.
    """
    wrap = getattr(utils, 'tpool_wrap', None) or rbd.tpool.Proxy
    return wrap(function)(*args, **kwargs)


class Backend:
    """One backend of cinder-volume.

    :param driver: the :class:`~dcn_plugins.cinder.rbd_driver.DCNRBDDriver`.
    """

    def __init__(self, driver):
        self.driver = driver
        self._clients = {}
        self._fsids = {}
        self._away_since = None

    @property
    def host(self):
        """Who we are, for people."""
        return self.driver.host or CONF.host

    @property
    def pool(self):
        return self.driver.configuration.rbd_pool

    @property
    def rbd(self):
        """librbd, guarded."""
        return self.driver.rbd

    def locks(self):
        """Return the locks of our driver of tooz; ``None`` with any other."""
        return getattr(coordination.COORDINATOR.coordinator, 'locks', None)

    def get_lock(self, name):
        """Return a lock as tooz defines it."""
        return coordination.COORDINATOR.get_lock(name)

    @contextlib.contextmanager
    def uploading(self, volume):
        """Hold a lock that keeps nobody off while the block runs.

        It shows the caretaker that somebody works; without etcd it does not.
        """
        locks, hold = self.locks(), None
        try:
            if locks is not None:
                hold = locks.acquire([(
                    stuck_objects.upload_lock(volume.id),
                    lock_queue.SHARED)], 0.0)
        except exceptions.EtcdError as exc:
            LOG.debug('Nobody sees that %s is uploaded: %s', volume.id, exc)
        try:
            yield
        finally:
            if hold is not None:
                # Whatever became of it, the work was done.
                with contextlib.suppress(exceptions.LockError):
                    locks.release(hold)

    def locks_away_seconds(self):
        """Return for how long there has been no lease, as far as known."""
        locks = self.locks()
        if locks is None or locks.is_available(LEASE_SECONDS):
            self._away_since = None
            return 0.0
        if self._away_since is None:
            self._away_since = session.clock()
        return session.clock() - self._away_since

    def wait_seconds(self):
        """Return how long an operation queues for its locks."""
        return CONF.dcn.lock_wait_seconds

    def scope(self):
        """Return the pool, of the cluster that is active now, to name locks.

        Raises VolumeBackendAPIException when Ceph does not answer.
        """
        # The FSID and not the configured name of the cluster: two nodes may
        # know one cluster by two names, and would not exclude each other.
        return names.Scope(self.driver._get_fsid(), self.pool)

    def fsid(self, ask):
        """Return the identity of the active cluster; it is asked for once.

        :param ask: returns it.
        """
        # After a failover another cluster is active, hence the dictionary.
        if self._cluster not in self._fsids:
            self._fsids[self._cluster] = ask()
        return self._fsids[self._cluster]

    def clients(self):
        """Return the pool of clients of the cluster that is active now."""
        if self._cluster not in self._clients:
            self._clients[self._cluster] = client_pool.ClientPool(
                self._connected)
        return self._clients[self._cluster]

    def markers(self, client):
        """Return the markers of the pool, as a client sees them."""
        return markers.Markers(client.ioctx(self.pool), off_hub)

    def fence(self, client, addresses):
        """Cut clients off from Ceph; return whether they are.

        They are not if ``[dcn] fence`` says so.

        :param client: the one that does it.
        :raises CephError: if it could not be done.
        """
        if CONF.dcn.fence != 'blocklist':
            return False
        self._fence(client).blocklist(addresses)
        return True

    def fence_kind(self):
        """Return what becomes of whoever has lost a lock of the driver.

        ``blocklist``, or ``none`` if he may write beside the next one.
        """
        return CONF.dcn.fence if self.locks() is not None else 'none'

    def _fence(self, client):
        return fence.Fence(client.cluster, off_hub)

    def check_fence(self):
        """Raise ConfigError unless our user may cut clients off from Ceph."""
        own = self.clients().take()
        try:
            is_allowed = self._fence(own).may_blocklist()
        except BaseException:
            self.clients().discard(own)
            raise
        self.clients().give_back(own)
        if not is_allowed:
            raise exceptions.ConfigError(
                'cinder.conf',
                'the Ceph user of rbd_user may not add entries to the '
                'blocklist of the cluster, and so cannot cut off a '
                'cinder-volume that has lost its locks',
                'Give it the capability mon "profile rbd", or set [dcn] '
                'fence = none and take the risk')

    def _connected(self):
        # Upstream's, with its timeouts and its retries.
        cluster, ioctx = rbd.RBDDriver._connect_to_rados(self.driver)
        return client_pool.Client(cluster, self.pool, ioctx)

    @property
    def _cluster(self):
        return self.driver._get_config_tuple()[:2]
