# SPDX-License-Identifier: Apache-2.0
"""What is measured of locks, beside what, and what is demanded. Pure."""

from tests.bench import verdict

OURS, STOCK, FILE, RAW, RARE = (
    'dcn-etcd3', 'etcd3gw of tooz', 'file of tooz', 'two transactions',
    'one transaction')
WAITERS, WAITER_SECONDS = 20, 0.2
CONTENDERS, CONTENDER_SECONDS = 32, 0.05


def bars(record):
    """Return what is demanded of the figures of each cluster.

    :raises KeyError: if a figure is missing.
    """
    found = []
    for name, figures in record['clusters'].items():
        pairs = figures['pair_milliseconds']
        crowd = figures['contention'][OURS]
        found += [
            _bar(name, 'pair without contention, share of two transactions',
                 pairs[OURS] / pairs[RAW], 1.2),
            _bar(name, 'pair without contention, share of etcd3gw',
                 pairs[OURS] / pairs[STOCK], 0.6),
            _bar(name, f'{WAITERS} waiters of {WAITER_SECONDS} s',
                 figures['drain'][OURS]['seconds'], 4.3, 's'),
            _bar(name, 'waiters that were not served in their order',
                 figures['drain'][OURS]['out_of_order'], 0),
            _bar(name, f'{CONTENDERS} processes, {CONTENDER_SECONDS} s each: '
                 'seconds per operation', 1 / crowd['per_second'], 1 / 18,
                 's'),
            _bar(name, 'longest wait among them', crowd['longest_seconds'],
                 2.2, 's'),
            _bar(name, 'difference of their counts', crowd['spread'], 2),
            _bar(name, 'hand-over, p99, in transactions',
                 figures['hand_over_milliseconds'][OURS]['p99']
                 / (pairs[RAW] / 2), 5),
            _bar(name, 'leases left behind', figures['leases'][OURS], 0)]
    return found


def _bar(cluster, text, value, limit, unit=''):
    return verdict.Bar(f'{cluster}: {text}', value, limit, unit)
