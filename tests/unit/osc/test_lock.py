# SPDX-License-Identifier: Apache-2.0
"""Locks of sites, as our driver writes them."""

import json

import testtools

from dcn_plugins import exceptions
from dcn_plugins.locking import locks
from dcn_plugins.locking import session
from dcn_plugins.osc import lock
from dcn_plugins.osc import locked
from tests.fakes import cloud as clouds
from tests.fakes import etcd
from tests.unit.osc import pane_case

RECORD = json.dumps({
    'host': 'dcn0-vol-1', 'addresses': ['10.0.0.9:0/1'],
    'intents': [{'operation': 'delete_volume'}]})


class LockTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.cloud.add_site('dcn0')
        self.lock_settings('dcn0')
        self.client_of_etcd = self.cloud.etcds['all']

    def holder(self, name):
        """Return the locks of a process, and its session."""
        client = self.client_of_etcd
        own = session.Session(client, lambda: etcd.Client(client.store), 15)
        self.addCleanup(own.close)
        return locks.Locks(client, own, '/dcn0/locks', holder=name), own

    def list(self):
        return {row['Lock']: row for row in self.table(lock.ListLocks)}

    def test_held_and_waiting(self):
        one, _session = self.holder('one')
        other, _session = self.holder('other')
        hold = one.acquire([('a/b', 'x'), ('c', 's')])
        self.assertIsNotNone(other.acquire([('c', 's')], 0))
        rows = self.list()
        self.assertEqual(
            ('held', 'exclusive', ['one'], 0), (
                rows['a/b']['State'], rows['a/b']['Mode'],
                rows['a/b']['Holder'].machine_readable(),
                rows['a/b']['Waiting']))
        self.assertEqual(('shared', ['one', 'other']), (
            rows['c']['Mode'], rows['c']['Holder'].machine_readable()))
        one.release(hold)
        self.assertEqual(['c'], list(self.list()))

    def test_a_holder_who_has_died(self):
        one, own = self.holder('one')
        hold = one.acquire([('a', 'x')], record=RECORD)
        line, = self.table(lock.ShowLock, 'dcn0', 'a')
        self.assertEqual(
            ('holder', 'one', hold.token, True, ['delete_volume'],
             ['10.0.0.9:0/1']), (
                line['Role'], line['Holder'], line['Token'],
                line['Claimed'].machine_readable() in range(300),
                line['Operations'].machine_readable(),
                line['To be fenced'].machine_readable()))
        self.assertEqual('held', self.list()['a']['State'])
        self.client_of_etcd.expire(hold.lease_id)
        row = self.list()['a']
        self.assertEqual(('left behind', ['dcn0-vol-1'], 1), (
            row['State'], row['Holder'].machine_readable(),
            row['Fence records']))
        line, = self.table(lock.ShowLock, 'dcn0', 'a')
        self.assertEqual(('left behind', None), (
            line['Role'], line['Ends in'].machine_readable()))

    def test_what_is_not_there(self):
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   lock.ShowLock, 'dcn0', 'a')
        self.assertIn('nobody has, or waits for, the lock a of dcn0',
                      str(caught))
        self.cloud.add_site('dcn1')
        caught = self.assertRaises(exceptions.ConfigError, self.table,
                                   lock.ShowLock, 'dcn1', 'a')
        self.assertIn('Set locks_url below "dcn"', str(caught))
        row, = self.table(lock.ListLocks)
        self.assertEqual(('dcn1', 'not asked'), (row['Site'], row['State']))

    def test_an_etcd_that_never_answers(self):
        hole = self.useFixture(clouds.BlackHole())
        self.settings['sites']['dcn0']['locks_url'] = (
            f'dcn-etcd3+http://{hole.address}')
        row, = self.table(lock.ListLocks, '--site-seconds', '0.3')
        self.assertTrue(row['State'].startswith('unknown'))
        self.assertIn('does not answer within 0.3 s', row['Lock'])


def claim(name, token, mode='x', kind='q'):
    return locked.Claim(name, mode, kind, token, name, '1')


class QueueTest(testtools.TestCase):

    def lock(self, *claims):
        return locked._lock('a', claims)

    def names(self, claims):
        return ''.join(found.claim for found in claims)

    def test_who_has_it(self):
        for claims, holders, waiting, state in (
                ([claim('a', 1), claim('b', 2)], 'a', 'b', 'held'),
                ([claim('b', 2), claim('a', 1)], 'a', 'b', 'held'),
                ([claim('a', 1, 's'), claim('b', 2, 's'), claim('c', 3)],
                 'ab', 'c', 'held'),
                ([claim('a', 1), claim('b', 2, 's')], 'a', 'b', 'held'),
                # Who leaves a record has it when it is written.
                ([claim('a', 1, kind='g'), claim('b', 2)], '', 'ab',
                 'waiting'),
                ([claim('a', 1, kind='g'), claim('a', 3, kind='f')], 'a', '',
                 'held'),
                ([claim('a', 1, kind='f'), claim('b', 2)], '', 'b',
                 'left behind')):
            found = self.lock(*claims)
            self.assertEqual((holders, waiting, state), (
                self.names(found.holders), self.names(found.waiting),
                found.state))

    def test_records_of_no_use(self):
        for text in ('', 'no', '[1]'):
            self.assertEqual({}, locked.record_of(text))
