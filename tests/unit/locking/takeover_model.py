# SPDX-License-Identifier: Apache-2.0
"""How half-done work is ended by others, with everything that can happen.

A process that finds records left behind does not do its own work first: it
withdraws, and claims all names of these records, with a record of its own
that says what they said. Then it fences their clients, is granted, which
deletes the records, ends their work, and releases. If it dies, or fails, its
own record is found like any other.

Beside etcd there is Ceph: a client that was fenced writes no more, and a
marker says of each piece of work that it has begun and not ended.
"""

import dataclasses

from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import lock_queue
from tests.unit.locking import lock_model

KEYS = lock_model.KEYS


@dataclasses.dataclass(frozen=True)
class Process(lock_model.Process):
    """One process with its own work, and claims as many as it needs.

    :param attempt: number of its claim; each has a client of its own.
    :param known: whose work it takes over; its own is done when there is
        none.
    :param found: whose it will take over once it has withdrawn.
    """

    attempt: int = 0
    known: frozenset = frozenset()
    found: frozenset = frozenset()


@dataclasses.dataclass
class World(lock_model.World):
    """etcd, and Ceph.

    :param fenced: claims whose clients are.
    :param begun: number of the process whose work has begun, for all that
        has not ended.
    """

    fenced: frozenset = frozenset()
    begun: frozenset = frozenset()

    def key(self):
        return *super().key(), self.fenced, self.begun


class Rules(lock_model.Rules):
    """What a process does; tests break one to see that it is missed."""

    writing = frozenset(['begin', 'work', 'repair', 'end_repair'])

    def start(self, faults):
        world = super().start(faults)
        return World(world.store, tuple(
            Process(self._claim(index, 0, frozenset()), process.lease)
            for index, process in enumerate(world.processes)), faults)

    def _claim(self, index, attempt, known):
        wishes = dict(self.wishes[index])
        if known:
            wishes = self.to_take_over(known)
        return self.claim(f'c{index}.{attempt}', wishes,
                          self.record(index, known))

    def to_take_over(self, known):
        """Return what is claimed to take over some work."""
        return self.wishes_of(known)

    def wishes_of(self, known):
        """Return all that some work was claimed for."""
        wishes = {}
        for number in sorted(known):
            for name, mode in self.wishes[number].items():
                if wishes.get(name) != lock_model.EXCLUSIVE:
                    wishes[name] = mode
        return wishes

    def record(self, index, known):
        """Return the text of a record: whose work it is about."""
        return ','.join(map(str, sorted(known or {index})))

    # Stages

    def fence(self, world, index, process):
        yield world.after(f'{index} fences', fenced=world.fenced | {
            entry.claim for entry in process.verdict.left_behind}
        ).with_process(index, stage='grant', has_replaced=True)

    def begin(self, world, index, process):
        if process.claim.id in world.fenced:
            yield world.after(f'{index} cannot begin').with_process(
                index, stage='release')
            return
        for number in world.begun:
            if self._clash(number, index):
                raise lock_model.Violation(
                    f'{index} works on what {number} has left')
        yield world.after(f'{index} begins', begun=world.begun | {index}
                          ).with_process(index, stage='work')

    def work(self, world, index, process):
        yield from self._end_work(world, index, process, {index})

    def repair(self, world, index, process):
        mine = process.known & world.begun
        if process.claim.id in world.fenced or not mine:
            yield world.after(f'{index} has nothing to end').with_process(
                index, stage='abandon' if mine else 'release')
            return
        for number, other in enumerate(world.processes):
            theirs = other.known or {number}
            if (number != index and other.stage in self.writing
                    and theirs & mine
                    and other.claim.id not in world.fenced):
                raise lock_model.Violation(
                    f'{index} ends the work of {sorted(mine)} while {number} '
                    f'may write')
        yield world.after(f'{index} repairs').with_process(
            index, stage='end_repair')

    def end_repair(self, world, index, process):
        yield from self._end_work(world, index, process, process.known)

    def _end_work(self, world, index, process, numbers):
        if process.claim.id in world.fenced:
            yield world.after(f'{index} is refused').with_process(
                index, stage='abandon')
            return
        yield world.after(
            f'{index} ends work', begun=world.begun - numbers
        ).with_process(index, stage='release')
        if world.faults.failures:
            yield world.after(
                f'{index} fails', faults=self._less(world, 'failures')
            ).with_process(index, stage='abandon')

    def abandon(self, world, index, process):
        yield from self._called(
            world, index, 'abandon', self.queues.abandon(
                process.claim, self._mark(world, process)),
            lambda after, index, answer: after.with_process(
                index, stage='failed'))

    # Answers

    def _judged_as(self, after, index, verdict):
        if isinstance(verdict, lock_queue.Next) and verdict.left_behind:
            found = frozenset(
                int(number) for entry in verdict.left_behind
                for number in entry.text.split(','))
            if not found <= after.processes[index].known:
                return after.with_process(index, stage='withdraw',
                                          found=found)
        return super()._judged_as(after, index, verdict)

    def _granted(self, after, index, token):
        super()._granted(after, index, token)
        return after.with_process(
            index, stage='repair' if after.processes[index].known
            else 'begin')

    def _may_write(self, world, other):
        return other.claim.id not in world.fenced

    def _withdrawn(self, after, index):
        process = after.processes[index]
        if process.found:
            return self._restarted(after, index,
                                   process.known | process.found)
        return super()._withdrawn(after, index)

    def _ended(self, after, index):
        if after.processes[index].known:
            return self._restarted(after, index, frozenset())
        return super()._ended(after, index)

    def _restarted(self, after, index, known):
        process = after.processes[index]
        attempt = process.attempt + 1
        return after.with_process(
            index, stage='take', token=0, verdict=None, is_entered=False,
            is_doubtful=False, has_replaced=False, is_repeated=False,
            is_overlapped=False,
            claim=self._claim(index, attempt, known), attempt=attempt,
            known=known, found=frozenset())

    def _clash(self, one, other):
        theirs = self.wishes[other]
        return any(lock_model.EXCLUSIVE in (mode, theirs[name])
                   for name, mode in self.wishes[one].items()
                   if name in theirs)

    # What must hold

    def check_end(self, world):
        for index, process in enumerate(world.processes):
            if process.stage not in lock_model.ENDED:
                raise lock_model.Violation(
                    f'{index} is stuck in {process.stage}')
        records = self._records(world)
        for number in world.begun:
            if not any(number in numbers and set(self.wishes[number].items())
                       <= places for numbers, places in records.values()):
                raise lock_model.Violation(
                    f'the work of {number} is left, and no record of it')
        for claim, (numbers, places) in records.items():
            if places != set(self.wishes_of(numbers).items()):
                raise lock_model.Violation(
                    f'of the records of {claim} only some are left')

    def _records(self, world):
        """Return all records as ``{claim: (whose work, places)}``."""
        ended = {process.claim.id: process for process in world.processes}
        found = {}
        for key, item in world.store.items.items():
            key = etcd_requests.decoded(key)
            if not key.startswith(KEYS.of_all()):
                continue
            place = KEYS.place(key)
            # What is left of an earlier claim was taken over.
            if place.claim not in ended or not self._may_be_left(
                    ended[place.claim], place.kind):
                raise lock_model.Violation(f'{key} is left')
            text = etcd_requests.decoded(item.value)
            found.setdefault(place.claim, (frozenset(
                map(int, text.split(','))), set()))[1].add(
                    (place.name, place.mode))
        return found

    @staticmethod
    def _may_be_left(process, kind):
        return kind == 'f' and (
            process.stage in ('dead', 'failed')
            or process.stage == 'given up' and process.has_replaced)
