# SPDX-License-Identifier: Apache-2.0
"""Ask one member of an etcd how it is.

It answers by itself: neither question takes a quorum, so a member that is cut
off from the others says so.
"""

import dataclasses
import re
import time

import urllib3

from dcn_plugins import exceptions
from dcn_plugins.locking import connection
from dcn_plugins import native
from dcn_plugins.osc import clock as clocks
from dcn_plugins.osc import etcd_findings

#: How often a round trip is measured.
LOOKS = 3

_QUOTA = re.compile(rb'^etcd_server_quota_backend_bytes (\S+)$', re.MULTILINE)


class EtcdMember:
    """One member; it is asked by :meth:`read`.

    :param settings: :class:`~dcn_plugins.locking.connection.Settings` of the
        cluster.
    :param endpoint: of the member.
    :param source: who names it, for people.
    """

    def __init__(self, settings, endpoint, source):
        self._settings = settings
        self._endpoint = endpoint
        self._source = source

    def read(self, seconds):
        """Return the :class:`~dcn_plugins.osc.etcd_findings.Member`.

        :param seconds: for all that is asked.
        :raises EtcdError: if it does not answer in time, or refuses.
        :raises ConfigError: if a file for TLS is of no use.
        """
        ends_at = time.monotonic() + seconds
        made = connection.Connection(dataclasses.replace(
            self._settings, endpoints=(self._endpoint,),
            attempt_seconds=seconds), source=self._source)
        try:
            told = made.client.call('/maintenance/status', {}, seconds)
        finally:
            made.client.close()
        with urllib3.connection_from_url(
                str(self._endpoint), **self._tls()) as pool:
            # The first one is for the connection; of the others the quickest
            # counts, as a machine may be busy for a moment.
            self._get(pool, '/version', ends_at)
            round_trip, clock = min(
                (self._timed(pool, ends_at) for _again in range(LOOKS)),
                key=lambda found: found[0])
            quota = told.get('dbSizeQuota')
            if quota is None:
                # Before etcd 3.6 nothing else tells it.
                quota = self._quota(pool, ends_at)
        return etcd_findings.Member(
            version=str(told.get('version', '')),
            cluster=str(told.get('header', {}).get('cluster_id', '')),
            # What is 0 is left out.
            leader=str(told.get('leader', '0')),
            errors=tuple(map(str, told.get('errors', ()))),
            size_bytes=int(told.get('dbSize', 0)),
            quota_bytes=None if quota is None else int(quota),
            round_trip_seconds=round_trip,
            clock=clock)

    def _timed(self, pool, ends_at):
        """Return the seconds of a round trip, and the member's clock."""
        sent_at = time.time()
        started = time.monotonic()
        answer = self._get(pool, '/version', ends_at)
        seconds = time.monotonic() - started
        return seconds, clocks.clock_of(answer.headers.get('Date'), sent_at,
                                        sent_at + seconds)

    def _tls(self):
        found = self._settings
        if not self._endpoint.is_tls:
            return {}
        context = native.ssl_context(found.ca_cert, found.cert_cert,
                                     found.cert_key, False)
        # As in Pool of dcn_plugins.locking.etcd.
        context.check_hostname = False
        return {'ssl_context': context}

    def _get(self, pool, path, ends_at):
        seconds = ends_at - time.monotonic()
        if seconds <= 0:
            raise exceptions.EtcdUnavailable(
                f'{self._endpoint}: no time was left for {path}')
        try:
            return pool.urlopen('GET', path, retries=False,
                                timeout=urllib3.Timeout(seconds))
        except urllib3.exceptions.HTTPError as exc:
            raise exceptions.EtcdUnavailable(
                f'{self._endpoint}: {type(exc).__name__} at {path}') from exc

    def _quota(self, pool, ends_at):
        """Return the limit of its database, ``None`` if it does not tell."""
        try:
            answer = self._get(pool, '/metrics', ends_at)
        except exceptions.EtcdUnavailable:
            # It may listen elsewhere only, or the line may be slow.
            return None
        found = _QUOTA.search(answer.data) if answer.status == 200 else None
        try:
            return None if found is None else int(float(found[1]))
        except ValueError:
            return None
