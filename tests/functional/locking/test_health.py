# SPDX-License-Identifier: Apache-2.0
"""``dcn_dlm`` in the real ``Healthcheck`` of oslo.middleware, on real etcd."""

import itertools
import socketserver
import threading
import time
import urllib.error
import urllib.request
import wsgiref.simple_server

from oslo_config import cfg
import oslo_middleware
import testtools
import webob

from dcn_plugins.conf import health
from tests.functional.locking import etcd_server
from tests.functional.locking import haproxy

#: Of a machine that has much else to do; what is measured is printed.
LIMIT_SECONDS = 30.0
#: Longer than a good answer is told.
KEEP_SECONDS = 1.4
#: What an operator may count on, see doc/source/admin/health.rst.
ROTATION_SECONDS = 5.0
#: So long may etcd be without a leader, which its usual times keep unless
#: votes are split, or the machine is busy.
ELECTION_SECONDS = 2.0


class HealthTestCase(testtools.TestCase):

    members = 1
    deadline_seconds = 2.0
    options = ''

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(etcd_server.EtcdServer(self.members))
        self.conf = cfg.ConfigOpts()
        self.conf([], default_config_files=[], default_config_dirs=[])
        health.register_opts(self.conf)
        self.conf.set_override('health_deadline_seconds',
                               self.deadline_seconds, group='dcn')
        self.use(f'dcn-etcd3+http://{self.server.hosts}{self.options}')
        self.conf.register_opts(
            oslo_middleware.healthcheck.opts.HEALTHCHECK_OPTS,
            group='healthcheck')
        self.conf.set_override('backends', ['dcn_dlm'], group='healthcheck')
        self.app = oslo_middleware.Healthcheck(None, self.conf)

    def use(self, url):
        self.conf.set_override('health_etcd_url', url, group='dcn')

    def ask(self):
        """Return (status, text, seconds)."""
        begun = time.monotonic()
        answer = webob.Request.blank('/healthcheck').get_response(self.app)
        return (answer.status_int, answer.text.strip(),
                time.monotonic() - begun)

    def assert_soon(self, status, text=''):
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            found = self.ask()
            if found[0] == status and text in found[1]:
                return found
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.05)

    def revision(self):
        client = self.server.client()
        try:
            return int(client.call('/kv/range', {'key': 'AA=='}, 10)[
                'header']['revision'])
        finally:
            client.close()


class OneMemberTest(HealthTestCase):

    def test_good_and_nothing_is_written(self):
        before = self.revision()
        self.assertEqual('OK', self.assert_soon(200)[1])
        time.sleep(KEEP_SECONDS)
        self.assertEqual('OK', self.assert_soon(200)[1])
        self.assertEqual(before, self.revision())

    def test_killed_and_started_again(self):
        self.ask()
        self.server.members[0].kill()
        self.assert_soon(503, 'the DLM of the site takes no writes')
        self.server.members[0].start()
        self.server.members[0].wait_ready()
        self.assert_soon(200)

    def test_a_restart_between_two_questions_is_not_noticed(self):
        self.ask()
        self.server.members[0].kill()
        self.server.members[0].start()
        self.server.members[0].wait_ready()
        time.sleep(KEEP_SECONDS)
        self.assertEqual('OK', self.assert_soon(200)[1])

    def test_frozen_and_nobody_waits_longer_than_the_deadline(self):
        self.ask()
        self.server.members[0].pause()
        self.addCleanup(self.server.members[0].resume)
        time.sleep(KEEP_SECONDS)
        status, _text, seconds = self.ask()
        self.assertEqual(503, status)
        self.assertLess(seconds, self.deadline_seconds + 5)
        self.server.members[0].resume()
        self.assert_soon(200)

    def test_many_requests_at_once_are_one_for_etcd(self):
        found = []
        threads = [threading.Thread(target=lambda: found.append(self.ask()))
                   for _request in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([200] * 20, [each[0] for each in found])

    def test_full(self):
        client = self.server.client()
        self.addCleanup(client.close)
        member = client.call('/maintenance/status', {}, 10)['header'][
            'member_id']
        alarm = {'memberID': member, 'alarm': 'NOSPACE'}
        client.call('/maintenance/alarm', {'action': 'ACTIVATE', **alarm}, 10)
        status, _text, _seconds = self.assert_soon(503)
        self.assertEqual(503, status)
        client.call('/maintenance/alarm', {'action': 'DEACTIVATE', **alarm},
                    10)
        self.assert_soon(200)


class StockDriverTest(HealthTestCase):

    def use(self, url):
        super().use(url.replace('dcn-etcd3', 'etcd3') + '?api_version=v3')

    def test_good(self):
        self.assertEqual('OK', self.assert_soon(200)[1])
        self.server.members[0].kill()
        self.assert_soon(503)


class ThreeMembersTest(HealthTestCase):

    members = 3

    def test_a_quorum_is_enough_and_needed(self):
        first, second, _third = self.server.members
        first.pause()
        self.addCleanup(first.resume)
        # A new leader, if it was the one, is there after a second or two.
        self.assert_soon(200)
        time.sleep(KEEP_SECONDS)
        self.assert_soon(200)
        second.kill()
        # Whoever is left answers, but can promise nothing.
        self.assert_soon(503)
        self.assertEqual(503, self.ask()[0])
        first.resume()
        self.assert_soon(200)


class ForbiddenTest(HealthTestCase):
    """An etcd with users, of whom ours may not write to our keys."""

    def setUp(self):
        super().setUp()
        client = self.server.client()
        self.addCleanup(client.close)
        for path, body in (
                ('/auth/user/add', {'name': 'root', 'password': 'r'}),
                ('/auth/role/add', {'name': 'root'}),
                ('/auth/user/grant', {'user': 'root', 'role': 'root'}),
                ('/auth/user/add', {'name': 'cinder', 'password': 'c'}),
                ('/auth/enable', {})):
            client.call(path, body, 10)

    def test_who_may_not_lock_is_not_healthy(self):
        self.use(f'dcn-etcd3+http://cinder:c@{self.server.hosts}')
        self.assertEqual(503, self.ask()[0])

    def test_who_may_is(self):
        self.use(f'dcn-etcd3+http://root:r@{self.server.hosts}')
        self.assert_soon(200)


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class _Handler(wsgiref.simple_server.WSGIRequestHandler):

    def log_message(self, *args):
        pass


class HAProxyTestCase(HealthTestCase):
    """A service behind HAProxy, which asks for its health."""

    def setUp(self):
        super().setUp()
        # Each has its own answers, as processes have, and they take turns.
        self.turns = itertools.cycle(
            [self.app, oslo_middleware.Healthcheck(None, self.conf)])
        server = wsgiref.simple_server.make_server(
            '127.0.0.1', 0, self.serve, _Server, _Handler)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(server.shutdown)
        self.proxy = self.useFixture(haproxy.HAProxy(server.server_port))

    def serve(self, environ, start_response):
        """Answer as a service with /healthcheck does."""
        if environ['PATH_INFO'] == '/healthcheck':
            return next(self.turns)(environ, start_response)
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [b'images']

    def request(self):
        """Return the status that a user gets from HAProxy."""
        try:
            with urllib.request.urlopen(
                    f'http://127.0.0.1:{self.proxy.port}/v2/images',
                    timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as exc:
            exc.close()
            return exc.code

    def tell(self, what, seconds):
        print(f'etcd {what}: HAProxy {self.proxy.state()} after '
              f'{seconds:.1f} s')


class HAProxyTest(HAProxyTestCase):
    """A backend leaves the rotation with the etcd of its site."""

    def test_killed_and_frozen(self):
        member = self.server.members[0]
        self.proxy.seconds_until('UP', LIMIT_SECONDS)
        self.assertEqual(200, self.request())
        member.kill()
        self.tell('killed', self.proxy.seconds_until('DOWN',
                                                     ROTATION_SECONDS))
        self.assertEqual(503, self.request())
        member.start()
        member.wait_ready()
        self.tell('there', self.proxy.seconds_until('UP', LIMIT_SECONDS))
        self.assertEqual(200, self.request())
        member.pause()
        self.addCleanup(member.resume)
        self.tell('frozen', self.proxy.seconds_until('DOWN',
                                                     ROTATION_SECONDS))


class LeaderTest(HAProxyTestCase):
    """A cluster that elects a leader is no reason to leave the rotation."""

    members = 3

    def test_leaders_are_killed(self):
        elected = 0
        for turn in range(4):
            self.proxy.seconds_until('UP', LIMIT_SECONDS)
            # Each time at another moment of HAProxy's second.
            time.sleep(KEEP_SECONDS + turn / 4)
            leader = self.server.leader()
            leader.kill()
            took, was_down = self.proxy.seen_of_election(
                [one for one in self.server.members if one is not leader], 5)
            if took <= ELECTION_SECONDS:
                self.assertFalse(was_down)
                elected += 1
            leader.start()
            leader.wait_ready()
        self.assertGreater(elected, 0)
