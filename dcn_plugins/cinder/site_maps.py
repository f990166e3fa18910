# SPDX-License-Identifier: Apache-2.0
"""What cinder-scheduler knows about sites, read from Nova's API.

Sites are aggregates, and aggregates are Nova's. So the state of a site is set
in one place and holds for servers and volumes. Cinder asks with the
credentials it has anyway, to tell Nova about extended volumes.
"""

import functools
import threading
import time

from cinder.compute import nova
from cinder import context as cinder_context
from oslo_config import cfg
from oslo_log import log as logging

from dcn_plugins.cinder import backend_sites
from dcn_plugins import map_cache

LOG = logging.getLogger(__name__)

# A map that nobody has asked for in a while is older than one that is renewed
# all the time: beyond this multiple of its normal age a request waits for a
# new one, as a site may have been closed long ago.
MAX_AGES = 2

# Nova that does not answer is told again after this time.
REPEAT_WARNING_SECONDS = 3600.0


class SiteMaps:
    """The newest answer of Nova, or the last there was, or none.

    Thread-safe; nothing is asked before the first call. After a failure Nova
    is left alone, and nobody waits for it, for the time in which an answer
    would have been used.

    :param conf: the options of ``[dcn]``.
    :param read: function that returns ``[(id, metadata, hosts)]``.
    """

    def __init__(self, conf, read=None):
        self._keep_seconds = conf.site_map_seconds
        self._read_aggregates = read or functools.partial(
            read_aggregates, conf.site_map_timeout_seconds)
        self._lock = threading.Lock()
        self._last = backend_sites.BackendSites(None)
        self._failed_at = None
        self._warned_at = None
        self._maps = None
        if conf.site_lookup:
            self._maps = map_cache.SiteMaps(conf.site_map_seconds, self._read,
                                            max_ages=MAX_AGES)
        else:
            LOG.warning('DCN: site_lookup is off: sites have neither state '
                        'nor projects, and all are open')

    def current(self):
        """Return :class:`~.backend_sites.BackendSites`; never raises."""
        if self._maps is None or self._is_failing():
            return self._last
        try:
            found = self._maps.current()
        # The last line of defence of a door: what Keystone, Nova or their
        # clients throw ends no request.
        except Exception as exc:
            self._failed(exc)
            return self._last
        with self._lock:
            if self._last.site_map is not found:
                self._last = backend_sites.BackendSites(found)
            return self._last

    def _read(self):
        # Whoever was waiting for the one that has just failed comes here.
        if self._is_failing():
            raise ConnectionError('Nova did not answer just now')
        try:
            found = self._read_aggregates()
        except Exception as exc:
            self._failed(exc)
            raise
        with self._lock:
            was_failing = self._failed_at is not None
            self._failed_at = self._warned_at = None
        if was_failing:
            LOG.info('DCN: Nova tells its aggregates again')
        return found

    def _is_failing(self):
        with self._lock:
            return self._failed_at is not None and (
                time.monotonic() - self._failed_at < self._keep_seconds)

    def _failed(self, exc):
        now = time.monotonic()
        with self._lock:
            self._failed_at = now
            is_told = self._warned_at is not None and (
                now - self._warned_at < REPEAT_WARNING_SECONDS)
            if not is_told:
                self._warned_at = now
            is_known = self._last.site_map is not None
        if is_told:
            return
        LOG.warning('DCN: Nova did not tell its aggregates (%s: %s); %s. '
                    'Check [nova] of cinder.conf, whose user must be allowed '
                    'to list them', type(exc).__name__, exc,
                    'the last answer goes on being used' if is_known else
                    'until it does all sites are open')


def read_aggregates(timeout_seconds):
    """Return ``[(id, metadata, hosts)]`` of all aggregates.

    An aggregate without hosts counts as one with a host of its own: a site
    may have volumes and no servers.

    :param timeout_seconds: for each answer of Keystone and of Nova.
    :raises LookupError: if cinder.conf has no credentials for Nova.
    :raises Exception: that of a client.
    """
    if not cfg.CONF.nova.auth_type:
        raise LookupError('[nova] auth_type is not set')
    client = nova.novaclient(cinder_context.get_admin_context(),
                             privileged_user=True, timeout=timeout_seconds)
    # novaclient() has a session made, and novaclient then passes over the
    # timeout that it is given. The session is of this call alone.
    session = client.client.session
    session.timeout = min(timeout_seconds, session.timeout or timeout_seconds)
    return [(str(found.id), found.metadata,
             found.hosts or [f'aggregate {found.id}'])
            for found in client.aggregates.list()]
