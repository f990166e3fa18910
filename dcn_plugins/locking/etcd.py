# SPDX-License-Identifier: Apache-2.0
"""etcd through its JSON gateway: one cluster, several endpoints.

What comes back is etcd's JSON, see https://etcd.io/docs/v3.4/dev-guide/ and
its ``rpc.proto``: numbers are texts, keys and values are base64.
"""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import time

import urllib3

from dcn_plugins import exceptions
from dcn_plugins import native

DEFAULT_PORT = 2379

# How long one endpoint may take to accept a connection. Longer than a lost
# packet takes to be sent again.
CONNECT_SECONDS = 1.5

# Codes of gRPC that say "not now, or not this member". All others are about
# the request, which no other member would take either.
_ELSEWHERE = frozenset([
    1,   # cancelled
    2,   # unknown: a proposal that was dropped, among others
    4,   # deadline exceeded
    8,   # resource exhausted
    10,  # aborted
    13,  # internal
    14,  # unavailable: no leader, a leader that changes
])
NOT_FOUND = 5

_HOST_AND_PORT = re.compile(
    r'(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s\[\]:@/?#]+))'
    r'(?::(?P<port>[0-9]{0,5}))?')
_UNAUTHENTICATED = 16
# A member that does not know a token says so with other codes.
_BAD_TOKENS = ('invalid auth token', 'revision of auth store is old')

_NO_RETRIES = urllib3.Retry(total=False)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One member of the cluster."""

    host: str
    port: int
    is_tls: bool = False

    @classmethod
    def parsed(cls, text, is_tls):
        """Return the endpoint of ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``.

        :raises ValueError: if it is none.
        """
        found = _HOST_AND_PORT.fullmatch(text)
        port = int(found['port'] or DEFAULT_PORT) if found else 0
        if not 0 < port < 65536:
            # It is not repeated: an unescaped sign in a password may have
            # made it of a part of that.
            raise ValueError('one of the members is no HOST:PORT')
        return cls(found['address'] or found['host'], port, is_tls)

    def __str__(self):
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'{"https" if self.is_tls else "http"}://{host}:{self.port}'


class Answer(dict):
    """What etcd says to a call.

    :param is_repeated: whether the call was sent before, to a member that did
        not answer: it may have had its effect then, or will have it yet.
    """

    is_repeated = False


class Pool:
    """Connections for the threads or greenlets of a service.

    :param context: of :func:`native.ssl_context` for them, or None.
    """

    def __init__(self, context=None):
        self._options = {}
        if context:
            # urllib3 compares the name of the server by itself then. Older
            # ones do not tell OpenSSL one that is an address.
            context.check_hostname = False
            self._options['ssl_context'] = context
        self._pools = {}
        self._pid = None

    def _pool(self, endpoint):
        # Connections that a fork has copied would carry the answers of the
        # other process. They are dropped and not closed: they are in use.
        if self._pid != os.getpid():
            self._pools = {}
            self._pid = os.getpid()
        found = self._pools.get(endpoint)
        if found is None:
            # As many as wait at once keep theirs; more are closed after use.
            found = self._pools.setdefault(
                endpoint, urllib3.connection_from_url(
                    str(endpoint), maxsize=64, **self._options))
        return found

    def post(self, endpoint, path, body, headers, seconds):
        """Return ``(status, bytes)``.

        :raises ConnectionError: when nothing can have arrived.
        :raises OSError: when it may have.
        """
        with _translated():
            answer = self._pool(endpoint).urlopen(
                'POST', path, body, headers, _NO_RETRIES,
                timeout=_timeout(seconds))
        return answer.status, answer.data

    @contextlib.contextmanager
    def stream(self, endpoint, path, body, headers, seconds):
        """Yield ``(status, iterator of bytes)`` of an answer without end."""
        with _translated():
            answer = self._pool(endpoint).urlopen(
                'POST', path, body, headers, _NO_RETRIES,
                timeout=_timeout(seconds), preload_content=False)
            try:
                yield answer.status, answer.stream(65536)
            finally:
                # What is still to come belongs to nobody.
                answer.close()

    def close(self):
        """Close all connections."""
        pools, self._pools = self._pools, {}
        if self._pid == os.getpid():
            for pool in pools.values():
                pool.close()


class NativeLine:
    """One connection for a thread of the operating system; see ``native``."""

    def __init__(self, context=None):
        self._context = context
        self._connection = None
        self._endpoint = None

    def post(self, endpoint, path, body, headers, seconds):
        """Return ``(status, bytes)``; the exceptions are those of Pool."""
        if self._endpoint != endpoint:
            self.close()
        if self._connection is None:
            connection = native.Connection(
                endpoint.host, endpoint.port, min(seconds, CONNECT_SECONDS),
                self._context if endpoint.is_tls else None)
            try:
                connection.connect()
            except OSError as exc:
                raise ConnectionError(str(exc)) from exc
            self._connection, self._endpoint = connection, endpoint
        try:
            self._connection.sock.settimeout(seconds)
            self._connection.request('POST', path, body, headers)
            answer = self._connection.getresponse()
            found = answer.status, answer.read()
            # The server has said that this was the last one.
            if self._connection.sock is None:
                self.close()
            return found
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise OSError(f'{type(exc).__name__}: {exc}') from exc

    def close(self):
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Client:
    """Calls to one etcd cluster; thread-safe if its transport is.

    :param endpoints: of :class:`Endpoint`; the one that has answered last is
        asked first.
    :param transport: :class:`Pool` or :class:`NativeLine`.
    :param user: name and password, or None.
    :param attempt_seconds: how long one endpoint may take.
    :param path: of the gateway.
    :param clock: seconds that also pass while the machine is suspended.
    """

    def __init__(self, endpoints, transport, user=None, attempt_seconds=5.0,
                 path='/v3', clock=time.monotonic):
        if not endpoints:
            raise ValueError('etcd has no endpoint')
        self._endpoints = tuple(endpoints)
        self._first = 0
        self._transport = transport
        self._user = user
        self._token = None
        self._attempt_seconds = attempt_seconds
        self._path = path
        self._clock = clock
        self._revision = 0
        #: How often etcd has gone back to an earlier state.
        self.rewinds = 0
        #: Another object when a transaction has ended that may have changed
        #: anything. A number would not be that in all threads.
        self.changes = object()

    def call(self, path, body, seconds):
        """Return the :class:`Answer` of the first endpoint that has one.

        Each endpoint is tried once, as long as there is time. A call that may
        have arrived is sent to the next one all the same: all requests of
        ours can be repeated.

        :param path: like ``/kv/txn``.
        :param body: a dictionary.
        :param seconds: for all tries together.
        :raises EtcdUnavailable: if none has answered in time.
        :raises EtcdRefused: if one has answered with an error.
        """
        deadline = self._clock() + seconds
        failures = []
        is_sent = False
        seen = self._revision
        for endpoint in self._in_turn():
            left = deadline - self._clock()
            if left <= 0:
                break
            try:
                answer = Answer(self._call_one(
                    endpoint, path, body, min(left, self._attempt_seconds)))
                self._prefer(endpoint)
                self._note_revision(path, answer, seen)
                answer.is_repeated = is_sent
                return answer
            except exceptions.EtcdRefused as exc:
                if is_sent:
                    raise exceptions.EtcdRefused(
                        f'{endpoint}: {exc.text}', exc.code, exc.text,
                        True) from exc
                raise
            except ConnectionError as exc:
                failures.append(f'{endpoint}: {exc}')
            except (OSError, exceptions.EtcdUnavailable) as exc:
                is_sent = True
                failures.append(f'{endpoint}: {exc}')
                # If no other takes it either, the next call shall not lose
                # its time here again.
                self._avoid(endpoint)
        raise exceptions.EtcdUnavailable(
            '; '.join(failures) or f'no time was left of {seconds:g} s',
            is_sent)

    def _note_revision(self, path, answer, seen):
        """Find out whether etcd has gone back: it was restored then.

        :param seen: what was known of it before the call was sent.
        """
        # These are linearizable: no answer is older than its question.
        if path not in ('/kv/txn', '/kv/range'):
            return
        with contextlib.suppress(KeyError, TypeError, ValueError):
            revision = int(answer['header']['revision'])
            if revision < seen:
                self.rewinds += 1
                self._revision = revision
            else:
                self._revision = max(self._revision, revision)

    def transaction(self, body, seconds):
        """Run a transaction; see :meth:`call`."""
        may_have_changed = True
        try:
            answer = self.call('/kv/txn', body, seconds)
            may_have_changed = answer.is_repeated or _has_changed(answer)
            return answer
        finally:
            if may_have_changed:
                self.changes = object()

    @contextlib.contextmanager
    def watch(self, keys, seconds):
        """Yield an iterator over what watches of keys' deletions tell.

        An empty tuple says that all of them have begun, another one which
        keys were deleted. They begin now: one that begins with a revision of
        the past is served ten times a second only.

        :param keys: each as base64.
        :param seconds: after which silence raises EtcdUnavailable.
        :raises EtcdUnavailable: also while it is iterated over.
        :raises EtcdRefused: if etcd will not watch.
        """
        # The gateway reads one request after the other, and so is one
        # connection enough for all of them.
        body = b'\n'.join(json.dumps({'create_request': {
            'key': key, 'filters': ['NOPUT']}}).encode() for key in keys)
        # Without any time urllib3 does not even begin.
        seconds = max(seconds, 0.001)
        endpoint = next(self._in_turn())
        told = []
        try:
            with self._transport.stream(
                    endpoint, f'{self._path}/watch', body,
                    self._headers(endpoint, seconds), seconds) as (
                        status, chunks):
                if status != 200:
                    _raise(endpoint, status, b''.join(chunks))
                yield _watched(endpoint, chunks, len(keys), told)
        except exceptions.EtcdRefused as exc:
            self._forget_token(exc)
            raise
        except (OSError, exceptions.EtcdUnavailable) as exc:
            # Silence after the beginning is what a watch is mostly about.
            if not told:
                self._avoid(endpoint)
            raise exceptions.EtcdUnavailable(f'{endpoint}: {exc}') from exc

    def close(self):
        """Close the connections."""
        self._transport.close()

    def _call_one(self, endpoint, path, body, seconds):
        data = json.dumps(body).encode()
        deadline = self._clock() + seconds
        for is_last in (False, True):
            headers = self._headers(endpoint, seconds)
            seconds = deadline - self._clock()
            if seconds <= 0:
                raise ConnectionError('logging in took all of the time')
            status, answer = self._transport.post(
                endpoint, self._path + path, data, headers, seconds)
            seconds = max(0.001, deadline - self._clock())
            try:
                found = _parsed(endpoint, answer) if status == 200 else {}
                # Of a stream, as a renewal is one, also the errors have 200.
                if status != 200 or found.get('error'):
                    _raise(endpoint, status, answer)
                return found
            except exceptions.EtcdRefused as exc:
                if is_last or not self._forget_token(exc):
                    raise
        raise AssertionError('not reached')

    def _forget_token(self, error):
        """Tell whether a refusal was about the token, and forget it then."""
        is_stale = bool(self._user) and _is_about_token(
            error.code, error.text)
        if is_stale:
            self._token = None
        return is_stale

    def _headers(self, endpoint, seconds):
        headers = {'Content-Type': 'application/json'}
        if self._user:
            token = self._token
            if token is None:
                token = self._token = self._authenticated(endpoint, seconds)
            headers['Authorization'] = token
        return headers

    def _authenticated(self, endpoint, seconds):
        name, password = self._user
        status, answer = self._transport.post(
            endpoint, f'{self._path}/auth/authenticate',
            json.dumps({'name': name, 'password': password}).encode(),
            {'Content-Type': 'application/json'}, seconds)
        if status != 200:
            _raise(endpoint, status, answer)
        token = _parsed(endpoint, answer).get('token')
        if not token:
            raise OSError(f'{endpoint} gives no token')
        return str(token)

    def _in_turn(self):
        first = self._first
        for number in range(len(self._endpoints)):
            yield self._endpoints[(first + number) % len(self._endpoints)]

    def _prefer(self, endpoint):
        self._first = self._endpoints.index(endpoint)

    def _avoid(self, endpoint):
        first = self._first
        if self._endpoints[first] == endpoint:
            self._first = (first + 1) % len(self._endpoints)


def _has_changed(answer):
    """Tell whether a transaction has done anything but read."""
    return any(
        _has_changed(found) if kind == 'response_txn'
        else kind != 'response_range'
        for part in answer.get('responses', ())
        for kind, found in part.items())


def is_not_found(error):
    """Tell whether etcd has refused a call as it does not know the lease."""
    return isinstance(error, exceptions.EtcdRefused) and (
        error.code == NOT_FOUND)


def _timeout(seconds):
    return urllib3.Timeout(connect=min(seconds, CONNECT_SECONDS),
                           read=seconds)


@contextlib.contextmanager
def _translated():
    try:
        yield
    except (urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError) as exc:
        raise ConnectionError(_text(exc)) from exc
    except urllib3.exceptions.SSLError as exc:
        # Nothing is sent to a server that is not who it should be. The error
        # of OpenSSL and that of urllib3 have this in common.
        if exc.args and isinstance(exc.args[0], ValueError):
            raise ConnectionError(_text(exc)) from exc
        raise OSError(_text(exc)) from exc
    except urllib3.exceptions.HTTPError as exc:
        raise OSError(_text(exc)) from exc


def _text(exc):
    # urllib3 begins with the address of an object in memory, or has that
    # object as the first of two arguments.
    text = str(exc.args[-1] if exc.args else exc)
    return f'{type(exc).__name__}: {text.partition(">: ")[2] or text}'


def _parsed(endpoint, answer):
    try:
        found = json.loads(answer)
    except ValueError as exc:
        raise OSError(f'{endpoint} does not answer with JSON') from exc
    if not isinstance(found, dict):
        raise OSError(f'{endpoint} does not answer with an object')
    return found


def _raise(endpoint, status, answer):
    """Raise what an answer other than 200 means."""
    try:
        found = json.loads(answer)
        # In the answer of a watch the error is one level below.
        found = found.get('error') if isinstance(
            found.get('error'), dict) else found
        code = int(found.get('code', found.get('grpc_code', 0)))
        text = str(found.get('message') or found.get('error') or '')
    except (ValueError, TypeError, AttributeError):
        code, text = 0, ''
    is_elsewhere = code in _ELSEWHERE or (status >= 500 and not code)
    if not text or (is_elsewhere and not _is_about_token(code, text)):
        raise exceptions.EtcdUnavailable(
            f'{endpoint}: {status} {text or "without a reason"}', True)
    raise exceptions.EtcdRefused(f'{endpoint}: {text}', code, text)


def _is_about_token(code, text):
    return code == _UNAUTHENTICATED or any(
        known in text for known in _BAD_TOKENS)


def _watched(endpoint, chunks, count, told):
    rest, begun = b'', 0
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b'\n')
        for line in filter(None, lines):
            found = _parsed(endpoint, line)
            if 'error' in found:
                _raise(endpoint, 200, line)
            result = found.get('result') or {}
            told.append(result)
            if result.get('canceled'):
                raise OSError(f'{endpoint} has cancelled the watch')
            if result.get('created'):
                begun += 1
                if begun == count:
                    yield ()
            if result.get('events'):
                yield tuple(event['kv']['key'] for event in result['events'])
    raise OSError(f'{endpoint} has ended the watch')
