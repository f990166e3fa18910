# SPDX-License-Identifier: Apache-2.0

import contextlib
import socket
import socketserver
import threading
import time

import fixtures
import testtools

from tests.chaos import proxy

SECONDS = 5.0
HEADER = b'GET / HTTP/1.1\r\nX-Server-From: %s\r\n\r\n'


class Echo(fixtures.Fixture):
    """A server that says everything back, and remembers it."""

    def _setUp(self):
        heard = self.heard = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    while data := self.request.recv(4096):
                        heard.append(data)
                        self.request.sendall(data)

        server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        self.address = server.server_address
        # How long it takes to end.
        thread = threading.Thread(target=server.serve_forever, args=(0.02,),
                                  daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join, SECONDS)
        self.addCleanup(server.shutdown)


class ProxyTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.echo = self.useFixture(Echo())
        self.loop = proxy.Loop()
        self.addCleanup(self.loop.close)
        self.proxy = self.make()

    def make(self, **more):
        made = proxy.Proxy(self.loop, self.echo.address, **more)
        self.addCleanup(made.close)
        return made

    def connect(self):
        client = socket.create_connection(self.proxy.address, SECONDS)
        self.addCleanup(client.close)
        return client

    def say(self, client, text=b'hello'):
        client.sendall(text)
        return client.recv(4096)

    def assertReset(self, act):
        # What is read after a reset, or an end, is the same to a client.
        try:
            self.assertEqual(b'', act())
        except ConnectionError:
            return

    def test_forwards(self):
        self.assertEqual(b'hello', self.say(self.connect()))

    def test_cut_resets_what_is_there_and_what_comes(self):
        client = self.connect()
        self.say(client)
        self.proxy.cut()
        self.assertReset(lambda: self.say(client))
        self.assertReset(lambda: self.say(self.connect()))
        self.proxy.heal()
        self.assertEqual(b'hello', self.say(self.connect()))

    def test_held_comes_later(self):
        client = self.connect()
        self.say(client)
        self.proxy.hold()
        client.settimeout(0.2)
        self.assertRaises(TimeoutError, self.say, client, b'late')
        self.assertEqual([b'hello'], self.echo.heard)
        client.settimeout(SECONDS)
        self.proxy.heal()
        self.assertEqual(b'late', client.recv(4096))

    def test_connection_made_while_held(self):
        self.proxy.hold()
        client = self.connect()
        client.settimeout(0.2)
        self.assertRaises(TimeoutError, self.say, client)
        client.settimeout(SECONDS)
        self.proxy.heal()
        self.assertEqual(b'hello', client.recv(4096))

    def test_delay(self):
        client = self.connect()
        self.say(client)
        self.proxy.delay(0.1)
        began = time.monotonic()
        self.say(client)
        self.assertGreaterEqual(time.monotonic() - began, 0.2)

    def test_word_that_is_not_heard(self):
        client = self.connect()
        self.proxy.trip(b'delete', lets_pass=False)
        self.assertEqual(b'put', self.say(client, b'put'))
        self.assertReset(lambda: self.say(client, b'please delete'))
        self.assertEqual([b'put'], self.echo.heard)
        self.assertEqual(1, self.proxy.trips)

    def test_word_whose_answer_is_lost(self):
        client = self.connect()
        self.proxy.trip(b'delete', lets_pass=True)
        self.assertReset(lambda: self.say(client, b'please delete'))
        self.assertEqual([b'please delete'], self.echo.heard)
        self.proxy.heal()
        self.assertEqual(b'delete', self.say(self.connect(), b'delete'))

    def test_one_sender_of_several(self):
        self.proxy = self.make(
            identify=lambda header: header.split(b': ')[1][:1])
        clients = {}
        for sender in (b'a', b'b'):
            clients[sender] = self.connect()
            self.say(clients[sender], HEADER % sender)
        self.proxy.cut(b'a')
        self.assertReset(lambda: self.say(clients[b'a']))
        self.assertReset(lambda: self.say(self.connect(), HEADER % b'a'))
        self.assertEqual(b'hello', self.say(clients[b'b']))
        self.assertEqual(HEADER % b'b',
                         self.say(self.connect(), HEADER % b'b'))
        self.proxy.heal()
        self.assertEqual(HEADER % b'a',
                         self.say(self.connect(), HEADER % b'a'))
