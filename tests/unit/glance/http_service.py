# SPDX-License-Identifier: Apache-2.0
"""A service on a loopback port: Keystone and the image API for a test."""

import http.server
import json
import socket
import threading

import fixtures


class Serving(fixtures.Fixture):
    """Let a ``socketserver`` serve in a thread.

    Not ``serve_forever``: under eventlet, which the tests of Glance before
    33.0.0 turn on, it would stop the whole process.
    """

    def __init__(self, server):
        self._server = server

    def _setUp(self):
        thread = threading.Thread(target=self._serve)
        thread.start()
        self.addCleanup(self._server.server_close)
        self.addCleanup(thread.join)
        # Wakes the thread, which closing the socket would not.
        self.addCleanup(self._server.socket.shutdown, socket.SHUT_RDWR)

    def _serve(self):
        while True:
            try:
                request, address = self._server.get_request()
            except OSError:
                return
            self._server.process_request(request, address)


class HTTPService(fixtures.Fixture):
    """Answer with what is in ``answers``; note what came in ``requests``.

    ``answers`` maps 'METHOD /path' to (status, body) or to a list of them,
    one for each request; a body that is not text is sent as JSON.
    """

    def _setUp(self):
        self.answers = {}
        self.requests = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):

            def do_GET(self):
                service._handle(self)

            do_POST = do_HEAD = do_DELETE = do_GET

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        self.url = f'http://127.0.0.1:{server.server_port}'
        self.useFixture(Serving(server))

    def add_keystone(self, catalogue_url, interface='internal', region='one'):
        """Give out a token whose catalogue has one image endpoint."""
        self.answers['POST /v3/auth/tokens'] = 201, {'token': {
            'methods': ['password'], 'user': {'id': 'u', 'name': 'glance'},
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'expires_at': '2126-01-01T00:00:00.000000Z',
            'catalog': [{'type': 'image', 'name': 'glance', 'endpoints': [{
                'interface': interface, 'region': region,
                'region_id': region, 'url': catalogue_url}]}]}}

    def _handle(self, handler):
        name = f'{handler.command} {handler.path}'
        length = int(handler.headers.get('Content-Length') or 0)
        self.requests.append((name, handler.rfile.read(length).decode(),
                              dict(handler.headers)))
        answer = self.answers.get(name, (404, 'nothing here'))
        if isinstance(answer, list):
            answer = answer.pop(0)
        status, body = answer
        if not isinstance(body, str):
            body = json.dumps(body)
        handler.send_response(status)
        handler.send_header('X-Subject-Token', 'token-1')
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        if handler.command != 'HEAD':
            handler.wfile.write(body.encode())
