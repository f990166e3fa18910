# SPDX-License-Identifier: Apache-2.0
"""One operation of the driver, and what it has while it runs."""

import contextlib
import contextvars
import errno

from dcn_plugins.ceph import open_images
from dcn_plugins.cinder import backend as backends
from dcn_plugins import exceptions
from dcn_plugins.locking import lock_queue

# A change is not begun when the lease is provably valid for less than this.
# What takes longer is cut off by the fence.
MARGIN_SECONDS = 1.0

_CURRENT = contextvars.ContextVar('dcn_plugins_operation', default=None)


def current():
    """Return the operation that the present flow of control runs, or None.

    A new thread or greenlet runs none: it would work beside the holder.
    """
    return _CURRENT.get()


class OwnClient:
    """The client of one operation, connected when it is first needed.

    :param is_new: whether it must be a new one.
    """

    def __init__(self, pool, is_new=False):
        self._pool = pool
        self._is_new = is_new
        self._client = None

    def get(self):
        """Return the client; raises what connecting raises."""
        if self._client is None:
            self._client = self._pool.take(self._is_new)
        return self._client

    def is_client(self, cluster):
        """Tell whether it is this one."""
        return self._client is not None and self._client.cluster is cluster

    def end(self, is_well):
        """Give it back; one that has seen a failure is not used again."""
        # What has cut off this one may have cut off others that are idle.
        self._is_new |= not is_well
        self.lend()(is_well)

    def lend(self):
        """Return a function that gives it back, as :meth:`end`."""
        client, self._client = self._client, None

        def end(is_well):
            if client is not None:
                (self._pool.give_back if is_well else self._pool.discard)(
                    client)

        return end


class Operation:
    """What an operation holds while it runs.

    :param name: of the driver's method, for messages.
    :param touched: :class:`~dcn_plugins.cinder.lock_table.Touched`.
    :param own: its :class:`OwnClient`.
    :param outer: the operation that this one is a part of, or ``None``.
    :param is_heir: whether it ends what others have left: their records are
        in its own, which must stay until it has.
    """

    def __init__(self, name, touched, own, outer=None, is_heir=False):
        self.name = name
        self.touched = touched
        self.own = own
        self.is_heir = is_heir
        self.marker = None
        self.images = open_images.OpenImages(
            backends.off_hub, outer and outer.images)
        self.made = set()
        #: Names of the calls that change something, and were begun.
        self.calls = set()
        self.deferral_seconds = None
        self.hold = None
        self._outer = outer
        self._locks = None

    def granted(self, locks, hold):
        """Take note of the claim that was granted."""
        self._locks, self.hold = locks, hold

    def check(self, call):
        """Raise LockLost unless the locks are provably held for a while.

        It takes note of the call: who has made none has found nothing.
        """
        self.calls.add(call)
        if self.hold is not None and not self._locks.is_valid(
                self.hold, MARGIN_SECONDS):
            raise exceptions.LockLost(self.hold.claim.names[0],
                                      f'{self.name} ({call})')
        if self._outer is not None:
            self._outer.check(call)

    def lend_client(self):
        """Return a function that ends its client, given whether all is well.

        That of a part of another operation is needed longer.
        """
        return self.own.lend() if self._outer is None else lambda _well: None

    @contextlib.contextmanager
    def making(self, *made):
        """Note what the block makes, unless it was there before."""
        is_new = made not in self.made
        self.made.add(made)
        try:
            yield
        except exceptions.CephRefused as exc:
            if is_new and exc.errno == errno.EEXIST:
                self.made.discard(made)
            raise

    def may_have_removed(self, pool, *names):
        """Tell whether nobody knows how much of something is removed.

        Also of an image that was to get another name.

        :param names: of an image, and of a snapshot if it is one.
        """
        return ('removal', pool, *names) in self.made

    @property
    def is_begun(self):
        """Whether its markers may be in RADOS."""
        return self.marker is not None

    @property
    def is_lost(self):
        """Whether somebody else may have the locks by now."""
        return self.hold is not None and not self._locks.is_valid(self.hold)

    def covers(self, wishes):
        """Tell whether all locks that are wished for are held already."""
        return all(self._mode(name) in (mode, lock_queue.EXCLUSIVE)
                   for name, mode in wishes.items())

    def _mode(self, name):
        if name in self.touched.wishes or self._outer is None:
            return self.touched.wishes.get(name)
        return self._outer._mode(name)

    @property
    def missing_wishes(self):
        """What it has to claim: all that its outer operation does not hold.

        Who holds a shared lock and wants it exclusively waits for himself.
        """
        if self._outer is None:
            return self.touched.wishes
        return {name: mode for name, mode in self.touched.wishes.items()
                if not self._outer.covers({name: mode})}

    def connection(self, pool):
        """Return the client and the I/O context of a pool, as upstream."""
        client = self.own.get()
        return client.cluster, client.ioctx(pool)

    def is_connected(self, cluster):
        """Tell whether a client is the one of this operation."""
        return self.own.is_client(cluster)

    @contextlib.contextmanager
    def running(self):
        """Be the current operation while the block runs."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def close_images(self):
        """Close all images: after their client they would end the process."""
        self.images.close()
