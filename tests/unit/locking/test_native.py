# SPDX-License-Identifier: Apache-2.0
"""What eventlet has not changed, also in a process of eventlet's."""

import http.client
import json
import pathlib
import socket
import subprocess
import sys
import threading

import fixtures
import testtools

from dcn_plugins.locking import etcd
from dcn_plugins import native
from tests.unit.locking import gateway

ROOT = pathlib.Path(__file__).parents[3]
WAIT_SECONDS = 60

# What a service under eventlet does: it takes a lease, and then a C library
# stops all greenlets for longer than the lease lasts.
SERVICE = """
import eventlet
eventlet.monkey_patch()

import json
import sys
import threading
import time

from eventlet import patcher

from dcn_plugins.locking import etcd
from dcn_plugins import native
from dcn_plugins.locking import session

text, authority, ttl_seconds, block_seconds = sys.argv[1:]
contexts = [authority and native.ssl_context(authority, is_native=is_native)
            for is_native in (False, True)]
endpoints = [etcd.Endpoint.parsed(text, bool(authority))]
client = etcd.Client(endpoints, etcd.Pool(contexts[0]), clock=session.clock)
lost = []
own = session.Session(
    client,
    lambda: etcd.Client(endpoints, etcd.NativeLine(contexts[1]),
                        clock=session.clock),
    int(ttl_seconds), lambda: lost.append(True))
ticks = []


def tick():
    while True:
        ticks.append(True)
        eventlet.sleep(0.02)


eventlet.spawn(tick)
eventlet.sleep(0)
before = len(ticks)
lease = own.lease(20)
during_call = len(ticks) - before
before = len(ticks)
started = session.clock()
patcher.original('time').sleep(float(block_seconds))
blocked_seconds = session.clock() - started
is_valid = own.is_valid(lease.id)
during_block = len(ticks) - before
own.close()
print(json.dumps({
    'blocked_seconds': blocked_seconds, 'is_valid': is_valid,
    'lost': len(lost), 'during_call': during_call,
    'during_block': during_block,
    'is_green': patcher.is_monkey_patched('thread'),
    'is_native': native.module('threading') is not threading}))
"""


class EventletTest(testtools.TestCase):
    """A process of its own, as eventlet changes all of one."""

    def run_service(self, server, authority, ttl_seconds, block_seconds):
        granted = {'ID': '7', 'TTL': str(ttl_seconds)}
        server.answers.update({
            # Long enough to see whether other greenlets run meanwhile.
            '/lease/grant': gateway.Answer(granted, delay_seconds=0.3),
            '/lease/keepalive': gateway.Answer({'result': granted}),
            '/lease/revoke': gateway.Answer({})})
        ran = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', SERVICE,
             f'{server.endpoint.host}:{server.endpoint.port}', authority,
             str(ttl_seconds), str(block_seconds)],
            cwd=ROOT, capture_output=True, text=True, timeout=WAIT_SECONDS)
        self.assertEqual(0, ran.returncode, ran.stderr)
        return json.loads(ran.stdout)

    def check(self, server, authority, ttl_seconds, block_seconds):
        seen = self.run_service(server, authority, ttl_seconds, block_seconds)
        # It was as it is in a service: all greenlets have stood still.
        self.assertTrue(seen['is_green'] and seen['is_native'], seen)
        self.assertEqual(0, seen['during_block'])
        self.assertGreater(seen['blocked_seconds'], ttl_seconds)
        # And then:
        self.assertTrue(seen['is_valid'], seen)
        self.assertEqual(0, seen['lost'])
        self.assertGreaterEqual(len(server.of('/lease/keepalive')), 3)
        self.assertEqual(1, len(server.of('/lease/revoke')))
        # A call of the service itself stops nobody.
        self.assertGreater(seen['during_call'], 3)

    def test_a_lease_is_renewed_while_all_greenlets_stand_still(self):
        self.check(self.useFixture(gateway.Gateway()), '', 2, 2.4)

    def test_a_lease_is_renewed_over_tls_too(self):
        certificates = self.useFixture(gateway.Certificates())
        self.check(self.useFixture(gateway.Gateway(certificates)),
                   certificates.authority, 1, 1.4)


class ModuleTest(testtools.TestCase):

    def test_what_eventlet_has_not_changed_is_there_once(self):
        self.assertIs(threading, native.module('threading'))
        self.assertIs(socket, native.module('socket'))


class ContextTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.certificates = self.useFixture(gateway.Certificates())

    def test_a_server_is_checked_and_its_name_too(self):
        for authority in (None, self.certificates.authority):
            for is_native in (False, True):
                context = native.ssl_context(authority, is_native=is_native)
                self.assertTrue(context.check_hostname)
                self.assertEqual('CERT_REQUIRED', context.verify_mode.name)

    def test_an_authority_is_read_from_its_file(self):
        context = native.ssl_context(self.certificates.authority)
        self.assertEqual(1, len(context.get_ca_certs()))

    def test_files_of_no_use(self):
        no_file = self.useFixture(fixtures.TempDir()).join('none.pem')
        own = self.certificates
        for arguments in (
                (no_file,), (own.key,), (None, no_file), (None, own.authority),
                (None, own.certificate), (None, own.certificate, no_file),
                (None, own.authority, own.key)):
            self.assertRaises(OSError, native.ssl_context, *arguments)


class ConnectionTest(testtools.TestCase):

    def connect(self, endpoint, timeout=5, context=None):
        connection = native.Connection(endpoint.host, endpoint.port, timeout,
                                       context)
        self.addCleanup(connection.close)
        connection.connect()
        return connection

    def call(self, connection):
        connection.request('POST', '/v3/kv/txn', b'{}')
        return connection.getresponse().read()

    def test_several_requests(self):
        server = self.useFixture(gateway.Gateway())
        server.answers['/kv/txn'] = gateway.Answer({})
        connection = self.connect(server.endpoint)
        self.assertEqual(b'{}', self.call(connection))
        self.assertEqual(b'{}', self.call(connection))
        self.assertEqual(1, len(server.peers()))

    def test_small_requests_do_not_wait_for_more(self):
        server = self.useFixture(gateway.Gateway())
        self.assertTrue(self.connect(server.endpoint).sock.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_over_tls(self):
        certificates = self.useFixture(gateway.Certificates())
        server = self.useFixture(gateway.Gateway(certificates))
        server.answers['/kv/txn'] = gateway.Answer({})
        connection = self.connect(
            server.endpoint,
            context=native.ssl_context(certificates.authority))
        self.assertEqual(b'{}', self.call(connection))

    def test_no_answer_in_time(self):
        server = self.useFixture(gateway.Gateway())
        server.answers['/kv/txn'] = gateway.Answer({}, delay_seconds=60)
        self.assertRaises(TimeoutError, self.call,
                          self.connect(server.endpoint, 0.2))

    def test_nobody_takes_the_connection(self):
        closed = self.useFixture(gateway.ClosedPort())
        self.assertRaises(ConnectionRefusedError, self.connect,
                          closed.endpoint)

    def test_the_server_goes_away(self):
        server = self.useFixture(gateway.Gateway())
        server.answers['/kv/txn'] = gateway.Answer(is_dropped=True)
        self.assertRaises(http.client.RemoteDisconnected, self.call,
                          self.connect(server.endpoint))

    def test_a_handshake_that_does_not_come(self):
        certificates = self.useFixture(gateway.Certificates())
        listening = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listening.close)
        silent = etcd.Endpoint(*listening.getsockname(), True)
        self.assertRaises(
            TimeoutError, self.connect, silent, 0.2,
            native.ssl_context(certificates.authority))
