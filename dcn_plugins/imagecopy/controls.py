# SPDX-License-Identifier: Apache-2.0
"""Who goes first and how fast, among the copies of a process.

A copy of a higher priority has all others wait that have a lower one: a boot
is not to share its link with what may as well come at night. Those that go
share what is allowed in equal parts.
"""

import dataclasses

from dcn_plugins import native


@dataclasses.dataclass(frozen=True)
class Order:
    """What a copy is to do.

    :param total: bytes a second to all targets together, ``None`` for any.
    :param stores: bytes a second by the name of a store.
    """

    is_paused: bool
    total: float | None
    stores: dict


def orders(requests, paused, total, stores):
    """Return the :class:`Order` of each request, in their order. Pure.

    :param requests: of the copies that run.
    :param paused: ids of images whose copies shall wait.
    :param total: bytes a second, ``None`` for any; ``stores``: the same for
        single ones.
    """
    wanted = [request for request in requests
              if request.image_id not in paused]
    highest = max((request.priority for request in wanted), default=None)
    going = [request for request in wanted if request.priority == highest]
    users = [target.store for request in going for target in request.targets]
    return [Order(
        is_paused=not any(request is one for one in going),
        total=None if total is None else total / max(1, len(going)),
        stores=_shares(request, stores, users))
        for request in requests]


def _shares(request, stores, users):
    """Return what each limited store of a request may get of it."""
    return {target.store: stores[target.store] / max(
        1, users.count(target.store))
        for target in request.targets
        if stores.get(target.store) is not None}


class Controls:
    """The copies of this process, and what is allowed to them; thread-safe."""

    def __init__(self):
        self._lock = native.module('threading').RLock()
        self._copies = {}
        self._paused = set()
        self._total = None
        self._stores = {}

    def enter(self, request, tell):
        """Note a copy that begins.

        :param tell: called with each new :class:`Order` of it, in any thread
            and with a lock that the thread of the service takes, too: it must
            wait for nothing, not even to log.
        :returns: to be given to :meth:`leave`.
        """
        with self._lock:
            key = object()
            self._copies[key] = (request, tell)
            self._tell()
            return key

    def leave(self, key):
        """Note the end of a copy."""
        with self._lock:
            del self._copies[key]
            self._tell()

    def set_rates(self, total=None, stores=None):
        """Allow bytes a second in total, and to single stores.

        It takes effect within a second, also for copies that run. What is
        not named is not limited.
        """
        with self._lock:
            self._total, self._stores = total, dict(stores or {})
            self._tell()

    def pause(self, image_id):
        """Have the copies of an image wait until :meth:`resume`."""
        with self._lock:
            self._paused.add(image_id)
            self._tell()

    def resume(self, image_id):
        """Have the copies of an image go on."""
        with self._lock:
            self._paused.discard(image_id)
            self._tell()

    def _tell(self):
        copies = list(self._copies.values())
        found = orders([request for request, _tell in copies],
                       self._paused, self._total, self._stores)
        for (_request, tell), order in zip(copies, found):
            tell(order)
