# SPDX-License-Identifier: Apache-2.0
"""Where a holder is lost, and who asks for what it held. Pure."""

import dataclasses
import uuid

from tests.bench import driver_names as names

KILL, PAUSE = 'SIGKILL', 'SIGSTOP'

#: Operation, call of librbd, when, how; one after another.
_PLACES = (
    (names.CREATE, 'create', 'before', KILL),
    (names.CLONE, 'create_snap', 'before', PAUSE),
    (names.CLONE, 'create_snap', 'after', KILL),
    (names.CLONE, 'clone', 'during', KILL),
    (names.CLONE, 'clone', 'after', PAUSE),
    (names.SNAPSHOT, 'create_snap', 'during', KILL),
    (names.SNAPSHOT, 'create_snap', 'after', PAUSE),
    (names.FROM_SNAPSHOT, 'clone', 'after', KILL),
    (names.DELETE, 'remove', 'during', KILL),
    (names.DELETE, 'remove', 'before', PAUSE),
    (names.EXTEND, 'resize', 'before', KILL),
    (names.DELETE_SNAPSHOT, 'unprotect_snap', 'after', KILL),
    (names.DELETE_SNAPSHOT, 'remove_snap', 'before', PAUSE))


@dataclasses.dataclass(frozen=True)
class Scene:
    """One holder that is lost, and who is next.

    :param before: what the next one does before.
    :param lost: what the holder is in when it is lost.
    :param after: what is asked of the next one at once.
    :param rest: what is to be deleted then.
    """

    number: int
    is_paused: bool
    before: tuple
    lost: dict
    after: dict
    rest: tuple = ()


def scene(number):
    """Return one of an endless row of scenes."""
    operation, call, when, how = _PLACES[number % len(_PLACES)]
    volume, snapshot = _volume(), str(uuid.uuid4())
    create = _ask(names.CREATE, volume)
    snap = _ask(names.SNAPSHOT, volume, snapshot=snapshot)
    delete = _ask(names.DELETE, volume)
    delete_snapshot = _ask(names.DELETE_SNAPSHOT, volume, snapshot=snapshot)
    before, lost, after, rest = {
        names.CREATE: ((), create, delete, ()),
        names.CLONE: ((create,), _ask(names.CLONE, _volume(), source=volume),
                      delete, ()),
        names.SNAPSHOT: ((create,), snap, delete, ()),
        names.FROM_SNAPSHOT: (
            (create, snap), _ask(names.FROM_SNAPSHOT, _volume(),
                                 source=volume, snapshot=snapshot),
            delete_snapshot, (delete,)),
        names.DELETE: ((create,), delete, delete, ()),
        names.EXTEND: ((create,), _ask(names.EXTEND, volume, size=2),
                       delete, ()),
        names.DELETE_SNAPSHOT: ((create, snap), delete_snapshot,
                                delete_snapshot, (delete,)),
    }[operation]
    return Scene(number, how == PAUSE, before, {**lost, 'stop_at': {
        'when': when, 'call': call, 'number': how}}, after, rest)


def stock_scene(number):
    """Return a scene for a driver without fence: a clone and its source."""
    volume = _volume()
    return Scene(
        number, False, (_ask(names.CREATE, volume),),
        {**_ask(names.CLONE, _volume(), source=volume), 'stop_at': {
            'when': 'after', 'call': 'held', 'number': KILL}},
        _ask(names.DELETE, volume))


def _volume():
    return {'size': 1, 'name_id': str(uuid.uuid4())}


def _ask(operation, volume, **more):
    return {'operation': operation, 'volume': volume, **more}
