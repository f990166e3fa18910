# SPDX-License-Identifier: Apache-2.0
"""What users, an operator and chance do to image placement. Pure.

A seed makes one plan: policies, and steps for each of those who act beside
each other. A step has a choice among what there is when its time has come.
"""

import dataclasses
import random

from tests.lab import layout as layouts

PROJECTS = ('a' * 32, 'b' * 32, 'c' * 32)
VISIBILITIES = ('private', 'public')
KINDS = (None, 'snapshot')

# Users begin with images, so that there is something to do things to.
_FIRST = 3
_USER_VERBS = {'create': 3, 'delete': 3, 'ask': 5, 'show': 2, 'copy': 2,
               'remove': 3}
_FAULTS = {
    'kill_api': 5,        # and start it again
    'cut': 4,             # the line to an edge
}
_ETCD_FAULTS = {
    'kill_member': 3,     # one of three
    'kill_majority': 2,   # two of three: nothing can be written
}


@dataclasses.dataclass(frozen=True)
class Step:
    """Something to do.

    :param at: seconds after the beginning, or as soon as the step before it
        has ended.
    :param choice: from 0 to 1, of what it is done to.
    :param value: text of a property, of a policy, and so on.
    :param seconds: how long something that is broken stays so.
    """

    at: float
    verb: str
    choice: float = 0.0
    value: str | None = None
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """All steps of a seed: a list for each of those who act."""

    policy: str
    users: tuple
    operator: tuple
    faults: tuple
    etcd_faults: tuple


def plan(seed, seconds, stores, users=2):
    """Return the :class:`Plan` of a seed.

    :param seconds: within which all steps begin.
    :param stores: names of those that there are.
    """
    chance = random.Random(seed)
    return Plan(
        policy=policy(chance, stores),
        users=tuple(_user(chance, seconds, stores) for _user_ in range(users)),
        operator=_operator(chance, seconds, stores),
        faults=_faults(chance, seconds, _FAULTS),
        etcd_faults=_faults(chance, seconds, _ETCD_FAULTS))


def _times(chance, seconds, least, most):
    at = chance.uniform(least, most)
    while at < seconds:
        yield round(at, 2)
        at += chance.uniform(least, most)


def _user(chance, seconds, stores):
    steps = [Step(0.0, 'create', chance.random(), words(chance, stores))
             for _number in range(_FIRST)]
    for at in _times(chance, seconds, 0.5, 3.0):
        verb = chance.choices(list(_USER_VERBS), _USER_VERBS.values())[0]
        value = (words(chance, stores) if verb in ('create', 'ask') else
                 chance.choice(VISIBILITIES) if verb == 'show' else
                 chance.choice(sorted(stores)))
        steps.append(Step(at, verb, chance.random(), value))
    return tuple(steps)


def _operator(chance, seconds, stores):
    return tuple(
        Step(at, 'policy', value=(
            broken(chance, stores) if chance.random() < 0.2
            else policy(chance, stores)))
        for at in _times(chance, seconds, seconds / 5, seconds / 2))


def _faults(chance, seconds, verbs):
    return tuple(
        Step(at, chance.choices(list(verbs), verbs.values())[0],
             chance.random(), seconds=round(chance.uniform(1.0, 8.0), 1))
        for at in _times(chance, seconds, 2.0, 9.0))


def words(chance, stores):
    """Return the text of a property dcn_sites; ``None`` for none at all."""
    kind = chance.random()
    if kind < 0.2:
        return None
    if kind < 0.4:
        return chance.choice(('all', 'none', 'group:emea', 'group:edge'))
    chosen = chance.sample(sorted(stores), chance.randint(1, len(stores)))
    if kind > 0.9:
        chosen.append('dcn')        # the beginning of others, and no store
    return ','.join(chosen)


def policy(chance, stores):
    """Return the text of a policy.

    A residency always leaves the central store, where users put their images.
    """
    def some(least=0):
        return ', '.join(chance.sample(
            sorted(stores), chance.randint(least, len(stores)))) or 'none'

    lines = ['version: 1',
             f'central: [{layouts.CENTRAL}, {layouts.ARCHIVE}]',
             'groups:', '  emea: [dcn0, dcn1]']
    if chance.random() < 0.6:
        lines += _residency(chance, stores)
    if chance.random() < 0.5:
        lines += ['projects:', '  - name: of one project',
                  f'    projects: [{chance.choice(PROJECTS)}]',
                  f'    stores: {some()}', f'    may_ask: {some()}',
                  f'    priority: {chance.randint(-5, 5)}']
    lines += ['kinds:', '  - name: public', '    visibility: public',
              f'    stores: {chance.choice(("all", some(1)))}',
              f'    pinned: {chance.choice(("none", "central"))}',
              '  - name: snapshots', '    kind: snapshot',
              '    stores: central', '    may_ask: all', '    within: 1h']
    if chance.random() < 0.5:
        lines.append('    leave_edge_after: 20s')
    lines += ['default:', f'  stores: {some()}',
              f'  may_ask: {chance.choice(("all", some(1)))}']
    return '\n'.join(lines) + '\n'


def _residency(chance, stores):
    left = chance.sample(sorted(stores - {layouts.CENTRAL}),
                         chance.randint(0, 2))
    return ['residency:', '  - name: stays',
            f'    projects: [{chance.choice(PROJECTS)}]',
            f'    stores: {", ".join([layouts.CENTRAL, *left])}']


def broken(chance, stores):
    """Return the text of a policy with a mistake, which nobody may obey."""
    return policy(chance, stores) + chance.choice((
        'defaults: 1\n', 'version: 2\n', '  stores: group:eema\n', ' - [\n'))
