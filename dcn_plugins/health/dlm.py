# SPDX-License-Identifier: Apache-2.0
"""``dcn_dlm``: whether the site's etcd would grant a lock now.

What is asked is a transaction that would write if a condition held which
never holds. Such a one goes through the log of the cluster like any write: it
takes a quorum, a leader, the right to write to our keys, and room in the
database. But nothing is written, so that no revision is left of it.
"""

import time
import urllib.parse

from oslo_config import cfg

from dcn_plugins.conf import health
from dcn_plugins import exceptions
from dcn_plugins.health import extension
from dcn_plugins.health import probe
from dcn_plugins.health import verdict
from dcn_plugins.locking import connection
from dcn_plugins.locking import etcd
from dcn_plugins.locking import etcd_requests
from dcn_plugins import native

SOURCE = '[dcn] health_etcd_url'
#: tooz' own drivers of etcd.
STOCK_SCHEMES = {'etcd3+http': 'dcn-etcd3+http',
                 'etcd3+https': 'dcn-etcd3+https'}
_TLS_OPTIONS = ('ca_cert', 'cert_cert', 'cert_key')
_WHAT = 'the DLM of the site'
#: Before the transaction is sent again; twice as long each time.
PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.05, 0.4
#: It is not with less than this left.
LEAST_SECONDS = 0.02


class DLMCheck(extension.ProbesExtension):
    """``dcn_dlm`` in ``backends`` of ``[app:healthcheck]``."""

    name = 'dcn_dlm'

    def probes(self):
        """Return the one probe; see :class:`ProbesExtension`."""
        health.register_opts(self.oslo_conf)
        seconds = self.oslo_conf.dcn.health_deadline_seconds
        settings = settings_of(self.oslo_conf)
        context = tls_context(settings, SOURCE)
        return [probe.Probe(
            _WHAT, lambda: Question(settings, context, seconds), seconds)], []


class Question:
    """A client of etcd, and what it is asked; for one native thread.

    :param context: for TLS, of sockets of the operating system, or None.
    :param seconds: that whoever asks will wait.
    """

    def __init__(self, settings, context, seconds):
        # There is to be time to tell what has not answered.
        self._seconds = 0.9 * seconds
        # One member that stands still must leave time for the others.
        self._client = etcd.Client(
            settings.endpoints, etcd.NativeLine(context), settings.user,
            self._seconds / len(settings.endpoints), clock=time.monotonic)
        key = f'{settings.namespace}/health'
        # Nothing was changed by a revision before the first one.
        self._transaction = etcd_requests.transaction(
            [etcd_requests.was_changed_at(key, -1)],
            [etcd_requests.put(key)])

    def __call__(self):
        """Return the verdict; raises nothing that etcd is the cause of.

        What no member takes is sent again until the time is over: a cluster
        that has lost its leader has another one after a second or two.
        """
        end = time.monotonic() + self._seconds
        pause = PAUSE_SECONDS
        while True:
            try:
                self._client.transaction(self._transaction,
                                         end - time.monotonic())
                return verdict.Verdict(True)
            except exceptions.EtcdUnavailable as exc:
                left = end - time.monotonic()
                if left < LEAST_SECONDS:
                    return _refusal(exc)
            except exceptions.EtcdError as exc:
                return _refusal(exc)
            # That of eventlet belongs to the hub.
            native.module('time').sleep(min(pause, left / 2))
            pause = min(2 * pause, MOST_PAUSE_SECONDS)


def _refusal(exc):
    return verdict.Verdict(False, f'{_WHAT} takes no writes', str(exc))


def settings_of(conf):
    """Return the :class:`~connection.Settings` of the etcd that is asked.

    :raises ConfigError: if there is none, or it is no etcd.
    """
    url, source = conf.dcn.health_etcd_url, SOURCE
    if not url:
        url, source = _backend_url(conf), connection.BACKEND_URL
    if not url:
        raise exceptions.ConfigError(
            SOURCE, 'it is not set, and this service has no '
            f'{connection.BACKEND_URL}', 'Set it to the etcd of the site, '
            'or take dcn_dlm out of the backends of the health check')
    return connection.settings_of(ours(url), source)


def tls_context(settings, source):
    """Return the context for a :class:`Question`, ``None`` without TLS.

    :param source: the option that has the URL.
    :raises ConfigError: if a file is of no use.
    """
    if not settings.endpoints[0].is_tls:
        return None
    try:
        return native.ssl_context(
            settings.ca_cert, settings.cert_cert, settings.cert_key)
    except OSError as exc:
        raise exceptions.ConfigError(
            source, 'a file of ca_cert, cert_cert or cert_key is of no use '
            f'({exc})', 'Name files in PEM that the service may read'
        ) from exc


def _backend_url(conf):
    # Not registered from here: the service would fail when it does so.
    try:
        return conf.coordination.backend_url
    except cfg.NoSuchOptError:
        return None


def ours(text):
    """Return the URL of one of tooz' own drivers as one of ours."""
    scheme, separator, rest = text.partition('://')
    if scheme not in STOCK_SCHEMES:
        return text
    place, _mark, query = rest.partition('?')
    options = [(name, value) for name, value in urllib.parse.parse_qsl(query)
               if name in _TLS_OPTIONS]
    return (STOCK_SCHEMES[scheme] + separator + place
            + ('?' + urllib.parse.urlencode(options) if options else ''))
