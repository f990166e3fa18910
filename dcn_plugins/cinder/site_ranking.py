# SPDX-License-Identifier: Apache-2.0
"""Rank the sites of the backends that are left of one request."""

import dataclasses
import threading

from oslo_config import cfg
from oslo_log import log as logging

from dcn_plugins import admission
from dcn_plugins.cinder import volume_request
from dcn_plugins import ranking

LOG = logging.getLogger(__name__)


@dataclasses.dataclass
class _Group:
    """The backends of one site, and what its hosts say about it."""

    found: list = dataclasses.field(default_factory=list)
    backend_states: list = dataclasses.field(default_factory=list)


class SiteRanking:
    """Order sites for the weigher; thread-safe.

    :param conf: the options of ``[dcn]``.
    :param requests: :class:`~.volume_request.VolumeRequests`.
    """

    def __init__(self, conf, requests):
        self.requests = requests
        self.multiplier = conf.site_weight_multiplier
        self._order = conf.site_order
        self._lock = threading.Lock()
        spill_over, spill_back = (conf.spill_over_percent,
                                  conf.spill_back_percent)
        if spill_back > spill_over:
            LOG.error('[dcn] spill_back_percent=%d is greater than '
                      'spill_over_percent=%d and counts as equal to it',
                      spill_back, spill_over)
            spill_back = spill_over
        self._fullness = ranking.Fullness(spill_over / 100, spill_back / 100)

    def ranked(self, backend_states, properties):
        """Return ``[(site name, backend_states)]``, the best site first.

        A backend of several sites stands in each of them. Empty when the
        request asks nothing of sites.
        """
        try:
            request = self.requests.of(properties, backend_states,
                                       is_quiet=True)
        except volume_request.Unknown:
            # The filter has given its verdict on that already.
            return []
        if request is None or request.asked is None:
            return []
        groups = self._grouped(request, backend_states)
        best = ranking.ranked(
            [self._candidate(request, name, group)
             for name, group in groups.items()],
            request.asked.project, self._order)
        return [(each.name, groups[each.name].backend_states)
                for each in best]

    def _grouped(self, request, backend_states):
        groups = {}
        for backend_state in backend_states:
            found = request.known.of(backend_state)
            # All of them when the filter is not there, or the map is newer.
            found = request.accepting(found,
                                      backend_state.backend_id) or found
            names = dict.fromkeys(site.name for site in found)
            for name in names:
                group = groups.setdefault(name, _Group())
                group.backend_states.append(backend_state)
            for site in found:
                groups[site.name].found.append(site)
        return groups

    def _candidate(self, request, name, group):
        headroom = _headroom(group.backend_states)
        with self._lock:
            is_full = self._fullness.is_full(name, headroom)
        return ranking.Candidate(
            name=name, headroom=headroom, is_full=is_full,
            priority=max(site.priority for site in group.found),
            is_near=any(admission.is_near(request.asked, site)
                        for site in group.found),
            is_away=any(map(request.is_away, group.found)))


def _headroom(backend_states):
    """Return the free share of the capacity that is known, 0 to 1."""
    total = free = 0.0
    for backend_state in backend_states:
        if 'infinite' in (backend_state.free_capacity_gb,
                          backend_state.total_capacity_gb):
            return 1.0
        numbers = (_number(backend_state.total_capacity_gb),
                   _number(backend_state.free_capacity_gb))
        if None not in numbers:
            total += numbers[0]
            free += numbers[1]
    return max(0.0, min(1.0, free / total)) if total > 0 else 1.0


def _number(value):
    # What drivers report is a number, "unknown", "infinite" or a string.
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


_shared = None
_shared_lock = threading.Lock()


def shared():
    """Return the one :class:`SiteRanking` of this scheduler.

    It remembers which sites are full, and Cinder makes a new weigher for
    each request.

    :raises ValueError: if an option has a value that is not valid.
    """
    global _shared
    requests = volume_request.shared()
    with _shared_lock:
        if _shared is None or _shared.requests is not requests:
            _shared = SiteRanking(cfg.CONF.dcn, requests)
        return _shared
