# SPDX-License-Identifier: Apache-2.0
"""Locks on one real etcd, on three of them, and while these fail."""

import threading
import time
import unittest

import testtools
from tooz import coordination

from dcn_plugins.locking import etcd_requests
from tests.contracts import etcd_contract
from tests.contracts import lock_contract
from tests.functional.locking import etcd_case
from tests.functional.locking import etcd_server
from tests.lab import deadline


class OneMemberTest(etcd_case.EtcdCase, etcd_contract.EtcdContract,
                    testtools.TestCase):
    pass


class ThreeMembersTest(OneMemberTest):

    members = 3


class DriverTestCase(testtools.TestCase):

    members = 1
    #: Of one call, in seconds.
    timeout = 5

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(etcd_server.EtcdServer(self.members))
        self.one = self.coordinator('one')
        self.other = self.coordinator('other')

    def coordinator(self, name, **options):
        options = {'ttl': 3, 'timeout': self.timeout, 'outage': 30,
                   **options}
        found = coordination.get_coordinator(
            f'dcn-etcd3+http://{self.server.hosts}?' + '&'.join(
                f'{key}={value}' for key, value in options.items()),
            name.encode())
        found.start(start_heart=True)
        self.addCleanup(found.stop)
        return found

    def keys(self):
        """Return how many keys there are of locks."""
        client = self.server.client()
        try:
            answer = client.call('/kv/range', {
                **etcd_requests.range_of('/dcn/locks'), 'count_only': True},
                10)
        finally:
            client.close()
        return int(answer.get('count', 0))


class GuardTest(DriverTestCase, lock_contract.GuardContract,
                lock_contract.LossContract):
    """The guard of the RBD driver on locks of ours."""

    overrun_seconds = 10.0

    # The contract uses it in a with statement, which testtools of 2025.1 has
    # no use for.
    assertRaises = unittest.TestCase.assertRaises

    def setUp(self):
        super().setUp()
        self.get_lock = self.one.get_lock
        self.other_get_lock = self.other.get_lock

    def take_away(self, name):
        self.assertTrue(self.other.get_lock(name).break_())


class LeftoversTest(DriverTestCase):

    def test_nothing_is_left(self):
        before = self.server.leases()
        for number in range(20):
            lock = self.one.get_lock(b'lock%d' % number)
            with lock:
                self.assertFalse(self.other.get_lock(lock.name).acquire(
                    blocking=False))
        self.assertEqual(0, self.keys())
        # One for each process, not for each lock.
        self.assertEqual(before + 2, self.server.leases())
        third = coordination.get_coordinator(
            f'dcn-etcd3+http://{self.server.hosts}', b'third')
        third.start()
        third.get_lock(b'a').acquire()
        third.stop()
        self.assertEqual(0, self.keys())
        self.assertEqual(before + 2, self.server.leases())

    def test_locks_of_a_process_that_dies_are_free_after_its_lease(self):
        self.one.get_lock(b'a').acquire()
        # As if the process were gone.
        self.one._session._renewal.end()
        self.assertTrue(self.other.get_lock(b'a').acquire(blocking=60))


class OutageTest(DriverTestCase):

    timeout = 1

    def test_claims_wait_while_etcd_is_away(self):
        held = self.one.get_lock(b'a')
        self.assertTrue(held.acquire())
        member, = self.server.members
        member.kill()
        found = []
        threads = [threading.Thread(target=lambda name=name: found.append(
            self.other.get_lock(name).acquire())) for name in (b'b', b'c')]
        for thread in threads:
            thread.start()
        time.sleep(1)
        self.assertEqual([], found)
        member.start()
        member.wait_ready()
        for thread in threads:
            thread.join(30)
        self.assertEqual([True, True], found)
        # The lease is longer than the outage.
        self.assertTrue(held.release())

    def test_holder_is_told_that_its_lease_has_ended(self):
        lost = threading.Event()
        self.one.watch_lost_lease(lost.set)
        held = self.one.get_lock(b'a')
        held.acquire()
        member, = self.server.members
        member.pause()
        try:
            self.assertTrue(lost.wait(10))
            self.assertFalse(held.acquired)
            self.assertFalse(held.heartbeat())
        finally:
            member.resume()

    def test_release_while_etcd_is_away_strands_nothing(self):
        held = self.one.get_lock(b'a')
        held.acquire()
        member, = self.server.members
        member.pause()
        thread = threading.Thread(target=held.release)
        thread.start()
        time.sleep(1.5)
        member.resume()
        thread.join(30)
        self.assertTrue(self.other.get_lock(b'a').acquire(blocking=20))

    def test_service_starts_without_etcd(self):
        member, = self.server.members
        member.kill()
        late = self.coordinator('late')
        self.assertRaises(coordination.ToozConnectionError,
                          late.get_lock(b'a').acquire, blocking=False)
        member.start()
        member.wait_ready()
        self.assertTrue(late.get_lock(b'a').acquire(blocking=False))


class MinorityTest(DriverTestCase):
    """Three members of which some fail."""

    members = 3
    timeout = 1

    def test_leader_is_killed(self):
        held = self.one.get_lock(b'a')
        held.acquire()
        self.server.leader().kill()
        lock = self.other.get_lock(b'b')
        self.assertTrue(lock.acquire())
        self.assertTrue(lock.release())
        self.assertTrue(held.is_still_owner())
        self.assertTrue(held.release())

    def test_minority_grants_nothing(self):
        for member in self.server.members[:2]:
            member.pause()
        try:
            self.assertRaises(
                coordination.ToozConnectionError,
                self.other.get_lock(b'b').acquire, blocking=False)
        finally:
            for member in self.server.members[:2]:
                member.resume()
        # What has come too late to be answered is no claim of anybody.
        self.assertTrue(self.one.get_lock(b'b').acquire(blocking=20))


class RestoreTest(DriverTestCase):
    """etcd is restored from a backup."""

    timeout = 1

    def setUp(self):
        super().setUp()
        # A restart takes a moment, and is not what is tested.
        self.one = self.coordinator('lasting', ttl=10)
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.lost = threading.Event()
        self.one.watch_lost_lease(self.lost.set)

    def write(self, count):
        """Make the revision rise as others do who share the etcd."""
        for _number in range(count):
            self.client.transaction(etcd_requests.transaction(success=[
                etcd_requests.put('/others/key')]), 10)

    def wait_for_look(self):
        """Wait until the process has looked what etcd knows, and changed it.

        """
        before = self.looks()
        deadline.wait('another number', lambda: self.looks() != before, 30)

    def looks(self):
        key = f'/dcn/witness/{self.one._session._renewal.lease.id}'
        return self.client.call('/kv/range', {
            'key': etcd_requests.encoded(key)}, 10).get('kvs')

    def test_a_claim_that_comes_back_does_not_stay(self):
        """A process lives on whose claim the backup has, and nobody else.

        It has given it back since, and others have written more than was
        lost before it asks for anything.
        """
        lock = self.one.get_lock(b'a')
        self.assertTrue(lock.acquire())
        self.wait_for_look()
        self.server.keep()
        self.assertTrue(lock.release())
        self.wait_for_look()
        self.write(20)
        self.assertFalse(self.lost.is_set())
        self.server.bring_back()
        self.write(200)
        self.assertTrue(self.other.get_lock(b'a').acquire(blocking=60))
        self.assertTrue(self.lost.wait(60))
        # It has another lease then.
        self.assertTrue(self.one.get_lock(b'b').acquire(blocking=60))

    def test_a_backup_that_nothing_was_changed_after_costs_no_lock(self):
        lock = self.one.get_lock(b'a')
        self.assertTrue(lock.acquire())
        self.wait_for_look()
        self.server.keep()
        self.server.bring_back()
        self.assertTrue(lock.release())
        self.wait_for_look()
        self.assertFalse(self.lost.is_set())
