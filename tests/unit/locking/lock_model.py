# SPDX-License-Identifier: Apache-2.0
"""All that can happen to some claims to some locks, one message at a time.

The messages and the verdicts are those of ``lock_queue``, etcd is
:class:`tests.fakes.etcd.Store`. What is explored is everything between: any
order of the processes, answers that are lost, messages that arrive late,
leases that end, processes that die, locks that are broken.
"""

import contextlib
import dataclasses
import gc

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import lock_keys
from dcn_plugins.locking import lock_queue
from tests.fakes import etcd

KEYS = lock_keys.Keys('/t')
QUEUES = lock_queue.Queues(KEYS)
EXCLUSIVE, SHARED = lock_queue.EXCLUSIVE, lock_queue.SHARED


class Violation(Exception):
    """Something happened that must not; the text says what."""


@dataclasses.dataclass(frozen=True)
class Faults:
    """How much may still go wrong."""

    lost_answers: int = 0
    repeats: int = 0
    late_messages: int = 0
    expiries: int = 0
    deaths: int = 0
    withdrawals: int = 0
    breaks: int = 0
    failures: int = 0


@dataclasses.dataclass(frozen=True)
class Process:
    """One process with one claim.

    :param stage: what it does next, a method of :class:`Rules`; or what
        became of it, one of ``ENDED``.
    :param is_entered: whether it may be in the queue.
    :param is_watching: whether it has looked since its watch has begun.
    :param has_replaced: whether its record may stand for others.
    :param is_repeated: whether its release was sent more than once.
    :param is_fenced: its writes are refused.
    :param is_broken: somebody has taken the lock away from it.
    :param is_overlapped: somebody else was granted while it worked.
    """

    claim: lock_queue.Claim
    lease: int
    stage: str = 'take'
    token: int = 0
    verdict: object = None
    is_entered: bool = False
    is_doubtful: bool = False
    is_watching: bool = False
    has_replaced: bool = False
    is_repeated: bool = False
    is_fenced: bool = False
    is_broken: bool = False
    is_overlapped: bool = False

    @property
    def mark(self):
        return self.lease if self.is_doubtful else None


ENDED = frozenset(['done', 'failed', 'lost', 'unknown', 'given up', 'dead'])


@dataclasses.dataclass
class World:
    """One state; not to be changed once it is explored.

    :param late: messages that will still arrive.
    :param breaking: entries that somebody is about to break.
    :param path: what has happened, the last of it first.
    """

    store: etcd.Store
    processes: tuple
    faults: Faults
    late: tuple = ()
    breaking: tuple = ()
    path: tuple = ()

    def key(self):
        return (frozenset(self.store.items.items()),
                frozenset(self.store.leases), self.processes, self.faults,
                tuple(map(repr, self.late)), self.breaking)

    def after(self, label, **changes):
        # Much quicker than to replace() some of it, or to copy() it.
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__
        other.store = self.store.copy()
        other.path = label, self.path
        other.__dict__ |= changes
        return other

    def story(self):
        path, found = self.path, []
        while path:
            label, path = path
            found.append(label)
        return found[::-1]

    def with_process(self, index, **changes):
        # Nobody else has it yet, so that it is still free to be changed.
        before = self.processes[index]
        changed = object.__new__(type(before))
        changed.__dict__.update(before.__dict__, **changes)
        self.processes = (*self.processes[:index], changed,
                          *self.processes[index + 1:])
        return self


def of_one_lock(modes):
    """Return the wishes of processes that want the same lock."""
    return tuple({'lock': mode} for mode in modes)


class Rules:
    """What a process does; tests break one to see that it is missed.

    :param wishes: of each process: mode by name of the locks.
    :param has_record: whether the claims carry fence records.
    """

    writing = frozenset(['work'])

    def __init__(self, wishes, has_record=True, queues=QUEUES):
        self.wishes = wishes
        self.has_record = has_record
        self.queues = queues

    def start(self, faults):
        """Return the first state."""
        store = etcd.Store()
        # That of who breaks locks does not end.
        self.breaker_lease = store.grant()
        return World(store, tuple(
            Process(self.claim(f'c{index}', wishes, f'client {index}'),
                    store.grant())
            for index, wishes in enumerate(self.wishes)), faults)

    def claim(self, claim_id, wishes, record):
        names, modes = zip(*sorted(wishes.items()))
        return lock_queue.Claim(claim_id, names, modes,
                                record=record if self.has_record else None)

    def successors(self, world):
        """Yield all states that may come next."""
        for index, process in enumerate(world.processes):
            if process.stage not in ENDED:
                yield from getattr(self, process.stage)(world, index, process)
                yield from self._die(world, index, process)
        yield from self._expire(world)
        yield from self._break(world)
        for number, body in enumerate(world.late):
            after = world.after('a late message arrives', late=(
                *world.late[:number], *world.late[number + 1:]))
            self._send(after, body)
            yield after

    def _expire(self, world):
        # Of the dead it is no fault.
        dead = {process.lease for process in world.processes
                if process.stage == 'dead'}
        for lease in sorted(world.store.leases - {self.breaker_lease}):
            if lease not in dead and not world.faults.expiries:
                continue
            after = world.after(
                f'lease {lease} ends', faults=world.faults if lease in dead
                else self._less(world, 'expiries'))
            after.store.expire(lease)
            yield after

    def _break(self, world):
        if world.faults.breaks:
            for name in {name for wishes in self.wishes for name in wishes}:
                heads = self.queues.heads(world.store.range(
                    self.queues.all_of(name)))
                if heads:
                    yield world.after(
                        f'somebody wants to break {name}',
                        faults=self._less(world, 'breaks'),
                        breaking=tuple(heads))
        if world.breaking:
            after = world.after('and does', breaking=())
            for entry in world.breaking:
                self._take_away(after, entry)
            self._send(after, self.queues.break_(
                world.breaking, self.breaker_lease))
            yield after

    def _take_away(self, world, entry):
        """Note whose turn it was; who only waits may not be harmed."""
        for index, process in enumerate(world.processes):
            if process.claim.id == entry.claim and all(
                    process.claim.id in {
                        head.claim for head in QUEUES.heads(
                            world.store.range(QUEUES.all_of(name)))}
                    for name in process.claim.names):
                world.with_process(index, is_broken=True)

    # Stages

    def take(self, world, index, process):
        yield from self._with_lease(
            world, index, process, 'take', self.queues.take, self._taken)

    def enter(self, world, index, process):
        yield from self._with_lease(
            world, index, process, 'enter', self.queues.enter, self._judged)
        if world.faults.withdrawals and not process.is_entered:
            yield world.after(f'{index} does not wait', faults=self._less(
                world, 'withdrawals')).with_process(
                    index, stage='withdraw' if process.is_doubtful
                    else 'given up')

    def _with_lease(self, world, index, process, label, body, judge):
        if process.lease in world.store.leases:
            yield from self._called(world, index, label, body(
                process.claim, process.lease), judge)
        else:
            yield world.after(f'{index} knows its lease has ended'
                              ).with_process(index, stage='withdraw')

    def wait(self, world, index, process):
        is_there = etcd_requests.encoded(
            process.verdict.key) in world.store.items
        is_told = process.verdict.before and etcd_requests.encoded(
            process.verdict.before) not in world.store.items
        if is_told or not is_there or not process.is_watching:
            yield from self._called(
                world, index, 'look', self.queues.look(process.claim),
                self._judged)
        if not is_there and process.is_watching and process.verdict.is_last:
            yield self._judged_as(
                world.after(f'{index} sees it go'), index,
                lock_queue.Granted(process.verdict.token))
        if world.faults.withdrawals:
            yield world.after(f'{index} gives up', faults=self._less(
                world, 'withdrawals')).with_process(index, stage='withdraw')

    def fence(self, world, index, process):
        after = world.after(f'{index} fences')
        for entry in process.verdict.left_behind:
            number = int(entry.claim[1:])
            after.with_process(number, is_fenced=True)
        yield after.with_process(index, stage='grant', has_replaced=True)

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
        yield from self._called(
            world, index, 'release', self.queues.release(
                process.claim, process.token, self._mark(world, process)),
            self._released)

    def clear(self, world, index, process):
        yield from self._called(
            world, index, 'clear', self.queues.clear(
                process.claim, self._mark(world, process)), self._cleared)

    def withdraw(self, world, index, process):
        end = (self.queues.abandon if process.has_replaced
               else self.queues.withdraw)
        yield from self._called(
            world, index, 'withdraw', end(
                process.claim, self._mark(world, process)),
            lambda after, index, answer: self._withdrawn(after, index))

    @staticmethod
    def _mark(world, process):
        return process.mark if process.lease in world.store.leases else None

    # Answers

    def _taken(self, after, index, answer):
        granted = self.queues.taken(answer)
        if granted:
            return self._judged_as(after, index, granted)
        return after.with_process(index, stage='enter')

    def _judged(self, after, index, answer, token=None):
        claim = after.processes[index].claim
        after.with_process(index, is_entered=True)
        return self._judged_as(after, index, self.queues.verdict(
            claim, answer, token))

    def _judged_as(self, after, index, verdict):
        process = after.processes[index]
        if isinstance(verdict, lock_queue.Waiting):
            is_watching = process.stage == 'wait' and (
                process.verdict.key == verdict.key)
            if is_watching:
                # Another one before it is not watched.
                verdict = dataclasses.replace(
                    verdict, before=verdict.before
                    if verdict.before == process.verdict.before else '')
            return after.with_process(index, stage='wait', verdict=verdict,
                                      is_watching=is_watching)
        after.with_process(index, is_watching=False, verdict=None)
        if isinstance(verdict, lock_queue.Next):
            return after.with_process(
                index, verdict=verdict,
                stage='fence' if verdict.left_behind else 'grant')
        if isinstance(verdict, lock_queue.Gone) or (
                process.lease not in after.store.leases):
            return after.with_process(index, stage='withdraw')
        return self._granted(after, index, verdict.token)

    def _granted(self, after, index, token):
        mine = after.processes[index]
        for number, other in enumerate(after.processes):
            if number == index or not _conflict(mine, other):
                continue
            if other.stage not in self.writing | {'release'}:
                continue
            if mine.is_broken:
                # It was broken when it was its turn; it learns both late.
                after.with_process(index, is_overlapped=True)
                continue
            if other.token >= token:
                raise Violation(f'{index} has token {token}, and {number} '
                                f'before it had {other.token}')
            if other.stage in self.writing:
                if self._may_write(after, other):
                    raise Violation(f'{index} is granted while {number} works')
                after.with_process(number, is_overlapped=True)
        return after.with_process(index, stage='work', token=token)

    def _may_write(self, world, other):
        return (not other.is_fenced if self.has_record
                else other.lease in world.store.leases
                and not other.is_broken)

    def _released(self, after, index, answer):
        process = after.processes[index]
        if answer.get('succeeded'):
            if process.is_overlapped:
                raise Violation(f'{index} was not alone and is told it was')
            return self._ended(after, index)
        if not process.is_repeated:
            self._check_lost(after, index)
        return after.with_process(index, stage='clear')

    def _cleared(self, after, index, answer):
        process = after.processes[index]
        if not process.is_repeated:
            return after.with_process(index, stage='lost')
        if self.queues.is_broken(answer):
            self._check_lost(after, index)
            return after.with_process(index, stage='lost')
        if process.lease not in after.store.leases:
            return after.with_process(index, stage='unknown')
        if process.is_overlapped:
            raise Violation(f'{index} was not alone and is told it was')
        return self._ended(after, index)

    def _check_lost(self, world, index):
        process = world.processes[index]
        if not process.is_overlapped and not process.is_broken and (
                self._may_write(world, process)):
            raise Violation(f'{index} was alone and is told it was not')

    def _ended(self, after, index):
        return after.with_process(index, stage='done')

    def _withdrawn(self, after, index):
        return after.with_process(index, stage='given up')

    # Messages

    def _called(self, world, index, label, body, judge):
        after = world.after(f'{index}: {label}')
        answer = self._send(after, body)
        yield judge(after, index, answer)
        changes = {'is_repeated': True} if label == 'release' else {}
        if label in ('take', 'enter', 'look', 'grant'):
            changes = {'stage': 'enter', 'is_doubtful': True,
                       'is_entered': label != 'take'}
        if world.faults.lost_answers:
            after = world.after(
                f'{index}: {label}, and the answer is lost',
                faults=self._less(world, 'lost_answers'))
            self._send(after, body)
            yield after.with_process(index, **changes)
        if world.faults.repeats:
            after = world.after(
                f'{index}: {label}, and another member answers',
                faults=self._less(world, 'repeats'))
            self._send(after, body)
            after.with_process(index, is_doubtful=True, is_repeated=(
                label == 'release' or after.processes[index].is_repeated))
            yield judge(after, index, self._send(after, body))
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
        ended = {process.claim.id: process for process in world.processes}
        for key in world.store.keys():
            if key.startswith(KEYS.of_all()):
                place = KEYS.place(key)
                if not self._may_be_left(ended[place.claim], place.kind):
                    raise Violation(f'{key} is left')

    @staticmethod
    def _may_be_left(process, kind):
        return process.stage == 'dead' or kind == lock_keys.FENCE and (
            # Under a name that nobody has asked for.
            process.stage == 'lost'
            # It may stand for others.
            or process.stage == 'given up' and process.has_replaced)


def _conflict(one, other):
    theirs = dict(other.claim.wishes)
    return any(EXCLUSIVE in (mode, theirs[name])
               for name, mode in one.claim.wishes if name in theirs)


@contextlib.contextmanager
def _without_collections():
    # There are no cycles here, and looking for them in a million tuples takes
    # half of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def explore(rules, faults, limit=400_000):
    """Visit all states; return their number.

    :raises Violation: with the path to it.
    """
    with _without_collections():
        return _explore(rules, faults, limit)


def _explore(rules, faults, limit):
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
            raise Violation(' > '.join([*world.story(), str(exc)])) from exc
        if len(seen) > limit:
            raise AssertionError(f'more than {limit} states')
    return len(seen)
