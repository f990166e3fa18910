# SPDX-License-Identifier: Apache-2.0
"""Keep all servers of one request, and their alternates, in one site.

Load it as the last filter, with nova.conf of nova-scheduler::

    [filter_scheduler]
    available_filters = dcn_plugins.nova.one_site_filter.DCNOneSiteFilter
    enabled_filters = DCNSiteFilter,ComputeFilter,...,DCNOneSiteFilter

Last, because it chooses: a filter behind it could empty the site that it has
chosen while another had room.
"""

import nova.conf
from nova.scheduler import filters
from nova.scheduler import utils
from oslo_log import log as logging

from dcn_plugins.conf import sites as site_options
from dcn_plugins.nova import server_record
from dcn_plugins.nova import site_ranking
from dcn_plugins.nova import site_request
from dcn_plugins import version

LOG = logging.getLogger(__name__)

SPREAD_HINT = 'dcn_spread'


class DCNOneSiteFilter(filters.BaseHostFilter):
    """Pass the hosts of the best site that has room for the whole request.

    A build that fails is tried again on an alternate; in another site its
    volume, made already, would not be there. If no site has room for all
    servers of a request the hosts of all sites pass. The scheduler hint
    ``dcn_spread=true`` asks for that from the start. Only creates are looked
    at. Never raises.
    """

    RUN_ON_REBUILD = False

    def __init__(self):
        conf = nova.conf.CONF
        site_options.register_opts(conf)
        self._ranking = site_ranking.SiteRanking(
            conf.dcn, site_request.shared())
        LOG.info('DCNOneSiteFilter loaded (dcn_plugins %s)',
                 version.version_string())

    def filter_all(self, filter_obj_list, spec_obj):
        """Return the hosts of one site, or all."""
        host_states = list(filter_obj_list)
        # RUN_ON_REBUILD alone has no effect: the base class honours it in
        # _filter_one, which an override of filter_all bypasses.
        if (utils.request_is_rebuild(spec_obj)
                or server_record.is_move(spec_obj)
                or str(spec_obj.get_scheduler_hint(SPREAD_HINT)).lower()
                == 'true'):
            return host_states
        try:
            return self._of_one_site(host_states, spec_obj)
        # The last line of defence of a door: an error would end the request.
        except Exception:
            LOG.exception('DCNOneSiteFilter: choosing a site for server %s '
                          'failed; all hosts pass',
                          site_request.uuid_of(spec_obj))
            return host_states

    def _of_one_site(self, host_states, spec_obj):
        ranked = self._ranking.ranked(host_states, spec_obj)
        # In each later round of a request the site chosen first is the only
        # one that is left, however little of it is.
        if len(ranked) < 2:
            return host_states
        wanted = spec_obj.num_instances if (
            'num_instances' in spec_obj and spec_obj.num_instances) else 1
        for name, group in ranked:
            if sum(_servers(host_state, spec_obj, wanted)
                   for host_state in group) >= wanted:
                LOG.debug('DCNOneSiteFilter: server %s: %s of %d sites, with '
                          'room for %d', site_request.uuid_of(spec_obj),
                          name or 'no site', len(ranked), wanted)
                return group
        LOG.info('DCNOneSiteFilter: server %s: none of %d sites has room for '
                 '%d servers; they are spread',
                 site_request.uuid_of(spec_obj), len(ranked), wanted)
        return host_states


def _servers(host_state, spec_obj, wanted):
    """Return how many servers of a flavor a host takes, at least one.

    One it takes for sure, as placement and all filters say so.
    """
    flavor = spec_obj.flavor
    memory = (host_state.free_ram_mb or 0) + (
        (host_state.ram_allocation_ratio or 1.0) - 1.0) * (
        host_state.total_usable_ram_mb or 0)
    vcpus = (host_state.vcpus_total or 0) * (
        host_state.cpu_allocation_ratio or 1.0) - (host_state.vcpus_used or 0)
    fits = [wanted]
    if flavor.memory_mb:
        fits.append(int(memory // flavor.memory_mb))
    if flavor.vcpus:
        fits.append(int(vcpus // flavor.vcpus))
    return max(1, min(fits))
