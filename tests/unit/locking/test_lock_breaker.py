# SPDX-License-Identifier: Apache-2.0
"""The lease of a holder ends, and never that of a newer one."""

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import etcd_requests
from dcn_plugins.locking import lock_breaker
from dcn_plugins.locking import lock_keys
from tests.unit.locking import test_locks

SECONDS = 5.0


class LockBreakerTest(test_locks.LocksTestCase):

    def setUp(self):
        super().setUp()
        self.client = self.one.client
        self.keys_of = lock_keys.Keys('/t')
        self.breaker = lock_breaker.LockBreaker(self.client, self.keys_of)
        self.hold = self.one.acquire(test_locks.WRITE, record='mine')

    def end(self, hold=None, kind=lock_keys.GUARDED):
        hold = hold or self.hold
        return self.breaker.end_lease(
            lock_keys.Place('a', 'x', kind, hold.claim.id), hold.token,
            SECONDS)

    def is_there(self):
        return self.hold.lease_id in self.client.store.leases

    def test_holder(self):
        self.assertTrue(self.end())
        self.assertFalse(self.is_there())
        # The record is all that is left: the next one fences.
        self.assertEqual([lock_keys.FENCE], [
            self.keys_of.place(key).kind for key in self.keys()])
        self.assertFalse(self.end())

    def test_who_has_released(self):
        self.one.release(self.hold)
        self.one.acquire(test_locks.WRITE, record='newer')
        self.assertFalse(self.end())
        self.assertTrue(self.is_there())

    def test_without_the_record_there_is_nobody_to_fence(self):
        self.client.call('/kv/deleterange', {
            'key': etcd_requests.encoded(
                self.keys_of.key('a', 'x', lock_keys.FENCE,
                                 self.hold.claim.id))}, SECONDS)
        self.assertFalse(self.end())
        self.assertTrue(self.is_there())

    def test_lease_that_ends_meanwhile(self):
        call = self.client.call

        def revoke(path, body, seconds):
            if path == '/lease/revoke':
                raise exceptions.EtcdRefused('none', etcd.NOT_FOUND, '')
            return call(path, body, seconds)

        self.client.call = revoke
        self.assertTrue(self.end())

    def test_etcd_that_does_not_answer(self):
        for faults in ([test_locks.AWAY], [None, test_locks.AWAY]):
            self.client.faults = faults
            self.assertRaises(exceptions.EtcdUnavailable, self.end)
            self.assertTrue(self.is_there())
        # It had its effect; the next try finds that.
        self.client.faults = [None, test_locks.LOST]
        self.assertRaises(exceptions.EtcdUnavailable, self.end)
        self.assertFalse(self.is_there())
        self.assertFalse(self.end())
