# SPDX-License-Identifier: Apache-2.0
"""Time several cases in turn, so that noise hits all of them alike."""

import collections.abc
import dataclasses
import gc
import time


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to measure.

    :param run: called with what ``prepare`` returns; only this is timed.
    :param prepare: called before each round.
    :param check: called with what ``run`` returns; raises if that is not
        what the case is about. A fast wrong answer is no result.
    """

    run: collections.abc.Callable
    prepare: collections.abc.Callable = tuple
    check: collections.abc.Callable = bool


def interleaved(cases, rounds, clock=time.thread_time):
    """Return the seconds of each round of each case, by name.

    Each round runs every case once and begins with another one, so that no
    case always inherits the caches of the same neighbour.

    :param cases: mapping of names to :class:`Case`.
    :param clock: CPU time of this thread, unless something else is wanted.
    """
    seconds = {name: [] for name in cases}
    names = list(cases)
    # Rubbish from before is nobody's cost here.
    gc.collect()
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            case = cases[name]
            arguments = case.prepare()
            begin = clock()
            found = case.run(*arguments)
            seconds[name].append(clock() - begin)
            case.check(found)
    return seconds
