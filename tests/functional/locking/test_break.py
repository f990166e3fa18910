# SPDX-License-Identifier: Apache-2.0
"""The lock of a holder who lives and works is broken, on a real etcd."""

import threading

import testtools

from dcn_plugins import exceptions
from dcn_plugins.locking import lock_breaker
from dcn_plugins.locking import lock_keys
from dcn_plugins.locking import locks
from dcn_plugins.locking import session
from dcn_plugins.osc import lock_list
from tests.functional.locking import etcd_case

SECONDS = 20.0
TTL_SECONDS = 9
WRITE = [('a', 'x')]


class BreakTest(etcd_case.EtcdCase, testtools.TestCase):

    def setUp(self):
        super().setUp()
        keys = lock_keys.Keys(self.prefix)
        self.list = lock_list.LockList(self.client, keys)
        self.breaker = lock_breaker.LockBreaker(self.client, keys)

    def process(self, name):
        """Return the locks of a process, and an event for their loss."""
        lost = threading.Event()
        own = session.Session(self.client, self.renewer, TTL_SECONDS,
                              lost.set)
        self.addCleanup(own.close)
        found = locks.Locks(self.client, own, self.prefix, holder=name)
        self.addCleanup(found.close)
        return found, lost

    def seen(self):
        """Return the place and the token of the holder, as a command does."""
        claim, = self.list.locks(SECONDS)['a'].holders
        return (lock_keys.Place('a', claim.mode, claim.kind, claim.claim),
                claim.token)

    def end(self, place, token):
        return self.breaker.end_lease(place, token, SECONDS)

    def test_the_next_one_fences_and_the_holder_notices(self):
        one, lost = self.process('one')
        other, _lost = self.process('other')
        hold = one.acquire(WRITE, record='whom to fence')
        fenced, granted = [], []
        waits = threading.Thread(target=lambda: granted.append(other.acquire(
            WRITE, SECONDS, 'theirs', fenced.extend)))
        waits.start()
        self.assertTrue(self.end(*self.seen()))
        waits.join(SECONDS)
        held, = granted
        self.assertEqual(['whom to fence'],
                         [entry.text for entry in fenced])
        self.assertFalse(one.is_held(hold))
        # He believes it until he renews his lease: that is what the fence is
        # for.
        self.assertTrue(lost.wait(TTL_SECONDS))
        self.assertFalse(one.is_valid(hold))
        self.assertRaises(exceptions.LockLost, one.release, hold)
        self.assertTrue(other.is_held(held))
        # The process is not lost itself.
        self.assertIsNone(one.acquire(WRITE, 0))
        other.release(held)
        self.assertIsNotNone(one.acquire(WRITE, SECONDS))

    def test_without_a_fence_nobody_is_let_in(self):
        one, _lost = self.process('one')
        other, _lost = self.process('other')
        one.acquire(WRITE, record='whom to fence')
        self.assertTrue(self.end(*self.seen()))
        self.assertRaises(exceptions.LockServiceError, other.acquire, WRITE,
                          SECONDS)
        self.assertEqual('left behind', self.list.locks(SECONDS)['a'].state)

    def test_a_newer_holder_is_never_broken(self):
        one, _lost = self.process('one')
        other, _lost = self.process('other')
        for newer in (other, one):
            hold = one.acquire(WRITE, SECONDS, record='old')
            seen = self.seen()
            one.release(hold)
            held = newer.acquire(WRITE, SECONDS, record='new')
            self.assertFalse(self.end(*seen))
            self.assertTrue(newer.is_held(held))
            newer.release(held)
        # Nor one of another process that comes between the look and the end.
        hold = one.acquire(WRITE, SECONDS, record='old')
        seen, held = self.seen(), []
        look = self.client.transaction

        def look_late(body, seconds):
            self.client.transaction = look
            answer = look(body, seconds)
            one.release(hold)
            held.append(other.acquire(WRITE, SECONDS, record='new'))
            return answer

        self.client.transaction = look_late
        self.end(*seen)
        self.assertTrue(other.is_held(held[0]))
        other.release(held[0])
