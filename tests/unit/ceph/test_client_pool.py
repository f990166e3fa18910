# SPDX-License-Identifier: Apache-2.0
"""Who gets which client of Ceph, and when one is closed."""

import collections
import threading

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.ceph import client_pool


class Cluster:
    """A connection that tells what became of it."""

    def __init__(self, addresses='v2:127.0.0.1:0/7', failure=None):
        self.calls = []
        self._addresses = addresses
        self._failure = failure

    def get_addrs(self):
        return self._addresses

    def open_ioctx(self, pool):
        self.calls.append(f'open {pool}')
        return Ioctx(self, pool)

    def shutdown(self):
        self.calls.append('shutdown')
        if self._failure:
            raise self._failure


class Ioctx:

    def __init__(self, cluster, pool):
        self.cluster = cluster
        self.pool = pool

    def close(self):
        self.cluster.calls.append(f'close {self.pool}')


def client(**options):
    cluster = Cluster(**options)
    return client_pool.Client(cluster, 'gold', Ioctx(cluster, 'gold'))


class ClientTest(testtools.TestCase):

    def test_its_addresses_are_what_a_fence_needs(self):
        self.assertEqual(('127.0.0.1:0/7',), client().addresses)

    def test_what_names_more_than_one_client_is_refused(self):
        made = client(addresses='127.0.0.1:0/0')
        self.assertRaises(ValueError, lambda: made.addresses)

    def test_a_context_is_opened_once(self):
        made = client()
        self.assertIs(made.ioctx('iron'), made.ioctx('iron'))
        self.assertEqual('gold', made.ioctx('gold').pool)
        self.assertEqual(['open iron'], made.cluster.calls)

    def test_all_contexts_are_closed_before_it(self):
        made = client()
        made.ioctx('iron')
        made.close()
        self.assertEqual(['open iron', 'close gold', 'close iron',
                          'shutdown'], made.cluster.calls)


class PoolTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.now = 0.0
        self.made = []
        self.pool = client_pool.ClientPool(self.connect, lambda: self.now)
        self.useFixture(fixtures.MockPatchObject(
            self.pool, 'discard', lambda made: self.pool._close(made)))

    def connect(self):
        self.made.append(client())
        return self.made[-1]

    def closed(self):
        return [made for made in self.made
                if made.cluster.calls[-1:] == ['shutdown']]


class PoolTest(PoolTestCase):

    def test_is_connected_when_there_is_none(self):
        self.assertEqual([self.pool.take()], self.made)

    def test_the_one_that_was_used_last_is_used_again(self):
        one, other = self.pool.take(), self.pool.take()
        self.assertIsNot(one, other)
        self.pool.give_back(one)
        self.pool.give_back(other)
        self.assertIs(other, self.pool.take())
        self.assertIs(one, self.pool.take())
        self.assertEqual(2, len(self.made))

    def test_a_new_one_is_new_whatever_is_idle(self):
        idle = self.pool.take()
        self.pool.give_back(idle)
        self.assertIsNot(idle, self.pool.take(is_new=True))
        self.assertIs(idle, self.pool.take())

    def test_who_cannot_connect_is_told(self):
        def fail():
            raise ValueError('away')

        pool = client_pool.ClientPool(fail)
        for is_new in (False, True):
            self.assertRaises(ValueError, pool.take, is_new)

    def test_more_than_are_needed_are_closed_the_oldest_first(self):
        made = [self.pool.take()
                for _number in range(client_pool.MOST_IDLE + 2)]
        for number, one in enumerate(made):
            self.now = number
            self.pool.give_back(one)
        self.assertEqual(made[:2], self.closed())

    def test_who_is_idle_for_long_is_closed_when_another_one_comes(self):
        one, other = self.pool.take(), self.pool.take()
        self.pool.give_back(one)
        self.now += client_pool.IDLE_SECONDS
        self.pool.give_back(other)
        self.assertEqual([], self.closed())
        self.now += 1
        self.pool.give_back(self.pool.take())
        self.assertEqual([one], self.closed())

    def test_all_are_closed_at_the_end(self):
        made = [self.pool.take() for _number in range(3)]
        for one in made[:2]:
            self.pool.give_back(one)
        self.pool.close()
        self.assertEqual(set(made[:2]), set(self.closed()))

    def test_one_that_is_not_closed_in_order_is_told_of(self):
        self.pool._close(client(failure=ValueError('odd')))
        self.assertIn('odd', self.log.output)

    @hypothesis.settings(deadline=None, database=None, max_examples=100)
    @hypothesis.given(strategies.lists(strategies.tuples(
        strategies.sampled_from(['take', 'new', 'give_back', 'discard']),
        strategies.integers(0, 5), strategies.floats(0, 400)), max_size=40))
    def test_nobody_has_the_client_of_somebody_else(self, calls):
        self.made = []
        self.pool = client_pool.ClientPool(self.connect, lambda: self.now)
        self.pool.discard = self.pool._close
        taken = []
        for call, number, seconds in calls:
            self.now += seconds
            if call in ('take', 'new'):
                found = self.pool.take(is_new=call == 'new')
                self.assertNotIn(found, taken)
                self.assertNotIn(found, self.closed())
                taken.append(found)
            elif taken:
                getattr(self.pool, call)(taken.pop(number % len(taken)))
        counts = collections.Counter(
            call for made in self.made for call in made.cluster.calls
            if call == 'shutdown')
        self.assertEqual(len(self.closed()), counts['shutdown'])


class Emptied(collections.deque):
    """Idle clients that another thread takes as soon as they are there."""

    def append(self, _client):
        """Add it for no time at all."""


class ThreadsTest(testtools.TestCase):

    def test_one_that_another_thread_takes_at_once(self):
        pool = client_pool.ClientPool(client)
        pool._idle = Emptied()
        pool.give_back(client())

    def test_nobody_waits_for_one_that_is_closed(self):
        is_free, is_closed = threading.Event(), threading.Event()
        made = client()

        def close():
            is_free.wait(30)
            is_closed.set()

        made.close = close
        client_pool.ClientPool(client).discard(made)
        self.assertFalse(is_closed.is_set())
        is_free.set()
        self.assertTrue(is_closed.wait(30))
