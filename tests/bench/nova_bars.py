# SPDX-License-Identifier: Apache-2.0
"""What is measured of Nova, what with what compares, and what is demanded.

Pure: it knows the names of the figures and not how they are made.
"""

from tests.bench import verdict

#: The size at which the bars are.
HOSTS = 10000
#: As many as placement returns at most.
RANKED_HOSTS = 1000

HANDLER = 'HostFilterHandler alone, all pass'
FLOOR = 'AllHostsFilter'
COMPUTE = 'ComputeFilter'
GROUP = 'ServerGroupAffinityFilter, a group on 10 hosts'
ZONE = 'AvailabilityZoneFilter of Nova before 28'
SPECS = 'AggregateInstanceExtraSpecsFilter, 1 key'
TENANTS = 'AggregateMultiTenancyIsolation'
FILTER_PINNED = 'DCNSiteFilter, pinned to a zone'
FILTER_MOVE = 'DCNSiteFilter, strict move'
FILTER_OPEN = 'DCNSiteFilter, all pass'

ONE_SITE, ALL_PASS = ', one site passes', ', all pass'
_READERS = (ZONE, SPECS, TENANTS)
#: Whose work is comparable: it reads the metadata of the aggregates of each
#: host, and ends with the same answer.
PEERS = {FILTER_PINNED: [name + ONE_SITE for name in _READERS],
         FILTER_MOVE: [name + ONE_SITE for name in _READERS],
         FILTER_OPEN: [name + ALL_PASS for name in _READERS]}
#: Those that count the hosts they reject, by reason. Of the figures of those
#: that pass all hosts a good part is the handler's.
REJECTING = (FILTER_PINNED, FILTER_MOVE)

STOCK = 'stock'
SELECT_PINNED = 'DCNSiteFilter first, pinned to a zone'
SELECT_OPEN = 'DCNSiteFilter first, all pass'
SELECT_RANKED = 'all pass, with DCNSiteWeigher'
SELECT_ONE_SITE = 'all pass, with DCNSiteWeigher and DCNOneSiteFilter'

CREATE, CREATE_PINNED = 'create', 'create, pinned to a zone'
MOVE = 'move'

MOVE_OURS = 'ours'
MOVE_NOVA = 'Instance.get_by_uuid and AggregateList.get_by_host'

MAP_OURS = 'read_aggregates'
MAP_NOVA = 'AggregateList.get_all'
MAP_BUILT = 'SiteMap of what was read'

PRE_NOVA = 'map_az_to_placement_aggregate of Nova, pinned to a zone'
PRE_PINNED = 'ours, pinned to a zone'
PRE_PINNED_NEW = 'ours, pinned to a zone, first of its kind'
PRE_OPEN = 'ours, nothing asked'
PRE_MOVE = 'ours, strict move'

_SHARES = (
    ('select', 'select_milliseconds', (SELECT_PINNED,), STOCK),
    ('ranking', 'ranking_milliseconds',
     (SELECT_OPEN, SELECT_RANKED, SELECT_ONE_SITE), STOCK),
    ('look-up of a move', 'move_milliseconds', (MOVE_OURS,), MOVE_NOVA),
    ('site map', 'map_milliseconds', (MAP_OURS,), MAP_NOVA),
    ('pre-filter', 'prefilter_milliseconds', (PRE_PINNED,), PRE_NOVA))


def ratios(record):
    """Return our figures as shares of Nova's, by name.

    :raises KeyError: if a figure is missing.
    """
    found = {}
    for size, figures in record['microseconds_per_host'].items():
        for ours, peers in PEERS.items():
            found[_at(ours, size)] = verdict.ratio(figures, ours, peers)
    for title, key, names, peer in _SHARES:
        for name in names:
            found[f'{title}: {name}'] = verdict.ratio(
                record[key], name, [peer])
    return found


def bars(record):
    """Return what is demanded of the figures.

    :raises KeyError: if a figure is missing.
    """
    figures = record['microseconds_per_host'][HOSTS]
    shares = ratios(record)
    return [
        *(verdict.Bar(_at(name, HOSTS), figures[name], 1.0, 'us per host')
          for name in REJECTING),
        *(verdict.Bar(f'{_at(name, HOSTS)}, share of the cheapest filter '
                      'that reads aggregates', shares[_at(name, HOSTS)], 0.35)
          for name in REJECTING),
        verdict.Bar(f'selection of {HOSTS:,} hosts, {SELECT_PINNED}, share '
                    'of stock', shares[f'select: {SELECT_PINNED}'], 0.03),
        verdict.Bar(f'memory of filter and map, {HOSTS:,} hosts',
                    record['bytes_per_host'], 64, 'bytes per host'),
        *(verdict.Bar(f'queries of a {name}', record['queries'][name], 0)
          for name in (CREATE, CREATE_PINNED)),
        verdict.Bar('look-up of a move, median',
                    record['move_milliseconds'][MOVE_OURS], 5, 'ms')]


def _at(name, size):
    return f'{name}, {size:,} hosts'
