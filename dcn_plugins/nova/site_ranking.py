# SPDX-License-Identifier: Apache-2.0
"""Rank the sites of the hosts that are left of one request."""

import dataclasses
import threading

from oslo_log import log as logging

from dcn_plugins import admission
from dcn_plugins import exceptions
from dcn_plugins.nova import host_sites
from dcn_plugins import ranking

LOG = logging.getLogger(__name__)


class SiteRanking:
    """Order sites for the weigher and the one-site filter; thread-safe.

    :param conf: the options of ``[dcn]``.
    :param requests: :class:`~dcn_plugins.nova.site_request.SiteRequests`.
    :raises ConfigError: if the two spill percentages contradict each other.
    """

    def __init__(self, conf, requests):
        self._order = conf.site_order
        self._requests = requests
        self._lock = threading.Lock()
        try:
            self._fullness = ranking.Fullness(
                conf.spill_over_percent / 100, conf.spill_back_percent / 100)
        except ValueError as exc:
            raise exceptions.ConfigError(
                'nova.conf, [dcn] spill_back_percent',
                f'{conf.spill_back_percent} is greater than '
                f'spill_over_percent={conf.spill_over_percent}',
                'Set it to the same or less') from exc

    def ranked(self, host_states, spec_obj):
        """Return ``[(site name, host_states)]``, the best site first.

        Returns one nameless group if what the request asks is unknown: the
        filter has given its verdict on that already.
        """
        found = self._requests.of(spec_obj)
        if found.unknown:
            return [(None, list(host_states))]
        members = {}
        known = {}
        for site, group in host_sites.grouped(host_states):
            # A key for the log as well: a name, None or SeveralSites.
            members.setdefault(site.name, []).extend(group)
            known[site.name] = _merged(known.get(site.name, site), site)
        counts = self._host_counts()
        candidates = [
            self._candidate(found.asked, known[name], group,
                            counts.get(name, 0))
            for name, group in members.items()]
        best = ranking.ranked(candidates, found.asked.project, self._order)
        return [(each.name, members[each.name]) for each in best]

    def _host_counts(self):
        try:
            return self._requests.maps.current().host_counts
        except Exception:
            LOG.exception('DCN: there is no site map; a host that is full '
                          'is not counted in the headroom of its site')
            return {}

    def _candidate(self, asked, site, group, host_count):
        headroom = sum(map(_headroom, group)) / max(host_count, len(group))
        with self._lock:
            is_full = self._fullness.is_full(site.name, headroom)
        return ranking.Candidate(
            name=site.name, priority=site.priority, headroom=headroom,
            is_full=is_full, is_near=admission.is_near(asked, site),
            is_away=asked.is_move and site.name != asked.home)


def _merged(one, other):
    # As sites.site_of_host() does it for the aggregates of one host; nobody
    # looks at the order of these stores.
    return dataclasses.replace(
        one, priority=min(one.priority, other.priority),
        stores=tuple({*one.stores, *other.stores}))


def _headroom(host_state):
    """Return the free share of a host, of memory or CPUs, 0 to 1."""
    memory = _share(host_state.free_ram_mb, host_state.total_usable_ram_mb,
                    host_state.ram_allocation_ratio)
    vcpus = _share_used(host_state.vcpus_used, host_state.vcpus_total,
                        host_state.cpu_allocation_ratio)
    return max(0.0, min(1.0, memory, vcpus))


def _share(free, total, ratio):
    # free_ram_mb does not know the ratio: it is the total less what is used.
    return _share_used((total or 0) - (free or 0), total, ratio)


def _share_used(used, total, ratio):
    # Nova fills them with the first report of the host. Until then nothing is
    # known to be used.
    limit = (total or 0) * (ratio or 1.0)
    return 1 - (used or 0) / limit if limit else 1.0
