# SPDX-License-Identifier: Apache-2.0
"""What a request costs besides looking at hosts.

Queries are counted where SQLAlchemy hands them to SQLite. A database on
another machine costs a round trip for each, so that their number says more
than their time.
"""

import gc
import statistics
import tracemalloc

from nova import context as nova_context
from nova import objects
from nova.scheduler import filters
from nova.scheduler import request_filter

from dcn_plugins.nova import placement_prefilter
from dcn_plugins.nova import site_filter
from dcn_plugins.nova import site_maps
from dcn_plugins.nova import site_request
from dcn_plugins import site_map
from tests.bench import nova_bars as bars
from tests.bench import nova_cloud
from tests.bench import nova_select
from tests.bench import stopwatch

#: In the middle of the map, so that half of the sites are looked at.
ZONE = nova_cloud.name_of_site(nova_cloud.STORED_SITES // 2)


def bytes_per_host(hosts):
    """Return what the filter and its map of all sites keep, per host.

    Nothing of it may be in memory yet, so this comes before all else.
    """
    # With the metadata that the map is read from, as it is the same cloud.
    put = hosts.labelled(nova_cloud.aggregates(nova_cloud.metadata_of_site))
    # SQLAlchemy keeps the statements that it has compiled.
    site_maps.read_aggregates()
    host_states = put()
    requests = [nova_cloud.request(availability_zone=ZONE),
                nova_cloud.request()]
    gc.collect()
    tracemalloc.start()
    try:
        ours = site_filter.DCNSiteFilter()
        for spec_obj in requests:
            if not filters.HostFilterHandler().get_filtered_objects(
                    [ours], host_states, spec_obj):
                raise ValueError('no host passed')
        del requests, spec_obj
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(hosts)
    finally:
        tracemalloc.stop()


def queries(databases, hosts):
    """Return the queries of one create and of one move, by name.

    Of pre-filter, filters and weigher together; the map is there.
    """
    manager = nova_cloud.scheduler(
        first=[nova_select.FILTER], last=[nova_select.ONE_SITE_FILTER],
        weighers=[nova_select.WEIGHER])
    put = hosts.labelled(nova_cloud.aggregates(
        nova_cloud.metadata_of_site,
        len(hosts) // nova_cloud.HOSTS_PER_SITE))
    ours, = [one for one in request_filter.ALL_REQUEST_FILTERS
             if isinstance(one, placement_prefilter.PlacementPreFilter)]

    def count(spec_obj):
        before = databases.queries
        ours(databases.context, spec_obj)
        passed = manager.get_filtered_hosts(put(), spec_obj)
        if not manager.get_weighed_hosts(passed, spec_obj):
            raise ValueError('no host passed')
        return databases.queries - before

    create = nova_cloud.request(
        availability_zone=nova_cloud.name_of_site(nova_cloud.HOME))
    if not count(create):
        raise ValueError('reading the site map was not counted')
    return {
        bars.CREATE: count(nova_cloud.request()),
        bars.CREATE_PINNED: count(nova_cloud.request(
            availability_zone=nova_cloud.name_of_site(nova_cloud.HOME))),
        bars.MOVE: count(nova_cloud.move(databases))}


def milliseconds_of_move(databases, rounds):
    """Return the median time to find out what a move asks, and Nova's.

    Ours reads the record of the server in its cell, the aggregates of its
    host, and the map, which is there. Nova's objects that hold the record and
    the aggregates are the peer.
    """
    requests = _requests()
    host = nova_cloud.name_of_host(
        nova_cloud.HOME * nova_cloud.HOSTS_PER_SITE)

    def check(found):
        if found.unknown or found.asked.home != nova_cloud.name_of_site(
                nova_cloud.HOME):
            raise ValueError(f'the move was not understood: {found.unknown}')

    def read():
        with nova_context.target_cell(
                databases.context, databases.cell) as cell:
            objects.Instance.get_by_uuid(
                cell, nova_cloud.SERVER,
                expected_attrs=['system_metadata', 'flavor'])
        return objects.AggregateList.get_by_host(databases.context, host)

    def check_read(found):
        if len(found) != 1:
            raise ValueError(f'{len(found)} aggregates were read')

    seconds = stopwatch.interleaved({
        bars.MOVE_OURS: stopwatch.Case(
            requests.of, lambda: (nova_cloud.move(databases),), check),
        bars.MOVE_NOVA: stopwatch.Case(read, check=check_read)}, rounds)
    return {name: statistics.median(times) * 1e3
            for name, times in seconds.items()}


def milliseconds_of_map(databases, rounds):
    """Return the least time to read all sites, ours and Nova's way."""
    rows = site_maps.read_aggregates()

    def check(found):
        if len(found) != nova_cloud.STORED_SITES:
            raise ValueError(f'{len(found)} aggregates were read')

    seconds = stopwatch.interleaved({
        bars.MAP_OURS: stopwatch.Case(site_maps.read_aggregates, check=check),
        bars.MAP_NOVA: stopwatch.Case(
            lambda: objects.AggregateList.get_all(databases.context),
            check=check),
        bars.MAP_BUILT: stopwatch.Case(
            lambda: site_map.SiteMap(rows).places, check=check),
    }, rounds)
    return {name: min(times) * 1e3 for name, times in seconds.items()}


def milliseconds_of_prefilter(databases, rounds):
    """Return the least time of the pre-filter per request, by name."""
    requests = _requests()
    conf = nova_cloud.CONF.dcn
    ours = placement_prefilter.PlacementPreFilter(
        requests, conf.max_pushed_aggregates)

    def forgetful(context, spec_obj):
        return placement_prefilter.PlacementPreFilter(
            requests, conf.max_pushed_aggregates)(context, spec_obj)

    def case(prefilter, make, is_pushed=True):
        def check(found):
            if found != is_pushed:
                raise ValueError(f'the pre-filter returned {found}')

        return stopwatch.Case(
            prefilter, lambda: (databases.context, make()), check)

    def pinned():
        return nova_cloud.request(availability_zone=ZONE)

    seconds = stopwatch.interleaved({
        bars.PRE_NOVA: case(
            request_filter.map_az_to_placement_aggregate, pinned),
        bars.PRE_PINNED: case(ours, pinned),
        bars.PRE_PINNED_NEW: case(forgetful, pinned),
        bars.PRE_OPEN: case(ours, nova_cloud.request, is_pushed=False),
        bars.PRE_MOVE: case(ours, lambda: nova_cloud.move(databases)),
    }, rounds)
    return {name: min(times) * 1e3 for name, times in seconds.items()}


def _requests():
    site_request.forget()
    requests = site_request.shared()
    # The map is read by the first request; all others find it.
    requests.maps.current()
    return requests
