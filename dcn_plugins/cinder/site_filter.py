# SPDX-License-Identifier: Apache-2.0
"""Let a volume only to the backends of the sites that may take it.

Loaded by cinder-scheduler through the entry point
``cinder.scheduler.filters``; switched on in cinder.conf, first of all::

    [DEFAULT]
    scheduler_default_filters = DCNSiteFilter,AvailabilityZoneFilter,...

Cinder makes a new filter for each request. What outlives a request is in
:mod:`dcn_plugins.cinder.volume_request`.
"""

import collections
import json
import threading

from cinder.scheduler import filters
from oslo_log import log as logging

from dcn_plugins import admission
from dcn_plugins.cinder import backend_sites
from dcn_plugins.cinder import volume_request

LOG = logging.getLogger(__name__)

# Of the sites that refused a request that no backend takes so many are told.
MAX_REASONS = 3


class DCNSiteFilter(filters.BaseBackendFilter):
    """Pass the backends of the sites that may take the volume of a request.

    The rules are those of :mod:`dcn_plugins.admission`, as in Nova. No error
    ever leaves the filter: what cannot be found out is not looked at.
    """

    def filter_all(self, filter_obj_list, filter_properties):
        """Return the backends that the request may use; never raises."""
        backend_states = list(filter_obj_list)
        try:
            return _passed(backend_states, filter_properties)
        except volume_request.Unknown as exc:
            LOG.warning('DCNSiteFilter: %s: %s; with unknown_locality=refuse '
                        'none of %d backends pass',
                        volume_request.id_of(filter_properties), exc,
                        len(backend_states))
            return []
        # The last line of defence of a door: an error would end the request.
        except Exception:
            LOG.exception('DCNSiteFilter: filtering failed; all of %d '
                          'backends pass', len(backend_states))
            return backend_states


def _passed(backend_states, properties):
    request = volume_request.shared().of(properties, backend_states)
    if request is None:
        return backend_states
    known = request.known
    passed = []
    verdicts = collections.Counter()
    for backend_state in backend_states:
        found = known.of(backend_state)
        refusal = request.refusal(found, backend_state.backend_id)
        if refusal is None:
            passed.append(backend_state)
        verdicts[backend_sites.names_of(found), refusal] += 1
        if known.is_unheard_of(backend_state):
            _unheard_of.warn(backend_state)
    _log(request, properties, verdicts, len(passed), len(backend_states))
    return passed


def _log(request, properties, verdicts, passed, count):
    refused = collections.Counter()
    for (_names, refusal), number in verdicts.items():
        if refusal is not None:
            refused[refusal] += number
    what = volume_request.id_of(properties)
    LOG.info('DCNSiteFilter: %s: %s%s: %d of %d backends passed; rejected: '
             '%s%s', what, request.verb, _kept(request), passed, count,
             admission.summary(refused), '' if passed else _reasons(verdicts))
    if not LOG.isEnabledFor(logging.DEBUG):
        return
    if request.asked is not None:
        LOG.debug('DCNSiteFilter: %s asks %s', what,
                  json.dumps(request.asked.to_record(), sort_keys=True))
    for (names, refusal), number in verdicts.items():
        LOG.debug('DCNSiteFilter: %d backends of %s', number,
                  _explained(names, refusal))


def _kept(request):
    homes = backend_sites.text_of(request.homes)
    if request.verb == volume_request.RETYPE:
        return f' stays in {homes}'
    if request.verb == volume_request.MIGRATE:
        return f' from {homes} to wherever it was sent'
    return ''


def _reasons(verdicts):
    """Return why the sites that came furthest were refused."""
    rules = list(admission.Rule)
    furthest = max((rules.index(refusal.rule) for _names, refusal in verdicts
                    if refusal), default=0)
    texts = sorted(_explained(names, refusal) for names, refusal in verdicts
                   if refusal and rules.index(refusal.rule) == furthest)
    more = len(texts) - MAX_REASONS
    return ''.join(f'. {text}' for text in texts[:MAX_REASONS]) + (
        f'. {more} more sites alike' if more > 0 else '')


def _explained(names, refusal):
    # The words of admission.explain().
    where = backend_sites.text_of(names)
    if refusal is None:
        return f'{where}: accepted'
    return f'{where}: refused ({refusal.rule.value}): {refusal}'


class _UnheardOf:
    """Warn once of each site that a backend names and Nova does not know."""

    def __init__(self):
        self._warned = set()
        self._lock = threading.Lock()

    def warn(self, backend_state):
        label = backend_sites.label_of(backend_state)
        with self._lock:
            if label in self._warned:
                return
            self._warned.add(label)
        LOG.warning('DCNSiteFilter: backend %s says that it is in site %s, '
                    'which no aggregate of Nova names: nothing is known '
                    'about that site, and it is open to all',
                    backend_state.backend_id, label)


_unheard_of = _UnheardOf()
