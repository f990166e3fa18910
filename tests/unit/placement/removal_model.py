# SPDX-License-Identifier: Apache-2.0
"""All that can happen to the copies of one image, one message at a time.

Each store has an evictor that wants to remove its copy, whatever the others
want: as if each had another policy. The messages to etcd are those of
``removal_requests`` and ``job_requests``, and etcd is
:class:`tests.fakes.etcd.Store`. Glance reads the locations of an image,
removes data, and writes the locations as it has read them, in three steps that
others come between. What is explored is any order of all of it: messages that
are lost, answers that are lost, evictors that die or are taken for dead,
requests to Glance that are answered late or never, and a copy that comes
meanwhile.

Operators ask for removals, too, and take that back.

Of time there is one thing: a removal is quiet when no request for it can be on
its way any more.
"""

import dataclasses
import functools

from dcn_plugins.placement import job as jobs
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import removal as steps
from dcn_plugins.placement import removal_requests
from tests.fakes import etcd

REQUESTS = removal_requests.Requests('/t')
JOBS = job_requests.Requests('/t')
IMAGE = 'i'
KEY = JOBS.removal_key(IMAGE)

OPERATOR = 'operator'

IDLE, BEGUN, ASKED, WAITING, ANSWERED, DEAD = (
    'idle', 'begun', 'asked', 'waiting', 'answered', 'dead')


class Violation(Exception):
    """Something happened that must not; the text says what."""


@dataclasses.dataclass(frozen=True)
class Evictor:
    """An evictor, and what it believes to have."""

    store: str
    phase: str = IDLE
    removal: steps.Removal | None = None
    revision: int = 0
    answer: int = 0


@dataclasses.dataclass(frozen=True)
class Request:
    """A request in Glance.

    :param read: the locations that it has read; ``None`` before.
    :param answers: number of the evictor who waits; ``None`` if nobody.
    """

    store: str
    answers: int | None
    read: frozenset | None = None
    is_removed: bool = False


@dataclasses.dataclass(frozen=True)
class World:
    """What is true at one moment.

    :param listed: stores that Glance lists.
    :param data: stores that have the data.
    :param copier: ``None``, or the claim of whoever copies.
    :param come: whether the copy has come, and is in Glance.
    """

    store: etcd.Store
    evictors: tuple
    listed: frozenset
    data: frozenset
    budget: tuple
    requests: tuple = ()
    target: str | None = None
    copier: int | None = None
    come: bool = False

    def has(self, name):
        return dict(self.budget)[name] > 0

    def spend(self, name, **changes):
        budget = dict(self.budget)
        budget[name] -= 1
        return dataclasses.replace(
            self, budget=tuple(sorted(budget.items())), **changes)

    def held(self):
        """Return ``(removal, revision)`` as etcd has it."""
        return REQUESTS.read(self.store.copy().transaction(
            {'success': [removal_requests.requests.read(KEY)]}))

    def is_quiet(self):
        """Return whether no request is on its way."""
        return not self.requests and not any(
            evictor.phase == ASKED for evictor in self.evictors)

    @functools.cached_property
    def key(self):
        numbers = {item.created for item in self.store.items.values()}
        numbers |= {item.changed for item in self.store.items.values()}
        numbers |= {evictor.revision for evictor in self.evictors}
        rank = {number: index for index, number in enumerate(sorted(numbers))}
        return (
            tuple(sorted((key, item.value, rank[item.created],
                          rank[item.changed])
                         for key, item in self.store.items.items())),
            tuple(dataclasses.replace(evictor, revision=rank[
                evictor.revision]) for evictor in self.evictors),
            self.listed, self.data, self.budget,
            tuple(sorted(self.requests, key=repr)), self.copier is None,
            self.come)


def checked(world):
    """Return a world that may be; raises ``Violation``."""
    if not world.listed & world.data:
        raise Violation('the last copy is gone')
    if not world.requests and not world.listed <= world.data:
        raise Violation('Glance lists what is not there')
    return world


def sent(world, body):
    """Yield ``(world, answer)`` of a message; ``None`` if it is lost."""
    store = world.store.copy()
    answer = store.transaction(body)
    after = dataclasses.replace(world, store=store)
    yield after, answer
    if world.has('losses'):
        yield world.spend('losses'), None
        yield after.spend('losses'), None


def replaced(world, number, **changes):
    """Return the world with another state of an evictor."""
    evictors = list(world.evictors)
    evictors[number] = dataclasses.replace(evictors[number], **changes)
    return dataclasses.replace(world, evictors=tuple(evictors))


def next_worlds(world):
    """Yield ``(what happens, world)``."""
    for number, evictor in enumerate(world.evictors):
        if evictor.phase != DEAD:
            for name, after in PROGRAMS[evictor.phase](
                    world, number, evictor):
                yield f'{evictor.store}: {name}', after
            if world.has('deaths') and evictor.phase != IDLE:
                yield f'{evictor.store} dies', replaced(
                    world.spend('deaths'), number, phase=DEAD, removal=None,
                    revision=0)
    for index, request in enumerate(world.requests):
        rest = world.requests[:index] + world.requests[index + 1:]
        yield from served(world, request, rest)
    if world.target is not None:
        yield from copying(world)
    yield from requesting(world)


def requesting(world):
    """Yield what operators do: they ask for a removal, or want it no more."""
    found, revision = world.held()
    if world.has('requests'):
        for name in sorted(world.listed):
            store = world.store.copy()
            store.transaction(REQUESTS.begin(steps.requested(
                IMAGE, name, f'{OPERATOR} {dict(world.budget)["requests"]}',
                '', 0.0)))
            yield f'request {name}', dataclasses.replace(
                world.spend('requests'), store=store)
    if found is not None and found.worker.startswith(OPERATOR):
        yield 'withdraw', ended(world, found, revision, 'end')


def idle(world, number, evictor):
    """Yield the beginning of a removal, or what takes one over."""
    found, revision = world.held()
    if found is not None:
        yield from taking(world, number, found, revision)
    # It does not look first whether there is one.
    if world.has('removals') and evictor.store in world.listed:
        worker = f'{number} {dict(world.budget)["removals"]}'
        removal = steps.Removal(IMAGE, evictor.store, worker, '', 0.0, 0.0)
        for after, answer in sent(world.spend('removals'),
                                  REQUESTS.begin(removal)):
            yield 'begin', moved(after, number, answer, BEGUN, removal)


def moved(world, number, answer, phase, removal):
    """Return the world after a message of an evictor, if it has worked."""
    if answer is None or not answer.get('succeeded'):
        # It gives up; whoever is next finds what is there.
        return replaced(world, number, phase=IDLE, removal=None, revision=0)
    return replaced(world, number, phase=phase, removal=removal,
                    revision=int(answer['header']['revision']))


def taking(world, number, found, revision):
    """Yield what becomes of a removal of which nobody knows who has it.

    Its worker may be alive: no clock has to be right for that.
    """
    is_mine = any(evictor.removal and evictor.revision == revision
                  for evictor in world.evictors)
    if is_mine and not world.has('mistakes'):
        return
    world = world.spend('mistakes') if is_mine else world
    evictor = world.evictors[number]
    if steps.is_open(found, 0.0) and found.store == evictor.store:
        changed = dataclasses.replace(found, worker=f'{number} takes up')
        for after, answer in sent(world, REQUESTS.change(
                found, revision, changed)):
            yield 'take up', moved(after, number, answer, BEGUN, changed)
    # One that nobody has taken up is too old one day.
    if found.asked_at is not None and not world.is_quiet():
        return
    if found.asked_at is not None and found.store not in world.listed:
        yield 'finish', ended(world, found, revision, 'gone')
    else:
        yield 'give up', ended(world, found, revision, 'end')


def ended(world, removal, revision, how):
    """Return the world in which a removal is over, if it is still that."""
    store = world.store.copy()
    store.transaction(_end(world, removal, revision, how))
    return dataclasses.replace(world, store=store)


def _end(world, removal, revision, how):
    if how == 'end':
        return REQUESTS.end(removal, revision, None)
    found = REQUESTS.found(world.store.copy().transaction(
        REQUESTS.look(removal)))
    return REQUESTS.gone(removal, revision, found,
                         removal_requests.job_after(found, removal, 0.0))


def begun(world, number, evictor):
    """Yield what an evictor does that has begun."""
    removal = evictor.removal
    if removal.store not in world.listed or len(world.listed) < 2:
        for after, answer in sent(world, _end(
                world, removal, evictor.revision, 'end')):
            yield 'refuse', moved(after, number, answer, IDLE, None)
        return
    changed = steps.asked(removal, 0.0)
    for after, answer in sent(world, REQUESTS.change(
            removal, evictor.revision, changed)):
        yield 'note', moved(after, number, answer, ASKED, changed)


def asked(world, number, evictor):
    """Yield the request to Glance."""
    yield 'ask', replaced(dataclasses.replace(
        world, requests=(*world.requests, Request(evictor.store, number))),
        number, phase=WAITING)


def waiting(world, number, evictor):
    """Yield that nobody waits any longer."""
    if world.has('silences'):
        after = world.spend('silences')
        after = dataclasses.replace(after, requests=tuple(
            dataclasses.replace(request, answers=None)
            if request.answers == number else request
            for request in after.requests))
        changed = steps.unanswered(evictor.removal)
        for last, _answer in sent(after, REQUESTS.change(
                evictor.removal, evictor.revision, changed)):
            yield 'silence', replaced(last, number, phase=IDLE, removal=None,
                                      revision=0)


def answered(world, number, evictor):
    """Yield the end of a removal that Glance has answered."""
    how = 'gone' if evictor.answer in (204, 404) else 'end'
    for after, answer in sent(world, _end(
            world, evictor.removal, evictor.revision, how)):
        yield how, moved(after, number, answer, IDLE, None)


PROGRAMS = {IDLE: idle, BEGUN: begun, ASKED: asked, WAITING: waiting,
            ANSWERED: answered}


def served(world, request, rest):
    """Yield the next step of a request in Glance."""
    if request.read is None:
        if request.store not in world.listed:
            yield 'Glance: 404', replied(world, request, rest, 404)
        elif len(world.listed) == 1:
            yield 'Glance: 403', replied(world, request, rest, 403)
        else:
            yield 'Glance reads', dataclasses.replace(
                world, requests=(*rest, dataclasses.replace(
                    request, read=world.listed)))
    elif not request.is_removed:
        yield 'Glance removes', checked(dataclasses.replace(
            world, data=world.data - {request.store}, requests=(
                *rest, dataclasses.replace(request, is_removed=True))))
    else:
        listed = request.read - {request.store}
        if world.come and world.target not in listed | {request.store}:
            raise Violation('Glance forgets a copy that has come')
        yield 'Glance saves', checked(replied(dataclasses.replace(
            world, listed=listed, come=world.come and (
                world.target != request.store)), request, rest, 204))


def replied(world, request, rest, answer):
    """Return the world in which a request is over."""
    world = dataclasses.replace(world, requests=rest)
    if request.answers is None or world.evictors[
            request.answers].phase != WAITING:
        return world
    return replaced(world, request.answers, phase=ANSWERED, answer=answer)


def copying(world):
    """Yield what a worker does with the job of the target."""
    place = IMAGE, world.target
    found = JOBS.found(world.store.copy().transaction(JOBS.look(*place)))
    if world.copier is not None:
        store = world.store.copy()
        store.transaction(JOBS.settle(*place, found, found.claim, None))
        yield 'copied', dataclasses.replace(
            world, store=store, copier=None, come=True,
            listed=world.listed | {world.target},
            data=world.data | {world.target})
    elif found.job is None and world.has('copies'):
        store = world.store.copy()
        store.transaction(JOBS.change(
            *place, found, jobs.Job(*place, 0.0, 0.0)))
        yield 'register', dataclasses.replace(
            world.spend('copies'), store=store)
    elif found.job is not None and world.target not in world.listed:
        store = world.store.copy()
        answer = store.transaction(JOBS.claim(found, found.job, 'c', None))
        if answer.get('succeeded'):
            yield 'claim', dataclasses.replace(
                world, store=store, copier=1, come=False)
    elif found.job is not None:
        # It is there already.
        store = world.store.copy()
        store.transaction(JOBS.change(*place, found, None))
        yield 'drop', dataclasses.replace(world, store=store)


def heal(world, known):
    """Have everybody do his part after all faults.

    :raises Violation: if a removal stays for ever.
    """
    budget = tuple((name, 0) for name, _number in world.budget)
    passed = []
    for _step in range(60):
        world = dataclasses.replace(world, budget=budget)
        if world.key in known or (
                world.is_quiet() and world.held()[0] is None):
            known.update(passed)
            return
        passed.append(world.key)
        alive = [dataclasses.replace(evictor, phase=IDLE)
                 if evictor.phase == DEAD else evictor
                 for evictor in world.evictors]
        world = dataclasses.replace(world, evictors=tuple(alive))
        after = next((after for name, after in next_worlds(world)
                      if name not in ('register', 'claim')), None)
        if after is None:
            break
        world = after
    raise Violation('a removal stays for ever')


def begin(stores='abc', target=None, **budget):
    """Return the world in which nothing has happened yet."""
    names = ('removals', 'losses', 'deaths', 'silences', 'mistakes', 'copies',
             'requests')
    there = frozenset(stores) - {target}
    return World(
        etcd.Store(), tuple(Evictor(store) for store in stores), there, there,
        tuple(sorted((name, budget.get(name, 0)) for name in names)),
        target=target)


def explore(world):
    """Return the number of worlds there are; raises ``Violation``."""
    seen = {world.key}
    known = set()
    rest = [(world, ())]
    while rest:
        world, path = rest.pop()
        try:
            heal(world, known)
            for name, after in next_worlds(world):
                key = after.key
                if key not in seen:
                    seen.add(key)
                    rest.append((after, (*path, name)))
        except Violation as exc:
            raise Violation(f'{exc}; it began with {"; ".join(path)}') from (
                exc)
    return len(seen)
