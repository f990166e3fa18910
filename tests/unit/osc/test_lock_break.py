# SPDX-License-Identifier: Apache-2.0
"""Locks that operators take from holders who hang."""

import io
import json

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.locking import lock_breaker
from dcn_plugins.locking import locks
from dcn_plugins.locking import session
from dcn_plugins.osc import lock_break
from tests.fakes import cloud as clouds
from tests.fakes import etcd
from tests.unit.osc import pane_case

FSID = '2f0c3a5e'
RECORD = json.dumps({
    'host': 'dcn0-vol-1', 'fsid': FSID, 'pool': 'volumes',
    'addresses': ['10.0.0.9:0/1'],
    'intents': [{'operation': 'delete_volume'}]})
WRITE = [('a', 'x')]


class Terminal(io.StringIO):

    def isatty(self):
        return True


class LockBreakTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.cloud.add_site('dcn0')
        self.publish(fence='blocklist')
        self.lock_settings('dcn0')
        self.client_of_etcd = self.cloud.etcds['all']

    def publish(self, fence=None, fsid=FSID):
        self.cloud.pools[0]['capabilities'] = {
            'dcn_fsid': fsid, **({'dcn_fence': fence} if fence else {})}

    def holder(self, name):
        """Return the locks of a process."""
        client = self.client_of_etcd
        own = session.Session(client, lambda: etcd.Client(client.store), 15)
        self.addCleanup(own.close)
        return locks.Locks(client, own, '/dcn0/locks', holder=name)

    def break_(self, *words, name='a'):
        return self.table(lock_break.BreakLock, 'dcn0', name, *words)

    def refused(self, *words, name='a', error=exceptions.NotDone):
        """Return why a lock is not broken; nothing may have changed."""
        before = dict(self.client_of_etcd.store.items)
        text = str(self.assertRaises(error, self.break_, *words, name=name))
        self.assertEqual(before, self.client_of_etcd.store.items)
        return text

    def input(self, terminal):
        self.useFixture(fixtures.MonkeyPatch('sys.stdin', terminal))
        self.useFixture(fixtures.MonkeyPatch('sys.stderr', io.StringIO()))

    def test_whoever_is_next_fences_first(self):
        one, other = self.holder('one'), self.holder('other')
        hold = one.acquire(WRITE, record=RECORD)
        line, = self.break_('--yes', '--claim', hold.claim.id)
        self.assertEqual(
            ('a', hold.claim.id, 'holder', 'exclusive', ['delete_volume'],
             ['10.0.0.9:0/1']), (
                line['Lock'], line['Claim'], line['Was'], line['Mode'],
                line['Operations'].machine_readable(),
                line['To be fenced'].machine_readable()))
        # He is let in by nothing but a fence, whatever he is.
        self.assertRaises(exceptions.LockServiceError, other.acquire, WRITE,
                          5)
        fenced = []
        held = other.acquire(WRITE, 5, 'theirs', fenced.extend)
        self.assertEqual([RECORD], [entry.text for entry in fenced])
        self.assertFalse(one.is_held(hold))
        self.assertRaises(exceptions.LockLost, one.release, hold)
        self.assertTrue(other.is_held(held))

    def test_what_is_shown_before(self):
        one, other = self.holder('one'), self.holder('other')
        hold = one.acquire(WRITE, record=RECORD)
        one.acquire([('b', 's')])
        queue = other._queues
        claim = locks.lock_queue.Claim('1.w', ('a',), ('x',), 'patient')
        self.client_of_etcd.store.transaction(
            queue.enter(claim, other._session.lease(1).id))
        self.assertEqual(['a', 'b'], [
            line['Lock'] for line in self.break_('--yes')])
        self.assertRegex(
            self.log.output, r'a is held by one \(claim '
            rf'{hold.claim.id}\), claimed \d+s ago, last heard 0s ago, for: '
            r'delete_volume\nWaiting for it: patient\nWith it 1 other locks '
            r'of the same process end: b \(-\)')
        self.assertEqual(['/dcn0/locks/n/a/x/q/1.w'], [
            key for key in self.client_of_etcd.store.keys()
            if '/q/' in key or '/g/' in key])

    def test_a_newer_holder_is_not_broken(self):
        one, other = self.holder('one'), self.holder('other')
        old = one.acquire(WRITE, record=RECORD)
        one.release(old)
        hold = other.acquire(WRITE, record=RECORD)
        self.assertIn(f'{old.claim.id} does not hold the lock a, but '
                      f'{hold.claim.id} (other); nothing was done',
                      self.refused('--yes', '--claim', old.claim.id))

    def test_a_newer_holder_who_comes_while_it_is_asked(self):
        """Of another process, or of the same one."""
        one, other = self.holder('one'), self.holder('other')
        for newer in (one, other):
            old = one.acquire(WRITE, record=RECORD)
            held = []

            def readline(newer=newer, old=old, held=held):
                one.release(old)
                held.append(newer.acquire(WRITE, record=RECORD))
                return 'y\n'

            terminal = Terminal()
            terminal.readline = readline
            self.input(terminal)
            self.assertIn(
                f'{old.claim.id} holds the lock a no more; nothing was done',
                str(self.assertRaises(exceptions.NotDone, self.break_)))
            self.assertTrue(newer.is_held(held[0]))
            newer.release(held[0])

    def test_at_the_terminal(self):
        one = self.holder('one')
        hold = one.acquire(WRITE, record=RECORD)
        for answer in ('\n', 'n\n', ''):
            self.input(Terminal(answer))
            self.assertIn('nothing was done', self.refused())
        self.assertTrue(one.is_held(hold))
        self.input(Terminal('y\n'))
        self.break_()
        self.assertNotIn(hold.lease_id, self.client_of_etcd.store.leases)

    def test_without_a_terminal(self):
        self.holder('one').acquire(WRITE, record=RECORD)
        self.input(io.StringIO('y\n'))
        self.assertIn('there is no terminal to ask at. Give --yes',
                      self.refused())

    def test_who_is_not_cut_off(self):
        self.holder('one').acquire(WRITE, record=RECORD)
        for published, reason in (
                ({'fence': 'none'}, 'has [dcn] fence = none'),
                ({}, 'not every backend of Ceph cluster'),
                ({'fence': 'blocklist', 'fsid': 'other'},
                 'not every backend of Ceph cluster')):
            self.publish(**published)
            self.assertIn(reason, self.refused('--yes'))
        # One of several is enough.
        self.cloud.pools.append({'name': 'x@ceph#ceph', 'capabilities': {
            'dcn_fsid': FSID, 'dcn_fence': 'none'}})
        self.publish(fence='blocklist')
        self.assertIn('has [dcn] fence = none', self.refused('--yes'))
        self.break_('--yes', '--accept-risk')
        self.assertIn('has [dcn] fence = none', self.log.output)

    def test_cinder_that_does_not_tell(self):
        self.holder('one').acquire(WRITE, record=RECORD)
        self.cloud.failures['get_pools'] = 503
        self.assertIn('Cinder does not tell its pools', self.refused('--yes'))
        self.break_('--yes', '--accept-risk')

    def test_no_fence_record(self):
        one = self.holder('one')
        one.acquire(WRITE)
        self.assertIn('its claim leaves no fence record',
                      self.refused('--yes'))
        self.break_('--yes', '--accept-risk')
        self.assertEqual([], self.client_of_etcd.store.keys())

    def test_a_record_that_names_nobody(self):
        self.holder('one').acquire(WRITE, record='{}')
        self.assertIn('does not say whom to cut off', self.refused('--yes'))

    def test_several_share_it(self):
        holds = [self.holder(name).acquire([('a', 's')], record=RECORD)
                 for name in ('one', 'other')]
        self.assertIn('2 share the lock a', self.refused('--yes'))
        line, = self.break_('--yes', '--claim', holds[1].claim.id)
        self.assertEqual(holds[1].claim.id, line['Claim'])
        self.assertIn(holds[0].lease_id, self.client_of_etcd.store.leases)

    def test_nobody_to_break(self):
        self.assertIn('nobody has, or waits for, the lock a of dcn0',
                      self.refused('--yes'))
        hold = self.holder('one').acquire(WRITE, record=RECORD)
        self.client_of_etcd.expire(hold.lease_id)
        self.assertIn('its holder has ended and left a fence record',
                      self.refused('--yes'))
        self.assertIn('there is no site dcn7', str(self.assertRaises(
            exceptions.ConfigError, self.table, lock_break.BreakLock, 'dcn7',
            'a')))
        # Whoever leaves a record has the lock from its grant on.
        claim = locks.lock_queue.Claim('1.w', ('b',), ('x',), 'w', RECORD)
        other = self.holder('other')
        self.client_of_etcd.store.transaction(other._queues.enter(
            claim, other._session.lease(1).id))
        self.assertIn('nobody holds the lock b yet: 1 wait',
                      self.refused('--yes', name='b'))

    def test_an_etcd_that_never_answers(self):
        hole = self.useFixture(clouds.BlackHole())
        self.settings['sites']['dcn0']['locks_url'] = (
            f'dcn-etcd3+http://{hole.address}')
        self.assertIn('the locks of dcn0 are not known', self.refused(
            '--yes', '--site-seconds', '0.3'))

    def test_an_etcd_that_goes_away_before_the_end(self):
        one = self.holder('one')
        hold = one.acquire(WRITE, record=RECORD)
        self.useFixture(fixtures.MockPatchObject(
            lock_breaker.LockBreaker, 'end_lease',
            side_effect=exceptions.EtcdUnavailable('silence', True)))
        self.assertIn('it is not known whether the lock a was broken',
                      self.refused('--yes'))
        self.assertTrue(one.is_held(hold))
