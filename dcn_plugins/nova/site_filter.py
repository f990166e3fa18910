# SPDX-License-Identifier: Apache-2.0
"""Keep a server that moves inside its site.

Load it with nova.conf of nova-scheduler::

    [filter_scheduler]
    available_filters = nova.scheduler.filters.all_filters
    available_filters = dcn_plugins.nova.site_filter.DCNSiteFilter
    enabled_filters = DCNSiteFilter,ComputeFilter,...

One filter object serves all threads of the scheduler and is built before the
workers fork: it holds no session, and nothing but its log memory ever changes.
"""

import collections
import threading
import time

import nova.conf
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.scheduler import filters
from nova.scheduler import utils
from nova.volume import cinder
from oslo_log import log as logging

from dcn_plugins.conf import sites as site_options
from dcn_plugins.conf import unknown_options
from dcn_plugins import sites
from dcn_plugins import version

LOG = logging.getLogger(__name__)

# A contradiction stays until an operator resolves it, and every request meets
# it again; once an hour survives log rotation and drowns nothing.
REPEAT_WARNING_SECONDS = 3600.0

# A request may bring candidates of hundreds of sites; a log line may not.
MAX_SITES_IN_LOG = 8


class _Unknown(Exception):
    """The present site of a server cannot be told; the text says why.

    It never leaves this module: a Nova filter must not raise, as that would
    end the whole request without a word to the user.
    """


class DCNSiteFilter(filters.BaseHostFilter):
    """Pass the hosts of the site that a moving server is in.

    A move is a cold or live migration, a resize, an evacuate or an unshelve.
    A create and a rebuild are left alone. When the present site cannot be
    found out the verdict is ``[dcn] unknown_site``; no error ever leaves the
    filter. Forced moves and ``ZONE:HOST`` never reach any filter.
    """

    RUN_ON_REBUILD = False

    def __init__(self):
        conf = nova.conf.CONF
        site_options.register_opts(conf)
        unknown_options.warn(conf, site_options.GROUP.name)
        # Read once, so that a bad value keeps the scheduler from starting
        # rather than making every later move fail.
        self._move_policy = conf.dcn.move_policy
        self._unknown_site = conf.dcn.unknown_site
        self._warned_at = {}
        self._warned_lock = threading.Lock()
        LOG.info('DCNSiteFilter loaded (dcn_plugins %s), move_policy=%s '
                 'unknown_site=%s', version.version_string(),
                 self._move_policy, self._unknown_site)

    def filter_all(self, filter_obj_list, spec_obj):
        """Return the hosts that the server may go to; never raises."""
        host_states = list(filter_obj_list)
        try:
            exempt = self._why_exempt(spec_obj)
            if exempt:
                LOG.debug('DCNSiteFilter: server %s: all %d hosts pass, as %s',
                          _uuid(spec_obj), len(host_states), exempt)
                return host_states
            return self._hosts_for(_site_of_server(spec_obj), host_states,
                                   spec_obj)
        except _Unknown as exc:
            reason = str(exc)
        # The last line of defence of a door: whatever a database or an API
        # throws becomes the verdict that the operator has chosen.
        except Exception as exc:
            LOG.exception('DCNSiteFilter: looking up the site of server %s '
                          'failed', _uuid(spec_obj))
            reason = f'{type(exc).__name__}: {exc}'
        return self._verdict(host_states, spec_obj, reason)

    def _why_exempt(self, spec_obj):
        if not _is_move(spec_obj):
            return 'it is new'
        # RUN_ON_REBUILD alone has no effect: the base class honours it in
        # _filter_one, which an override of filter_all bypasses.
        if utils.request_is_rebuild(spec_obj):
            return 'it is rebuilt where it is'
        if self._move_policy == 'off':
            return 'move_policy is off'
        return None

    def _hosts_for(self, site, host_states, spec_obj):
        memo = _SitesOfHosts()
        passed = []
        rejected = collections.Counter()
        for host_state in host_states:
            host_site = memo.site_of(host_state.aggregates)
            if sites.may_go(site, host_site):
                passed.append(host_state)
                continue
            rejected[host_site] += 1
            if isinstance(host_site, sites.SeveralSites):
                self._warn_contradiction(host_state.host, host_site)
        LOG.info('DCNSiteFilter: server %s stays in %s: %d of %d hosts '
                 'passed; rejected: %s', spec_obj.instance_uuid,
                 'no site' if site is None else f'site {site}', len(passed),
                 len(host_states), _counts(rejected))
        return passed

    def _verdict(self, host_states, spec_obj, reason):
        is_allowed = self._unknown_site == 'allow'
        LOG.warning('DCNSiteFilter: the present site of server %s is unknown '
                    '(%s): with unknown_site=%s %s of %d hosts pass',
                    _uuid(spec_obj), reason, self._unknown_site,
                    'all' if is_allowed else 'none', len(host_states))
        return host_states if is_allowed else []

    def _warn_contradiction(self, host, site):
        now = time.monotonic()
        with self._warned_lock:
            warned_at = self._warned_at.get((host, site))
            if (warned_at is not None
                    and now - warned_at < REPEAT_WARNING_SECONDS):
                return
            self._warned_at[host, site] = now
        LOG.warning('DCNSiteFilter: host %s is in the sites %s at once and '
                    'takes no moving server; correct %s or %s of its '
                    'aggregates', host, site, sites.SITE_KEY, sites.ZONE_KEY)


class _SitesOfHosts:
    """The sites of the candidates of one request.

    Most hosts of a site share the same aggregate objects, so that their site
    is worked out once. The memo keeps the aggregates because it knows them by
    identity, and Python gives the identity of a dead object to a new one.
    Identities, because reading the id of a Nova object costs more than all
    the rest.
    """

    def __init__(self):
        self._memo = {}

    def site_of(self, aggregates):
        key = tuple(map(id, aggregates))
        if key not in self._memo:
            site = sites.site_of_host(
                aggregate.metadata for aggregate in aggregates)
            self._memo[key] = (site, list(aggregates))
        return self._memo[key][0]


def _is_move(spec_obj):
    """Tell whether the server exists already, without any query.

    The conductor names the cell of a server that moves. Only for a cold
    migration to a named host that may leave the cell it leaves the cell out
    again; but nothing except a move may leave a cell.
    """
    if 'requested_destination' not in spec_obj:
        return False
    destination = spec_obj.requested_destination
    if destination is None:
        return False
    if 'cell' in destination and destination.cell:
        return True
    return bool('allow_cross_cell_move' in destination
                and destination.allow_cross_cell_move)


def _site_of_server(spec_obj):
    """Return the site that a moving server is in, or raise ``_Unknown``."""
    # Not a new admin context: target_cell() makes its copy the current one of
    # the thread, and the log would go on under a request id nobody knows.
    admin = spec_obj._context.elevated()
    uuid = spec_obj.instance_uuid
    cell = _cell_of_server(admin, spec_obj)
    with nova_context.target_cell(admin, cell) as cell_context:
        instance = objects.Instance.get_by_uuid(
            cell_context, uuid, expected_attrs=['system_metadata'])
        # A shelved-offloaded server has no host any more.
        host = instance.host or instance.system_metadata.get('shelved_host')
        # Nova records no shelved_host for a server that boots from a volume.
        volume_id = None if host else _first_volume(cell_context, uuid)
    if host:
        return _site_of_present_host(admin, host)
    if volume_id is None:
        raise _Unknown('its record names neither a host nor a volume')
    return _site_of_volume(admin, spec_obj, volume_id)


def _cell_of_server(admin, spec_obj):
    destination = spec_obj.requested_destination
    if 'cell' in destination and destination.cell:
        return destination.cell
    mapping = objects.InstanceMapping.get_by_instance_uuid(
        admin, spec_obj.instance_uuid)
    # target_cell() takes None without a word and then reads the wrong
    # database.
    if mapping.cell_mapping is None:
        raise _Unknown('it is mapped to no cell')
    return mapping.cell_mapping


def _first_volume(cell_context, uuid):
    """Return the id of the root volume, else of any volume, else None."""
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(
        cell_context, uuid)
    volumes = [bdm for bdm in bdms if bdm.is_volume and bdm.volume_id]
    volumes.sort(key=lambda bdm: not bdm.is_root)
    return volumes[0].volume_id if volumes else None


def _site_of_present_host(admin, host):
    # Not read from the candidates: the conductor has removed the source.
    aggregates = objects.AggregateList.get_by_host(admin, host)
    if not aggregates:
        # A host that was deleted is in no aggregate either, but that says
        # nothing about the site of the server's disk.
        try:
            objects.HostMapping.get_by_host(admin, host)
        except exception.HostMappingNotFound as exc:
            raise _Unknown(f'its host {host} does not exist any more') from exc
    site = sites.site_of_host(aggregate.metadata for aggregate in aggregates)
    if isinstance(site, sites.SeveralSites):
        raise _Unknown(f'its host {host} is in the sites {site} at once')
    return site


def _site_of_volume(admin, spec_obj, volume_id):
    # With the token and the rights of whoever asked for the move.
    volume = cinder.API().get(spec_obj._context, volume_id)
    zone = volume.get('availability_zone')
    if not zone:
        # As a value, None would match the aggregates of every zone.
        raise _Unknown(f'its volume {volume_id} has no availability zone')
    hosts = set()
    for aggregate in objects.AggregateList.get_by_metadata(
            admin, key=sites.ZONE_KEY, value=zone):
        # MySQL compares without regard to case, Nova's zones do not.
        if aggregate.availability_zone == zone:
            hosts.update(aggregate.hosts)
    # A second query, because the first returns aggregates that hold no other
    # metadata than the key it asked for.
    labelled = objects.AggregateList.get_by_metadata_key(
        admin, sites.SITE_KEY, hosts=hosts)
    site = sites.site_of_zone(
        zone, hosts,
        [(aggregate.metadata, aggregate.hosts) for aggregate in labelled])
    source = f'availability zone {zone} of its volume {volume_id}'
    if site is None:
        raise _Unknown(f'the {source} has no host')
    if isinstance(site, sites.SeveralSites):
        raise _Unknown(f'the {source} spans the sites {site}')
    return site


def _counts(rejected):
    """Return ``dcn1 2, no site 1`` for the log, the most frequent first."""
    shown = rejected.most_common(MAX_SITES_IN_LOG)
    parts = [f'{"no site" if site is None else site} {count}'
             for site, count in shown]
    if len(rejected) > len(shown):
        rest = rejected.total() - sum(count for _, count in shown)
        parts.append(f'{len(rejected) - len(shown)} more sites {rest}')
    return ', '.join(parts) or 'none'


def _uuid(spec_obj):
    return spec_obj.instance_uuid if 'instance_uuid' in spec_obj else None
