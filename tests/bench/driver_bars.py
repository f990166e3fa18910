# SPDX-License-Identifier: Apache-2.0
"""What is measured of the driver, beside what, and what is demanded. Pure."""

import statistics

from tests.bench import driver_names as names
from tests.bench import verdict

#: Our time as a share of upstream's: 1.3 times as fast with the locks of
#: tooz, 0.97 times as fast without any.
WITH_LOCKS, WITHOUT_LOCKS = 1 / 1.3, 1 / 0.97

#: How fast the monitor agrees with itself.
QUICK, AS_IT_IS = 'quick monitor', 'monitor as it is'
ALONE, CROWD = 'one process', 'six processes'

#: In the order in which one round goes through them.
OPERATIONS = (names.CREATE, names.EXTEND, names.SNAPSHOT,
              names.FROM_SNAPSHOT, names.CLONE, names.DELETE_CLONE,
              names.DELETE_SNAPSHOT, names.DELETE)

_PEERS = ((names.TIDY, WITH_LOCKS), (names.TIDY_BARE, WITHOUT_LOCKS))


def medians(seconds):
    """Return milliseconds by flavour and operation, and of their mix.

    :param seconds: lists by flavour and operation.
    """
    found = {flavour: {operation: statistics.median(times) * 1e3
                       for operation, times in by_operation.items()}
             for flavour, by_operation in seconds.items()}
    for by_operation in found.values():
        by_operation['mix'] = sum(by_operation.values())
    return found


def bars(record):
    """Return what is demanded of the figures.

    Deletions are compared with an upstream that removes as much as we do.

    :raises KeyError: if a figure is missing.
    """
    found = []
    for monitor, figures in record['alone'].items():
        for operation in (*OPERATIONS, 'mix'):
            found += [
                _bar(f'{ALONE}, {monitor}: {operation}, share of {peer}',
                     figures[names.OURS][operation]
                     / figures[peer][operation], limit)
                for peer, limit in _PEERS]
    for monitor, figures in record['crowd'].items():
        found += [
            _bar(f'{CROWD}, {monitor}: seconds of the mix, share of {peer}',
                 figures[names.OURS]['seconds'] / figures[peer]['seconds'],
                 limit)
            for peer, limit in _PEERS]
        found.append(_bar(f'{CROWD}, {monitor}: failures of ours',
                          figures[names.OURS]['failures'], 0))
    return found


def _bar(text, value, limit):
    return verdict.Bar(text, value, round(limit, 3))
