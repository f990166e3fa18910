# SPDX-License-Identifier: Apache-2.0
"""Which stores this process looks after, of several that have them."""


class StoreLocks:
    """A lock for each store, kept until it is given back or lost.

    Methods raise EtcdError or LockError when etcd does not answer.

    :param locks: :class:`~dcn_plugins.locking.locks.Locks`.
    :param purpose: what a store is looked after for; one word.
    """

    def __init__(self, locks, purpose):
        self._locks = locks
        self._purpose = purpose
        self._held = {}

    def take(self, store):
        """Return whether this process is the one that looks after a store."""
        if not self.is_held(store):
            self._held[store] = self._locks.acquire(
                [(f'{self._purpose} {store}', 'x')], 0)
        return self._held[store] is not None

    def is_held(self, store):
        """Return whether the lock of a store is had still."""
        held = self._held.get(store)
        return held is not None and self._locks.is_valid(held)

    def give_back(self, store):
        """Let another process have the lock of a store."""
        self._locks.release(self._held.pop(store))
