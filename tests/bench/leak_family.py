# SPDX-License-Identifier: Apache-2.0
"""Volumes and snapshots as Cinder's database has them, and what to ask next.

Only what Cinder's API would let pass is asked for: no volume is deleted that
has snapshots, and a source is there when a clone of it is asked for. It may
be deleted before its clone's turn comes, as in Cinder. Pure.
"""

import dataclasses
import uuid

from tests.bench import driver_names as names

CREATING, AVAILABLE, EXTENDING, DELETING, ERROR = (
    'creating', 'available', 'extending', 'deleting', 'error')

#: What became of a request: done; its source was deleted meanwhile; Cinder
#: would make the object available again; all else; its process has died.
DONE, GONE, BUSY, FAILED, DIED = 'done', 'gone', 'busy', 'failed', 'died'

# How often the deletion of one object is asked for.
_TRIES = 3
_MOST_GIB = 4

_WEIGHTS = {
    names.CREATE: 2, names.CLONE: 4, names.SNAPSHOT: 3,
    names.FROM_SNAPSHOT: 3, names.EXTEND: 2, names.DELETE: 5,
    names.DELETE_SNAPSHOT: 3}
_DELETIONS = frozenset([names.DELETE, names.DELETE_SNAPSHOT])


@dataclasses.dataclass
class Thing:
    """A volume or a snapshot.

    :param of: the id of the volume that a snapshot is of.
    :param cloned: the id of the volume that one was cloned from.
    """

    id: str
    size: int
    of: str = ''
    state: str = CREATING
    tries: int = 0
    cloned: str | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """What a process is asked for.

    :param body: what it is told.
    """

    operation: str
    target: Thing
    body: dict


class Family:
    """All volumes and snapshots of one run; not thread-safe.

    :param random: decides what is asked.
    :param operations: so many, then all is deleted.
    :param most: volumes at the same time.
    """

    def __init__(self, random, operations, most=20):
        self._random = random
        self._left = operations
        self._most = most
        self._things = {}
        self._in_flight = 0
        #: What could not be deleted.
        self.stranded = []

    @property
    def is_over(self):
        """Whether all has been deleted, or given up."""
        return not (self._left or self._things or self._in_flight)

    def is_there(self, thing_id, is_deleted):
        """Tell a process that has its lock whether an object is there.

        :param is_deleted: whether the process has just deleted it.
        """
        found = thing_id in self._things
        if is_deleted:
            self._things.pop(thing_id, None)
        return found

    def next(self):
        """Return a request, or ``None`` if nothing can be asked now."""
        found = {operation: candidates for operation, candidates in (
            (operation, self._candidates(operation))
            for operation in _WEIGHTS) if candidates}
        if not found:
            return None
        operation = self._random.choices(
            list(found), [_WEIGHTS[name] for name in found])[0]
        thing = self._random.choice(found[operation])
        self._left = max(0, self._left - 1)
        self._in_flight += 1
        return _MAKERS[operation](self, operation, thing)

    def _candidates(self, operation):
        is_ending = not self._left
        if is_ending and operation not in _DELETIONS:
            return []
        if operation == names.CREATE:
            return [None] if self._has_room() else []
        is_possible = _POSSIBLE[operation]
        return [thing for thing in self._things.values()
                if is_possible(self, thing, is_ending)]

    def _has_room(self):
        return sum(not thing.of for thing in self._things.values()) < (
            self._most)

    def _has_snapshots(self, volume):
        return any(thing.of == volume.id for thing in self._things.values())

    def _made(self, size, of=''):
        thing = Thing(str(uuid.UUID(int=self._random.getrandbits(128))), size,
                      of)
        self._things[thing.id] = thing
        return thing

    def done(self, request, outcome):
        """Take note of what has become of a request."""
        self._in_flight -= 1
        thing = request.target
        if request.operation in _DELETIONS:
            self._deleted(thing, outcome)
        elif outcome == GONE:
            self._things.pop(thing.id)
        else:
            thing.state = AVAILABLE if outcome in (DONE, BUSY) else ERROR
            if request.operation == names.EXTEND and outcome == DONE:
                thing.size = request.body['size']

    def _deleted(self, thing, outcome):
        if outcome in (DONE, GONE):
            self._things.pop(thing.id, None)
            return
        thing.state = AVAILABLE if outcome == BUSY else ERROR
        thing.tries += 1
        if thing.tries == _TRIES and self._things.pop(thing.id, None):
            self.stranded.append(thing)

    def _create(self, operation, _none):
        volume = self._made(1)
        return Request(operation, volume, _body(operation, volume))

    def _clone(self, operation, source):
        volume = self._made(self._size_of_clone(source))
        volume.cloned = source.id
        return Request(operation, volume, _body(
            operation, volume, source=_told(source)))

    def _from_snapshot(self, operation, snapshot):
        volume = self._made(self._size_of_clone(snapshot))
        return Request(operation, volume, _body(
            operation, volume, snapshot=snapshot.id,
            source={'name_id': snapshot.of, 'size': snapshot.size}))

    def _size_of_clone(self, source):
        return min(_MOST_GIB, source.size + self._random.randrange(2))

    def _snapshot(self, operation, volume):
        snapshot = self._made(volume.size, volume.id)
        return Request(operation, snapshot, _body(
            operation, volume, snapshot=snapshot.id))

    def _extend(self, operation, volume):
        volume.state = EXTENDING
        return Request(operation, volume, _body(
            operation, volume, size=volume.size + 1))

    def _delete(self, operation, volume):
        volume.state = DELETING
        return Request(operation, volume, _body(operation, volume))

    def _delete_snapshot(self, operation, snapshot):
        snapshot.state = DELETING
        return Request(operation, snapshot, {
            'operation': operation, 'snapshot': snapshot.id,
            'volume': {'name_id': snapshot.of, 'size': snapshot.size}})

    def _is_source(self, thing, _is_ending):
        return (not thing.of and thing.state == AVAILABLE
                and self._has_room())

    def _is_source_snapshot(self, thing, _is_ending):
        return (thing.of and thing.state == AVAILABLE and self._has_room())

    def _is_volume(self, thing, _is_ending):
        return not thing.of and thing.state == AVAILABLE

    def _is_small(self, thing, is_ending):
        return self._is_volume(thing, is_ending) and thing.size < _MOST_GIB

    def _is_deletable(self, thing, is_ending):
        return (not thing.of and thing.state in (AVAILABLE, ERROR)
                and not self._has_snapshots(thing))

    def _is_deletable_snapshot(self, thing, is_ending):
        return thing.of and thing.state in (AVAILABLE, ERROR)


def _told(thing):
    return {'name_id': thing.id, 'size': thing.size,
            'source_volid': thing.cloned}


def _body(operation, volume, **more):
    return {'operation': operation, 'volume': _told(volume), **more}


_POSSIBLE = {
    names.CLONE: Family._is_source,
    names.SNAPSHOT: Family._is_volume,
    names.FROM_SNAPSHOT: Family._is_source_snapshot,
    names.EXTEND: Family._is_small,
    names.DELETE: Family._is_deletable,
    names.DELETE_SNAPSHOT: Family._is_deletable_snapshot}

_MAKERS = {
    names.CREATE: Family._create, names.CLONE: Family._clone,
    names.SNAPSHOT: Family._snapshot,
    names.FROM_SNAPSHOT: Family._from_snapshot,
    names.EXTEND: Family._extend, names.DELETE: Family._delete,
    names.DELETE_SNAPSHOT: Family._delete_snapshot}
