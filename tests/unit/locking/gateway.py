# SPDX-License-Identifier: Apache-2.0
"""etcd's JSON gateway on a loopback port, with the answers of a test."""

import dataclasses
import http.server
import json
import socket
import ssl
import subprocess
import threading

import fixtures

from dcn_plugins.locking import etcd
from tests.lab import deadline

WAIT_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is done with one request.

    :param body: sent as JSON, unless it is bytes.
    :param delay_seconds: before it is sent.
    :param until: event that is waited for before it is sent.
    :param is_dropped: whether the connection is closed instead.
    :param chunks: of a stream, in place of the body: bytes, or what is sent as
        one line of JSON.
    :param is_endless: whether a stream goes on after its chunks until the
        client leaves.
    """

    body: object = None
    status: int = 200
    headers: tuple = ()
    delay_seconds: float = 0
    until: threading.Event | None = None
    is_dropped: bool = False
    chunks: tuple | None = None
    is_endless: bool = False


@dataclasses.dataclass(frozen=True)
class Request:
    """What came in.

    :param bodies: what was sent: several of a stream.
    :param peer: address and port of the client.
    """

    path: str
    bodies: tuple
    headers: dict
    peer: tuple

    @property
    def body(self):
        """The one that was sent."""
        found, = self.bodies
        return found


class Gateway(fixtures.Fixture):
    """Answer with what is in ``answers``; note what came in ``requests``.

    ``answers`` maps a path below ``/v3`` to an :class:`Answer`, or to a list
    of them, one for each request, whose last one stays.

    :param certificates: :class:`Certificates` for TLS, or None.
    :param is_mutual: whether the client needs a certificate too.
    """

    def __init__(self, certificates=None, is_mutual=False):
        self._certificates = certificates
        self._is_mutual = is_mutual

    def _setUp(self):
        self.answers = {}
        self.requests = []
        self.left = []
        self._changed = threading.Condition()
        self._is_stopping = threading.Event()
        self._connections = set()
        self._server = _Server(self, self._context())
        self.endpoint = etcd.Endpoint(
            '127.0.0.1', self._server.server_port,
            self._certificates is not None)
        thread = threading.Thread(target=self._serve)
        thread.start()
        self.addCleanup(self._server.server_close)
        self.addCleanup(self._stop, thread)

    def peers(self):
        """Return the connections of the requests so far."""
        return {request.peer for request in self.of()}

    def of(self, path=None):
        """Return the requests so far, of one path if one is given."""
        with self._changed:
            return [request for request in self.requests
                    if path in (None, request.path)]

    def wait_for(self, path, count):
        """Wait until so many requests of a path have come in."""
        with self._changed:
            if not self._changed.wait_for(
                    lambda: [request.path for request in self.requests].count(
                        path) >= count, WAIT_SECONDS):
                raise deadline.LabTimeout(f'request {count} of {path}',
                                          WAIT_SECONDS)

    def wait_until_left(self):
        """Wait until a client has left an endless stream."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.left, WAIT_SECONDS):
                raise deadline.LabTimeout('the end of a stream', WAIT_SECONDS)

    def _context(self):
        if self._certificates is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificates.certificate,
                                self._certificates.key)
        if self._is_mutual:
            context.load_verify_locations(self._certificates.authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _serve(self):
        while True:
            try:
                request, address = self._server.get_request()
            except OSError:
                return
            with self._changed:
                self._connections.add(request)
            self._server.process_request(request, address)

    def _stop(self, thread):
        self._is_stopping.set()
        with self._changed:
            connections = [self._server.socket, *self._connections]
        for connection in connections:
            # Wakes its thread, which closing it would not.
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                pass  # It is closed already.
        thread.join()

    def answer(self, handler):
        """Handle one request of a connection."""
        length = int(handler.headers.get('Content-Length') or 0)
        path = handler.path.removeprefix('/v3')
        with self._changed:
            self.requests.append(Request(
                path, tuple(map(
                    json.loads, handler.rfile.read(length).splitlines())),
                dict(handler.headers), handler.client_address))
            answer = self.answers.get(path, Answer(b'Not Found', 404))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            self._changed.notify_all()
        if answer.delay_seconds:
            self._is_stopping.wait(answer.delay_seconds)
        if answer.until:
            answer.until.wait(WAIT_SECONDS)
        if answer.is_dropped:
            handler.close_connection = True
            return
        try:
            self._send(handler, answer)
        except OSError:
            # The client has lost its patience.
            handler.close_connection = True

    def _send(self, handler, answer):
        handler.send_response(answer.status)
        handler.send_header('Content-Type', 'application/json')
        for name, value in answer.headers:
            handler.send_header(name, value)
        if answer.chunks is None:
            body = _encoded(answer.body)
            handler.send_header('Content-Length', str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        handler.send_header('Transfer-Encoding', 'chunked')
        handler.end_headers()
        for chunk in answer.chunks:
            data = (chunk if isinstance(chunk, bytes)
                    else _encoded(chunk) + b'\n')
            handler.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        if answer.is_endless:
            handler.rfile.read(1)
            with self._changed:
                self.left.append(handler.client_address)
                self._changed.notify_all()
            handler.close_connection = True
        else:
            handler.wfile.write(b'0\r\n\r\n')


class Certificates(fixtures.Fixture):
    """An authority, and a certificate of it for 127.0.0.1 only.

    ``other_authority`` has signed nothing.
    """

    def _setUp(self):
        self._directory = self.useFixture(fixtures.TempDir())
        self.authority, authority_key = self._made('ca')
        self.other_authority, _key = self._made('other-ca')
        request, self.key = self._made('server', is_request=True)
        names = self._directory.join('names')
        with open(names, 'w') as file:
            file.write('subjectAltName = IP:127.0.0.1\n')
        self.certificate = self._directory.join('server.pem')
        _openssl('x509', '-req', '-in', request, '-CA', self.authority,
                 '-CAkey', authority_key, '-CAcreateserial', '-days', '2',
                 '-extfile', names, '-out', self.certificate)

    def _made(self, name, is_request=False):
        key = self._directory.join(f'{name}.key')
        path = self._directory.join(f'{name}.{"csr" if is_request else "pem"}')
        kind = [] if is_request else ['-x509', '-days', '2']
        _openssl('req', *kind, '-newkey', 'ec', '-pkeyopt',
                 'ec_paramgen_curve:prime256v1', '-nodes', '-subj',
                 f'/CN={name}', '-keyout', key, '-out', path)
        return path, key


class ClosedPort(fixtures.Fixture):
    """An endpoint that takes no connection, and that nobody else gets."""

    def _setUp(self):
        # It is bound, and nobody listens.
        bound = socket.socket()
        self.addCleanup(bound.close)
        bound.bind(('127.0.0.1', 0))
        self.endpoint = etcd.Endpoint(*bound.getsockname())


class _Server(http.server.ThreadingHTTPServer):

    daemon_threads = True

    def __init__(self, gateway, context):

        class Handler(http.server.BaseHTTPRequestHandler):

            protocol_version = 'HTTP/1.1'
            # Head and body are written one after the other.
            disable_nagle_algorithm = True

            def do_POST(self):
                gateway.answer(self)

            def log_message(self, *args):
                pass

        super().__init__(('127.0.0.1', 0), Handler)
        if context:
            # Shakes hands in the thread of the connection.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request, client_address):
        """Say nothing about clients that leave."""


def _encoded(body):
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _openssl(*arguments):
    subprocess.run(['openssl', *arguments], check=True, capture_output=True)
