# SPDX-License-Identifier: Apache-2.0
"""The lease of a process, on a gateway that says what etcd says."""

import functools
import json
import logging
import os
import select
import signal
import threading
import traceback

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import session
from tests.lab import deadline
from tests.unit.locking import gateway

Answer = gateway.Answer

GRANT = '/lease/grant'
KEEPALIVE = '/lease/keepalive'
REVOKE = '/lease/revoke'
TXN = '/kv/txn'

WAIT_SECONDS = gateway.WAIT_SECONDS
# Of etcd's answers. No test waits for the end of LONG. One that does not want
# a loss has the time to be renewed in SHORT, on a machine with much to do.
LONG = 30
SHORT = 0.9
SHORTEST = 0.3

wait = functools.partial(deadline.wait, seconds=WAIT_SECONDS, interval=0.01)


def granted(lease_id=7, ttl_seconds=LONG):
    return Answer({'ID': str(lease_id), 'TTL': str(ttl_seconds)})


def renewed(ttl_seconds=LONG):
    return Answer({'result': {'ID': '7', 'TTL': str(ttl_seconds)}})


class Lost:
    """Count what is told to ``on_lost``; it can fail."""

    def __init__(self):
        self.count = 0
        self.error = None

    def __call__(self):
        self.count += 1
        if self.error:
            raise self.error


class SessionTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.session.RETRY_SECONDS', 0.05))
        self.gateway = self.useFixture(gateway.Gateway())
        self.gateway.answers.update({
            GRANT: granted(), KEEPALIVE: renewed(), REVOKE: Answer({})})
        self.lost = Lost()
        self.before = set(threading.enumerate())
        self.session = self.make()

    def make(self, **options):
        client = self.client(etcd.Pool(), **options)
        self.addCleanup(client.close)
        made = session.Session(
            client, lambda: self.client(etcd.NativeLine(), **options), 5,
            self.lost)
        self.addCleanup(made.close)
        return made

    def client(self, transport, **options):
        return etcd.Client([self.gateway.endpoint], transport,
                           clock=session.clock, **options)

    def answer(self, path, *answers):
        self.gateway.answers[path] = list(answers)

    def threads(self):
        return [thread for thread in threading.enumerate()
                if thread.name == 'dcn-lease' and thread not in self.before]

    def wait_until_over(self):
        """Wait until nobody renews a lease any more."""
        wait('the end of the thread', lambda: not self.threads())

    def wait_for_keepalives(self, count):
        """Wait for some more renewals."""
        self.gateway.wait_for(
            KEEPALIVE, len(self.gateway.of(KEEPALIVE)) + count)


class GrantTest(SessionTestCase):

    def test_nothing_is_opened_before_a_lease_is_needed(self):
        self.assertFalse(self.session.is_valid(7))
        self.assertEqual(0, self.session.left(7))
        self.session.forget(7)
        self.session.close()
        self.assertEqual([], self.gateway.of())
        self.assertEqual([], self.threads())

    def test_a_lease(self):
        self.answer(GRANT, granted(7, 20))
        before = session.clock()
        lease = self.session.lease(5)
        self.assertEqual((7, 20), (lease.id, lease.ttl_seconds))
        self.assertTrue(
            before + 20 <= lease.ends_at <= session.clock() + 20)
        request, = self.gateway.of()
        self.assertEqual({'TTL': '5', 'ID': '0'}, request.body)

    def test_it_counts_from_before_it_was_sent(self):
        self.gateway.answers[GRANT] = Answer({'ID': '7', 'TTL': '20'},
                                             delay_seconds=0.3)
        self.session.lease(5)
        self.assertLess(self.session.left(7), 19.71)

    def test_it_is_given_to_all_who_ask(self):
        self.answer(GRANT, granted(7), granted(8))
        self.assertEqual(7, self.session.lease(5).id)
        self.assertEqual(7, self.session.lease(5).id)

    def test_one_for_many_threads(self):
        may_answer = threading.Event()
        self.addCleanup(may_answer.set)
        self.gateway.answers[GRANT] = Answer({'ID': '7', 'TTL': '20'},
                                             until=may_answer)
        leases = []
        threads = [threading.Thread(target=lambda: leases.append(
            self.session.lease(30).id)) for _number in range(8)]
        for thread in threads:
            thread.start()
        self.gateway.wait_for(GRANT, 1)
        may_answer.set()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        self.assertEqual([7] * 8, leases)
        self.assertEqual(1, len(self.gateway.of(GRANT)))
        self.assertEqual(1, len(self.threads()))

    def test_one_that_is_not_to_be_had(self):
        refusal = Answer({'message': 'etcdserver: no', 'code': 9}, 400)
        self.answer(GRANT, Answer(is_dropped=True), refusal, granted())
        self.assertRaises(exceptions.EtcdUnavailable, self.session.lease, 5)
        self.assertRaises(exceptions.EtcdRefused, self.session.lease, 5)
        self.assertEqual([], self.threads())
        self.assertEqual(7, self.session.lease(5).id)

    def test_one_that_takes_too_long(self):
        self.gateway.answers[GRANT] = Answer({}, delay_seconds=60)
        before = session.clock()
        self.assertRaises(exceptions.EtcdUnavailable, self.session.lease, 0.2)
        self.assertLess(session.clock() - before, 2)

    def test_an_answer_that_grants_nothing(self):
        for answer in ({}, {'ID': 'x', 'TTL': '5'}):
            self.answer(GRANT, Answer(answer))
            self.assertRaises(exceptions.EtcdError, self.session.lease, 5)

    def test_only_the_own_lease_is_valid_and_with_its_margin(self):
        self.answer(GRANT, granted(7, 20))
        self.session.lease(5)
        self.assertTrue(self.session.is_valid(7))
        self.assertTrue(self.session.is_valid(7, 15))
        self.assertFalse(self.session.is_valid(7, 20))
        self.assertTrue(19 < self.session.left(7) <= 20)
        self.assertFalse(self.session.is_valid(8))
        self.assertEqual(0, self.session.left(8))


class RenewalTest(SessionTestCase):

    def test_it_is_renewed_beyond_its_time(self):
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE, renewed(SHORT))
        lease = self.session.lease(5)
        wait('the end of the grant', lambda: session.clock() > lease.ends_at)
        self.assertTrue(self.session.is_valid(7))
        self.assertGreater(self.session.left(7), 0)
        self.assertEqual(7, self.session.lease(5).id)
        self.assertEqual(0, self.lost.count)
        self.assertEqual({'ID': '7'}, self.gateway.of(KEEPALIVE)[0].body)

    def test_all_renewals_take_one_connection(self):
        self.answer(GRANT, granted(7, SHORTEST))
        self.answer(KEEPALIVE, renewed(SHORTEST))
        self.session.lease(5)
        self.gateway.wait_for(KEEPALIVE, 3)
        self.assertEqual(1, len({request.peer for request
                                 in self.gateway.of(KEEPALIVE)}))

    def test_failures_do_no_harm(self):
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE, Answer(is_dropped=True), Answer(b'', 503),
                    renewed())
        lease = self.session.lease(5)
        wait('the end of the grant', lambda: session.clock() > lease.ends_at)
        self.assertTrue(self.session.is_valid(7))
        self.assertEqual(0, self.lost.count)
        self.assertEqual(2, self.log.output.count('not renewed'))

    def test_it_is_renewed_after_a_server_has_closed_the_connection(self):
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE,
                    Answer({'result': {'ID': '7', 'TTL': str(SHORT)}},
                           headers=(('Connection', 'close'),)), renewed())
        self.session.lease(5)
        wait('another renewal or a loss', lambda: len(
            self.gateway.of(KEEPALIVE)) > 1 or self.lost.count)
        self.assertEqual(0, self.lost.count)

    def check_end(self):
        self.session.lease(5)
        wait('the loss', lambda: self.lost.count)
        self.assertFalse(self.session.is_valid(7))
        self.assertEqual(0, self.session.left(7))
        self.wait_until_over()
        self.assertEqual(1, self.lost.count)
        self.assertIn('etcd has ended the lease', self.log.output)

    def test_etcd_has_ended_it(self):
        self.answer(GRANT, granted(7, SHORT), granted(8))
        self.answer(KEEPALIVE, renewed(0), renewed())
        self.check_end()
        self.assertEqual(8, self.session.lease(5).id)
        self.assertTrue(self.session.is_valid(8))
        self.assertFalse(self.session.is_valid(7))

    def test_etcd_leaves_out_a_time_of_zero(self):
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE, Answer({'result': {'ID': '7'}}), renewed())
        self.check_end()

    def test_an_error_in_the_answer_is_not_the_end(self):
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE, Answer({'error': {
            'grpc_code': 14, 'message': 'etcdserver: no leader'}}), renewed())
        self.session.lease(5)
        wait('another renewal or a loss', lambda: len(
            self.gateway.of(KEEPALIVE)) > 1 or self.lost.count)
        self.assertEqual(0, self.lost.count)

    def lose(self):
        """Take a lease and let it end for want of an answer."""
        self.answer(KEEPALIVE, Answer(is_dropped=True))
        lease = self.session.lease(5)
        wait('the loss', lambda: self.lost.count)
        return lease

    def test_nobody_can_tell_in_time(self):
        self.answer(GRANT, granted(7, SHORTEST))
        lease = self.lose()
        self.assertGreaterEqual(session.clock(), lease.ends_at)
        self.assertFalse(self.session.is_valid(7))
        self.assertEqual(0, self.session.left(7))
        self.wait_until_over()
        self.assertEqual(1, self.lost.count)
        self.assertIn('was not renewed in time', self.log.output)

    def test_a_loss_is_told_in_time(self):
        # Also when the last try is one that gets no answer.
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE, Answer({}, delay_seconds=60))
        lease = self.session.lease(5)
        wait('the loss', lambda: self.lost.count)
        self.assertLess(session.clock() - lease.ends_at, SHORT)

    def test_a_renewal_that_comes_too_late_is_none(self):
        self.answer(GRANT, granted(7, SHORTEST))
        self.lose()
        self.answer(KEEPALIVE, renewed())
        self.wait_until_over()
        self.assertFalse(self.session.is_valid(7))

    def test_a_lease_that_nobody_can_prove_is_replaced(self):
        self.answer(GRANT, granted(7, SHORTEST), granted(8))
        self.lose()
        self.assertEqual(8, self.session.lease(5).id)
        wait('one thread', lambda: len(self.threads()) == 1)
        self.assertFalse(self.session.is_valid(7))
        self.assertTrue(self.session.is_valid(8))

    def test_who_is_told_of_a_loss_may_fail(self):
        self.lost.error = ValueError('not now')
        self.answer(GRANT, granted(7, SHORTEST))
        self.lose()
        self.wait_until_over()
        self.assertFalse(self.session.is_valid(7))
        self.assertIn('ValueError: not now', self.log.output)

    def test_nobody_need_be_told(self):
        client = self.client(etcd.Pool())
        self.addCleanup(client.close)
        alone = session.Session(client, lambda: self.client(
            etcd.NativeLine()), 5)
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE, renewed(0))
        alone.lease(5)
        self.wait_until_over()
        self.assertFalse(alone.is_valid(7))


class EndTest(SessionTestCase):

    def test_a_lease_that_is_forgotten_is_not_valid(self):
        self.answer(GRANT, granted(7), granted(8))
        self.session.lease(5)
        self.session.forget(8)
        self.assertTrue(self.session.is_valid(7))
        self.session.forget(7)
        self.assertFalse(self.session.is_valid(7))
        self.assertEqual(0, self.session.left(7))
        self.wait_until_over()
        self.assertEqual(8, self.session.lease(5).id)
        self.assertEqual([], self.gateway.of(REVOKE))

    def test_it_is_given_back(self):
        self.session.lease(5)
        self.session.close()
        request, = self.gateway.of(REVOKE)
        self.assertEqual({'ID': '7'}, request.body)
        self.assertFalse(self.session.is_valid(7))
        self.wait_until_over()
        self.session.close()
        self.assertEqual(1, len(self.gateway.of(REVOKE)))
        self.assertEqual(0, self.lost.count)

    def test_there_is_no_other_after_the_end(self):
        self.session.lease(5)
        self.session.close()
        self.assertRaises(exceptions.EtcdError, self.session.lease, 5)
        self.assertEqual(1, len(self.gateway.of(GRANT)))
        self.wait_until_over()

    def test_an_end_without_an_answer_is_a_warning(self):
        for answer in (Answer(is_dropped=True), Answer(b'<html>'),
                       Answer(b'', 503),
                       Answer({'message': 'no', 'code': 7}, 403)):
            self.log.reset_output()
            self.answer(REVOKE, answer)
            own = self.make()
            own.lease(5)
            own.close()
            self.assertIn('ends in 5 s', self.log.output)

    def test_an_end_does_not_wait_for_long(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.session.CALL_SECONDS', 0.2))
        self.answer(REVOKE, Answer({}, delay_seconds=60))
        self.session.lease(5)
        before = session.clock()
        self.session.close()
        self.assertLess(session.clock() - before, 2)

    def test_a_lease_that_has_ended_already_is_none(self):
        self.answer(REVOKE, Answer({'message': 'not found', 'code': 5}, 404))
        self.session.lease(5)
        self.session.close()
        self.assertNotIn('given back', self.log.output)

    def test_an_end_never_fails(self):
        # The token has ended, and there is no new one.
        own = self.make(user=('root', 'the-password'))
        old = Answer({'token': 'old'})
        self.answer('/auth/authenticate', old, old, Answer({}))
        self.answer(GRANT, granted(7, SHORT))
        own.lease(5)
        self.gateway.wait_for(KEEPALIVE, 1)
        self.answer(REVOKE, Answer({'message': 'invalid auth token',
                                    'code': 16}, 401))
        own.close()

    def test_an_end_during_a_renewal_is_no_loss(self):
        may_answer = threading.Event()
        self.addCleanup(may_answer.set)
        self.answer(KEEPALIVE, Answer({'result': {'ID': '7'}},
                                      until=may_answer))
        self.answer(GRANT, granted(7, SHORT))
        self.session.lease(5)
        self.gateway.wait_for(KEEPALIVE, 1)
        self.session.close()
        # The answer to a renewal that came after the end.
        may_answer.set()
        self.wait_until_over()
        self.assertEqual(0, self.lost.count)


class ForkTest(SessionTestCase):

    def setUp(self):
        super().setUp()
        self.answer(GRANT, granted(7), granted(8))
        self.session.lease(5)

    def in_child(self, function):
        """Return what a function returns in a forked process."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                result = {'is': function()}
            except BaseException:
                result = {'error': traceback.format_exc()}
            os.write(writer, json.dumps(result).encode())
            os._exit(0)
        os.close(writer)
        try:
            if not select.select([reader], [], [], WAIT_SECONDS)[0]:
                os.kill(child, signal.SIGKILL)
                raise deadline.LabTimeout('the child', WAIT_SECONDS)
            result = json.loads(os.read(reader, 65536))
        finally:
            os.close(reader)
            os.waitpid(child, 0)
        self.assertNotIn('error', result, result.get('error'))
        return result['is']

    def test_a_child_does_not_have_the_lease_of_its_parent(self):
        self.assertEqual([False, 0.0], self.in_child(
            lambda: [self.session.is_valid(7), self.session.left(7)]))
        self.assertTrue(self.session.is_valid(7))

    def test_a_child_gets_its_own(self):
        self.assertEqual([8, True, False, 1], self.in_child(lambda: [
            self.session.lease(5).id, self.session.is_valid(8),
            self.session.is_valid(7), len(self.threads())]))
        self.assertEqual(7, self.session.lease(5).id)
        self.assertTrue(self.session.is_valid(7))

    def test_a_child_has_its_own_connection(self):
        # On one that two processes share, each may read the other's answer.
        self.in_child(lambda: self.session.lease(5).id)
        first, second = self.gateway.of(GRANT)
        self.assertNotEqual(first.peer, second.peer)

    def test_a_child_does_not_end_the_lease_of_its_parent(self):
        self.in_child(self.session.close)
        self.assertEqual([], self.gateway.of(REVOKE))
        self.assertTrue(self.session.is_valid(7))

    def test_a_child_ends_its_own(self):
        self.in_child(lambda: [self.session.lease(5).id,
                               self.session.close()])
        request, = self.gateway.of(REVOKE)
        self.assertEqual({'ID': '8'}, request.body)
        self.assertTrue(self.session.is_valid(7))

    def test_a_child_forgets_only_for_itself(self):
        self.in_child(lambda: self.session.forget(7))
        self.assertTrue(self.session.is_valid(7))


class RestoredTest(SessionTestCase):
    """etcd was restored from a backup, and knows the lease of old."""

    def test_the_lease_is_given_up_for_a_new_one(self):
        old = self.session.lease(5)
        self.session._client.rewinds += 1
        self.assertFalse(self.session.is_valid(old.id))
        self.assertEqual(0.0, self.session.left(old.id))
        self.gateway.answers[GRANT] = granted(9)
        new = self.session.lease(5)
        self.assertEqual(9, new.id)
        self.assertTrue(self.session.is_valid(9))
        self.assertEqual([str(old.id)], [
            request.body['ID'] for request in self.gateway.of(REVOKE)])

    def test_an_old_lease_that_etcd_does_not_know_is_no_trouble(self):
        self.session.lease(5)
        self.session._client.rewinds += 1
        self.gateway.answers[REVOKE] = Answer(
            {'code': etcd.NOT_FOUND, 'message': 'not found'}, status=404)
        self.gateway.answers[GRANT] = granted(9)
        self.assertEqual(9, self.session.lease(5).id)

    def test_who_asks_for_nothing_gives_it_up_at_a_renewal(self):
        self.answer(GRANT, granted(7, SHORTEST))
        self.session.lease(5)
        self.session._client.rewinds += 1
        self.wait_until_over()
        self.assertEqual(1, self.lost.count)
        self.assertEqual(1, len(self.gateway.of(REVOKE)))


class WitnessTest(SessionTestCase):
    """After each renewal etcd is asked whether it still knows all."""

    agreed = Answer({'succeeded': True, 'responses': [],
                     'header': {'revision': '5'}})
    behind = Answer({'responses': [{'response_range': {}}],
                     'header': {'revision': '5'}})

    def setUp(self):
        super().setUp()
        self.answer(GRANT, granted(7, SHORT))
        self.answer(KEEPALIVE, renewed(SHORT))
        client = self.client(etcd.Pool())
        self.addCleanup(client.close)
        self.witnessed = session.Session(
            client, lambda: self.client(etcd.NativeLine()), 5, self.lost,
            '/dcn/witness')
        self.addCleanup(self.witnessed.close)

    def test_a_number_that_is_there(self):
        self.answer(TXN, self.agreed)
        self.witnessed.lease(5)
        self.gateway.wait_for(TXN, 2)
        first, second = (request.body for request in self.gateway.of(TXN)[:2])
        put, = first['success']
        self.assertEqual(etcd_requests.put('/dcn/witness/7', '1', 7), put)
        self.assertEqual([], second['success'])
        self.assertTrue(self.witnessed.is_valid(7))
        self.assertEqual(0, self.lost.count)

    def test_one_that_is_lost(self):
        self.answer(TXN, self.agreed, self.behind)
        self.witnessed.lease(5)
        self.wait_until_over()
        self.assertFalse(self.witnessed.is_valid(7))
        self.assertEqual(1, self.lost.count)
        request, = self.gateway.of(REVOKE)
        self.assertEqual({'ID': '7'}, request.body)
        self.assertIn('restored from a backup', self.log.output)
        self.answer(GRANT, granted(8))
        self.assertEqual(8, self.witnessed.lease(5).id)

    def test_one_that_is_lost_and_the_lease_cannot_be_ended(self):
        self.answer(TXN, self.agreed, self.behind)
        self.answer(REVOKE, Answer(is_dropped=True))
        self.witnessed.lease(5)
        self.wait_until_over()
        self.assertFalse(self.witnessed.is_valid(7))
        self.assertIn('brought back stays', self.log.output)

    def test_an_etcd_that_does_not_answer_that_is_no_loss(self):
        self.answer(TXN, Answer(is_dropped=True), Answer({}), self.agreed)
        self.witnessed.lease(5)
        self.gateway.wait_for(TXN, 3)
        self.assertTrue(self.witnessed.is_valid(7))
        self.assertEqual(0, self.lost.count)

    def test_an_etcd_that_stands_still_then_does_not_cost_the_lease(self):
        self.answer(TXN, Answer({}, delay_seconds=60))
        lease = self.witnessed.lease(5)
        wait('the end of the grant', lambda: session.clock() > lease.ends_at)
        self.assertTrue(self.witnessed.is_valid(7))
        self.assertEqual(0, self.lost.count)

    def test_one_that_must_not_be_written_is_told_once(self):
        self.answer(TXN, Answer({
            'message': 'etcdserver: permission denied', 'code': 7}, 403))
        self.witnessed.lease(5)
        self.gateway.wait_for(TXN, 3)
        self.assertTrue(self.witnessed.is_valid(7))
        self.assertEqual(1, self.log.output.count('permission denied'))

    def test_a_revision_that_falls_meanwhile(self):
        older = Answer({'succeeded': True, 'responses': [],
                        'header': {'revision': '4'}})
        self.answer(TXN, self.agreed, older)
        self.witnessed.lease(5)
        self.wait_until_over()
        self.assertFalse(self.witnessed.is_valid(7))
