# SPDX-License-Identifier: Apache-2.0
"""Users of a small family of volumes, and the database that knows them. Pure.

What may be asked for when is as Cinder's API has it, and a little less: a
volume whose content or size is being changed is not read meanwhile. Of a
volume that failed only the deletion is asked for.
"""

import dataclasses
import uuid

from tests.chaos import history

MOST_VOLUMES = 8
MOST_SNAPSHOTS = 5
LARGEST_GIB = 3

AVAILABLE, BUSY, BROKEN = 'available', 'busy', 'broken'

# How much each kind is liked.
_WEIGHTS = {
    history.CREATE: 3, history.CLONE: 6, history.SNAPSHOT: 3,
    history.FROM_SNAPSHOT: 4, history.EXTEND: 2, history.REVERT: 2,
    history.WRITE: 3, history.DELETE: 7}


@dataclasses.dataclass(frozen=True)
class Request:
    """Something that a user asks for; see ``history.Operation``."""

    kind: str
    target: str
    source: str | None = None
    size: int | None = None
    content: str | None = None

    def to_dict(self):
        """Return what is not empty."""
        return {name: value for name, value in vars(self).items()
                if value is not None}


@dataclasses.dataclass
class _Row:
    """What the database knows of a volume or a snapshot.

    :param readers: operations under way that make something of it.
    :param parent: the volume that it was cloned from.
    """

    name: str
    size: int
    parent: str | None = None
    status: str = BUSY
    readers: int = 0

    @property
    def image(self):
        return self.name.partition('@')[0]

    @property
    def is_snapshot(self):
        return '@' in self.name


class Users:
    """All users; not thread-safe.

    :param random: of :class:`random.Random`.
    """

    def __init__(self, random):
        self._random = random
        self._rows = {}
        self._writes = 0
        # What a row was before an operation on it, by its name.
        self._before = {}

    def names(self):
        """Return the names of all that is not gone."""
        return list(self._rows)

    def exists(self, name):
        """Tell whether the database knows a volume or snapshot."""
        return name in self._rows

    def size(self, name):
        """Return the size that the database knows of, in GiB."""
        return self._rows[name].size

    def parent(self, name):
        """Return the volume that one was cloned from, gone or not."""
        return self._rows[name].parent

    def request(self):
        """Return a request, or ``None`` if none is possible now."""
        choices = {kind: found for kind, found in (
            (kind, _CHOICES[kind](self)) for kind in _WEIGHTS) if found}
        if not choices:
            return None
        kinds = list(choices)
        kind = self._random.choices(
            kinds, [_WEIGHTS[kind] for kind in kinds])[0]
        request = self._random.choice(choices[kind])
        self._asked(request)
        return request

    def deletion(self):
        """Return the deletion of something, or ``None`` while none can be."""
        found = self._deletions()
        if not found:
            return None
        request = self._random.choice(found)
        self._asked(request)
        return request

    def answered(self, request, outcome):
        """Take note of how a request has ended."""
        is_done = outcome == history.OK
        row = self._rows[request.target]
        if request.kind in history.MAKING:
            row.status = AVAILABLE if is_done else BROKEN
        elif request.kind == history.DELETE:
            if is_done:
                del self._rows[request.target]
            elif outcome == history.REFUSED:
                row.status = self._before[request.target]
            else:
                row.status = BROKEN
        else:
            row.status = AVAILABLE if is_done else BROKEN
            if request.kind == history.EXTEND and is_done:
                row.size = request.size
        for name in self._read_by(request):
            if name in self._rows:
                self._rows[name].readers -= 1

    def _asked(self, request):
        if request.kind in history.MAKING:
            self._rows[request.target] = _Row(
                request.target, request.size,
                request.source if request.kind == history.CLONE else None)
        else:
            row = self._rows[request.target]
            self._before[request.target] = row.status
            row.status = BUSY
        for name in self._read_by(request):
            self._rows[name].readers += 1

    @staticmethod
    def _read_by(request):
        if request.kind == history.SNAPSHOT:
            return [request.target.partition('@')[0]]
        return [request.source] if request.source else []

    def _volumes(self, *statuses):
        return [row for row in self._rows.values() if not row.is_snapshot
                and row.status in (statuses or (row.status,))]

    def _snapshots(self, *statuses):
        return [row for row in self._rows.values() if row.is_snapshot
                and row.status in (statuses or (row.status,))]

    def _has_snapshots(self, volume):
        return any(row.image == volume.name for row in self._snapshots())

    @property
    def _has_room(self):
        return len(self._volumes()) < MOST_VOLUMES

    def _name(self, kind):
        made = uuid.UUID(int=self._random.getrandbits(128), version=4)
        return f'{kind}-{made}'

    def _still(self):
        """Return the volumes that may be changed."""
        return [row for row in self._volumes(AVAILABLE) if not row.readers]

    def _creations(self):
        # A small family: there are few that are nobody's clones.
        if not self._has_room or len(self._volumes()) > 2:
            return []
        return [Request(history.CREATE, self._name('volume'), size=1)]

    def _of_sources(self, kind, rows):
        if not self._has_room:
            return []
        return [Request(kind, self._name('volume'), row.name,
                        min(row.size + self._random.choice((0, 0, 1)),
                            max(LARGEST_GIB, row.size))) for row in rows]

    def _clones(self):
        return self._of_sources(history.CLONE, self._volumes(AVAILABLE))

    def _clones_of_snapshots(self):
        return self._of_sources(history.FROM_SNAPSHOT,
                                self._snapshots(AVAILABLE))

    def _new_snapshots(self):
        if len(self._snapshots()) >= MOST_SNAPSHOTS:
            return []
        return [Request(history.SNAPSHOT,
                        f'{row.name}@{self._name("snapshot")}', size=row.size)
                for row in self._volumes(AVAILABLE)]

    def _extensions(self):
        return [Request(history.EXTEND, row.name, size=row.size + 1)
                for row in self._still() if row.size < LARGEST_GIB]

    def _reverts(self):
        found = []
        for row in self._still():
            latest = [one for one in self._snapshots()
                      if one.image == row.name][-1:]
            found += [Request(history.REVERT, row.name, one.name)
                      for one in latest if one.status == AVAILABLE
                      and not one.readers and one.size == row.size]
        return found

    def _guest_writes(self):
        rows = self._still()
        if rows:
            self._writes += 1
        return [Request(history.WRITE, row.name,
                        content=f'{self._writes} of {row.name}')
                for row in rows]

    def _deletions(self):
        rows = [row for row in self._volumes(AVAILABLE, BROKEN)
                if not self._has_snapshots(row)]
        rows += [row for row in self._snapshots(AVAILABLE, BROKEN)
                 if self._rows[row.image].status != BUSY]
        return [Request(history.DELETE, row.name) for row in rows]


_CHOICES = {
    history.CREATE: Users._creations, history.CLONE: Users._clones,
    history.SNAPSHOT: Users._new_snapshots,
    history.FROM_SNAPSHOT: Users._clones_of_snapshots,
    history.EXTEND: Users._extensions, history.REVERT: Users._reverts,
    history.WRITE: Users._guest_writes, history.DELETE: Users._deletions}
