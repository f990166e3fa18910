# SPDX-License-Identifier: Apache-2.0
"""All that can happen to one job, one message at a time.

The messages are those of ``job_requests``, the steps those of ``job``, and
etcd is :class:`tests.fakes.etcd.Store`. What is explored is everything between
them: any order of two workers and an operator, messages that have no effect,
that have it while the answer is lost, or that have it much later, leases that
end, workers that die.
"""

import dataclasses
import functools

from dcn_plugins.placement import job as jobs
from dcn_plugins.placement import job_progress
from dcn_plugins.placement import job_requests
from tests.fakes import etcd

REQUESTS = job_requests.Requests('/t')
IMAGE, STORE = 'i', 's'
JOB = REQUESTS.job_key(IMAGE, STORE)
CLAIM = REQUESTS.claim_key(IMAGE, STORE)
TOMBSTONE = REQUESTS.tombstone_key(IMAGE)
PROGRESS = job_progress.Progress(0.0, 'pump', 1, 2, 3.0)
WANTED = jobs.Job(IMAGE, STORE, 0.0, 0.0)

# Each pause is over at the next step: time decides nothing but when.
NOW = 1e12

OPERATIONS = {
    'register': lambda job: jobs.registered(job, WANTED, NOW),
    'pause': jobs.paused, 'resume': lambda job: jobs.resumed(job, NOW),
    'cancel': jobs.cancelled, 'redo': lambda job: jobs.redone(job, NOW)}
ENDS = {
    'done': lambda job, claim: jobs.done(job, claim),
    'failed': lambda job, claim: jobs.failed(job, claim, 'x', 0.0),
    'refused': lambda job, claim: jobs.failed(job, claim, 'x', 0.0, True),
    'postponed': lambda job, claim: jobs.postponed(job, claim, 'x', 0.0, 1)}


class Violation(Exception):
    """Something happened that must not; the text says what."""


@dataclasses.dataclass(frozen=True)
class Worker:
    """A worker; ``claim`` and ``token`` are of what it believes to have."""

    lease: int
    claim: str | None = None
    token: int = 0
    is_dead: bool = False


@dataclasses.dataclass(frozen=True)
class World:
    """What is true at one moment.

    :param late: messages that were sent and have not arrived.
    :param budget: of faults, claims and operations, by name.
    :param is_copied: whether the image is in the store.
    :param is_wanted: whether a job was ever registered.
    """

    store: etcd.Store
    workers: tuple
    budget: tuple
    late: tuple = ()
    is_copied: bool = False
    is_wanted: bool = False

    def spend(self, name, **changes):
        """Return the world after something of which there is only so much."""
        budget = dict(self.budget)
        budget[name] -= 1
        return dataclasses.replace(
            self, budget=tuple(sorted(budget.items())), **changes)

    def has(self, name):
        return dict(self.budget)[name] > 0

    @functools.cached_property
    def found(self):
        """What a look finds; the store of a world never changes."""
        return REQUESTS.found(self.store.copy().transaction(
            REQUESTS.look(IMAGE, STORE)))

    @functools.cached_property
    def key(self):
        """What tells it from others; revisions only by their order."""
        numbers = {item.created for item in self.store.items.values()}
        numbers |= {item.changed for item in self.store.items.values()}
        numbers |= {worker.token for worker in self.workers}
        rank = {number: index for index, number in enumerate(sorted(numbers))}
        items = tuple(sorted(
            (key, item.value, item.lease, rank[item.created],
             rank[item.changed]) for key, item in self.store.items.items()))
        return (items, frozenset(self.store.leases),
                tuple((worker.lease, worker.claim, rank[worker.token],
                       worker.is_dead) for worker in self.workers),
                tuple(sorted(repr((body['success'], [
                    {name: _ranked(name, value, rank)
                     for name, value in compare.items()}
                    for compare in body['compare']])) for body in self.late)),
                self.budget, self.is_copied, self.is_wanted)


def _ranked(name, value, rank):
    # A revision that is no more is never again, whichever it was.
    return (rank.get(int(value), -1) if name.endswith('_revision')
            and value != '0' else value)


def sent(world, body):
    """Yield ``(world, answer)`` of a message; ``None`` if it is lost."""
    store = world.store.copy()
    answer = store.transaction(body)
    after = checked(world, store, answer, body)
    yield after, answer
    if world.has('losses'):
        yield world.spend('losses'), None
        yield after.spend('losses'), None
    if world.has('delays'):
        yield world.spend('delays', late=(*world.late, body)), None


def checked(world, store, answer, body):
    """Return the world with a changed store, if that may be so."""
    after = dataclasses.replace(world, store=store)
    before, now = world.found, after.found
    if now.is_buried and now.job is not None:
        raise Violation('a job of a deleted image')
    if now.claim is not None and now.claim != before.claim:
        if before.claim is not None:
            raise Violation('a job was claimed that somebody has')
        if before.job is None or before.job.state is not (
                jobs.State.WAITING):
            raise Violation('a job was claimed that is not waiting')
    if (before.job is not None and now.job is None and not now.is_buried
            and not world.is_copied):
        raise Violation('a job has gone and nothing was copied')
    return after


def replaced(world, number, worker):
    """Return the world with another state of a worker."""
    workers = list(world.workers)
    workers[number] = worker
    return dataclasses.replace(world, workers=tuple(workers))


def next_worlds(world):
    """Yield ``(what happens, world)``."""
    for name, step in OPERATIONS.items():
        yield from operated(world, name, step)
    if world.has('deletions') and not world.found.is_buried:
        for after, _answer in sent(world, REQUESTS.bury(IMAGE, 0.0)):
            yield 'bury', after.spend('deletions')
    yield from reported(world)
    for number, worker in enumerate(world.workers):
        if not worker.is_dead:
            yield from worked(world, number, worker)
    for index, body in enumerate(world.late):
        rest = world.late[:index] + world.late[index + 1:]
        store = world.store.copy()
        try:
            answer = store.transaction(body)
        except etcd.exceptions.EtcdRefused:
            # It names a lease that has ended.
            yield 'late and refused', dataclasses.replace(world, late=rest)
            continue
        yield 'late', dataclasses.replace(
            checked(world, store, answer, body), late=rest)


def reported(world):
    """Yield what comes of a report of whoever copies, who is no worker."""
    if world.has('reports') and world.found.claim:
        for after, _answer in sent(world, REQUESTS.report(
                IMAGE, STORE, world.found.claim, PROGRESS)):
            yield 'report', after.spend('reports')


def operated(world, name, step):
    """Yield what an operator makes of the job."""
    found = world.found
    job = step(found.job)
    if not world.has('operations') or job == found.job:
        return
    for after, _answer in sent(
            world, REQUESTS.change(IMAGE, STORE, found, job)):
        yield name, after.spend(
            'operations', is_wanted=world.is_wanted or name == 'register')


def worked(world, number, worker):
    """Yield what a worker does, and what happens to it."""
    if world.has('deaths'):
        store = world.store.copy()
        store.expire(worker.lease)
        after = dataclasses.replace(world, store=store)
        # Its lease ends while it works on, or with it.
        yield 'expired', replaced(
            after, number, dataclasses.replace(worker, lease=store.grant())
        ).spend('deaths')
        yield 'died', replaced(after, number, dataclasses.replace(
            worker, is_dead=True, claim=None, token=0)).spend('deaths')
    if worker.claim is None:
        yield from claiming(world, number, worker)
        yield from strays_dropped(world, number, worker)
    else:
        for name, end in ENDS.items():
            yield from ended(world, number, worker, name, end)


def claiming(world, number, worker):
    """Yield what comes of a try to claim the job."""
    found = world.found
    name = f'w{number} {dict(world.budget)["claims"]}'
    job = jobs.claimed(found.job, name, NOW)
    if not world.has('claims') or found.claim or job == found.job:
        return
    if job.state is not jobs.State.WAITING:
        for after, _answer in sent(world, REQUESTS.change(
                IMAGE, STORE, found, job)):
            yield 'exhausted', after
        return
    for after, answer in sent(world, REQUESTS.claim(
            found, job, name, worker.lease)):
        after = after.spend('claims')
        if answer is None:
            # It will look for strays, and knows of nothing.
            yield 'claim?', after
        elif answer.get('succeeded'):
            yield 'claim', replaced(after, number, dataclasses.replace(
                worker, claim=name,
                token=int(answer['header']['revision'])))


def strays_dropped(world, number, worker):
    """Yield what comes of a look for claims that nobody knows of."""
    claim = world.found.claim
    if claim and claim.id.startswith(f'w{number} '):
        for after, _answer in sent(world, REQUESTS.drop_claim(
                IMAGE, STORE, claim)):
            yield 'dropped', after


def ended(world, number, worker, name, end):
    """Yield what comes of the end of some work."""
    found = world.found
    idle = dataclasses.replace(worker, claim=None, token=0)
    if name == 'done':
        # It has copied, whether it has the claim still or not.
        world = dataclasses.replace(world, is_copied=True)
    if found.claim is None or found.claim.token != worker.token:
        yield 'lost', replaced(world, number, idle)
        return
    body = REQUESTS.settle(IMAGE, STORE, found, found.claim,
                           end(found.job, worker.claim))
    for after, answer in sent(world, body):
        if answer is None:
            # It looks again, and finds the claim or not.
            yield f'{name}?', after
        elif answer.get('succeeded'):
            yield name, replaced(after, number, idle)
        else:
            raise Violation('nothing has changed, and it was refused')


def heal(world, known):
    """Have everybody do his part after all faults.

    :param known: keys of worlds that are known to end well.
    :raises Violation: if the image does not come into the store.
    """
    passed = []
    budget = dict.fromkeys(dict(world.budget), 0)
    budget.update(claims=1000, operations=1000)
    budget = tuple(sorted(budget.items()))
    for _step in range(50):
        # The same at each step, so that ways that meet are walked once.
        world = dataclasses.replace(world, budget=budget)
        found = world.found
        if world.key in known or found.is_buried or (
                found.job is None and not world.late):
            known.update(passed)
            return
        passed.append(world.key)
        world = _healthy_step(world)
    raise Violation('the job does not end')


def _healthy_step(world):
    """Return the world after the most useful step."""
    wanted = ('late', 'late and refused', 'resume', 'redo', 'lost', 'done',
              'dropped', 'exhausted', 'claim')
    worlds = dict(next_worlds(world))
    for name in wanted:
        if name == 'redo' and world.found.job.state is (
                jobs.State.WAITING):
            continue
        if name in worlds:
            return worlds[name]
    raise Violation(f'nobody can do anything but {sorted(worlds)}')


def begin(**budget):
    """Return the world in which nothing has happened yet."""
    store = etcd.Store()
    workers = tuple(Worker(store.grant()) for _number in range(2))
    names = ('operations', 'claims', 'losses', 'delays', 'deaths',
             'deletions', 'reports')
    return World(store, workers, tuple(sorted(
        (name, budget.get(name, 0)) for name in names)))


def explore(world):
    """Return the number of worlds there are; raises ``Violation``."""
    seen = {world.key}
    known = set()
    waiting = [(world, ())]
    while waiting:
        world, path = waiting.pop()
        try:
            if world.is_wanted:
                heal(world, known)
            for name, after in next_worlds(world):
                if after.key not in seen:
                    seen.add(after.key)
                    waiting.append((after, (*path, name)))
        except Violation as exc:
            raise Violation(f'{exc}; it began with {", ".join(path)}') from (
                exc)
    return len(seen)
