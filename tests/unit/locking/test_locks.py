# SPDX-License-Identifier: Apache-2.0
"""The waits around the lock protocol, on an etcd in memory with faults."""

import contextlib
import threading
import time

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import lock_survey
from dcn_plugins.locking import locks
from tests.fakes import etcd

LOST = exceptions.EtcdUnavailable('the answer is lost', is_sent=True)
AWAY = exceptions.EtcdUnavailable('refused', is_sent=False)
WRITE = [('a', lock_queue.EXCLUSIVE)]
READ = [('a', lock_queue.SHARED)]


class Session:
    """A lease that ends when a test says so."""

    def __init__(self, client):
        self.client = client
        self.lease_id = None

    def lease(self, seconds):
        if self.lease_id is None:
            self.lease_id = int(self.client.call(
                '/lease/grant', {'TTL': '15'}, seconds)['ID'])
        return self

    @property
    def id(self):
        return self.lease_id

    def is_valid(self, lease_id, margin_seconds=0.0):
        return lease_id is not None and lease_id == self.lease_id

    def left(self, lease_id):
        return 15.0 if self.is_valid(lease_id) else 0.0

    def forget(self, lease_id):
        if lease_id == self.lease_id:
            self.lease_id = None

    def end(self):
        lease, self.lease_id = self.lease_id, None
        self.client.expire(lease)


class LocksTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger('dcn_plugins'))
        for name in ('FIRST_PAUSE_SECONDS', 'LAST_PAUSE_SECONDS'):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.locking.lock_waits.{name}', 0.005))
        self.store = etcd.Store()
        self.one = self.process()
        self.other = self.process()

    def process(self, **options):
        """Return the locks of another process, with a network of its own."""
        client = etcd.Client(self.store)
        if hasattr(self, 'one'):
            client.changed = self.one.client.changed
        found = locks.Locks(client, Session(client), '/t', **options)
        found.client, found.session = client, found._session
        self.addCleanup(found.close)
        return found

    def keys(self, *kinds):
        return [key for key in self.store.keys()
                if key.split('/')[-2] in (kinds or ('q', 'g', 'f'))]

    def in_background(self, call, *args, **options):
        """Call something in a thread; return where its result will be."""
        found = []
        thread = threading.Thread(
            target=lambda: found.append(call(*args, **options)), daemon=True)
        thread.start()
        self.addCleanup(thread.join, 30)
        return found, thread

    def result(self, later):
        found, thread = later
        thread.join(30)
        self.assertFalse(thread.is_alive(), 'it still waits')
        return found[0]

    def wait_until(self, is_true):
        deadline = time.monotonic() + 30
        while not is_true():
            self.assertLess(time.monotonic(), deadline, 'did not come')
            time.sleep(0.001)


class AcquireTest(LocksTestCase):

    def test_costs_one_transaction_and_so_does_its_release(self):
        self.one.release(self.one.acquire(WRITE))
        del self.one.client.calls[:]
        self.one.release(self.one.acquire(WRITE, record='me'))
        self.assertEqual(['/kv/txn', '/kv/txn'],
                         [path for path, _body in self.one.client.calls])
        self.assertEqual([], self.keys())

    def test_is_exclusive(self):
        hold = self.one.acquire(WRITE)
        self.assertIsNone(self.other.acquire(WRITE, 0))
        self.assertIsNone(self.other.acquire(READ, 0))
        self.one.release(hold)
        self.assertIsNotNone(self.other.acquire(WRITE, 0))

    def test_readers_share(self):
        self.one.acquire(READ)
        self.assertIsNotNone(self.other.acquire(READ, 0))
        self.assertIsNone(self.other.acquire(WRITE, 0))

    def test_names_are_apart(self):
        self.one.acquire(WRITE)
        for name in ('a/', 'a/x', 'A', 'a ', '', '\xe9', '../a'):
            self.assertIsNotNone(
                self.other.acquire([(name, lock_queue.EXCLUSIVE)], 0), name)

    def test_several_names_are_all_or_nothing(self):
        hold = self.one.acquire([('b', 'x')])
        self.assertIsNone(self.other.acquire(
            [('c', 'x'), ('a', 'x'), ('b', 'x')], 0))
        self.assertEqual(1, len(self.keys()))
        self.one.release(hold)
        hold = self.other.acquire([('c', 'x'), ('a', 's'), ('b', 'x')], 0)
        self.assertEqual(('a', 'b', 'c'), hold.claim.names)
        self.assertIsNone(self.one.acquire([('c', 's')], 0))
        self.assertIsNotNone(self.one.acquire(READ, 0))

    def test_who_gives_up_leaves_nothing(self):
        self.one.acquire(WRITE)
        before = self.keys()
        started = time.monotonic()
        self.assertIsNone(self.other.acquire(WRITE, 0.2))
        self.assertLess(0.19, time.monotonic() - started)
        self.assertEqual(before, self.keys())

    def test_token_rises(self):
        tokens = []
        for _number in range(3):
            for process in (self.one, self.other):
                hold = process.acquire(WRITE)
                tokens.append(hold.token)
                process.release(hold)
        self.assertEqual(sorted(set(tokens)), tokens)

    def test_waiters_are_served_in_the_order_of_their_arrival(self):
        hold = self.one.acquire(WRITE)
        served = []

        def serve(number):
            process = self.process()
            got = process.acquire(WRITE)
            served.append(number)
            process.release(got)

        waiters = []
        for number in range(8):
            waiters.append(self.in_background(serve, number))
            self.wait_until(lambda: len(self.keys()) == number + 2)
        self.one.release(hold)
        for waiter in waiters:
            self.result(waiter)
        self.assertEqual(list(range(8)), served)

    def test_each_waiter_watches_one(self):
        hold = self.one.acquire(WRITE)
        later = self.in_background(self.other.acquire, WRITE)
        self.wait_until(lambda: self.other.client.watches)
        self.one.release(hold)
        self.assertIsNotNone(self.result(later))
        self.assertEqual(1, self.other.client.watches)

    def looks_until_granted(self, wishes, before, **options):
        """Return how often the next one looks once somebody has released."""
        held = self.one.acquire(before)
        later = self.in_background(self.other.acquire, wishes, 5, **options)
        # The lease, a try, the entry, and a look when the watch has begun.
        self.wait_until(lambda: len(self.other.client.calls) == 4)
        self.one.release(held)
        hold = self.result(later)
        self.assertTrue(self.other.is_held(hold))
        # But for that question.
        return len(self.other.client.calls) - 5

    def test_who_waits_for_one_is_granted_when_that_goes(self):
        self.assertEqual(0, self.looks_until_granted(WRITE, WRITE))

    def third_in_line(self, *wait):
        """Return the first hold, and how two more come to wait for it."""
        hold = self.one.acquire(WRITE)
        later = []
        for process in (self.process(), self.other):
            later.append(self.in_background(process.acquire, WRITE, *wait))
            self.wait_until(lambda: len(process.client.calls) == 4)
        return hold, *later

    def test_who_is_next_but_one_looks_while_the_next_works(self):
        hold, second, third = self.third_in_line()
        self.one.release(hold)
        self.wait_until(lambda: len(self.other.client.calls) == 5)
        self.assertTrue(third[1].is_alive())
        self.process().release(self.result(second))
        self.assertTrue(self.other.is_held(self.result(third)))
        # A watch and a look, as before; none when it is its turn.
        self.assertEqual((1, 6), (self.other.client.watches,
                                  len(self.other.client.calls)))

    def test_who_looks_meanwhile_does_not_wait_for_longer(self):
        hold, second, third = self.third_in_line(1.0)
        time.sleep(0.7)
        self.one.release(hold)
        self.result(second)
        released_at = time.monotonic()
        self.assertIsNone(self.result(third))
        self.assertLess(time.monotonic() - released_at, 0.7)

    def test_the_one_before_is_not_taken_for_the_last(self):
        """The news of it may come after a look that has seen it gone."""
        hold = self.one.acquire(WRITE)
        second = self.in_background(self.other.acquire, WRITE)
        self.wait_until(lambda: len(self.other.client.calls) == 4)
        third = self.process()
        begin, is_looked = third.client.watch, threading.Event()

        @contextlib.contextmanager
        def watch(keys, seconds):
            self.one.release(hold)
            self.result(second)
            with begin(keys, seconds) as events:
                yield late(keys, events)

        def late(keys, events):
            yield next(events)
            yield keys[1:]
            is_looked.set()
            yield from events

        self.useFixture(fixtures.MockPatchObject(
            third.client, 'watch', watch))
        later = self.in_background(third.acquire, WRITE)
        self.assertTrue(is_looked.wait(30))
        self.assertTrue(later[1].is_alive())
        self.other.release(self.result(second))
        self.assertTrue(third.is_held(self.result(later)))

    def test_who_waits_for_several_looks_again(self):
        first, second = self.one.acquire(READ), self.one.acquire(READ)
        later = self.in_background(self.other.acquire, WRITE, 5)
        self.wait_until(lambda: len(self.other.client.calls) == 4)
        self.one.release(second)
        # Once when the watch tells, and once when the next has begun.
        self.wait_until(lambda: len(self.other.client.calls) == 6)
        self.assertEqual(([], True), (later[0], later[1].is_alive()))
        self.one.release(first)
        self.assertIsNotNone(self.result(later))
        self.assertEqual(6, len(self.other.client.calls))

    def test_who_has_several_names_looks_again(self):
        self.assertEqual(1, self.looks_until_granted(
            [('a', 'x'), ('b', 'x')], WRITE))

    def test_who_leaves_a_record_has_to_write_it(self):
        self.assertEqual(2, self.looks_until_granted(
            WRITE, WRITE, record='client 2'))

    def test_whose_predecessor_leaves_a_record_looks_for_it(self):
        self.one.acquire(WRITE, record='client 1')
        later = self.in_background(
            self.other.acquire, WRITE, 5, fence=lambda entries: None)
        self.wait_until(lambda: len(self.other.client.calls) == 4)
        del self.other.client.calls[:]
        self.one.session.end()
        self.assertIsNotNone(self.result(later))
        # The record is deleted by the second.
        self.assertEqual(2, len(self.other.client.calls))
        self.assertEqual([], self.keys('f'))

    def test_whose_predecessor_has_yet_to_write_a_record_looks_for_it(self):
        held = self.one.acquire(WRITE)
        third = self.process()
        go_on, grant = threading.Event(), third._queues.grant
        self.useFixture(fixtures.MockPatchObject(
            third._queues, 'grant', side_effect=lambda *arguments: (
                go_on.wait(), grant(*arguments))[1]))
        before = self.in_background(third.acquire, WRITE, record='client 1')
        self.wait_until(lambda: self.keys('g'))
        self.one.release(held)
        self.wait_until(lambda: third._queues.grant.called)
        later = self.in_background(
            self.other.acquire, WRITE, 5, fence=lambda entries: None)
        self.wait_until(lambda: len(self.other.client.calls) == 4)
        go_on.set()
        self.assertIsNotNone(self.result(before))
        third.session.end()
        self.assertIsNotNone(self.result(later))
        self.assertEqual([], self.keys('f'))

    def test_whose_predecessors_have_left_a_record_looks_for_it(self):
        """Who is before us may give up, as he cannot fence."""
        self.one.acquire(WRITE, record='client 1')
        self.one.session.end()
        third = self.process()
        fence = threading.Event()
        before = self.in_background(
            self.assertRaises, ZeroDivisionError, third.acquire, WRITE, 5,
            fence=lambda entries: fence.wait() / 0)
        self.wait_until(lambda: self.keys('q'))
        later = self.in_background(
            self.other.acquire, WRITE, 5, fence=lambda entries: None)
        self.wait_until(lambda: len(self.other.client.calls) == 4)
        fence.set()
        self.assertIsNotNone(self.result(later))
        self.assertIsNotNone(self.result(before))
        self.assertEqual([], self.keys('f'))


class OutageTest(LocksTestCase):

    def test_claim_waits_for_an_etcd_that_is_away(self):
        self.one.client.faults = [AWAY] * 5
        self.assertIsNotNone(self.one.acquire(WRITE))
        self.assertIn('A claim waits: etcd does not answer', self.log.output)

    def test_not_for_ever(self):
        patient = self.process(outage_seconds=0.1)
        patient.client.faults = [AWAY] * 1000
        self.assertRaises(exceptions.EtcdUnavailable, patient.acquire, WRITE)

    def test_not_for_longer_than_its_time(self):
        self.one.client.faults = [AWAY] * 1000
        self.assertRaises(exceptions.EtcdUnavailable, self.one.acquire,
                          WRITE, 0.1)

    def test_nobody_waits_who_does_not_want_to(self):
        self.one.client.faults = [AWAY, AWAY]
        self.assertRaises(exceptions.EtcdUnavailable, self.one.acquire,
                          WRITE, 0)
        self.assertEqual(1, len(self.one.client.faults))

    def test_an_answer_that_is_lost_is_no_second_claim(self):
        for fault in (LOST, etcd.Late()):
            # The lease first.
            self.one.client.faults = [None, fault] if (
                self.one.session.lease_id is None) else [fault]
            hold = self.one.acquire(WRITE, 5)
            self.one.client.deliver()
            self.assertEqual(1, len(self.keys()))
            self.one.release(hold)
            self.one.client.deliver()
            self.assertEqual([], self.keys())

    def test_a_message_that_arrives_after_its_claim_was_released(self):
        self.one.client.faults = [None, etcd.Late()]
        self.one.release(self.one.acquire(WRITE, 5))
        self.one.client.deliver()
        self.assertEqual([], self.keys())
        self.assertIsNotNone(self.other.acquire(WRITE, 0))

    def test_a_claim_that_was_given_up_is_withdrawn_when_etcd_is_back(self):
        self.one.acquire([('b', 'x')])
        self.one.client.faults = [LOST, *[AWAY] * 20]
        self.assertRaises(exceptions.EtcdUnavailable, self.one.acquire,
                          WRITE, 0)
        self.assertEqual(2, len(self.keys()))
        self.wait_until(lambda: len(self.keys()) == 1)
        self.assertIsNotNone(self.other.acquire(WRITE, 0))

    def test_a_lease_that_ends_while_waiting(self):
        hold = self.one.acquire(WRITE)
        later = self.in_background(self.other.acquire, WRITE)
        self.wait_until(lambda: self.other.client.watches)
        self.other.session.end()
        self.wait_until(lambda: self.other.session.lease_id is None)
        self.one.release(hold)
        got = self.result(later)
        self.assertTrue(self.other.is_held(got))
        self.other.release(got)

    def test_a_lease_that_etcd_does_not_know(self):
        self.one.session.lease_id = 999
        hold = self.one.acquire(WRITE, 5)
        self.assertNotEqual(999, hold.lease_id)


class ReleaseTest(LocksTestCase):

    def test_lost(self):
        hold = self.one.acquire(WRITE)
        self.one.session.end()
        self.assertFalse(self.one.is_valid(hold))
        self.assertFalse(self.one.is_held(hold))
        self.assertRaises(exceptions.LockLost, self.one.release, hold)

    def test_lost_to_somebody(self):
        hold = self.one.acquire(WRITE)
        self.one.session.end()
        theirs = self.other.acquire(WRITE, 0)
        self.assertRaises(exceptions.LockLost, self.one.release, hold)
        self.assertTrue(self.other.is_held(theirs))

    def test_an_answer_that_is_lost(self):
        for fault in (LOST, etcd.Late(), AWAY):
            hold = self.one.acquire(WRITE, 5)
            self.one.client.faults = [fault]
            self.one.release(hold)
            self.one.client.deliver()
            self.assertEqual([], self.keys())

    def test_an_answer_that_is_lost_and_then_the_lease(self):
        hold = self.one.acquire(WRITE)
        self.one.client.faults = [LOST]
        self.one.session.end()
        error = self.assertRaises(exceptions.LockServiceError,
                                  self.one.release, hold)
        self.assertIs(exceptions.Outcome.UNKNOWN, error.outcome)

    def test_of_work_that_has_ended_nobody_waits_for_it(self):
        held = self.one.acquire(WRITE, 1, record='work')
        self.one.release_soon(held, 'work')
        self.wait_until(lambda: not self.one.is_guarding)
        self.assertEqual(([], ''), (self.keys(), self.log.output))

    def test_and_a_loss_is_only_told(self):
        held = self.one.acquire(WRITE, 1, record='work')
        self.one.session.end()
        self.other.acquire(WRITE, 5, 'theirs', lambda _all: None)
        self.one.release_soon(held, 'work')
        self.wait_until(lambda: 'work has ended well' in self.log.output)

    def test_etcd_stays_away(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.locks.RELEASE_SECONDS', 0.05))
        hold = self.one.acquire(WRITE)
        self.one.client.faults = [AWAY] * 100
        self.assertRaises(exceptions.LockServiceError, self.one.release, hold)
        # Nobody waits any more, and yet it is given back.
        self.wait_until(lambda: not self.keys())

    def test_broken(self):
        hold = self.one.acquire(WRITE)
        self.assertTrue(self.other.break_('a'))
        self.assertFalse(self.other.break_('a'))
        self.assertRaises(exceptions.LockLost, self.one.release, hold)

    def test_who_waits_when_a_lock_is_broken_keeps_his_place(self):
        hold = self.one.acquire(WRITE)
        later = self.in_background(self.other.acquire, WRITE)
        self.wait_until(lambda: self.other.client.watches)
        entry, = (key for key in self.keys() if hold.claim.id not in key)
        self.assertTrue(self.process().break_('a'))
        self.assertEqual([entry], self.keys())
        self.assertIn(self.result(later).claim.id, entry)

    def test_the_oldest_of_several_is_the_holder(self):
        self.useFixture(fixtures.MockPatch(
            'dcn_plugins.locking.locks.secrets.token_urlsafe',
            side_effect=['c', 'b', 'a']))
        for holder in 'cba':
            self.process(holder=holder).acquire(READ)
        self.assertEqual('c', self.one.holder('a'))

    def test_all_who_share_a_lock_are_broken(self):
        holds = [self.one.acquire(READ) for _number in range(50)]
        self.in_background(self.other.acquire, WRITE, 30)
        self.wait_until(lambda: len(self.keys()) == 51)
        self.assertTrue(self.process().break_('a'))
        for hold in holds:
            self.assertRaises(exceptions.LockLost, self.one.release, hold)

    def test_who_waits_elsewhere_and_is_broken_queues_again(self):
        patient = self.process(outage_seconds=0)
        hold = self.one.acquire([('b', 'x')])
        later = self.in_background(patient.acquire, [('a', 'x'), ('b', 'x')])
        self.wait_until(lambda: patient.client.watches)
        self.assertTrue(self.other.break_('a'))
        self.one.release(hold)
        self.assertTrue(patient.is_held(self.result(later)))

    def test_broken_while_its_release_gets_no_answer(self):
        """The lease is there, and yet it was not the only one."""
        hold = self.one.acquire(WRITE)
        self.one.client.faults = [etcd.Late()]
        self.useFixture(fixtures.MockPatch(
            'dcn_plugins.locking.locks.time.sleep',
            side_effect=lambda seconds: self.other.break_('a')
            and self.other.acquire(WRITE, 0)))
        self.assertRaises(exceptions.LockLost, self.one.release, hold)

    def test_interrupted(self):
        hold = self.one.acquire(WRITE)
        self.one.client.faults = [KeyboardInterrupt(), AWAY]
        self.assertRaises(KeyboardInterrupt, self.one.release, hold)
        self.wait_until(lambda: not self.keys())


class SeveralMembersTest(LocksTestCase):
    """One member does not answer, the next one does."""

    def test_claim_is_entered_once(self):
        self.one.client.faults = [None, etcd.Repeated()]
        hold = self.one.acquire(WRITE)
        self.assertEqual(1, len(self.keys()))
        self.one.release(hold)
        self.assertEqual([], self.keys())

    def test_claim_that_arrives_after_its_release(self):
        self.one.client.faults = [None, etcd.Repeated(is_late=True)]
        hold = self.one.acquire(WRITE)
        self.one.release(hold)
        self.one.client.deliver()
        self.assertEqual([], self.keys())

    def test_claim_that_arrives_after_it_was_interrupted(self):
        # The grant of the lease, the claim, and its withdrawal.
        self.one.client.faults = [None, KeyboardInterrupt()]
        body = []
        call = self.one.client.call
        self.one.client.call = lambda path, found, seconds: (
            body.append(found), call(path, found, seconds))[1]
        self.assertRaises(KeyboardInterrupt, self.one.acquire, WRITE)
        self.assertEqual([], self.keys())
        self.store.transaction(body[1])
        self.assertEqual([], self.keys())

    def test_a_try_that_one_member_has_granted(self):
        self.one.client.faults = [None, etcd.Repeated()]
        self.assertIsNotNone(self.one.acquire(WRITE, 0))
        self.one.client.faults = [etcd.Repeated(is_late=True)]
        self.assertIsNone(self.one.acquire(WRITE, 0))
        # And its withdrawal was repeated, too.
        self.one.client.deliver()
        self.assertEqual(1, len(self.keys()))

    def test_release_that_has_had_its_effect_is_no_loss(self):
        hold = self.one.acquire(WRITE)
        self.one.client.faults = [etcd.Repeated()]
        self.one.release(hold)


class LimitsTest(LocksTestCase):

    def test_a_try_is_in_nobody_elses_way(self):
        self.one.acquire(WRITE)
        self.other.acquire([('b', 'x')])
        del self.other.client.calls[:]
        before = self.store.revision
        self.assertIsNone(self.other.acquire(WRITE, 0))
        self.assertEqual(before, self.store.revision)
        self.assertEqual(1, len(self.other.client.calls))

    def test_more_names_than_one_transaction_takes(self):
        names = [(f'n{number}', 'x') for number in range(41)]
        self.assertRaises(ValueError, self.one.acquire, names)
        self.assertIsNotNone(self.one.acquire(names[1:]))

    def test_any_number_of_readers_may_have_died(self):
        for _number in range(101):
            self.one.acquire(READ, record='reader')
        self.one.session.end()
        fenced = []
        hold = self.other.acquire(WRITE, 5, 'writer', fenced.extend)
        self.assertEqual(101, len(fenced))
        self.assertEqual(2, len(self.keys()))
        self.other.release(hold)
        self.assertEqual([], self.keys())

    def test_a_lease_that_never_lasts_is_no_endless_loop(self):
        take = self.one._queues.take

        def end_and_take(*args):
            self.one.session.end()
            return take(*args)

        self.useFixture(fixtures.MockPatchObject(
            self.one._queues, 'take', side_effect=end_and_take))
        self.assertIsNone(self.one.acquire(WRITE, 0))
        self.assertIsNone(self.one.acquire(WRITE, 0.05))

    def test_a_watch_that_does_not_work_is_no_busy_loop(self):
        self.one.acquire(WRITE)
        self.useFixture(fixtures.MockPatchObject(
            self.other.client, 'watch', side_effect=AWAY))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.lock_waits.LAST_PAUSE_SECONDS', 0.1))
        self.assertIsNone(self.other.acquire(WRITE, 0.5))
        self.assertLess(len(self.other.client.calls), 20)


class FenceTest(LocksTestCase):

    def setUp(self):
        super().setUp()
        self.fenced = []

    def fence(self, left_behind):
        self.fenced.extend(entry.text for entry in left_behind)

    def test_who_dies_is_fenced_before_the_next_is_granted(self):
        self.one.acquire(WRITE, record='client 1')
        self.one.session.end()
        hold = self.other.acquire(WRITE, 5, 'client 2', self.fence)
        self.assertEqual(['client 1'], self.fenced)
        self.other.release(hold)
        self.assertEqual([], self.keys())

    def test_who_releases_is_not(self):
        self.one.release(self.one.acquire(WRITE, record='client 1'))
        self.other.acquire(WRITE, 5, 'client 2', self.fence)
        self.assertEqual([], self.fenced)

    def test_whose_lease_has_ended_and_who_was_not_fenced_has_kept_it(self):
        hold = self.one.acquire(WRITE, record='client 1')
        self.one.session.end()
        self.assertTrue(self.one.is_held(hold))
        self.one.release(hold)
        self.other.acquire(WRITE, 5, 'client 2', self.fence)
        self.assertEqual([], self.fenced)

    def test_who_was_fenced_is_told(self):
        hold = self.one.acquire(WRITE, record='client 1')
        self.one.session.end()
        self.other.acquire(WRITE, 5, 'client 2', self.fence)
        self.assertRaises(exceptions.LockLost, self.one.release, hold)

    def test_fence_that_fails_grants_nothing(self):
        self.one.acquire(WRITE, record='client 1')
        self.one.session.end()

        def fail(left_behind):
            raise ZeroDivisionError

        before = self.keys('f', 'd')
        self.assertRaises(ZeroDivisionError, self.other.acquire, WRITE, 5,
                          'client 2', fail)
        self.assertEqual(before, self.keys('q', 'g', 'f', 'd'))
        self.other.acquire(WRITE, 5, 'client 2', self.fence)
        self.assertEqual(['client 1'], self.fenced)

    def test_grant_that_may_have_replaced_a_record_leaves_its_own(self):
        """It may be all that says what the other one had begun."""
        for fault, left in ((AWAY, 'client 1'), (LOST, 'client 2')):
            hasty = self.process(outage_seconds=0)
            self.one.acquire([(left, 'x')], record='client 1')
            self.one.session.end()
            # The lease, a try, the entry, and the grant.
            hasty.client.faults = [None, None, None, fault]
            self.assertRaises(exceptions.EtcdUnavailable, hasty.acquire,
                              [(left, 'x')], 5, 'client 2', self.fence)
            self.assertEqual([], self.keys('q', 'g'))
            self.assertEqual([({left: 'x'}, left)], [
                (found.modes, found.record)
                for found in self.other.left_behind()])
            self.other.release(self.other.acquire(
                [(left, 'x')], 5, 'client 3', self.fence))

    def test_grant_of_one_record_after_the_other_has_its_own_at_once(self):
        """The others that are left are not all there is then."""
        for _number in range(41):
            self.one.acquire(READ, record='reader')
        self.one.session.end()
        rounds = []

        def fence(left_behind):
            rounds.append((len(left_behind), len(self.keys('f'))))

        self.other.acquire(WRITE, 5, 'writer', fence)
        self.assertEqual([(40, 41), (1, 2)], rounds)

    def test_lock_that_cannot_fence_is_not_granted(self):
        self.one.acquire(WRITE, record='client 1')
        self.one.session.end()
        error = self.assertRaises(exceptions.LockServiceError,
                                  self.other.acquire, WRITE, 5)
        self.assertIs(exceptions.Outcome.NOTHING_DONE, error.outcome)
        self.assertEqual([], self.keys('q', 'g'))

    def test_a_reader_that_died_is_no_matter_for_readers(self):
        self.one.acquire(READ, record='client 1')
        self.one.session.end()
        hold = self.other.acquire(READ, 5, 'client 2', self.fence)
        self.assertEqual([], self.fenced)
        self.other.release(hold)
        self.other.acquire(WRITE, 5, 'client 3', self.fence)
        self.assertEqual(['client 1'], self.fenced)

    def test_of_several_names_each_record_is_seen(self):
        self.one.acquire([('a', 'x'), ('b', 'x')], record='client 1')
        self.one.session.end()
        self.other.acquire(WRITE, 5, 'client 2', self.fence)
        third = self.process()
        third.acquire([('b', 'x')], 5, 'client 3', self.fence)
        self.assertEqual(['client 1', 'client 1'], self.fenced)

    def test_records_tell_whose_they_are(self):
        modes = {'a/b': 'x', 'c': 's'}
        died = self.one.acquire(modes.items(), record='client 1')
        self.one.session.end()
        entries = []
        self.other.acquire(modes.items(), 5, 'client 2', entries.extend)
        self.assertEqual(
            {('a/b', 'x'), ('c', 's')},
            {(entry.name, entry.mode) for entry in entries})
        self.assertEqual({(died.claim.id, died.token, 'client 1')}, {
            (entry.claim, entry.token, entry.text) for entry in entries})

    def test_a_record_is_taken_over_with_its_own_modes(self):
        """Others who have died under a shared name are in nobody's way."""
        for name in ('b', 'c'):
            self.one.acquire([('a', 's'), (name, 'x')], record=name)
        self.one.session.end()
        hold = self.other.acquire([('a', 's'), ('b', 'x')], 5, 'heir of b',
                                  self.fence)
        self.assertEqual(['b', 'b'], self.fenced)
        self.assertEqual(4, len(self.keys('f')))
        self.other.release(hold)
        self.assertEqual(2, len(self.keys('f')))
        self.assertEqual(['c'], [
            left.record for left in self.other.left_behind()])

    def test_record_may_name_its_claim(self):
        hold = self.one.acquire(WRITE, record='claim {}'.format)
        self.one.session.end()
        self.other.acquire(WRITE, 5, 'client 2', self.fence)
        self.assertEqual([f'claim {hold.claim.id}'], self.fenced)


class AbandonTest(LocksTestCase):

    def setUp(self):
        super().setUp()
        self.fenced = []

    def wait_until_all_is_sent(self):
        self.wait_until(lambda: self.one._leftovers._thread is None)

    def assert_left(self):
        self.assertEqual([], self.keys('q', 'g'))
        self.other.acquire(WRITE, 5, 'client 2', self.fenced.extend)
        self.assertEqual(['client 1'], [entry.text for entry in self.fenced])

    def test_records_are_left_behind(self):
        self.one.abandon(self.one.acquire(WRITE, record='client 1'))
        self.assert_left()

    def test_a_message_that_arrives_late_is_no_claim(self):
        self.one.client.faults = [None, etcd.Repeated(is_late=True)]
        self.one.abandon(self.one.acquire(WRITE, record='client 1'))
        self.one.client.deliver()
        self.assert_left()

    def test_while_etcd_is_away(self):
        hold = self.one.acquire(WRITE, record='client 1')
        self.one.client.faults = [LOST, *[AWAY] * 5]
        self.one.abandon(hold)
        self.wait_until_all_is_sent()
        self.assert_left()

    def test_when_it_is_interrupted(self):
        hold = self.one.acquire(WRITE, record='client 1')
        self.one.client.faults = [KeyboardInterrupt(), AWAY]
        self.assertRaises(KeyboardInterrupt, self.one.abandon, hold)
        self.wait_until_all_is_sent()
        self.assert_left()

    def test_after_the_lease(self):
        hold = self.one.acquire(WRITE, record='client 1')
        self.one.session.end()
        self.one.abandon(hold)
        self.assert_left()

    def test_after_somebody_has_fenced_us(self):
        hold = self.one.acquire(WRITE, record='client 1')
        self.one.session.end()
        self.assert_left()
        before = self.keys()
        self.one.abandon(hold)
        self.assertEqual(before, self.keys())


class LeftBehindTest(LocksTestCase):

    def test_of_those_who_are_gone(self):
        modes = {'a/b': 'x', 'c': 's', '\xe9': 'x'}
        self.one.acquire([('other', 'x')], record='alive')
        hold = self.one.acquire(modes.items(), record='client 1')
        self.one.acquire([('no record', 'x')])
        self.assertEqual([], self.other.left_behind())
        self.one.abandon(hold)
        self.assertEqual([lock_survey.LeftBehind(
            hold.claim.id, modes, 'client 1', hold.token)],
            self.other.left_behind())
        self.one.session.end()
        self.assertEqual(['alive', 'client 1'], [
            left.record for left in self.other.left_behind()])

    def test_of_many_pages(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.lock_survey.MAX_KEYS', 2))
        for name in 'abcde':
            self.one.acquire([(name, 'x'), (f'{name}2', 'x')], record=name)
        self.one.session.end()
        self.assertEqual(list('abcde'), [
            left.record for left in self.other.left_behind()])

    def test_not_of_those_who_come_and_go_meanwhile(self):
        for change in (self.one.release, self.one.abandon):
            hold = self.one.acquire(WRITE, record='client 1')
            suspects = self.other._survey.suspects

            def see_records_only(keys):
                change(hold)
                return suspects([key for key in keys if '/f/' in key])

            with fixtures.MockPatchObject(
                    self.other._survey, 'suspects',
                    side_effect=see_records_only):
                found = self.other.left_behind()
            self.assertEqual(change == self.one.abandon, bool(found))

    def test_not_of_those_whose_entry_was_on_another_page(self):
        self.one.acquire(WRITE, record='client 1')
        with fixtures.MockPatchObject(
                self.other._survey, 'suspects', return_value={
                    self.keys('f')[0].split('/')[-1]: {'a': 'x'}}):
            self.assertEqual([], self.other.left_behind())

    def test_claimed(self):
        names = [f'n{number}' for number in range(200)]
        self.assertFalse(self.other.is_claimed(names))
        self.assertFalse(self.other.is_claimed([]))
        hold = self.one.acquire([('n150', 's')], record='client 1')
        self.assertTrue(self.other.is_claimed(names))
        self.assertFalse(self.other.is_claimed(['n15']))
        self.one.abandon(hold)
        self.assertTrue(self.other.is_claimed(['n150']))

    def test_how_long_a_hold_is_proven(self):
        hold = self.one.acquire(WRITE)
        self.assertEqual(15.0, self.one.left(hold))
        self.one.session.end()
        self.assertEqual(0.0, self.one.left(hold))
