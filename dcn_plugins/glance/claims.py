# SPDX-License-Identifier: Apache-2.0
"""Which stores of a task of Glance are ours.

Glance hands the list of stores of a task to its plugins and walks through
that same list after it has asked them. A plugin that takes a store out of it
has the store to itself.

Glance may ask more than once for one task: each of two entry points of one
name, and again after a locked database. So what was claimed first counts.
"""

import collections
import dataclasses
import threading

# Of tasks that were asked for and have not begun; those that Glance has
# dropped before their beginning stay until others push them out.
_MOST = 10000


@dataclasses.dataclass(frozen=True)
class Claim:
    """The stores of a task.

    :param asked: all of them, in the order of the request.
    :param ours: those that we fill.
    """

    asked: tuple
    ours: tuple

    @property
    def others(self):
        """Those that are left to Glance."""
        return tuple(store for store in self.asked if store not in self.ours)

    def take(self, stores):
        """Leave in Glance's list what is not ours."""
        stores[:] = self.others

    def give_back(self, stores):
        """Make Glance's list what it was.

        It is part of the task's input, from which Glance learns what to clear
        up when the task has died.
        """
        stores[:] = self.asked


class Claims:
    """The claims of this process, by task; thread-safe."""

    def __init__(self, most=_MOST):
        self._most = most
        self._lock = threading.Lock()
        self._claims = collections.OrderedDict()

    def of(self, task_id, stores, choose):
        """Return the claim of a task; ``None`` if none of it is ours.

        :param stores: the list as Glance hands it over.
        :param choose: called without arguments, once for a task; returns the
            stores that are ours.
        """
        with self._lock:
            claim = self._claims.get(task_id)
        if claim is None:
            claim = Claim(tuple(stores), tuple(choose()))
            with self._lock:
                claim = self._claims.setdefault(task_id, claim)
                while len(self._claims) > self._most:
                    self._claims.popitem(last=False)
        return claim if claim.ours else None

    def drop(self, task_id):
        """Forget a task that has begun."""
        with self._lock:
            self._claims.pop(task_id, None)
