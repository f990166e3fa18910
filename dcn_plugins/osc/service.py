# SPDX-License-Identifier: Apache-2.0
"""One API of the cloud, with a deadline for each call."""

import time

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exceptions

from dcn_plugins import exceptions
from dcn_plugins.osc import clock

_REMEDIES = {
    401: 'Log in again',
    403: 'Use the credentials of an administrator',
    404: 'See whether the name or id is right',
    406: 'Use a release of the service that dcn_plugins supports',
    409: 'See what else happens to it, and try again',
}


class Service:
    """Calls to one API; thread-safe, as its session is.

    :param session: of keystoneauth.
    :param kind: its type in the catalogue.
    :param name: for people.
    :param version: its microversion, ``None`` for none.
    """

    def __init__(self, session, kind, name, version=None, interface=None,
                 region=None):
        self.name = name
        #: Its :class:`~dcn_plugins.osc.clock.Clock` by the quickest answer so
        #: far; ``None`` if there was none that tells the time.
        self.clock = None
        self._adapter = adapter.Adapter(
            session, service_type=kind, interface=interface,
            region_name=region, default_microversion=version,
            connect_retries=0, status_code_retries=0)

    def get(self, path, seconds, version=None):
        """Return the JSON of an answer; see :meth:`call`."""
        return self.call('GET', path, seconds, version=version)

    def call(self, method, path, seconds, body=None, version=None):
        """Return the JSON of an answer; empty if it has none.

        :param seconds: how long it may be silent.
        :param version: a microversion for this call.
        :raises ServiceError: whatever goes wrong; its status is that of HTTP.
        """
        answer = self._answer(
            path, method, seconds,
            **({} if body is None else {'json': body}),
            **({} if version is None else {'microversion': version}))
        try:
            return answer.json() if answer.content else {}
        except ValueError as exc:
            raise exceptions.ServiceError(
                self.name, f'the answer to {path} is no JSON',
                'See what answers in its place') from exc

    def put_bytes(self, path, seconds, data, headers):
        """Send data as they are; the errors are those of :meth:`call`.

        :param seconds: for all of them, and for the answer after that.
        """
        self._answer(
            path, 'PUT', seconds, data=_Timed(data, seconds), headers={
                'Content-Type': 'application/octet-stream', **headers})

    def get_bytes(self, path, seconds):
        """Return data as they are; the errors are those of :meth:`call`."""
        return self._answer(path, 'GET', seconds, headers={
            'Accept': 'application/octet-stream'}).content

    def _answer(self, path, method, seconds, **options):
        sent_at = time.time()
        try:
            answer = self._adapter.request(path, method, timeout=seconds,
                                           **options)
            self.clock = clock.surer(self.clock, clock.clock_of(
                answer.headers.get('Date'), sent_at, time.time()))
            return answer
        except ks_exceptions.HttpError as exc:
            status = exc.http_status
            raise exceptions.ServiceError(
                self.name, str(exc).rstrip('.'), _REMEDIES.get(
                    status, 'See the log of the service'), status) from exc
        except (ks_exceptions.ConnectTimeout,
                ks_exceptions.ConnectFailure) as exc:
            raise exceptions.ServiceError(
                self.name, f'it does not answer: {exc}'.rstrip('.'),
                'See whether it runs and can be reached') from exc
        except (ks_exceptions.CatalogException,
                ks_exceptions.AuthPluginException) as exc:
            raise exceptions.ServiceError(
                self.name, str(exc).rstrip('.'),
                'See --os-region-name, --os-interface and the catalogue'
            ) from exc
        except ks_exceptions.ClientException as exc:
            raise exceptions.ServiceError(
                self.name, str(exc).rstrip('.'),
                'See whether it can be reached') from exc

    def version_prefix(self, version):
        """Return the part of a path that an endpoint may have, or ``''``."""
        url = self._adapter.get_endpoint() or ''
        return '' if url.rstrip('/').endswith(f'/{version}') else f'/{version}'


class _Timed:
    """Data that are not read any more when their time is over.

    Else each part of them would have all of it. At their end they begin anew:
    after a log-in the session sends them once more.
    """

    def __init__(self, data, seconds):
        self._data = memoryview(data)
        self._at = 0
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        # What has this is sent as it is read.
        return iter(lambda: self.read(1 << 16), b'')

    def read(self, size=-1):
        """Return the next part; raises TimeoutError when the time is over."""
        if time.monotonic() > self._ends_at:
            raise TimeoutError(f'not all was sent within {self._seconds:g} s')
        ends = len(self) if size is None or size < 0 else self._at + size
        part = bytes(self._data[self._at:ends])
        self._at = self._at + len(part) if part else 0
        return part
