# SPDX-License-Identifier: Apache-2.0

import os
import socket

import testtools

from tests.chaos import links

SECONDS = 5.0


class SilenceTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        listener = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listener.close)
        self.port = listener.getsockname()[1]
        self.client = socket.create_connection(('127.0.0.1', self.port),
                                               SECONDS)
        self.addCleanup(self.client.close)
        self.server, _address = listener.accept()
        self.server.settimeout(SECONDS)
        self.addCleanup(self.server.close)

    def silence(self, port=None):
        return links.Silence(os.getpid(), [port or self.port])

    def test_nothing_comes_in_until_it_ends(self):
        with self.silence() as silence:
            # The first look is over when there is a second one.
            for _look in range(2):
                silence.looked.clear()
                self.assertTrue(silence.looked.wait(SECONDS))
            self.server.sendall(b'hello')
            self.client.settimeout(0.2)
            self.assertRaises(TimeoutError, self.client.recv, 10)
            self.client.sendall(b'heard')
            self.assertEqual(b'heard', self.server.recv(10))
        self.client.settimeout(SECONDS)
        self.assertEqual(b'hello', self.client.recv(10))

    def test_other_ports(self):
        with self.silence(1) as silence:
            silence.looked.clear()
            self.assertTrue(silence.looked.wait(SECONDS))
            self.server.sendall(b'hello')
            self.assertEqual(b'hello', self.client.recv(10))

    def test_process_that_has_gone(self):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        with links.Silence(pid, [self.port]) as silence:
            self.assertTrue(silence.looked.wait(SECONDS))
