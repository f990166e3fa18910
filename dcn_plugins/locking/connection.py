# SPDX-License-Identifier: Apache-2.0
"""What a process needs to use one etcd: from a URL to a client and a lease.

The URL is that of our driver of tooz, whoever reads it; see
:class:`~dcn_plugins.locking.tooz_driver.DCNEtcd3Driver` for its options.
"""

import dataclasses
import functools
import urllib.parse

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import lease as leases
from dcn_plugins.locking import session
from dcn_plugins import native

BACKEND_URL = '[coordination] backend_url'
SCHEMES = ('dcn-etcd3+http', 'dcn-etcd3+https')

#: Seconds within which the locks of a process that has died are free.
DEFAULT_TTL_SECONDS = 15
DEFAULT_ATTEMPT_SECONDS = 5.0
DEFAULT_OUTAGE_SECONDS = 300.0
DEFAULT_NAMESPACE = '/dcn'


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the URL of a driver says."""

    endpoints: tuple[etcd.Endpoint, ...]
    user: tuple[str, str] | None = None
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    attempt_seconds: float = DEFAULT_ATTEMPT_SECONDS
    outage_seconds: float = DEFAULT_OUTAGE_SECONDS
    namespace: str = DEFAULT_NAMESPACE
    ca_cert: str | None = None
    cert_cert: str | None = None
    cert_key: str | None = None

    @classmethod
    def parsed(cls, url, options, source=BACKEND_URL):
        """Return the settings of a URL and its options.

        :param url: split, as tooz hands it over.
        :param options: mapping of names to texts.
        :param source: the option that has the URL.
        :raises ConfigError: that names the option and the remedy; it does not
            tell the URL, which may hold a password.
        """
        is_tls = url.scheme.endswith('https')
        credentials, _at, hosts = url.netloc.rpartition('@')
        name, _colon, password = credentials.partition(':')
        values = {'user': (urllib.parse.unquote(name),
                           urllib.parse.unquote(password)) if name else None}
        try:
            values['endpoints'] = tuple(
                etcd.Endpoint.parsed(host, is_tls)
                for host in (hosts or 'localhost').split(','))
        except ValueError as exc:
            raise exceptions.ConfigError(
                source, str(exc), 'Write HOST:PORT, and a comma between '
                'several members') from exc
        for option, value in options.items():
            if option not in _OPTIONS:
                raise exceptions.ConfigError(
                    source, f'there is no option {option}',
                    'Use some of ' + ', '.join(sorted(_OPTIONS)))
            field, convert, is_allowed = _OPTIONS[option]
            try:
                values[field] = convert(value)
            except ValueError as exc:
                raise exceptions.ConfigError(
                    source, f'{option}={value} is no number',
                    'Write a number of seconds') from exc
            if not is_allowed(values[field]):
                raise exceptions.ConfigError(
                    source, f'{option}={value} is out of range',
                    _RANGES[option])
        return cls(**values)


_OPTIONS = {
    'ttl': ('ttl_seconds', int, lambda value: 3 <= value <= 3600),
    'timeout': ('attempt_seconds', float, lambda value: 0.1 <= value <= 60),
    'outage': ('outage_seconds', float, lambda value: 0 <= value <= 86400),
    'namespace': ('namespace', str, lambda value: value.strip('/')),
    'ca_cert': ('ca_cert', str, bool),
    'cert_cert': ('cert_cert', str, bool),
    'cert_key': ('cert_key', str, bool),
}
_RANGES = {
    'ttl': 'Give 3 to 3600 seconds',
    'timeout': 'Give 0.1 to 60 seconds',
    'outage': 'Give 0 to 86400 seconds',
    'namespace': 'Give the beginning of a key, like /dcn',
    'ca_cert': 'Name a file', 'cert_cert': 'Name a file',
    'cert_key': 'Name a file'}


def settings_of(text, source):
    """Return the :class:`Settings` of the text of a URL.

    :param source: the option that has it.
    :raises ConfigError: if it is none of ours; it does not tell the URL.
    """
    try:
        url = urllib.parse.urlsplit(text)
        options = dict(urllib.parse.parse_qsl(
            url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
    except ValueError as exc:
        raise exceptions.ConfigError(
            source, 'it is no URL', f'Write {SCHEMES[0]}://HOST:PORT, an '
            'address of IPv6 in brackets and first') from exc
    if url.scheme not in SCHEMES:
        raise exceptions.ConfigError(
            source, f'its scheme is none of {", ".join(SCHEMES)}',
            f'Write {SCHEMES[0]}://HOST:PORT')
    return Settings.parsed(url, options, source)


class Connection:
    """A client and the lease of this process; asks etcd for nothing yet.

    :param settings: :class:`Settings`.
    :param on_lost: see :class:`~dcn_plugins.locking.session.Session`.
    :param source: the option that has the URL.
    :raises ConfigError: if a file for TLS is of no use.
    """

    def __init__(self, settings, on_lost=None, source=BACKEND_URL):
        # One for the sockets of the service, one for those of the renewal.
        contexts = None, None
        if settings.endpoints[0].is_tls:
            try:
                contexts = [native.ssl_context(
                    settings.ca_cert, settings.cert_cert, settings.cert_key,
                    is_native) for is_native in (False, True)]
            except OSError as exc:
                raise exceptions.ConfigError(
                    source, 'a file of ca_cert, cert_cert or cert_key is of '
                    f'no use ({exc})', 'Name files in PEM that the service '
                    'may read') from exc
        self.client = etcd.Client(
            settings.endpoints, etcd.Pool(contexts[0]), settings.user,
            settings.attempt_seconds, clock=session.clock)
        self.session = session.Session(
            self.client, functools.partial(_renewer, settings, contexts[1]),
            settings.ttl_seconds, on_lost,
            f'{settings.namespace.rstrip("/")}/witness')

    def close(self):
        """Give the lease back, and all that hangs on it; never raises."""
        self.session.close()
        self.client.close()


def _renewer(settings, context):
    return etcd.Client(
        settings.endpoints, etcd.NativeLine(context), settings.user,
        leases.attempt_seconds(settings.ttl_seconds,
                               len(settings.endpoints)),
        clock=session.clock)
