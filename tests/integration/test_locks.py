# SPDX-License-Identifier: Apache-2.0
"""The guard on each site's real etcd, and what its use leaves there."""

import base64
import json
import urllib.request

from tooz import coordination

from tests.contracts import lock_contract
from tests.integration import lab_case
from tests.lab import deadline
from tests.lab.services import etcd


def keys(lab, site, prefix):
    """Return the keys below a prefix in a site's etcd."""
    first = prefix.encode()
    last = first[:-1] + bytes([first[-1] + 1])
    body = json.dumps({
        'key': base64.b64encode(first).decode(),
        'range_end': base64.b64encode(last).decode(),
        'keys_only': True}).encode()
    url = f'{lab.url("etcd0", site)}/v3/kv/range'
    with urllib.request.urlopen(url, body, timeout=10) as answer:
        found = json.load(answer).get('kvs', [])
    return [base64.b64decode(item['key']).decode() for item in found]


class ContractOnEtcd(lock_contract.GuardContract):
    """The contract through tooz on one site's etcd."""

    site = None
    url = staticmethod(etcd.coordination_url)

    def setUp(self):
        super().setUp()
        self.prefix = self.name()
        self.get_lock = self._client('one')
        self.other_get_lock = self._client('other')
        self._observer = self._client('observer')

    def _client(self, name):
        client = coordination.get_coordinator(
            self.url(self.lab, self.site),
            f'{self.prefix}-{name}'.encode())
        client.start(start_heart=True)
        self.addCleanup(client.stop)
        return lambda lock: client.get_lock(f'{self.prefix}{lock}'.encode())

    def is_free(self, name):
        """Say whether nobody holds the lock."""
        lock = self._observer(name)
        if lock.acquire(blocking=False):
            lock.release()
            return True
        return False


class OneMemberTest(ContractOnEtcd, lab_case.LabCase):

    def setUp(self):
        self.site = self.far
        super().setUp()


class ThreeMembersTest(ContractOnEtcd, lab_case.LabCase):

    def setUp(self):
        self.site = self.near
        super().setUp()


class StockDriverTest(ContractOnEtcd, lab_case.LabCase):
    """tooz' own driver, with which the guard has to do as well."""

    url = staticmethod(etcd.stock_url)

    def setUp(self):
        self.site = self.near
        super().setUp()


def lock_keys(lab, site):
    """Return the keys of locks and records, but for the caretaker's."""
    return [key for key in keys(lab, site, '/dcn/locks/n/')
            if 'caretaker' not in key]


class DriverTest(lab_case.LabCase):

    def assert_no_lock_is_left(self, site=None):
        # Cinder's manager gives its own lock back after the record is gone.
        deadline.wait('an etcd without locks', lambda: not lock_keys(
            self.lab, site or self.near), 60)

    def delete_until_locked(self, volume, site):
        """Delete a volume at a site whose OSD is frozen; return our locks."""
        self.user.cloud.block_storage.delete_volume(volume.id)
        return deadline.wait('a lock of ours in etcd', lambda: [
            key for key in lock_keys(self.lab, site)
            if 'dcn%3A' in key], 20)

    def test_operations_leave_no_lock_behind(self):
        image = self.import_image([self.near])
        made = self.user.volume(self.name(), self.near, image)
        snapshot = self.user.volume_snapshot(self.name(), made.id)
        storage = self.user.cloud.block_storage
        storage.delete_snapshot(snapshot.id)
        storage.wait_for_delete(snapshot, wait=60)
        self.user.delete_volume(made.id)
        self.assert_no_lock_is_left()
        self.assertFalse([
            name for name in self.user.rbd_images(self.near, 'volumes')
            if made.id in name])

    def test_an_operation_holds_a_lock_while_it_runs(self):
        # With the OSD frozen a deletion stays inside the driver for as long
        # as it takes to look.
        made = self.user.volume(self.name(), self.near)
        osd = self.cloud[f'ceph-{self.near}'].osd
        osd.pause()
        try:
            held = self.delete_until_locked(made, self.near)
        finally:
            osd.resume()
        self.assertTrue(all(made.id in key for key in held), held)
        self.user.cloud.block_storage.wait_for_delete(made, wait=60)
        self.assert_no_lock_is_left()

    def test_etcd_away_at_the_release_strands_no_lock(self):
        # A machine that has much to do may not end the work within a lease,
        # and then the driver is right not to do it.
        for last in (False, False, True):
            made = self.user.volume(self.name(), self.far)
            try:
                self.delete_and_pause_etcd(made)
                break
            except deadline.LabTimeout:
                if last:
                    raise
        self.user.cloud.block_storage.wait_for_delete(made, wait=120)
        self.assert_no_lock_is_left(self.far)

    def delete_and_pause_etcd(self, made):
        """Have a volume deleted whose lock cannot be given back at once."""
        osd = self.cloud[f'ceph-{self.far}'].osd
        member = self.cloud[f'etcd-{self.far}-0']
        osd.pause()
        try:
            self.delete_until_locked(made, self.far)
            member.pause()
        finally:
            osd.resume()
        try:
            deadline.wait('the image being gone', lambda: (
                f'volume-{made.id}' not in self.user.rbd_images(
                    self.far, 'volumes')), 30)
        finally:
            member.resume()
