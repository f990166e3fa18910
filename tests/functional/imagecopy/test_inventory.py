# SPDX-License-Identifier: Apache-2.0
"""What the scrub reads and changes in a pool, on a real cluster."""

import hashlib
import os
import uuid


from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import cluster as clusters
from dcn_plugins import exceptions
from dcn_plugins.glance import drift_facts
from dcn_plugins.glance import store_facts
from dcn_plugins.imagecopy import content
from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import stored_image
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig

MIB = 1 << 20
# Two objects, and no whole grain at the end.
SIZE = 8 * MIB + 4097


class InventoryTest(copy_case.RigTestCase):

    def setUp(self):
        super().setUp()
        self.rbd = bindings.rbd()
        self.place = requests.Place('dcn0', self.rig.conf(rig.TARGET),
                                    'admin', rig.POOL)
        self.client = bindings.rados().Rados(
            conffile=self.place.conf, rados_id='admin')
        self.client.connect()
        self.addCleanup(self.client.shutdown)
        self.pool = self.client.open_ioctx(rig.POOL)
        self.addCleanup(self.pool.close)
        self.store = self.enterContext(store_facts.StoreFacts(self.place))
        self.name = str(uuid.uuid4())
        self.data = bytearray(SIZE)
        self.data[:MIB] = os.urandom(MIB)
        self.data[-5:] = b'tail!'
        self.value = hashlib.sha512(self.data).hexdigest()
        self.rbd.RBD().create(self.pool, self.name, SIZE)
        self.addCleanup(self.remove_all)
        with self.opened() as image:
            image.write(bytes(self.data[:MIB]), 0)
            # As copies of ours end: with a whole grain.
            tail = SIZE - SIZE % (64 << 10)
            image.write(bytes(self.data[tail:]), tail)

    def remove_all(self):
        for name in self.rbd.RBD().list(self.pool):
            if not name.startswith(self.name):
                continue
            with self.rbd.Image(self.pool, name) as image:
                for snapshot in list(image.list_snaps()):
                    if image.is_protected_snap(snapshot['name']):
                        image.unprotect_snap(snapshot['name'])
                    image.remove_snap(snapshot['name'])
            self.rbd.RBD().remove(self.pool, name)

    def opened(self, name=None):
        return self.rbd.Image(self.pool, name or self.name)

    def one(self):
        """Return the image as it is read."""
        state = self.store.read([], only={self.name})
        [found] = state.images.values()
        return found

    def compare(self, **options):
        return self.store.compare(rig.POOL, self.one(), 'sha512', self.value,
                                  **options)

    def prove(self):
        """Keep a proof, and the mark of a copy of ours."""
        with clusters.Cluster(self.place) as client:
            source = content.copy_source.CopySource(
                client, rig.POOL, self.name, None)
            digests = content.summed(source)
            source.close()
        found = self.one()
        for key, text in (
                (record.PROOF_KEY, manifest.Proof(
                    SIZE, 'sha512', self.value, digests).to_text()),
                (record.KEY, record.Record(
                    self.name, 'F/p/1@2', SIZE, 1).to_text())):
            self.pool.set_xattr(f'rbd_header.{found.id}', key, text.encode())

    def spoil(self):
        """Change an object behind the back of RBD, also for snapshots."""
        with self.opened() as image:
            prefix = image.block_name_prefix()
        self.pool.write(f'{prefix}.{0:016x}', b'!!!!', 12345)

    def test_a_snapshot_is_taken_once(self):
        found = self.one()
        self.assertEqual((None, SIZE, 0, None), (
            found.snapshot, found.read_bytes, found.watchers, found.record))
        state = self.store.read([])
        # The rig has let in clients of any age.
        self.assertTrue(state.needs_protection, state.protection)
        for _time in range(2):
            self.store.freeze(rig.POOL, found)
            self.assertEqual(stored_image.Snapshot(SIZE, True),
                             self.one().snapshot)
        with self.opened() as image:
            image.unprotect_snap('snap')
        self.assertFalse(self.one().snapshot.is_protected)
        self.store.freeze(rig.POOL, found)
        self.assertTrue(self.one().snapshot.is_protected)

    def test_contents(self):
        self.assertEqual(stored_image.Content(True, stored_image.HASH),
                         self.compare())
        self.prove()
        self.assertEqual(stored_image.Content(True, stored_image.CHECKSUMS),
                         self.compare())
        self.store.freeze(rig.POOL, self.one())
        self.assertEqual(stored_image.Content(True, stored_image.CHECKSUMS),
                         self.compare())
        self.assertEqual(stored_image.Content(True, stored_image.HASH),
                         self.compare(is_read=True))
        self.spoil()
        for is_read, offset in ((False, 0), (True, None)):
            self.assertEqual(
                stored_image.Content(False, stored_image.HASH, offset),
                self.compare(is_read=is_read))

    def test_removal(self):
        self.prove()
        self.store.freeze(rig.POOL, self.one())
        found = self.one()
        self.assertEqual(self.name, found.record.image_id)
        with self.opened():
            self.assertRaises(exceptions.CephRefused, self.store.set_aside,
                              rig.POOL, found)
        self.rbd.RBD().clone(self.pool, self.name, 'snap', self.pool,
                             f'{self.name}-disk',
                             features=self.rbd.RBD_FEATURE_LAYERING)
        self.assertIn('clones', self.one().obstacle)
        self.assertFalse(self.store.remove(rig.POOL, found))
        self.rbd.RBD().remove(self.pool, f'{self.name}-disk')
        self.store.set_aside(rig.POOL, found)
        aside = self.one()
        self.assertEqual((self.name + stored_image.ASIDE, found.id),
                         (aside.name, aside.id))
        self.store.put_back(rig.POOL, aside.name)
        self.assertEqual(found, self.one())
        for _time in range(2):
            self.assertTrue(self.store.remove(rig.POOL, found))
        state = self.store.read([drift_facts.Location(
            'dcn0', 'active', name=self.name)], only={self.name})
        self.assertEqual(({}, {}), (state.images, state.unreadable))
