# SPDX-License-Identifier: Apache-2.0
"""Operations on a volume that a guest has, and writes to.

The guest owns librbd's own lock of the image, and makes and removes snapshots
for whoever asks for it.
"""

import threading
import time

from cinder import exception

from dcn_plugins.ceph import bindings
from tests.functional.storage import rados_case
from tests.functional.storage import volume_service

WRITES_SECONDS = 30


class InUseTest(rados_case.RadosTestCase):

    def setUp(self):
        super().setUp()
        self.service = volume_service.VolumeService(self.rig)
        self.addCleanup(self.service.close)
        self.volume = volume_service.volume()
        self.service.create(self.volume)
        self.addCleanup(self.service.delete, self.volume)
        self.writes, self.errors = 0, []
        ioctx = self.client().open_ioctx(self.rig.pool)
        self.addCleanup(ioctx.close)
        self.image = bindings.rbd().Image(ioctx, self.volume.name)
        self.addCleanup(self.image.close)
        self.stop = threading.Event()
        thread = threading.Thread(target=self.write)
        self.addCleanup(thread.join)
        self.addCleanup(self.stop.set)
        thread.start()
        self.wait_for_writes()

    def write(self):
        while not self.stop.wait(0.01):
            try:
                self.image.write(b'x' * 512, 0)
                self.writes += 1
            # Whatever it is, a guest would see it.
            except Exception as exc:
                self.errors.append(repr(exc))
                return

    def wait_for_writes(self):
        before, end = self.writes, time.monotonic() + WRITES_SECONDS
        while self.writes < before + 3:
            self.assertEqual([], self.errors)
            self.assertLess(time.monotonic(), end, 'the guest stands still')
            time.sleep(0.01)

    def test_snapshots_come_and_go(self):
        for _number in range(3):
            snapshot = volume_service.snapshot(self.volume)
            self.service.snapshot(snapshot)
            self.wait_for_writes()
            self.assertEqual({snapshot.name},
                             self.service.snapshots(self.volume.name))
            self.service.delete_snapshot(snapshot)
            self.wait_for_writes()
        self.assertEqual(set(), self.service.snapshots(self.volume.name))

    def test_clones_come_and_go(self):
        for source in (None, self.volume.id):
            clone = volume_service.volume(source_volid=source)
            self.service.clone(clone, self.volume)
            self.wait_for_writes()
            self.service.delete(clone)
            self.wait_for_writes()
        self.assertEqual(set(), self.service.snapshots(self.volume.name))

    def test_it_grows_and_is_not_deleted(self):
        self.service.extend(self.volume, 2)
        self.wait_for_writes()
        self.assertEqual(2 << 30, self.image.size())
        self.assertRaises(exception.VolumeIsBusy, self.service.delete,
                          self.volume)
        self.wait_for_writes()
