# SPDX-License-Identifier: Apache-2.0
"""The client of etcd, on a gateway that says what a test wants."""

import base64
import contextlib
import json
import threading
import time
import traceback

import testtools
import urllib3

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import etcd_requests
from dcn_plugins import native
from tests.unit.locking import gateway

Answer = gateway.Answer

AUTHENTICATE = '/auth/authenticate'
TRANSACTION = '/kv/txn'
WATCH = '/watch'

USER = ('root', 'the-password')
TOKEN = 'the-token'
INVALID_TOKEN = 'etcdserver: invalid auth token'
NO_LEASE = 'etcdserver: requested lease not found'
NO_LEADER = 'etcdserver: no leader'

KEY = base64.b64encode(b'/dcn/locks/a').decode()
CREATED = {'result': {'created': True}}
DELETED = {'result': {'events': [{'type': 'DELETE', 'kv': {'key': KEY}}]}}


def refusal(text, code, status=400):
    return Answer({'error': text, 'message': text, 'code': code}, status)


class TextTest(testtools.TestCase):

    def test_nobody_reads_addresses_of_objects(self):
        errors, pool = urllib3.exceptions, object()
        for exc in (errors.NewConnectionError(pool, 'Failed to establish'),
                    errors.ConnectTimeoutError(pool, 'Connection timed out'),
                    errors.ReadTimeoutError(pool, None, 'Read timed out')):
            self.assertNotIn('object at', etcd._text(exc))
            self.assertThat(etcd._text(exc),
                            testtools.matchers.MatchesRegex(r'\w+: \w+'))


class EndpointTest(testtools.TestCase):

    def parsed(self, text):
        return etcd.Endpoint.parsed(text, False)

    def test_host_and_port(self):
        self.assertEqual(etcd.Endpoint('h1', 2380), self.parsed('h1:2380'))

    def test_the_port_is_that_of_etcd_if_there_is_none(self):
        for text in ('h1', 'h1:'):
            self.assertEqual(etcd.Endpoint('h1', 2379), self.parsed(text))

    def test_ipv6_stands_in_brackets(self):
        self.assertEqual(etcd.Endpoint('::1', 2380), self.parsed('[::1]:2380'))
        self.assertEqual(etcd.Endpoint('2001:db8::1', 2379),
                         self.parsed('[2001:db8::1]'))

    def test_as_a_text_it_is_a_url(self):
        self.assertEqual('http://h1:2379', str(self.parsed('h1')))
        self.assertEqual('https://[::1]:2380',
                         str(etcd.Endpoint.parsed('[::1]:2380', True)))

    def test_what_is_no_endpoint(self):
        for text in ('', ':2379', 'h1:x', 'h1:-1', 'h1:70000', 'h1/', '[::1',
                     'http://h1:2379', 'h1:2379/v3', 'root@h1', '::1',
                     '2001:db8::1'):
            self.assertRaises(ValueError, self.parsed, text)

    def test_nothing_of_a_text_is_passed_over(self):
        for text in ('h1:0', 'h1?timeout=5', 'h1#one', ':word@h1'):
            self.assertRaises(ValueError, self.parsed, text)

    def test_an_error_does_not_tell_a_password(self):
        error = self.assertRaises(ValueError, self.parsed,
                                  'root:the-password@h1:2379')
        self.assertNotIn('the-password', str(error))


class CallCases:
    """What a client promises, whatever carries its calls."""

    def setUp(self):
        super().setUp()
        self.gateway = self.useFixture(gateway.Gateway())
        self.other = self.useFixture(gateway.Gateway())
        self.closed = self.useFixture(gateway.ClosedPort())

    def make(self, *servers, **options):
        client = etcd.Client([server.endpoint for server in servers],
                             self.make_transport(), **options)
        self.addCleanup(client.close)
        return client

    def make_with_user(self, *servers, tokens=(TOKEN,), **options):
        for server in servers:
            server.answers[AUTHENTICATE] = [
                Answer({'token': token}) for token in tokens]
        return self.make(*servers, user=USER, **options)

    def answer(self, *answers, path=TRANSACTION, server=None):
        server = server or self.gateway
        server.answers[path] = [
            found if isinstance(found, Answer) else Answer(found)
            for found in answers]

    def unavailable(self, client, seconds=5):
        return self.assertRaises(exceptions.EtcdUnavailable,
                                 client.transaction, {}, seconds)

    def refused(self, client):
        return self.assertRaises(exceptions.EtcdRefused,
                                 client.transaction, {}, 5)

    def tokens(self):
        return [request.headers.get('Authorization')
                for request in self.gateway.of(TRANSACTION)]

    def test_a_client_needs_an_endpoint(self):
        self.assertRaises(ValueError, etcd.Client, [], None)

    def test_a_call(self):
        self.answer({'ID': '7'}, path='/lease/grant')
        client = self.make(self.gateway)
        self.assertEqual({'ID': '7'},
                         client.call('/lease/grant', {'TTL': '5'}, 5))
        request, = self.gateway.requests
        self.assertEqual({'TTL': '5'}, request.body)
        self.assertEqual('application/json', request.headers['Content-Type'])
        self.assertNotIn('Authorization', request.headers)

    def test_a_transaction(self):
        self.answer({'succeeded': True})
        self.assertEqual({'succeeded': True},
                         self.make(self.gateway).transaction({}, 5))

    def test_the_next_endpoint_is_asked(self):
        self.answer({})
        client = self.make(self.closed, self.gateway)
        self.assertEqual({}, client.transaction({}, 5))

    def test_who_has_answered_last_is_asked_first(self):
        self.answer(Answer(is_dropped=True), {})
        self.answer({}, Answer(is_dropped=True), server=self.other)
        client = self.make(self.gateway, self.other)
        client.transaction({}, 5)
        self.assertEqual((1, 1), self.counts())
        # The other one, then round to the first, which is the last to answer.
        client.transaction({}, 5)
        self.assertEqual((2, 2), self.counts())
        client.transaction({}, 5)
        self.assertEqual((3, 2), self.counts())

    def counts(self):
        return len(self.gateway.of()), len(self.other.of())

    def test_each_endpoint_is_tried_once_and_named(self):
        self.answer(Answer(is_dropped=True))
        self.answer(Answer(is_dropped=True), server=self.other)
        error = self.unavailable(self.make(self.gateway, self.other))
        self.assertEqual((1, 1), self.counts())
        for server in (self.gateway, self.other):
            self.assertIn(str(server.endpoint), str(error))

    def test_who_refuses_is_asked_again(self):
        self.answer({}, server=self.other)
        self.answer(refusal(NO_LEASE, 5))
        client = self.make(self.gateway, self.other)
        self.refused(client)
        self.refused(client)
        self.assertEqual((2, 0), self.counts())

    def test_nothing_is_sent_to_who_takes_no_connection(self):
        error = self.unavailable(self.make(self.closed))
        self.assertFalse(error.is_sent)
        self.assertEqual(exceptions.Outcome.NOTHING_DONE, error.outcome)

    def test_a_call_without_an_answer_may_have_arrived(self):
        self.answer(Answer(is_dropped=True))
        error = self.unavailable(self.make(self.closed, self.gateway))
        self.assertTrue(error.is_sent)
        self.assertEqual(exceptions.Outcome.UNKNOWN, error.outcome)

    def test_a_call_that_takes_too_long_may_have_arrived(self):
        self.answer(Answer({}, delay_seconds=60))
        client = self.make(self.gateway, attempt_seconds=0.2)
        self.assertTrue(self.unavailable(client).is_sent)

    def test_an_answer_tells_whether_the_call_was_sent_before(self):
        self.answer({})
        self.assertFalse(
            self.make(self.gateway).transaction({}, 5).is_repeated)
        self.assertFalse(self.make(
            self.closed, self.gateway).transaction({}, 5).is_repeated)
        self.answer(Answer(is_dropped=True), server=self.other)
        self.assertTrue(self.make(
            self.other, self.gateway).transaction({}, 5).is_repeated)

    def test_a_refusal_tells_whether_the_call_was_sent_before(self):
        self.answer(refusal(NO_LEASE, 5))
        self.assertFalse(
            self.refused(self.make(self.closed, self.gateway)).is_sent)
        self.answer(Answer(is_dropped=True), server=self.other)
        error = self.refused(self.make(self.other, self.gateway))
        self.assertTrue(error.is_sent)
        self.assertEqual(5, error.code)
        self.assertEqual(exceptions.Outcome.UNKNOWN, error.outcome)

    def test_one_deadline_for_all_endpoints(self):
        slow = Answer({}, delay_seconds=60)
        self.answer(slow)
        self.answer(slow, server=self.other)
        client = self.make(self.gateway, self.other, self.other,
                           attempt_seconds=0.3)
        started = time.monotonic()
        self.unavailable(client, 0.5)
        self.assertLess(time.monotonic() - started, 0.8)
        self.assertEqual((1, 1), self.counts())

    def test_without_time_nothing_is_sent(self):
        error = self.unavailable(self.make(self.gateway), 0)
        self.assertFalse(error.is_sent)
        self.assertEqual([], self.gateway.of())

    def test_authentication_is_part_of_the_time(self):
        client = self.make_with_user(self.gateway)
        self.answer(Answer({'token': TOKEN}, delay_seconds=0.4),
                    path=AUTHENTICATE)
        self.answer(Answer({}, delay_seconds=0.4))
        self.unavailable(client, 0.6)

    def test_a_refusal_is_the_same_everywhere(self):
        for answer in (refusal(NO_LEASE, 5, 404),
                       Answer({'error': {'grpc_code': 5, 'http_code': 404,
                                         'message': NO_LEASE}}, 404)):
            self.answer(answer)
            error = self.refused(self.make(self.gateway, self.other))
            self.assertEqual(etcd.NOT_FOUND, error.code)
            self.assertEqual(NO_LEASE, error.text)
            self.assertIn(str(self.gateway.endpoint), str(error))
            self.assertEqual(exceptions.Outcome.NOTHING_DONE, error.outcome)
        self.assertEqual([], self.other.of())

    def test_what_another_member_may_know(self):
        self.answer({}, server=self.other)
        for answer in (refusal(NO_LEADER, 14, 503), refusal(NO_LEADER, 14),
                       refusal('raft proposal dropped', 2, 500),
                       Answer({'message': 'overloaded'}, 503),
                       Answer(b'<html>', 502), Answer(b'', 503),
                       Answer({}, 400), Answer([], 400), Answer(b'', 404),
                       Answer(b'<html>'), Answer(b''), Answer([])):
            self.answer(answer)
            error = self.unavailable(self.make(self.gateway))
            self.assertTrue(error.is_sent, answer)
            self.assertEqual({}, self.make(
                self.gateway, self.other).transaction({}, 5))

    def test_an_error_in_a_stream_is_no_answer(self):
        # A keepalive is a stream: its error may come after a 200.
        self.answer({'error': {'grpc_code': 14, 'http_code': 503,
                               'message': NO_LEADER}})
        self.unavailable(self.make(self.gateway))

    def test_one_token_for_all_calls(self):
        client = self.make_with_user(self.gateway)
        self.answer({})
        client.transaction({}, 5)
        client.transaction({}, 5)
        request, = self.gateway.of(AUTHENTICATE)
        self.assertEqual(dict(zip(('name', 'password'), USER)), request.body)
        self.assertNotIn('Authorization', request.headers)
        self.assertEqual([TOKEN, TOKEN], self.tokens())

    def check_new_token(self, answer):
        client = self.make_with_user(self.gateway, tokens=('old', 'new'))
        self.answer({}, answer, {})
        client.transaction({}, 5)
        client.transaction({}, 5)
        client.transaction({}, 5)
        self.assertEqual(['old', 'old', 'new', 'new'], self.tokens())

    def test_a_token_that_has_ended_is_replaced(self):
        self.check_new_token(refusal(INVALID_TOKEN, 16, 401))

    def test_a_token_that_is_not_known_is_replaced(self):
        self.check_new_token(refusal(INVALID_TOKEN, 2, 500))

    def test_a_token_from_before_a_change_of_users_is_replaced(self):
        self.check_new_token(
            refusal('etcdserver: revision of auth store is old', 3))

    def test_a_first_token_that_is_refused_is_replaced(self):
        client = self.make_with_user(self.gateway, tokens=('old', 'new'))
        self.answer(refusal(INVALID_TOKEN, 16, 401), {})
        client.transaction({}, 5)
        self.assertEqual(['old', 'new'], self.tokens())

    def test_a_token_is_replaced_once(self):
        client = self.make_with_user(self.gateway)
        self.answer(refusal(INVALID_TOKEN, 16, 401))
        self.assertEqual(16, self.refused(client).code)
        self.assertEqual(2, len(self.gateway.of(TRANSACTION)))

    def test_without_a_user_no_token_is_asked_for(self):
        self.answer(refusal(INVALID_TOKEN, 16, 401))
        self.refused(self.make(self.gateway))
        self.assertEqual(1, len(self.gateway.of()))

    def test_a_wrong_password_is_a_refusal(self):
        client = self.make(self.gateway, user=USER)
        self.answer(refusal('etcdserver: authentication failed', 3),
                    path=AUTHENTICATE)
        self.assertEqual(3, self.refused(client).code)
        self.assertEqual([], self.gateway.of(TRANSACTION))

    def test_an_authentication_without_a_token_is_no_answer(self):
        self.answer({}, path=AUTHENTICATE)
        self.unavailable(self.make(self.gateway, user=USER))

    def test_no_error_tells_a_password_or_a_token(self):
        failures = (Answer(is_dropped=True), Answer(b'<html>'),
                    Answer(b'', 503), Answer({}, delay_seconds=60),
                    refusal(NO_LEADER, 14), refusal(NO_LEASE, 5),
                    refusal(INVALID_TOKEN, 16, 401))
        for path in (AUTHENTICATE, TRANSACTION):
            for failure in failures:
                client = self.make_with_user(self.gateway,
                                             attempt_seconds=0.2)
                self.answer(failure, path=path)
                error = self.assertRaises(exceptions.EtcdError,
                                          client.transaction, {}, 1)
                told = ''.join(traceback.format_exception(error)) + repr(error)
                self.assertNotIn(USER[1], told)
                self.assertNotIn(TOKEN, told)


class TLSCases:
    """The same transports with an authority and certificates."""

    def setUp(self):
        super().setUp()
        self.certificates = self.useFixture(gateway.Certificates())

    def make(self, server, *arguments):
        server.answers[TRANSACTION] = Answer({'succeeded': True})
        client = etcd.Client([server.endpoint], self.make_transport(
            native.ssl_context(*arguments)))
        self.addCleanup(client.close)
        return client

    def refused_connection(self, server, *arguments):
        client = self.make(server, *arguments)
        error = self.assertRaises(exceptions.EtcdUnavailable,
                                  client.transaction, {}, 5)
        self.assertEqual([], server.of())
        return error

    def test_a_server_of_the_authority(self):
        server = self.useFixture(gateway.Gateway(self.certificates))
        client = self.make(server, self.certificates.authority)
        for _number in range(2):
            self.assertEqual({'succeeded': True}, client.transaction({}, 5))
        self.assertEqual(1, len(server.peers()))

    def test_a_server_of_another_authority(self):
        server = self.useFixture(gateway.Gateway(self.certificates))
        error = self.refused_connection(server,
                                        self.certificates.other_authority)
        self.assertIn('certificate verify failed', str(error))

    def test_nothing_is_sent_to_a_server_of_another_authority(self):
        server = self.useFixture(gateway.Gateway(self.certificates))
        self.assertFalse(self.refused_connection(
            server, self.certificates.other_authority).is_sent)

    def test_a_server_of_another_name(self):
        server = self.useFixture(gateway.Gateway(self.certificates))
        server.endpoint = etcd.Endpoint('localhost', server.endpoint.port,
                                        True)
        error = self.refused_connection(server, self.certificates.authority)
        self.assertRegex(str(error), "certificate|doesn't match")
        self.assertFalse(error.is_sent)

    def test_a_server_that_wants_a_certificate(self):
        server = self.useFixture(gateway.Gateway(self.certificates, True))
        self.refused_connection(server, self.certificates.authority)
        client = self.make(server, self.certificates.authority,
                           self.certificates.certificate,
                           self.certificates.key)
        self.assertEqual({'succeeded': True}, client.transaction({}, 5))

    def test_a_server_without_tls(self):
        server = self.useFixture(gateway.Gateway())
        server.endpoint = etcd.Endpoint('127.0.0.1', server.endpoint.port,
                                        True)
        self.refused_connection(server, self.certificates.authority)


class PoolTest(CallCases, testtools.TestCase):

    def make_transport(self):
        return etcd.Pool()

    def test_threads_do_not_wait_for_each_other(self):
        may_answer = threading.Event()
        self.addCleanup(may_answer.set)
        self.answer(Answer({}, until=may_answer))
        client = self.make(self.gateway)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            client.transaction({}, 30))) for _number in range(6)]
        for thread in threads:
            thread.start()
        self.gateway.wait_for(TRANSACTION, 6)
        may_answer.set()
        for thread in threads:
            thread.join(gateway.WAIT_SECONDS)
        self.assertEqual([{}] * 6, answers)

    def test_connections_are_used_again(self):
        self.answer({})
        client = self.make(self.gateway)
        for _number in range(3):
            client.transaction({}, 5)
        self.assertEqual(1, len(self.gateway.peers()))


class PoolTLSTest(TLSCases, testtools.TestCase):

    def make_transport(self, context):
        return etcd.Pool(context)


class NativeLineTest(CallCases, testtools.TestCase):

    def make_transport(self):
        return etcd.NativeLine()

    def test_one_connection_for_all_calls(self):
        self.answer({}, refusal(NO_LEASE, 5), refusal(NO_LEADER, 14, 503),
                    {})
        client = self.make(self.gateway)
        client.transaction({}, 5)
        self.refused(client)
        self.unavailable(client)
        client.transaction({}, 5)
        self.assertEqual(4, len(self.gateway.of()))
        self.assertEqual(1, len(self.gateway.peers()))

    def test_another_connection_after_an_error(self):
        for failure in (Answer(is_dropped=True),
                        Answer({}, delay_seconds=60)):
            self.answer({}, failure, {})
            client = self.make(self.gateway, attempt_seconds=0.2)
            before = len(self.gateway.peers())
            client.transaction({}, 5)
            self.unavailable(client)
            self.assertEqual({}, client.transaction({}, 5))
            self.assertEqual(2, len(self.gateway.peers()) - before)

    def test_another_connection_after_a_server_has_closed_it(self):
        # That is how a member says that it is going to stop.
        self.answer(Answer({}, headers=(('Connection', 'close'),)), {})
        client = self.make(self.gateway)
        client.transaction({}, 5)
        self.assertEqual({}, client.transaction({}, 5))
        self.assertEqual(2, len(self.gateway.peers()))

    def test_another_connection_for_another_endpoint(self):
        line = self.make_transport()
        self.addCleanup(line.close)
        for server in (self.gateway, self.other, self.gateway):
            self.answer({}, server=server)
            self.assertEqual((200, b'{}'), line.post(
                server.endpoint, f'/v3{TRANSACTION}', b'{}', {}, 5))
        self.assertEqual(2, len(self.gateway.peers()))
        self.assertEqual(1, len(self.other.peers()))

    def test_it_can_be_closed_at_any_time(self):
        self.answer({})
        client = self.make(self.gateway)
        client.close()
        client.transaction({}, 5)
        client.close()
        client.close()
        self.assertEqual({}, client.transaction({}, 5))


class NativeLineTLSTest(TLSCases, testtools.TestCase):

    def make_transport(self, context):
        return etcd.NativeLine(context)


class WatchTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.gateway = self.useFixture(gateway.Gateway())
        self.other = self.useFixture(gateway.Gateway())
        self.client = self.make(self.gateway)

    def make(self, *servers, **options):
        client = etcd.Client([server.endpoint for server in servers],
                             etcd.Pool(), **options)
        self.addCleanup(client.close)
        return client

    def answer(self, *chunks, is_endless=False, server=None):
        (server or self.gateway).answers[WATCH] = Answer(
            chunks=chunks, is_endless=is_endless)

    def seen(self, expected, error, client=None, seconds=5):
        """Check what a watch tells before it fails, and return its error."""
        events = []

        def watch():
            with (client or self.client).watch([KEY], seconds) as told:
                for event in told:
                    events.append(event)

        found = self.assertRaises(error, watch)
        self.assertEqual(expected, events)
        return found

    def unavailable(self, *expected, **options):
        return self.seen(list(expected), exceptions.EtcdUnavailable,
                         **options)

    def test_it_has_begun_and_then_the_key_is_deleted(self):
        self.answer(CREATED, DELETED, is_endless=True)
        with self.client.watch([KEY], 5) as events:
            self.assertEqual((), next(events))
            self.assertEqual((KEY,), next(events))
        request, = self.gateway.of(WATCH)
        self.assertEqual(
            {'create_request': {'key': KEY, 'filters': ['NOPUT']}},
            request.body)

    def test_several_keys(self):
        both = {'result': {'events': [
            {'type': 'DELETE', 'kv': {'key': key}} for key in 'ab']}}
        self.answer(CREATED, DELETED, CREATED, both, is_endless=True)
        with self.client.watch([KEY, 'b'], 5) as events:
            self.assertEqual([(KEY,), (), ('a', 'b')],
                             [next(events) for _number in range(3)])
        request, = self.gateway.of(WATCH)
        self.assertEqual([KEY, 'b'], [
            body['create_request']['key'] for body in request.bodies])

    def test_a_line_may_come_in_pieces(self):
        lines = b''.join(json.dumps(line).encode() + b'\n'
                         for line in (CREATED, {'result': {}}, DELETED))
        self.answer(*(lines[place:place + 7]
                      for place in range(0, len(lines), 7)), is_endless=True)
        with self.client.watch([KEY], 5) as events:
            self.assertEqual((), next(events))
            self.assertEqual((KEY,), next(events))

    def test_several_lines_may_come_at_once(self):
        self.answer(b'\n'.join(json.dumps(line).encode() + b'\n'
                               for line in (CREATED, DELETED)),
                    is_endless=True)
        with self.client.watch([KEY], 5) as events:
            self.assertEqual((), next(events))
            self.assertEqual((KEY,), next(events))

    def test_who_leaves_closes_the_connection(self):
        self.answer(CREATED, is_endless=True)
        with self.client.watch([KEY], 60) as events:
            next(events)
        self.gateway.wait_until_left()

    def test_an_error_of_the_reader_stays_what_it_is(self):
        self.answer(CREATED, is_endless=True)

        def read():
            with self.client.watch([KEY], 60) as events:
                next(events)
                1 / 0

        self.assertRaises(ZeroDivisionError, read)
        self.gateway.wait_until_left()

    def test_silence_lasts_until_the_deadline(self):
        self.answer(CREATED, is_endless=True)
        started = time.monotonic()
        self.unavailable((), seconds=0.3)
        took = time.monotonic() - started
        self.assertTrue(0.25 < took < 2, took)

    def test_a_server_that_does_not_even_begin(self):
        self.gateway.answers[WATCH] = Answer(delay_seconds=60)
        self.unavailable(seconds=0.2)

    def test_a_server_that_ends_the_watch(self):
        self.answer(CREATED)
        self.assertIn('has ended the watch', str(self.unavailable(())))

    def test_a_server_that_says_nothing(self):
        self.gateway.answers[WATCH] = Answer(is_dropped=True)
        self.unavailable()

    def test_a_watch_that_is_cancelled(self):
        cancelled = {'result': {'canceled': True, 'cancel_reason': 'why'}}
        self.answer(CREATED, cancelled, is_endless=True)
        self.assertIn('has cancelled', str(self.unavailable(())))

    def test_a_watch_that_is_refused_while_it_begins(self):
        # That is how etcd says that a user may not read a key.
        self.answer({'result': {'created': True, 'canceled': True,
                                'cancel_reason': 'permission denied'}})
        self.unavailable()

    def test_an_error_in_the_stream(self):
        self.answer(CREATED, {'error': {
            'grpc_code': 14, 'http_code': 503, 'message': NO_LEADER}})
        self.assertIn(NO_LEADER, str(self.unavailable(())))

    def test_a_refusal_in_the_stream(self):
        self.answer({'error': {'grpc_code': 7, 'message': 'not allowed'}})
        error = self.seen([], exceptions.EtcdRefused)
        self.assertEqual((7, 'not allowed'), (error.code, error.text))

    def test_a_refusal_in_place_of_the_stream(self):
        self.gateway.answers[WATCH] = refusal('not allowed', 7, 403)
        self.assertEqual(7, self.seen([], exceptions.EtcdRefused).code)

    def test_a_line_that_is_no_json(self):
        self.answer(b'<html>\n', is_endless=True)
        self.unavailable()

    def test_the_token_is_sent(self):
        self.gateway.answers[AUTHENTICATE] = Answer({'token': TOKEN})
        self.answer(CREATED, is_endless=True)
        with self.make(self.gateway, user=USER).watch([KEY], 5) as events:
            next(events)
        request, = self.gateway.of(WATCH)
        self.assertEqual(TOKEN, request.headers['Authorization'])

    def test_a_token_that_has_ended_is_not_used_again(self):
        self.gateway.answers[AUTHENTICATE] = [
            Answer({'token': 'old'}), Answer({'token': 'new'})]
        client = self.make(self.gateway, user=USER)
        self.gateway.answers[WATCH] = [
            refusal(INVALID_TOKEN, 16, 401),
            Answer(chunks=(CREATED,), is_endless=True)]
        self.seen([], exceptions.EtcdRefused, client)
        with client.watch([KEY], 5) as events:
            next(events)
        self.assertEqual(['old', 'new'], [
            request.headers['Authorization']
            for request in self.gateway.of(WATCH)])

    def test_without_time_a_watch_ends_at_once(self):
        self.answer(is_endless=True)
        self.unavailable(seconds=0)

    def check_next(self, *servers):
        """Check that a watch that fails is begun elsewhere the next time."""
        client = self.make(*servers)
        self.answer(CREATED, is_endless=True, server=self.other)
        self.seen([], exceptions.EtcdUnavailable, client, 0.3)
        with client.watch([KEY], 5) as events:
            self.assertEqual((), next(events))

    def test_after_no_connection_another_member_is_asked(self):
        self.check_next(self.useFixture(gateway.ClosedPort()), self.other)

    def test_after_silence_another_member_is_asked(self):
        self.answer(is_endless=True)
        self.check_next(self.gateway, self.other)

    def test_after_not_now_another_member_is_asked(self):
        self.gateway.answers[WATCH] = refusal(NO_LEADER, 14, 503)
        self.check_next(self.gateway, self.other)

    def test_silence_after_the_beginning_is_no_reason_to_leave(self):
        client = self.make(self.gateway, self.other)
        self.answer(CREATED, is_endless=True)
        self.unavailable((), client=client, seconds=0.2)
        self.unavailable((), client=client, seconds=0.2)
        self.assertEqual([], self.other.of())


class Revisions:
    """A transport that answers with the next of some revisions."""

    def __init__(self, *revisions):
        self.revisions = list(revisions)

    def post(self, *_args):
        return 200, json.dumps({'header': {
            'revision': str(self.revisions.pop(0))}}).encode()

    def close(self):
        """Do nothing."""


class RewindTest(testtools.TestCase):
    """An etcd that was restored from a backup has gone back."""

    def rewinds(self, *revisions, path='/kv/txn'):
        client = etcd.Client([etcd.Endpoint('h', 1)], Revisions(*revisions))
        for _revision in revisions:
            client.call(path, {}, 1)
        return client.rewinds

    def test_revisions_that_rise_or_stay(self):
        self.assertEqual(0, self.rewinds(5, 5, 6))

    def test_one_that_falls_is_told_once(self):
        self.assertEqual(1, self.rewinds(5, 4, 4, 5))
        self.assertEqual(2, self.rewinds(5, 4, 3, path='/kv/range'))

    def test_other_calls_may_be_answered_by_who_is_late(self):
        self.assertEqual(0, self.rewinds(5, 4, path='/lease/grant'))


class ChangesTest(testtools.TestCase):
    """Whether a process may have changed anything."""

    def changes(self, answer):
        class Transport:
            def post(self, *_args):
                if isinstance(answer, Exception):
                    raise answer
                return 200, json.dumps(answer).encode()

        client = etcd.Client([etcd.Endpoint('h', 1)], Transport())
        before = client.changes
        with contextlib.suppress(exceptions.EtcdError):
            client.transaction({}, 1)
        return client.changes is not before

    def test_who_has_only_read_has_not(self):
        read = {'response_range': {'count': '1'}}
        for parts in ([], [read], [read, {'response_txn': {
                'succeeded': True, 'responses': [read]}}]):
            self.assertFalse(self.changes({'responses': parts}), parts)

    def test_who_has_written_or_deleted_has(self):
        for part in ({'response_put': {}}, {'response_delete_range': {}},
                     {'response_txn': {'responses': [{'response_put': {}}]}}):
            self.assertTrue(self.changes({'responses': [part]}), part)

    def test_who_has_no_answer_may_have(self):
        self.assertTrue(self.changes(OSError('gone')))


class StaleTest(testtools.TestCase):

    def test_a_question_is_one_that_only_an_up_to_date_member_answers(self):
        """A transaction of comparisons alone is answered by any member."""
        asked = etcd_requests.transaction([etcd_requests.is_present('/a')])
        self.assertEqual(['request_range'], list(asked['failure'][0]))
        self.assertEqual([], asked['success'])
