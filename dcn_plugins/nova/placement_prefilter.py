# SPDX-License-Identifier: Apache-2.0
"""Tell placement which aggregates a request may use.

Placement returns at most ``[scheduler] max_placement_results`` candidates, in
no order. A filter that sees only those finds no host at a site that none of
them is in. So everything that is known before hosts are goes into the query.

Nova offers no extension point for it. The seam is one: the list
``nova.scheduler.request_filter.ALL_REQUEST_FILTERS``, to which one function is
added, by the filter that nova-scheduler loads. Where the list is
gone or has another shape, nothing is added and a warning says so; the filter
is right without it.
"""

import inspect
import json
import threading

from nova import exception
from nova import objects
from nova.scheduler import request_filter
from nova.scheduler import utils
from oslo_log import log as logging

from dcn_plugins import admission
from dcn_plugins.nova import site_request
from dcn_plugins import sites

LOG = logging.getLogger(__name__)

# Different requests are few; the limit is for those with a site list of
# their own each.
MAX_DEMANDS = 512

_install_lock = threading.Lock()


class PlacementPreFilter:
    """A request filter of Nova: ``(context, RequestSpec) -> bool``.

    :param requests: :class:`~dcn_plugins.nova.site_request.SiteRequests`.
    :param max_aggregates: of one query.
    """

    __name__ = 'dcn_sites'

    def __init__(self, requests, max_aggregates):
        self._requests = requests
        self._max_aggregates = max_aggregates
        self._demands = None, {}
        self._lock = threading.Lock()

    def __call__(self, context, request_spec):
        """Add aggregates to the request; tell whether any was added.

        :raises RequestFilterFailed: if no site takes the request; its reason
            is what the user reads.
        """
        if utils.request_is_rebuild(request_spec) or _is_forced(request_spec):
            return False
        found = self._requests.of(request_spec)
        if found.unknown:
            # The filter gives the verdict on what is unknown.
            return False
        try:
            site_map = self._requests.maps.current()
            demand = self._demand(found.asked, site_map)
            if demand is None:
                # A site that was opened a moment ago is no reason to refuse,
                # nor one that was just given to the project.
                site_map = self._requests.maps.fresh()
                found = self._requests.renewed(request_spec)
                if found.unknown:
                    return False
                demand = self._demand(found.asked, site_map)
        except Exception:
            LOG.exception('DCN: there is no site map, so that placement is '
                          'told nothing about sites')
            return False
        if demand is None:
            reason = admission.reason(found.asked, site_map)
            LOG.info('DCN: server %s: no site takes it (%s). Request: %s',
                     site_request.uuid_of(request_spec), reason,
                     json.dumps(found.asked.to_record(), sort_keys=True))
            raise exception.RequestFilterFailed(reason=reason)
        if not demand:
            return False
        _apply(demand, request_spec)
        LOG.debug('DCN: server %s: placement is asked for aggregates %s, '
                  'without %s', site_request.uuid_of(request_spec),
                  demand.required, demand.forbidden)
        return True

    def _demand(self, asked, site_map):
        """Return a Demand, or None when no site takes the request."""
        with self._lock:
            known_map, demands = self._demands
            if known_map is not site_map:
                demands = {}
                self._demands = site_map, demands
            if asked in demands:
                return demands[asked]
        demand = None
        if any(admission.refusal(asked, site) is None for site in (
                sites.NO_SITE, *(place.site for place in site_map.places))):
            demand = site_map.demand(
                lambda site: admission.refusal(asked, site) is None,
                self._max_aggregates)
        with self._lock:
            if len(demands) < MAX_DEMANDS:
                demands[asked] = demand
        return demand


def install(requests, max_aggregates):
    """Add a :class:`PlacementPreFilter` to Nova's request filters, once.

    :returns: whether it is in the list now. A former one of ours is
        replaced: its options are those of another start.
    """
    fault = fault_of_seam()
    if fault:
        LOG.warning('DCN: placement cannot be told about sites, as Nova has '
                    'changed (%s): set [dcn] push_to_placement = false, and '
                    'mind that sites may have "No valid host" when there are '
                    'more hosts than [scheduler] max_placement_results',
                    fault)
        return False
    ours = PlacementPreFilter(requests, max_aggregates)
    with _install_lock:
        uninstall()
        request_filter.ALL_REQUEST_FILTERS.append(ours)
    return True


def uninstall():
    """Take ours out of Nova's request filters again."""
    filters = request_filter.ALL_REQUEST_FILTERS
    filters[:] = [one for one in filters
                  if not isinstance(one, PlacementPreFilter)]


def fault_of_seam():
    """Return what Nova has changed about the seam, or ``None``."""
    filters = getattr(request_filter, 'ALL_REQUEST_FILTERS', None)
    if not isinstance(filters, list) or not filters:
        return 'request_filter.ALL_REQUEST_FILTERS is no list'
    process = getattr(request_filter, 'process_reqspec', None)
    if process is None or list(inspect.signature(process).parameters) != [
            'ctxt', 'request_spec']:
        return 'request_filter.process_reqspec takes other arguments'
    if not all(hasattr(objects.Destination, name) for name in (
            'require_aggregates', 'append_forbidden_aggregates')):
        return 'Destination takes no aggregates'
    return None


def _is_forced(request_spec):
    # ZONE:HOST is for administrators who know better, also that a site is
    # closed; no filter sees it either.
    return any(name in request_spec and getattr(request_spec, name)
               for name in ('force_hosts', 'force_nodes'))


def _apply(demand, request_spec):
    if ('requested_destination' not in request_spec
            or request_spec.requested_destination is None):
        request_spec.requested_destination = objects.Destination()
    destination = request_spec.requested_destination
    if demand.required is not None:
        destination.require_aggregates(demand.required)
    if demand.forbidden:
        destination.append_forbidden_aggregates(set(demand.forbidden))
