# SPDX-License-Identifier: Apache-2.0
"""All that can happen to some claims to one lock, one message at a time.

The messages and the verdicts are those of ``lock_queue``, etcd is
:class:`tests.fakes.etcd.Store`. What is explored is everything between: any
order of the processes, answers that are lost, messages that arrive late,
leases that end, processes that die.
"""

import dataclasses

from dcn_plugins import exceptions
from dcn_plugins.locking import lock_queue
from tests.fakes import etcd

QUEUES = lock_queue.Queues('/t')
EXCLUSIVE, SHARED = lock_queue.EXCLUSIVE, lock_queue.SHARED


class Violation(Exception):
    """Something happened that must not; the text says what."""


@dataclasses.dataclass(frozen=True)
class Faults:
    """How much may still go wrong."""

    lost_answers: int = 0
    late_messages: int = 0
    expiries: int = 0
    deaths: int = 0
    withdrawals: int = 0


@dataclasses.dataclass(frozen=True)
class Process:
    """One process with one claim.

    :param stage: what it does next: enter, wait, fence, grant, work, release,
        withdraw; or what became of it: done, lost, unknown, given up, dead.
    :param is_fenced: its writes are refused.
    :param is_overlapped: somebody else was granted while it worked.
    """

    claim: lock_queue.Claim
    lease: int
    stage: str = 'enter'
    token: int = 0
    verdict: object = None
    is_doubtful: bool = False
    is_repeated: bool = False
    is_fenced: bool = False
    is_overlapped: bool = False

    @property
    def mark(self):
        return self.lease if self.is_doubtful else None


ENDED = frozenset(['done', 'lost', 'unknown', 'given up', 'dead'])


@dataclasses.dataclass
class World:
    """One state; not to be changed once it is explored."""

    store: etcd.Store
    processes: tuple
    faults: Faults
    late: tuple = ()
    path: tuple = ()

    def key(self):
        return (tuple(sorted(self.store.items.items())),
                frozenset(self.store.leases), self.processes, self.faults,
                tuple(map(repr, self.late)))

    def after(self, label, **changes):
        return dataclasses.replace(
            self, store=self.store.copy(), path=(*self.path, label),
            **changes)

    def with_process(self, index, **changes):
        changed = dataclasses.replace(self.processes[index], **changes)
        self.processes = (*self.processes[:index], changed,
                          *self.processes[index + 1:])
        return self


class Rules:
    """What a process does; tests break one to see that it is missed.

    :param wishes: of each process: its mode.
    :param has_record: whether the claims carry fence records.
    """

    def __init__(self, modes, has_record=True, queues=QUEUES):
        self.modes = modes
        self.has_record = has_record
        self.queues = queues

    def start(self, faults):
        """Return the first state."""
        store = etcd.Store()
        processes = tuple(
            Process(lock_queue.Claim(
                f'c{index}', ('lock',), (mode,),
                record=f'client {index}' if self.has_record else None),
                store.grant())
            for index, mode in enumerate(self.modes))
        return World(store, processes, faults)

    def successors(self, world):
        """Yield all states that may come next."""
        for index, process in enumerate(world.processes):
            if process.stage not in ENDED:
                yield from getattr(self, process.stage)(world, index, process)
                yield from self._die(world, index, process)
        yield from self._expire(world)
        for number, body in enumerate(world.late):
            after = world.after('a late message arrives', late=(
                *world.late[:number], *world.late[number + 1:]))
            self._send(after, body)
            yield after

    def _expire(self, world):
        # Of the dead it is no fault.
        dead = {process.lease for process in world.processes
                if process.stage == 'dead'}
        for lease in sorted(world.store.leases):
            if lease not in dead and not world.faults.expiries:
                continue
            after = world.after(
                f'lease {lease} ends', faults=world.faults if lease in dead
                else self._less(world, 'expiries'))
            after.store.expire(lease)
            yield after

    # Stages

    def enter(self, world, index, process):
        body = self.queues.enter(process.claim, process.lease)
        if process.lease not in world.store.leases:
            yield world.after(f'{index} knows its lease has ended'
                              ).with_process(index, stage='withdraw')
            return
        yield from self._called(world, index, 'enter', body, self._judged)

    def wait(self, world, index, process):
        if lock_queue.encoded(process.verdict.key) not in world.store.items:
            yield from self._called(
                world, index, 'look', self.queues.look(process.claim),
                self._judged)
        if world.faults.withdrawals:
            yield world.after(f'{index} gives up', faults=self._less(
                world, 'withdrawals')).with_process(index, stage='withdraw')

    def fence(self, world, index, process):
        after = world.after(f'{index} fences')
        for entry in process.verdict.left_behind:
            number = int(entry.claim[1:])
            after.with_process(number, is_fenced=True)
        yield after.with_process(index, stage='grant')

    def grant(self, world, index, process):
        yield from self._called(
            world, index, 'grant',
            self.queues.grant(process.claim, process.verdict),
            lambda after, index, answer: self._judged(
                after, index, answer, process.verdict.token))

    def work(self, world, index, process):
        # As long as it takes; a zombie goes on like everybody else.
        yield world.after(f'{index} ends its work').with_process(
            index, stage='release')

    def release(self, world, index, process):
        mark = process.mark if process.lease in world.store.leases else None
        yield from self._called(
            world, index, 'release',
            self.queues.release(process.claim, process.token, mark),
            self._released)

    def withdraw(self, world, index, process):
        mark = process.mark if process.lease in world.store.leases else None
        yield from self._called(
            world, index, 'withdraw',
            self.queues.withdraw(process.claim, mark),
            lambda after, index, answer: after.with_process(
                index, stage='given up'))

    # Answers

    def _judged(self, after, index, answer, token=None):
        process = after.processes[index]
        verdict = self.queues.verdict(process.claim, answer, token)
        if isinstance(verdict, lock_queue.Waiting):
            return after.with_process(index, stage='wait', verdict=verdict)
        if isinstance(verdict, lock_queue.Next):
            return after.with_process(
                index, verdict=verdict,
                stage='fence' if verdict.left_behind else 'grant')
        if isinstance(verdict, lock_queue.Gone) or (
                process.lease not in after.store.leases):
            return after.with_process(index, stage='withdraw')
        return self._granted(after, index, verdict.token)

    def _granted(self, after, index, token):
        mode = self.modes[index]
        for number, other in enumerate(after.processes):
            if number == index or EXCLUSIVE not in (mode, self.modes[number]):
                continue
            if other.stage not in ('work', 'release'):
                continue
            if other.token >= token:
                raise Violation(f'{index} has token {token}, and {number} '
                                f'before it had {other.token}')
            if other.stage == 'work':
                if self._may_write(after, other):
                    raise Violation(f'{index} is granted while {number} works')
                after.with_process(number, is_overlapped=True)
        return after.with_process(index, stage='work', token=token)

    def _may_write(self, world, other):
        return (not other.is_fenced if self.has_record
                else other.lease in world.store.leases)

    def _released(self, after, index, answer):
        process = after.processes[index]
        if answer.get('succeeded'):
            stage = 'done'
        elif not process.is_repeated:
            stage = 'lost'
        elif process.lease in after.store.leases:
            stage = 'done'
        else:
            stage = 'unknown'
        if stage == 'done' and process.is_overlapped:
            raise Violation(f'{index} was not alone and is told it was')
        if stage == 'lost' and not process.is_overlapped and (
                self._may_write(after, process)):
            raise Violation(f'{index} was alone and is told it was not')
        return after.with_process(index, stage=stage)

    # Messages

    def _called(self, world, index, label, body, judge):
        after = world.after(f'{index}: {label}')
        answer = self._send(after, body)
        yield judge(after, index, answer)
        changes = {'is_repeated': True} if label == 'release' else {}
        if label in ('enter', 'look', 'grant'):
            changes = {'stage': 'enter', 'is_doubtful': True}
        if world.faults.lost_answers:
            after = world.after(
                f'{index}: {label}, and the answer is lost',
                faults=self._less(world, 'lost_answers'))
            self._send(after, body)
            yield after.with_process(index, **changes)
        if world.faults.late_messages:
            yield world.after(
                f'{index}: {label}, but it takes its time',
                faults=self._less(world, 'late_messages'),
                late=(*world.late, body)).with_process(index, **changes)

    @staticmethod
    def _send(world, body):
        try:
            return world.store.transaction(body)
        except exceptions.EtcdRefused:
            # Without a lease nothing is entered.
            return {'header': {'revision': str(world.store.revision)},
                    'responses': [{'response_range': {}}]}

    def _die(self, world, index, process):
        if world.faults.deaths:
            yield world.after(f'{index} dies', faults=self._less(
                world, 'deaths')).with_process(index, stage='dead')

    @staticmethod
    def _less(world, name):
        return dataclasses.replace(
            world.faults, **{name: getattr(world.faults, name) - 1})

    # What must hold

    def check_end(self, world):
        """Raise Violation if nothing can happen any more, and should."""
        for index, process in enumerate(world.processes):
            if process.stage not in ENDED:
                raise Violation(f'{index} is stuck in {process.stage}')
        alive = {process.claim.id for process in world.processes
                 if process.stage != 'dead'}
        for key in world.store.keys():
            *_scope, kind, claim = key.split('/')
            if claim in alive and kind != 'd':
                raise Violation(f'{key} is left')


def explore(rules, faults, limit=400_000):
    """Visit all states; return their number.

    :raises Violation: with the path to it.
    """
    start = rules.start(faults)
    seen = {start.key()}
    todo = [start]
    while todo:
        world = todo.pop()
        has_next = False
        try:
            for found in rules.successors(world):
                has_next = True
                key = found.key()
                if key not in seen:
                    seen.add(key)
                    todo.append(found)
            if not has_next:
                rules.check_end(world)
        except Violation as exc:
            raise Violation(' > '.join([*world.path, str(exc)])) from exc
        if len(seen) > limit:
            raise AssertionError(f'more than {limit} states')
    return len(seen)
