# SPDX-License-Identifier: Apache-2.0
"""Locks on a real etcd that speaks TLS and wants it of its clients, too."""

import threading
import time

import testtools
from tooz import coordination

from tests.functional.locking import etcd_server
from tests.unit.locking import gateway

WAIT_SECONDS = 30


class TLSTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.certificates = self.useFixture(gateway.Certificates())
        self.server = self.useFixture(etcd_server.EtcdServer(
            certificates=self.certificates))

    def coordinator(self, **files):
        # By their addresses, as urllib3 of 2025.1 does not expect it.
        found = coordination.get_coordinator(
            f'dcn-etcd3+https://{self.server.hosts}?ttl=3&outage=0&'
            + '&'.join(f'{name}={path}' for name, path in files.items()),
            b'member')
        found.start(start_heart=True)
        self.addCleanup(found.stop)
        return found

    def trusted(self):
        return self.coordinator(
            ca_cert=self.certificates.authority,
            cert_cert=self.certificates.certificate,
            cert_key=self.certificates.key)

    def test_lock_changes_hands(self):
        one, other = (self.trusted().get_lock(b'a') for _number in range(2))
        self.assertTrue(one.acquire())
        self.assertFalse(other.acquire(blocking=False))
        granted = []
        thread = threading.Thread(target=lambda: granted.append(
            other.acquire(blocking=WAIT_SECONDS)))
        thread.start()
        self.assertTrue(one.release())
        thread.join(WAIT_SECONDS)
        self.assertEqual([True], granted)
        self.assertTrue(other.release())

    def test_lease_is_renewed(self):
        found = self.trusted()
        self.assertTrue(found.get_lock(b'a').acquire())
        lease = found._session.lease(WAIT_SECONDS).id
        deadline = time.monotonic() + WAIT_SECONDS
        before = found._session.left(lease)
        while True:
            left = found._session.left(lease)
            if left > before:
                break
            self.assertLess(time.monotonic(), deadline)
            before = left
            time.sleep(0.05)

    def test_strangers_are_refused(self):
        for files in ({}, {'ca_cert': self.certificates.authority},
                      {'ca_cert': self.certificates.other_authority}):
            self.assertRaises(
                coordination.ToozConnectionError,
                self.coordinator(**files).get_lock(b'a').acquire)
