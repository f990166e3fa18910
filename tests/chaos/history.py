# SPDX-License-Identifier: Apache-2.0
"""What was asked, what was answered, and what was broken meanwhile. Pure.

An operation ends in one of four ways. The middle two are the interesting
ones:

=========  ===============================================================
OK         it was acknowledged
FAILED     it was said to have failed; nobody may find it done later
REFUSED    it was said not to have begun: all is as it was before
UNKNOWN    there was no answer, or one that says "nobody knows"
=========  ===============================================================
"""

import dataclasses
import json

OK, FAILED, REFUSED, UNKNOWN = 'ok', 'failed', 'refused', 'unknown'

CREATE = 'create'
CLONE = 'clone'
SNAPSHOT = 'snapshot'
FROM_SNAPSHOT = 'from_snapshot'
EXTEND = 'extend'
REVERT = 'revert'
WRITE = 'write'
DELETE = 'delete'
INCREMENT = 'increment'

#: Kinds that make their target.
MAKING = frozenset([CREATE, CLONE, SNAPSHOT, FROM_SNAPSHOT])


@dataclasses.dataclass
class Operation:
    """One request and its answer.

    :param target: what it makes or changes: ``IMAGE`` or ``IMAGE@SNAPSHOT``.
    :param process: who was asked.
    :param began: when, by a clock that all times of a history share.
    :param source: what it is made from, or gone back to.
    :param size: in GiB, that the target is to have.
    :param content: what a write wrote; a target that was made has none, or
        its source's.
    :param found: what an increment has read; it wrote one more.
    :param ended: when the answer came; ``None`` if none came.
    """

    number: int
    kind: str
    target: str
    process: str
    began: float
    source: str | None = None
    size: int | None = None
    content: str | None = None
    found: int | None = None
    ended: float | None = None
    outcome: str = UNKNOWN
    error: str = ''


@dataclasses.dataclass
class Fault:
    """Something that was broken, and when it was whole again."""

    verb: str
    victim: str
    began: float
    ended: float | None = None


@dataclasses.dataclass
class Death:
    """A process that ended though nobody had killed it."""

    process: str
    at: float
    reason: str


class History:
    """All that happened in one run."""

    def __init__(self):
        self.operations = []
        self.faults = []
        self.deaths = []
        #: When all that was broken had been repaired.
        self.healed_at = None

    def begin(self, kind, target, process, began, **more):
        """Take note of a request and return it."""
        operation = Operation(len(self.operations), kind, target, process,
                              began, **more)
        self.operations.append(operation)
        return operation

    def of(self, *kinds):
        """Return the operations of some kinds, in the order of requests."""
        return [o for o in self.operations if o.kind in kinds]

    def count(self, outcome):
        """Return how many operations ended in a way."""
        return sum(o.outcome == outcome for o in self.operations)

    def to_json(self):
        """Return it as text, one thing a line, for people and ``parsed``."""
        things = [{'is': 'healed', 'at': self.healed_at}]
        for name, found in (('operation', self.operations),
                            ('fault', self.faults), ('death', self.deaths)):
            things += [{'is': name, **_short(one)} for one in found]
        return ''.join(json.dumps(thing) + '\n' for thing in things)

    @classmethod
    def parsed(cls, text):
        """Return the history that ``to_json`` has written."""
        made = cls()
        lists = {'operation': (made.operations, Operation),
                 'fault': (made.faults, Fault),
                 'death': (made.deaths, Death)}
        for line in text.splitlines():
            thing = json.loads(line)
            kind = thing.pop('is')
            if kind == 'healed':
                made.healed_at = thing['at']
            else:
                found, make = lists[kind]
                found.append(make(**thing))
        return made


def _short(thing):
    return {name: value for name, value in dataclasses.asdict(thing).items()
            if value not in (None, '')}
