# SPDX-License-Identifier: Apache-2.0
"""Let a server only to the hosts of the sites that may take it.

Load it with nova.conf of nova-scheduler::

    [filter_scheduler]
    available_filters = nova.scheduler.filters.all_filters
    available_filters = dcn_plugins.nova.site_filter.DCNSiteFilter
    enabled_filters = DCNSiteFilter,ComputeFilter,...

One filter object serves all threads of the scheduler and is built before the
workers fork: it holds no session, and nothing but its log memory ever changes.
"""

import collections
import itertools
import json
import threading
import time

import nova.conf
from nova.scheduler import filters
from oslo_log import log as logging

from dcn_plugins import admission
from dcn_plugins.conf import sites as site_options
from dcn_plugins.conf import unknown_options
from dcn_plugins.nova import host_sites
from dcn_plugins.nova import placement_prefilter
from dcn_plugins.nova import site_request
from dcn_plugins import version

LOG = logging.getLogger(__name__)

# A fault stays until an operator mends it, and every request meets it again;
# once an hour survives log rotation and drowns nothing.
REPEAT_WARNING_SECONDS = 3600.0


class DCNSiteFilter(filters.BaseHostFilter):
    """Pass the hosts of the sites that may take the server of a request.

    The rules are those of :mod:`dcn_plugins.admission`. When it cannot be
    found out what a request asks, the verdict is ``[dcn] unknown_site``; no
    error ever leaves the filter. Forced moves and ``ZONE:HOST`` never reach
    any filter.
    """

    RUN_ON_REBUILD = True

    def __init__(self):
        conf = nova.conf.CONF
        site_options.register_opts(conf)
        unknown_options.warn(conf, site_options.GROUP.name)
        site_options.check(conf)
        self._unknown_site = conf.dcn.unknown_site
        # A scheduler builds its filters once; a second one in the process is
        # that of a test, with options of its own.
        site_request.forget()
        self._requests = site_request.shared()
        self._faults = _Faults()
        is_pushed = conf.dcn.push_to_placement and (
            placement_prefilter.install(
                self._requests, conf.dcn.max_pushed_aggregates))
        LOG.info('DCNSiteFilter loaded (dcn_plugins %s), move_policy=%s '
                 'unknown_site=%s push_to_placement=%s',
                 version.version_string(), conf.dcn.move_policy,
                 self._unknown_site, is_pushed)

    def filter_all(self, filter_obj_list, spec_obj):
        """Return the hosts that the server may go to; never raises."""
        host_states = list(filter_obj_list)
        found = self._requests.of(spec_obj)
        if found.unknown:
            return self._verdict(host_states, spec_obj, found.unknown)
        try:
            return self._passed(host_states, spec_obj, found)
        # The last line of defence of a door.
        except Exception as exc:
            LOG.exception('DCNSiteFilter: filtering for server %s failed',
                          site_request.uuid_of(spec_obj))
            return self._verdict(host_states, spec_obj,
                                 f'{type(exc).__name__}: {exc}')

    def _passed(self, host_states, spec_obj, found):
        keys = host_sites.keys(host_states)
        counts = collections.Counter(keys)
        passing = set()
        refused = collections.Counter()
        lines = []
        is_debug = LOG.isEnabledFor(logging.DEBUG)
        for key, count in counts.items():
            site = host_sites.site(key)
            refusal = admission.refusal(found.asked, site)
            if refusal is None:
                passing.add(key)
            else:
                refused[refusal] += count
            if site.faults:
                self._faults.warn(host_states[keys.index(key)].host, site)
            if is_debug:
                lines.append((count, site))
        passed = host_states if len(passing) == len(counts) else list(
            itertools.compress(host_states, map(passing.__contains__, keys)))
        self._log(found, spec_obj, len(passed), len(host_states), refused,
                  lines)
        return passed

    def _log(self, found, spec_obj, passed, count, refused, lines):
        if found.is_logged and passed:
            return
        found.is_logged = True
        LOG.info('DCNSiteFilter: server %s: %s%s: %d of %d hosts passed; '
                 'rejected: %s', site_request.uuid_of(spec_obj),
                 found.asked.operation.value, _kept(found.asked), passed,
                 count, admission.summary(refused))
        if not lines:
            return
        LOG.debug('DCNSiteFilter: server %s asks %s',
                  site_request.uuid_of(spec_obj),
                  json.dumps(found.asked.to_record(), sort_keys=True))
        sizes = collections.Counter()
        for size, site in lines:
            sizes[admission.explain(found.asked, site)] += size
        for text, size in sizes.items():
            LOG.debug('DCNSiteFilter: %d hosts of %s', size, text)

    def _verdict(self, host_states, spec_obj, reason):
        is_allowed = self._unknown_site == 'allow'
        LOG.warning('DCNSiteFilter: what server %s asks of sites is unknown '
                    '(%s): with unknown_site=%s %s of %d hosts pass',
                    site_request.uuid_of(spec_obj), reason,
                    self._unknown_site, 'all' if is_allowed else 'none',
                    len(host_states))
        return host_states if is_allowed else []


class _Faults:
    """Warn of what is wrong with the metadata of a host, once in a while."""

    def __init__(self):
        self._warned_at = {}
        self._lock = threading.Lock()

    def warn(self, host, site):
        now = time.monotonic()
        key = (str(site), site.faults)
        with self._lock:
            warned_at = self._warned_at.get(key)
            if (warned_at is not None
                    and now - warned_at < REPEAT_WARNING_SECONDS):
                return
            self._warned_at[key] = now
        for fault in site.faults:
            LOG.warning('DCNSiteFilter: host %s of %s: %s', host, site, fault)


def _kept(asked):
    if not asked.is_move or asked.operation is admission.Operation.REBUILD:
        return ''
    if asked.move_policy == admission.OFF:
        return ' with move_policy=off'
    where = 'no site' if asked.home is None else f'site {asked.home}'
    if asked.may_cross:
        return f' from {where} to wherever it was sent'
    return (f' stays in {where}' if asked.move_policy == admission.STRICT
            else f' prefers {where}')
