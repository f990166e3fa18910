# SPDX-License-Identifier: Apache-2.0
"""All of Nova's figures in one run, and the bars they are held to."""

import contextlib
import importlib.metadata
import platform

# First of all: it imports Nova's tests before any other module of Nova.
from tests.bench import nova_cloud

from nova import objects  # noqa: H306

from dcn_plugins.nova import site_filter
from dcn_plugins.nova import site_request
from tests.bench import nova_bars as bars
from tests.bench import nova_database
from tests.bench import nova_filter
from tests.bench import nova_select

# What takes longer is repeated less; seven is the least.
ROUNDS = {1000: 25, bars.HOSTS: 11}
LEAST_ROUNDS = 7


def run(sizes):
    """Measure and print everything; return ``(record, bars)``."""
    objects.register_all()
    with contextlib.ExitStack() as stack:
        stack.enter_context(nova_cloud.Logs())
        stack.enter_context(nova_cloud.Options())
        databases = stack.enter_context(nova_cloud.Databases())
        hosts = nova_cloud.Hosts()
        hosts.grow(bars.HOSTS)
        record = {
            'versions': {
                'python': platform.python_version(), **{
                    name: importlib.metadata.version(name)
                    for name in ('nova', 'SQLAlchemy')}},
            **_databases(databases, hosts), **_selections(hosts),
            'microseconds_per_host': _filters(databases, hosts, sizes)}
    record['ratios'] = bars.ratios(record)
    _print('ratios', record['ratios'], '')
    found = bars.bars(record)
    record['bars'] = [bar.to_record() for bar in found]
    return record, found


def _databases(databases, hosts):
    # First: nothing that it counts may be in memory yet.
    found = {
        'bytes_per_host': nova_database.bytes_per_host(hosts),
        'queries': nova_database.queries(databases, hosts),
        'move_milliseconds': nova_database.milliseconds_of_move(
            databases, 51),
        'map_milliseconds': nova_database.milliseconds_of_map(
            databases, LEAST_ROUNDS),
        'prefilter_milliseconds': nova_database.milliseconds_of_prefilter(
            databases, 25)}
    print(f'memory of filter and map: {found["bytes_per_host"]:.1f} bytes '
          'per host')
    _print('queries', found['queries'], '')
    _print('look-up of a move, median', found['move_milliseconds'], 'ms')
    _print('reading 1,000 sites', found['map_milliseconds'], 'ms')
    _print('pre-filter', found['prefilter_milliseconds'], 'ms')
    return found


def _selections(hosts):
    found = {
        'select_milliseconds': nova_select.milliseconds(
            hosts, bars.HOSTS, LEAST_ROUNDS),
        'ranking_milliseconds': nova_select.milliseconds_of_ranking(
            hosts, bars.RANKED_HOSTS, LEAST_ROUNDS)}
    _print(f'selection of {bars.HOSTS:,} hosts', found['select_milliseconds'],
           'ms')
    _print(f'selection of {bars.RANKED_HOSTS:,} hosts',
           found['ranking_milliseconds'], 'ms')
    return found


def _filters(databases, hosts, sizes):
    found = {}
    ours = site_filter.DCNSiteFilter()
    # Ascending: Python's garbage collector knows all objects, also those of
    # a greater cloud.
    for size in sorted({*sizes, bars.HOSTS}):
        hosts.grow(size)
        found[size] = nova_filter.microseconds_per_host(
            databases, hosts, size, ours, site_request.shared(),
            ROUNDS.get(size, LEAST_ROUNDS))
        _print(f'filters, {size:,} hosts', found[size], 'us per host')
    return found


def _print(title, figures, unit):
    print(f'\n{title}')
    for name, value in figures.items():
        print(f'  {value:10.3f} {unit:12} {name}', flush=True)
