# SPDX-License-Identifier: Apache-2.0
"""A whole selection as HostManager makes it: all filters, then all weighers.

What the first filter removes no other one looks at and no weigher weighs.
"""

from dcn_plugins.nova import one_site_filter
from dcn_plugins.nova import site_filter
from dcn_plugins.nova import site_weigher
from tests.bench import nova_bars as bars
from tests.bench import nova_cloud
from tests.bench import stopwatch


def _path(cls):
    return f'{cls.__module__}.{cls.__name__}'


FILTER = _path(site_filter.DCNSiteFilter)
ONE_SITE_FILTER = _path(one_site_filter.DCNOneSiteFilter)
WEIGHER = _path(site_weigher.DCNSiteWeigher)


def milliseconds(hosts, count, rounds):
    """Return the least of all rounds of each selection, by name."""
    stock = nova_cloud.scheduler()
    ours = nova_cloud.scheduler(first=[FILTER])
    return _milliseconds(hosts, count, rounds, {
        bars.STOCK: (stock, None),
        bars.SELECT_PINNED: (ours, nova_cloud.name_of_site(nova_cloud.HOME))})


def milliseconds_of_ranking(hosts, count, rounds):
    """Return the least of all rounds of each selection that ranks sites."""
    return _milliseconds(hosts, count, rounds, {
        bars.STOCK: (nova_cloud.scheduler(), None),
        bars.SELECT_OPEN: (nova_cloud.scheduler(first=[FILTER]), None),
        bars.SELECT_RANKED: (nova_cloud.scheduler(
            first=[FILTER], weighers=[WEIGHER]), None),
        bars.SELECT_ONE_SITE: (nova_cloud.scheduler(
            first=[FILTER], last=[ONE_SITE_FILTER], weighers=[WEIGHER]),
            None)})


def _milliseconds(hosts, count, rounds, selections):
    put = hosts.labelled(nova_cloud.aggregates(
        count=count // nova_cloud.HOSTS_PER_SITE))

    def case(name):
        manager, zone = selections[name]

        def prepare():
            return put(), nova_cloud.request(availability_zone=zone)

        def run(host_states, spec_obj):
            passed = manager.get_filtered_hosts(host_states, spec_obj)
            return manager.get_weighed_hosts(passed, spec_obj)

        def check(weighed):
            expected = count
            if name in (bars.SELECT_PINNED, bars.SELECT_ONE_SITE):
                expected = nova_cloud.HOSTS_PER_SITE
            if len(weighed) != expected:
                raise ValueError(f'{name}: {len(weighed)} hosts were '
                                 f'weighed and not {expected}')

        return stopwatch.Case(run, prepare, check)

    seconds = stopwatch.interleaved(
        {name: case(name) for name in selections}, rounds)
    return {name: min(times) * 1e3 for name, times in seconds.items()}
