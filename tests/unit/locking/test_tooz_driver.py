# SPDX-License-Identifier: Apache-2.0
"""The URL of the driver, and the locks it hands out."""

import importlib.metadata
import os
import threading
from urllib import parse

import fixtures
from oslo_utils import netutils
import testtools
import tooz
from tooz import coordination

from dcn_plugins import exceptions
from dcn_plugins.locking import tooz_driver
from tests.fakes import etcd


def coordinator(options='', hosts='h1', scheme='dcn-etcd3+http'):
    return tooz_driver.DCNEtcd3Driver(
        b'me', *parsed(f'{scheme}://{hosts}?{options}'))


def parsed(url):
    """Return what tooz makes of a URL."""
    split = netutils.urlsplit(url)
    return split, parse.parse_qs(split.query, keep_blank_values=True)


class SettingsTest(testtools.TestCase):

    def settings(self, *args, **options):
        return coordinator(*args, **options)._settings

    def test_entry_points(self):
        names = {entry.name for entry in importlib.metadata.entry_points(
            group='tooz.backends') if entry.value.startswith('dcn_plugins.')}
        self.assertEqual({'dcn-etcd3+http', 'dcn-etcd3+https'}, names)
        self.assertIsInstance(
            coordination.get_coordinator('dcn-etcd3+http://h1', b'me'),
            tooz_driver.DCNEtcd3Driver)

    def test_defaults(self):
        found = self.settings(hosts='')
        self.assertEqual(['http://localhost:2379'],
                         list(map(str, found.endpoints)))
        self.assertIsNone(found.user)
        self.assertEqual((15, 5.0, 300.0, '/dcn'), (
            found.ttl_seconds, found.attempt_seconds, found.outage_seconds,
            found.namespace))

    def test_several_members(self):
        found = self.settings(hosts='[2001:db8::1]:3,h1:1,h2',
                              scheme='dcn-etcd3+https')
        self.assertEqual(
            ['https://[2001:db8::1]:3', 'https://h1:1', 'https://h2:2379'],
            list(map(str, found.endpoints)))

    def test_options(self):
        found = self.settings(
            'ttl=30&timeout=2.5&outage=0&namespace=/site1&ca_cert=/ca'
            '&cert_cert=/c&cert_key=/k', hosts='root:p%40ss%3A@h1:1,h2:2')
        self.assertEqual(('root', 'p@ss:'), found.user)
        self.assertEqual(
            (30, 2.5, 0.0, '/site1', '/ca', '/c', '/k'),
            (found.ttl_seconds, found.attempt_seconds, found.outage_seconds,
             found.namespace, found.ca_cert, found.cert_cert, found.cert_key))

    def test_bad_options(self):
        for options, text in (
                ('tll=30', 'there is no option tll. Use some of ca_cert, '),
                ('ttl=soon', 'ttl=soon is no number'),
                ('ttl=2', 'ttl=2 is out of range. Give 3 to 3600 seconds'),
                ('ttl=1.5', 'ttl=1.5 is no number'),
                ('timeout=0', 'timeout=0 is out of range'),
                ('outage=nan', 'outage=nan is out of range'),
                ('namespace=/', 'namespace=/ is out of range'),
                ('ca_cert=', 'ca_cert= is out of range. Name a file')):
            error = self.assertRaises(
                exceptions.ConfigError, coordinator, options,
                hosts='root:secret@h1')
            self.assertIn('[coordination] backend_url', str(error))
            self.assertIn(text, str(error))
            self.assertNotIn('secret', str(error))

    def test_bad_members(self):
        for hosts in ('h1:x', 'h1,,h2', 'h1:99999', 'h1:1,'):
            error = self.assertRaises(exceptions.ConfigError, coordinator,
                                      hosts=hosts)
            self.assertIn('is no HOST:PORT', str(error))

    def test_certificates_that_are_not_there(self):
        missing = os.path.join(self.useFixture(fixtures.TempDir()).path, 'ca')
        found = coordinator(f'ca_cert={missing}', scheme='dcn-etcd3+https')
        error = self.assertRaises(exceptions.ConfigError, found.start)
        self.assertIn('ca_cert, cert_cert or cert_key', str(error))


class DriverTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            'dcn_plugins', format='%(levelname)s %(message)s'))
        self.client = etcd.Client()
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.etcd.Client',
            lambda *args, **options: self.client))
        self.driver = coordinator('outage=0')
        self.driver.start(start_heart=True)
        self.addCleanup(self.driver.stop)


class DriverTest(DriverTestCase):

    def test_nothing_is_asked_before_the_first_lock(self):
        lock = self.driver.get_lock(b'a')
        self.assertFalse(lock.acquired)
        self.assertFalse(lock.release())
        self.assertEqual([], self.client.calls)

    def test_lock(self):
        lock, other = (self.driver.get_lock(b'a') for _number in range(2))
        self.assertIsNone(lock.token)
        self.assertTrue(lock.acquire())
        self.assertTrue(lock.acquired)
        self.assertTrue(lock.heartbeat())
        self.assertTrue(lock.is_still_owner())
        self.assertFalse(other.acquire(blocking=False))
        self.assertFalse(other.acquire(blocking=True, timeout=0.01))
        self.assertFalse(other.acquire(blocking=0))
        self.assertFalse(other.is_still_owner())
        self.assertTrue(lock.release())
        self.assertFalse(lock.release())
        self.assertFalse(lock.acquired)
        self.assertTrue(other.acquire(blocking=1))
        self.assertTrue(other.release())

    def test_names_of_any_bytes(self):
        for name in (b'\xff\x00/x', 'caf\xe9', '\u20ac', b'a b'):
            with self.driver.get_lock(name):
                self.assertFalse(self.driver.get_lock(name).acquire(
                    blocking=False))
        self.assertEqual([], self.client.store.keys())

    def test_who_has_lost_it_is_told(self):
        lock = self.driver.get_lock(b'a')
        lock.acquire()
        self.assertTrue(self.driver.get_lock(b'a').break_())
        self.assertFalse(lock.is_still_owner())
        self.assertFalse(lock.release())
        self.assertIn('ERROR lock a was lost', self.log.output)

    def test_lost_lease(self):
        lock = self.driver.get_lock(b'a')
        lock.acquire()
        self.driver._session.forget(1)
        self.assertFalse(lock.acquired)
        self.assertFalse(lock.heartbeat())

    def test_lost_lease_is_told(self):
        called = threading.Event()
        self.driver.watch_lost_lease(called.set)
        self.driver._lost()
        self.assertTrue(called.is_set())

    def test_etcd_is_away(self):
        away = exceptions.EtcdUnavailable('refused')
        lock = self.driver.get_lock(b'a')
        self.client.faults = [away]
        self.assertRaises(coordination.ToozConnectionError, lock.acquire,
                          blocking=False)
        self.client.faults = [exceptions.EtcdRefused('no', 7, 'no')]
        self.assertRaises(tooz.ToozError, lock.acquire, blocking=False)

    def test_groups_and_locks_are_apart_in_their_keys(self):
        self.driver.create_group(b'g').get()
        self.driver.join_group(b'g', b'capable').get()
        with self.driver.get_lock(b'g'):
            kinds = {key.split('/')[2] for key in self.client.store.keys()}
        self.assertEqual({'groups', 'locks'}, kinds)
        self.assertEqual([b'g'], self.driver.get_groups().get())
        self.assertEqual(
            b'capable', self.driver.get_member_capabilities(
                b'g', b'me').get())

    def test_stop_leaves_nothing(self):
        driver = coordinator()
        driver.start()
        driver.get_lock(b'b').acquire()
        driver.stop()
        self.assertEqual([], self.client.store.keys())
        self.assertEqual(set(), self.client.store.leases)


class StopTest(DriverTestCase):
    """A stop while there is work that may be fenced."""

    def setUp(self):
        super().setUp()
        self.slept = []
        self.now = 0.0
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.tooz_driver.time.sleep', self.sleep))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.locking.tooz_driver.session.clock',
            lambda: self.now))
        self.worker = coordinator()
        self.worker.start()
        self.at = {}

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        self.at.pop(len(self.slept), lambda: None)()

    def hold(self, record='record'):
        return self.worker.locks.acquire([('a', 'x')], 0, record)

    def test_it_waits_for_the_work_and_a_little_more(self):
        hold = self.hold()
        self.at[3] = lambda: self.worker.locks.release(hold)
        self.worker.stop()
        self.assertEqual([tooz_driver.DRAIN_PAUSE_SECONDS] * 3
                         + [tooz_driver.LINGER_SECONDS], self.slept)
        self.assertEqual(set(), self.client.store.leases)

    def test_work_that_was_abandoned_is_not_waited_for(self):
        self.worker.locks.abandon(self.hold())
        self.worker.stop()
        self.assertEqual([], self.slept)

    def test_a_claim_that_was_not_granted_is_not_waited_for(self):
        other = self.driver.get_lock('a')
        other.acquire()
        self.assertIsNone(self.hold())
        self.worker.stop()
        self.assertEqual([], self.slept)
        self.assertTrue(other.release())

    def test_locks_without_a_record_are_not_waited_for(self):
        self.hold(None)
        self.worker.stop()
        self.assertEqual([], self.slept)
        self.assertEqual(set(), self.client.store.leases)

    def test_work_that_does_not_end_keeps_its_locks(self):
        self.hold()
        self.worker.stop()
        self.assertGreaterEqual(sum(self.slept), tooz_driver.DRAIN_SECONDS)
        self.assertEqual(1, len(self.client.store.leases))
        self.assertIn('its locks are kept', self.log.output)
