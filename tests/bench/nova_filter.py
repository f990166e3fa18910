# SPDX-License-Identifier: Apache-2.0
"""Our filter beside Nova's, through Nova's HostFilterHandler.

Filters that do comparable work are compared on the same answer: a request
that one site of all passes, or one that all pass. For each that reads
aggregates these hold one item of metadata, so that none has more to read than
it needs.
"""

import functools

from nova import objects
from nova.scheduler import filters
from nova.scheduler.filters import affinity_filter
from nova.scheduler.filters import aggregate_instance_extra_specs
from nova.scheduler.filters import aggregate_multitenancy_isolation
from nova.scheduler.filters import all_hosts_filter
from nova.scheduler.filters import compute_filter
from nova.scheduler.filters import utils as filter_functions
from oslo_utils.fixture import uuidsentinel as uuids

from tests.bench import nova_bars as bars
from tests.bench import nova_cloud
from tests.bench import stopwatch

HOME = nova_cloud.name_of_site(nova_cloud.HOME)
#: The zone of all sites where all of them are to pass.
EDGE = 'edge'


class FormerZoneFilter(filters.BaseHostFilter):
    """The job of AvailabilityZoneFilter, which Nova 28 removed.

    It stands for what an operator had before zones went to placement, and is
    the nearest relative of ours: one request, one zone, one look at the
    aggregates of each host. A host in no zone is in the default one.
    """

    RUN_ON_REBUILD = False
    run_filter_once_per_request = True

    def host_passes(self, host_state, spec_obj):
        """Tell whether a host is in the zone of the request."""
        zone = spec_obj.availability_zone
        if not zone:
            return True
        metadata = filter_functions.aggregate_metadata_get_by_host(
            host_state, key='availability_zone')
        if 'availability_zone' in metadata:
            return zone in metadata['availability_zone']
        return zone == nova_cloud.CONF.default_availability_zone


class NoFilter(filters.BaseHostFilter):
    """No filter, to show what Nova's handler does around each one.

    It lists the name and the node of every host that passes.
    """

    def filter_all(self, filter_obj_list, spec_obj):
        """Return all hosts as they came."""
        return filter_obj_list


def microseconds_per_host(databases, hosts, count, ours, requests, rounds):
    """Return the least of all rounds for each filter, by name.

    :param count: of the hosts, the first so many.
    :param ours: a DCNSiteFilter.
    :param requests: its SiteRequests.
    """
    worlds = _worlds(hosts, count)
    seconds = stopwatch.interleaved(
        {**_nova_cases(worlds, count),
         **_our_cases(databases, worlds, count, ours, requests)},
        rounds)
    return {name: min(times) / count * 1e6
            for name, times in seconds.items()}


def _worlds(hosts, count):
    sites = count // nova_cloud.HOSTS_PER_SITE
    return {
        world: hosts.labelled(nova_cloud.aggregates(metadata_of, sites))
        for world, metadata_of in (
            ('zones', nova_cloud.zone_of_site),
            ('one zone', lambda site: {'availability_zone': EDGE}),
            ('tenants', lambda site: {'filter_tenant_id': _tenant(site)}))}


def _nova_cases(worlds, every):
    specs = (aggregate_instance_extra_specs.
             AggregateInstanceExtraSpecsFilter())
    tenants = (aggregate_multitenancy_isolation.
               AggregateMultiTenancyIsolation())
    zone = FormerZoneFilter()
    few = nova_cloud.HOSTS_PER_SITE
    zones, one_zone = worlds['zones'], worlds['one zone']
    return {
        bars.HANDLER: _case(NoFilter(), zones, nova_cloud.request, every),
        bars.FLOOR: _case(all_hosts_filter.AllHostsFilter(), zones,
                          nova_cloud.request, every),
        bars.COMPUTE: _case(compute_filter.ComputeFilter(), zones,
                            nova_cloud.request, every),
        bars.GROUP: _case(affinity_filter.ServerGroupAffinityFilter(), zones,
                          _of_group, few),
        bars.ZONE + bars.ONE_SITE: _case(zone, zones, _of_zone, few),
        bars.ZONE + bars.ALL_PASS: _case(
            zone, one_zone, functools.partial(_of_zone, EDGE), every),
        bars.SPECS + bars.ONE_SITE: _case(specs, zones, _of_flavor, few),
        bars.SPECS + bars.ALL_PASS: _case(
            specs, one_zone, functools.partial(_of_flavor, EDGE), every),
        bars.TENANTS + bars.ONE_SITE: _case(
            tenants, worlds['tenants'], _of_tenant, few),
        bars.TENANTS + bars.ALL_PASS: _case(
            tenants, zones, nova_cloud.request, every)}


def _our_cases(databases, worlds, every, ours, requests):
    def known_move():
        # Where the server is the pre-filter has looked up already. That does
        # not depend on the number of hosts and is measured by itself.
        spec_obj = nova_cloud.move(databases)
        requests.of(spec_obj)
        return spec_obj

    zones, few = worlds['zones'], nova_cloud.HOSTS_PER_SITE
    return {
        bars.FILTER_PINNED: _case(ours, zones, _of_zone, few),
        bars.FILTER_OPEN: _case(ours, zones, nova_cloud.request, every),
        bars.FILTER_MOVE: _case(ours, zones, known_move, few)}


def _case(filter_, world, request, expected):
    def run(host_states, spec_obj):
        return filters.HostFilterHandler().get_filtered_objects(
            [filter_], host_states, spec_obj)

    def check(passed):
        if len(passed) != expected:
            raise ValueError(f'{type(filter_).__name__} passed {len(passed)} '
                             f'hosts and not {expected}')

    return stopwatch.Case(run, lambda: (world(), request()), check)


def _tenant(site):
    return getattr(uuids, f'tenant{site}')


def _of_zone(zone=HOME):
    return nova_cloud.request(availability_zone=zone)


def _of_flavor(zone=HOME):
    return nova_cloud.request(flavor=nova_cloud.flavor({
        'aggregate_instance_extra_specs:availability_zone': zone}))


def _of_tenant():
    return nova_cloud.request(project_id=_tenant(nova_cloud.HOME))


def _of_group():
    return nova_cloud.request(instance_group=objects.InstanceGroup(
        uuid=uuids.group, policy='affinity', policies=['affinity'],
        rules={}, members=[], hosts=[
            nova_cloud.name_of_host(number)
            for number in range(nova_cloud.HOSTS_PER_SITE)]))
