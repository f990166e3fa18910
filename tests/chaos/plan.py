# SPDX-License-Identifier: Apache-2.0
"""What breaks when, and for how long. Pure: a seed makes one plan.

Two things go on beside each other: something happens to single processes, and
something to what all of them need. So their combinations come by themselves.
"""

import dataclasses

#: What happens to one process, with how often.
PROCESS = {
    'pause': 6,             # freeze it for longer than its lease
    'pause_briefly': 1,
    'kill': 5,              # and start it again
    'etcd_hold': 3,         # nothing gets through to etcd, and nothing back
    'etcd_cut': 2,          # connections to etcd are reset and refused
    'etcd_delay': 1,
    'release_unheard': 2,   # reset when a lock is given back, before it is
    'release_unanswered': 2,  # the same, after it is
    'ceph_hold': 2,         # nothing of Ceph's gets through
    'clock_jump': 2,        # only the wall clock of the process
}

#: What happens to all of them.
SHARED = {
    'leader_kill': 2, 'leader_pause': 2, 'leader_part': 2, 'etcd_pause': 1,
    'osd_pause': 2, 'mon_pause': 1, 'etcd_restore': 1, 'rabbit_pause': 1,
}

#: A process sleeps for so long that Ceph has forgotten that it was cut off.
#: What it does then is stopped by nothing but its own look at the clock. That
#: does not help a call that was under way, so there must not be any.
FORGIVE = 'forgive'

SERVICE_VERBS = (*PROCESS, *SHARED)
VERBS = tuple(verb for verb in SERVICE_VERBS if verb != 'rabbit_pause')
#: Each seed that is a multiple of this is such a run.
FORGIVING_SEEDS = 10

# The share of faults on a process that is at work just then.
_AIMED = 0.85

# Those that are meant to last for longer than a lease.
_LONG = frozenset(['pause', 'etcd_hold', 'etcd_cut', 'ceph_hold', FORGIVE])
_PAUSES = frozenset(['etcd_pause', 'osd_pause', 'mon_pause', 'rabbit_pause'])


@dataclasses.dataclass(frozen=True)
class Step:
    """One fault.

    :param at: seconds after the beginning.
    :param seconds: how long it lasts.
    :param choice: from 0 to 1: which process or moment, of those there are.
    :param is_aimed: whether a process is chosen that is at work just then.
    """

    at: float
    verb: str
    seconds: float
    choice: float
    is_aimed: bool = False


def verbs_of(flavour, seed):
    """Return the verbs for a seed on drivers without services."""
    if flavour == 'deadline' or seed % FORGIVING_SEEDS == 0:
        return (FORGIVE,)
    return VERBS


def plan(random, seconds, ttl_seconds, verbs=VERBS):
    """Return two lists of steps that do not overlap within a list.

    :param random: of :class:`random.Random`.
    :param seconds: within which all of them begin.
    :param ttl_seconds: of the leases.
    :param verbs: that are allowed.
    """
    found = []
    for kinds in ({**PROCESS, FORGIVE: 6}, SHARED):
        weights = {verb: kinds[verb] for verb in kinds if verb in verbs}
        steps = []
        at = random.uniform(0.5, 2.0)
        while weights and at < seconds:
            verb = random.choices(list(weights), list(weights.values()))[0]
            steps.append(Step(round(at, 3), verb,
                              round(_seconds(random, verb, ttl_seconds), 3),
                              random.random(), random.random() < _AIMED))
            at += steps[-1].seconds + random.uniform(0.3, 2.0)
        found.append(steps)
    return found


def _seconds(random, verb, ttl_seconds):
    if verb in _LONG:
        return ttl_seconds + random.uniform(0.3, 3.0)
    if verb == 'kill':
        return random.uniform(0.05, 1.5)
    if verb in _PAUSES:
        return random.uniform(0.5, ttl_seconds + 3.0)
    return random.uniform(0.3, ttl_seconds)
