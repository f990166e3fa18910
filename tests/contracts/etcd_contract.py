# SPDX-License-Identifier: Apache-2.0
"""What locks rely on in etcd; the fake and the real one are held to it.

Mix into a test case that sets ``self.client``, an
:class:`~dcn_plugins.locking.etcd.Client` or its fake, and ``self.prefix``, a
prefix of keys that nobody else uses, before each test.
"""

import threading

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import lock_keys
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import lock_survey
from dcn_plugins.locking import locks
from dcn_plugins.locking import session

SECONDS = 20.0


class EtcdContract:
    """The requests of ``lock_queue``, one by one."""

    def setUp(self):
        super().setUp()
        keys = lock_keys.Keys(self.prefix)
        self.queues = lock_queue.Queues(keys)
        self.survey = lock_survey.Survey(keys)
        self.leases = [self.grant(), self.grant()]

    def grant(self):
        found = self.client.call(
            '/lease/grant', {'TTL': '60', 'ID': '0'}, SECONDS)
        self.addCleanup(self.revoke, int(found['ID']))
        return int(found['ID'])

    def revoke(self, lease):
        try:
            self.client.call('/lease/revoke', {'ID': str(lease)}, SECONDS)
        except exceptions.EtcdRefused as exc:
            self.assertEqual(etcd.NOT_FOUND, exc.code)

    def claim(self, number, modes='x', record=None):
        names = tuple(f'n{index}' for index in range(len(modes)))
        return lock_queue.Claim(f'c{number}', names, tuple(modes), 'somebody',
                                record)

    def verdict(self, claim, body, token=None):
        return self.queues.verdict(
            claim, self.client.transaction(body, SECONDS), token)

    def take(self, claim, number=0):
        return self.queues.taken(self.client.transaction(
            self.queues.take(claim, self.leases[number]), SECONDS))

    def enter(self, claim, number=0):
        return self.take(claim, number) or self.verdict(
            claim, self.queues.enter(claim, self.leases[number]))

    def is_released(self, claim, token, lease=None):
        return bool(self.client.transaction(self.queues.release(
            claim, token, lease), SECONDS).get('succeeded'))

    def test_who_is_alone_is_granted(self):
        claim = self.claim(1)
        granted = self.enter(claim)
        self.assertIsInstance(granted, lock_queue.Granted)
        self.assertEqual(granted, self.enter(claim), 'entered twice')
        self.assertTrue(self.is_released(claim, granted.token))
        self.assertFalse(self.is_released(claim, granted.token))
        self.assertIsInstance(self.verdict(claim, self.queues.look(claim)),
                              lock_queue.Gone)

    def test_tokens_rise(self):
        tokens = []
        for number in range(3):
            claim = self.claim(number)
            tokens.append(self.enter(claim).token)
            self.is_released(claim, tokens[-1])
        self.assertEqual(sorted(set(tokens)), tokens)

    def test_queue(self):
        first, second, third = map(self.claim, (1, 2, 3))
        granted = self.enter(first)
        waiting = self.enter(second, 1)
        self.assertEqual('somebody', waiting.holder)
        self.assertEqual(waiting, self.enter(second, 1), 'entered twice')
        last = self.enter(third)
        self.assertIn('/c2', last.key)
        self.assertLess(waiting.token, last.token)
        self.is_released(first, granted.token)
        self.assertEqual(
            lock_queue.Granted(waiting.token),
            self.verdict(second, self.queues.look(second)))

    def test_readers_and_several_names(self):
        one = self.claim(1, 'ss')
        other = self.claim(2, 'sx')
        granted = self.enter(one)
        waiting = self.enter(other)
        self.assertIsInstance(waiting, lock_queue.Waiting)
        self.assertIsInstance(self.enter(self.claim(3, 's')),
                              lock_queue.Granted)
        self.assertTrue(self.is_released(one, granted.token))
        self.assertEqual(lock_queue.Granted(waiting.token), self.verdict(
            other, self.queues.look(other)))

    def test_lease_takes_the_entry_and_leaves_the_record(self):
        first, second = self.claim(1, 'x', 'one'), self.claim(2, 'x', 'two')
        granted = self.enter(first)
        self.revoke(self.leases[0])
        turn = self.enter(second, 1)
        self.assertEqual(['one'], [entry.text for entry in turn.left_behind])
        self.assertEqual(turn, self.verdict(
            second, self.queues.look(second)))
        self.assertEqual(lock_queue.Granted(turn.token), self.verdict(
            second, self.queues.grant(second, turn), turn.token))
        self.assertFalse(self.is_released(first, granted.token))
        self.assertTrue(self.is_released(second, turn.token))

    def test_a_record_that_has_changed_keeps_from_being_granted(self):
        first, second, third = (self.claim(number, 'x', str(number))
                                for number in (1, 2, 3))
        self.enter(first)
        self.revoke(self.leases[0])
        turn = self.enter(second, 1)
        self.client.transaction(self.queues.withdraw(first), SECONDS)
        again = self.verdict(second, self.queues.grant(second, turn),
                             turn.token)
        self.assertEqual(lock_queue.Next(turn.token), again)
        self.assertIsInstance(self.enter(third, 1), lock_queue.Waiting)

    def test_abandoned_records_are_found(self):
        claim = self.claim(1, 'xs', 'one')
        self.enter(claim)
        self.client.transaction(self.queues.abandon(claim, self.leases[0]),
                                SECONDS)
        self.enter(self.claim(2, 'x'), 1)
        page = self.client.call('/kv/range', {
            **self.survey.page(), 'limit': '2'}, SECONDS)
        keys = [etcd_requests.decoded(item['key']) for item in page['kvs']]
        self.assertEqual(2, len(keys))
        self.assertTrue(page['more'])
        page = self.client.call(
            '/kv/range', self.survey.page(keys[-1]), SECONDS)
        self.assertFalse(page.get('more'))
        self.assertNotIn('value', page['kvs'][0])
        keys += [etcd_requests.decoded(item['key']) for item in page['kvs']]
        modes = {'n0': 'x', 'n1': 's'}
        self.assertEqual({'c1': modes}, self.survey.suspects(keys))
        found = self.survey.left_behind('c1', modes, self.client.transaction(
            self.survey.inspect('c1', modes), SECONDS))
        self.assertEqual('one', found.record)
        for name, is_free in (('n1', False), ('n2', True)):
            self.assertEqual(is_free, bool(self.client.transaction(
                self.survey.is_free([name]), SECONDS).get('succeeded')))

    def test_a_claim_that_is_done_enters_no_more(self):
        for number, end in enumerate((
                lambda claim, token: self.is_released(
                    claim, token, self.leases[0]),
                lambda claim, token: self.client.transaction(
                    self.queues.withdraw(claim, self.leases[0]), SECONDS))):
            claim = self.claim(number)
            end(claim, self.enter(claim).token)
            self.assertIsInstance(self.enter(claim), lock_queue.Gone)
            self.assertIsInstance(self.enter(self.claim(f'{number}+'), 1),
                                  lock_queue.Granted)
            self.revoke(self.leases[1])
            self.leases[1] = self.grant()

    def test_nothing_is_entered_without_a_lease(self):
        self.revoke(self.leases[0])
        error = self.assertRaises(exceptions.EtcdRefused, self.enter,
                                  self.claim(1))
        self.assertEqual(etcd.NOT_FOUND, error.code)
        # Nor is it in the queue behind somebody.
        self.enter(self.claim(2), 1)
        self.assertRaises(exceptions.EtcdRefused, self.enter, self.claim(1))

    def test_keepalive_of_a_lease_that_has_ended(self):
        answer = self.client.call(
            '/lease/keepalive', {'ID': str(self.leases[0])}, SECONDS)
        self.assertGreater(int(answer['result']['TTL']), 0)
        self.revoke(self.leases[0])
        answer = self.client.call(
            '/lease/keepalive', {'ID': str(self.leases[0])}, SECONDS)
        self.assertEqual(0, int(answer['result'].get('TTL', 0)))

    def test_watch(self):
        claim = self.claim(1)
        token = self.enter(claim).token
        second = self.claim(2)
        second_token = self.enter(second, 1).token
        found = self.enter(self.claim(3), 1)
        keys = [etcd_requests.encoded(key)
                for key in (found.key, found.before)]
        with self.client.watch(keys, SECONDS) as events:
            self.assertEqual((), next(events))
            for own, token, key in ((claim, token, keys[1]),
                                    (second, second_token, keys[0])):
                thread = threading.Thread(
                    target=self.is_released, args=(own, token))
                thread.start()
                self.assertEqual((key,), next(events))
                thread.join()

    def test_watch_that_stays_silent(self):
        self.enter(self.claim(1))
        key = self.enter(self.claim(2), 1).key

        def look():
            with self.client.watch(
                    [etcd_requests.encoded(key)], 0.3) as events:
                return list(events)

        self.assertRaises(exceptions.EtcdUnavailable, look)

    def test_locks(self):
        own = session.Session(self.client, self.renewer, 10)
        self.addCleanup(own.close)
        found = locks.Locks(self.client, own, self.prefix)
        hold = found.acquire([('a', 'x'), ('b', 's')], 5)
        self.assertTrue(found.is_held(hold))
        self.assertTrue(found.is_valid(hold))
        self.assertIsNone(found.acquire([('b', 'x')], 0.2))
        later = []
        thread = threading.Thread(target=lambda: later.append(
            found.acquire([('b', 'x')], 20)))
        thread.start()
        found.release(hold)
        thread.join(30)
        found.release(later[0])
        self.assertIsNotNone(found.acquire([('b', 'x')], 0))
        self.assertTrue(found.break_('b'))

    def test_what_operators_read(self):
        """Keys with their leases, how many there are, and how long they last.

        """
        hold = self.claim(1)
        self.take(hold)
        everything = etcd_requests.range_of(self.prefix)
        answer = self.client.call('/kv/range', {
            **everything, 'count_only': True}, SECONDS)
        self.assertEqual(('1', False), (answer['count'], 'kvs' in answer))
        item, = self.client.call('/kv/range', everything, SECONDS)['kvs']
        self.assertEqual(str(self.leases[0]), item['lease'])
        told = self.client.call('/lease/timetolive', {'ID': item['lease']},
                                SECONDS)
        self.assertEqual('60', told['grantedTTL'])
        self.assertLessEqual(int(told['TTL']), 60)
        self.revoke(self.leases[0])
        told = self.client.call('/lease/timetolive', {'ID': item['lease']},
                                SECONDS)
        self.assertEqual('-1', told['TTL'])
        # A key without a lease has no such field.
        self.client.transaction(etcd_requests.transaction(success=[
            etcd_requests.put(f'{self.prefix}/x')]), SECONDS)
        item, = self.client.call('/kv/range', everything, SECONDS)['kvs']
        self.assertEqual('0', item.get('lease', '0'))
