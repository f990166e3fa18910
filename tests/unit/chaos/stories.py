# SPDX-License-Identifier: Apache-2.0
"""Histories and inventories in few words, for tests of the checker."""

from tests.chaos import history
from tests.chaos import inventory

OK, FAILED = history.OK, history.FAILED
REFUSED, UNKNOWN = history.REFUSED, history.UNKNOWN


class Story(history.History):
    """A history whose operations follow each other, one a second."""

    def __init__(self):
        super().__init__()
        self._now = 0.0

    def tell(self, kind, target, outcome=OK, process='a', **more):
        """Let an operation begin and end; one without answer ends, too."""
        operation = self.begin(kind, target, process, self._now, **more)
        self._now += 1.0
        operation.ended = self._now
        operation.outcome = outcome
        return operation

    def create(self, target, outcome=OK, size=1):
        return self.tell(history.CREATE, target, outcome, size=size)

    def clone(self, target, source, outcome=OK, size=1):
        return self.tell(history.CLONE, target, outcome, source=source,
                         size=size)

    def from_snapshot(self, target, source, outcome=OK, size=1):
        return self.tell(history.FROM_SNAPSHOT, target, outcome,
                         source=source, size=size)

    def snapshot(self, target, outcome=OK):
        return self.tell(history.SNAPSHOT, target, outcome)

    def write(self, target, content, outcome=OK):
        return self.tell(history.WRITE, target, outcome, content=content)

    def extend(self, target, size, outcome=OK):
        return self.tell(history.EXTEND, target, outcome, size=size)

    def revert(self, target, source, outcome=OK):
        return self.tell(history.REVERT, target, outcome, source=source)

    def delete(self, target, outcome=OK):
        return self.tell(history.DELETE, target, outcome)

    def increment(self, found, outcome=OK, process='a'):
        return self.tell(history.INCREMENT, 'counter', outcome, process,
                         found=found)


def image(size=1, content='', parent=None, snapshots=()):
    """Return an image whose snapshots hold what it holds."""
    return inventory.Image(size, content, parent, {
        name: inventory.Snapshot(content) for name in snapshots})


def having(counter=None, **images):
    """Return an inventory; ``_deleted`` in a name is ``.deleted``."""
    return inventory.Inventory(
        {name.replace('_deleted', '.deleted'): found
         for name, found in images.items()}, counter)
