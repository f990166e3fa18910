# SPDX-License-Identifier: Apache-2.0
"""The lock that librbd keeps, and an owner who was cut off."""

import errno
import json
import secrets

from dcn_plugins.ceph import addresses
from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import dead_locks
from dcn_plugins.ceph import fence
from tests.functional.storage import pool_case
from tests.lab import deadline


class DeadLocksTest(pool_case.PoolTestCase):

    def setUp(self):
        super().setUp()
        self.name = self.template % 1
        self.rbd.RBD().create(self.ioctx, self.name, 1 << 24)
        self.owner = self.client()
        pool = self.owner.open_ioctx(self.rig.pool)
        self.addCleanup(pool.close)
        self.owned = self.rbd.Image(pool, self.name)
        self.addCleanup(self.owned.close)
        self.owned.write(b'data', 0)
        self.assertTrue(self.owned.is_exclusive_lock_owner())
        self.own = fence.Fence(
            self.client_, lambda function, *args: function(*args))
        self.addresses = addresses.parsed(self.owner.get_addrs())

    def lockers(self):
        with self.rbd.Image(self.ioctx, self.name, read_only=True) as image:
            return image.list_lockers(), image.id()

    def cut_off(self):
        """Return how often somebody has had the owner cut off.

        The log of the monitors has each order, also one that changes nothing
        of the blocklist, and the orders of other tests.
        """
        # Theirs come in order: when this one is there, all before it are.
        last = f'127.0.0.1:0/{secrets.randbits(31) + 1}'
        self.own.blocklist([last], 1)
        nonces = [each.rpartition('/')[2] for each in self.addresses]
        orders = deadline.wait(
            'the log of the monitors', lambda: self.orders(last), 60)
        return sum(any(nonce in order for nonce in nonces)
                   for order in orders)

    def orders(self, last):
        """Return the orders that cut clients off, if the last one is there."""
        _code, found, _text = self.admin().mon_command(json.dumps(
            {'prefix': 'log last', 'num': 1000, 'channel': 'audit',
             'level': 'debug', 'format': 'json'}), b'')
        found = [line['message'] for line in json.loads(found)
                 if 'osd blocklist' in line['message']
                 and line['message'].endswith('dispatch')]
        return any(last in order for order in found) and found

    def release(self):
        found, image_id = self.lockers()
        owners = dead_locks.owners(found, self.addresses)
        for client, cookie in owners:
            dead_locks.release(self.ioctx, image_id, client, cookie)
        return owners

    def test_of_one_who_was_cut_off(self):
        self.own.blocklist(self.addresses, 60)
        before = self.cut_off()
        self.assertEqual(1, before)
        self.assertEqual(1, len(self.release()))
        self.assertFalse(self.lockers()[0])
        # Nobody is cut off for it once more.
        with self.rbd.Image(self.ioctx, self.name) as image:
            image.resize(1 << 25)
            self.assertTrue(image.is_exclusive_lock_owner())
        self.assertEqual(before, self.cut_off())
        error = self.assertRaises(self.rbd.Error, self.owned.write, b'!', 0)
        self.assertEqual(errno.ESHUTDOWN, abs(error.errno))

    def test_librbd_by_itself_cuts_off_once_more(self):
        self.own.blocklist(self.addresses, 60)
        before = self.cut_off()
        with self.rbd.Image(self.ioctx, self.name) as image:
            image.resize(1 << 25)
        self.assertEqual(before + 1, self.cut_off())

    def test_of_one_who_lives(self):
        found, _image_id = self.lockers()
        self.assertEqual([], dead_locks.owners(found, ['127.0.0.1:0/9']))
        self.assertEqual(
            1, len(dead_locks.owners(found, self.addresses)), found)

    def test_an_owner_who_has_it_no_more(self):
        found, image_id = self.lockers()
        (client, cookie), = dead_locks.owners(found, self.addresses)
        dead_locks.release(self.ioctx, image_id, client, cookie)
        self.assertRaises(
            bindings.rados().ObjectNotFound, dead_locks.release, self.ioctx,
            image_id, client, cookie)
