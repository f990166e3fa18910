# SPDX-License-Identifier: Apache-2.0
"""What operators see of locks on a real etcd."""

import testtools

from dcn_plugins.locking import lock_keys
from dcn_plugins.locking import locks
from dcn_plugins.locking import session
from dcn_plugins.osc import lock_list
from tests.functional.locking import etcd_case

SECONDS = 20.0


class PaneTest(etcd_case.EtcdCase, testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.list = lock_list.LockList(self.client,
                                       lock_keys.Keys(self.prefix))

    def holder(self, name):
        own = session.Session(self.client, self.renewer, 3)
        self.addCleanup(own.close)
        return own, locks.Locks(self.client, own, self.prefix, holder=name)

    def test_from_the_grant_to_the_death_of_a_holder(self):
        self.assertEqual((0, {}), (self.list.count(SECONDS),
                                   self.list.locks(SECONDS)))
        own, one = self.holder('one')
        hold = one.acquire([('a/b', 'x'), ('c', 's')], record='the record')
        # An entry and a record for each of two names.
        self.assertEqual(4, self.list.count(SECONDS))
        lock = self.list.locks(SECONDS)['a/b']
        claim, = lock.holders
        self.assertEqual(
            ('held', 'one', 'x', hold.token, 'the record'),
            (lock.state, claim.text, claim.mode, claim.token,
             lock.records[claim.claim].text))
        left, granted = self.list.lease_seconds(claim.lease, SECONDS)
        self.assertEqual(3, granted)
        self.assertLessEqual(left, 3)
        # As if its process were gone: nobody renews the lease any more.
        own._renewal.end()
        self.client.call('/lease/revoke', {'ID': claim.lease}, SECONDS)
        lock = self.list.locks(SECONDS)['a/b']
        self.assertEqual(('left behind', ()), (lock.state, lock.holders))
        record, = lock.left_behind
        self.assertEqual(('the record', None), (record.text, record.lease))
        self.assertIsNone(self.list.lease_seconds(claim.lease, SECONDS))

    def test_more_than_one_page(self):
        _own, one = self.holder('one')
        page, lock_list._PAGE = lock_list._PAGE, 2
        self.addCleanup(setattr, lock_list, '_PAGE', page)
        one.acquire([(f'n{number}', 'x') for number in range(5)])
        self.assertEqual([f'n{number}' for number in range(5)],
                         list(self.list.locks(SECONDS)))
