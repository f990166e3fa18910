# SPDX-License-Identifier: Apache-2.0
"""What Ceph has done, and did not answer in time."""

import struct
import time

import fixtures
import testtools

from cinder import exception

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import guarded_rbd
from tests.functional.storage import rig
from tests.functional.storage import volume_service


def add_snapshot(ioctx, image_id, name):
    """Make a snapshot as librbd does, and tell nobody who has it open.

    That is what an OSD does that goes on after a pause: it has the request,
    and the client does not wait for it any more.
    """
    text = name.encode()
    ioctx.execute(f'rbd_header.{image_id}', 'rbd', 'snapshot_add',
                  struct.pack(f'<I{len(text)}sQ', len(text), text,
                              ioctx.create_self_managed_snap()))


class SnapshotTest(testtools.TestCase):
    """A request for a snapshot that is heard of no more, and is done."""

    def setUp(self):
        super().setUp()
        self.rig = self.useFixture(rig.Rig())
        self.service = volume_service.VolumeService(self.rig)
        self.addCleanup(self.service.close)
        self.source = volume_service.volume()
        self.service.create(self.source)
        self.addCleanup(self.service.delete, self.source)
        self.late = 0
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.ceph.guarded_rbd.GuardedImage._called',
            self.called(guarded_rbd.GuardedImage._called)))

    def called(self, original):
        rbd = bindings.rbd()

        def _called(image, name, *args, **kwargs):
            if name != 'create_snap' or self.late:
                return original(image, name, *args, **kwargs)
            self.late += 1
            # From here on the image has its own lock.
            original(image, 'create_snap', 'before')
            original(image, 'remove_snap', 'before')
            # It tells itself that it has changed, and would look once more.
            time.sleep(1)
            list(original(image, 'list_snaps'))
            with self.service.ioctx() as ioctx:
                add_snapshot(ioctx, image._thing.id(), args[0])
            raise rbd.Timeout('it was not heard of', errno=110)

        return _called

    def test_of_a_clone(self):
        made = volume_service.volume()
        error = self.assertRaises(exception.VolumeBackendAPIException,
                                  self.service.clone, made, self.source)
        self.assertIn('not heard of', str(error))
        self.assertEqual(1, self.late)
        self.assertEqual(set(), self.service.snapshots(self.source.name))
        self.assertNotIn(made.name, self.service.names()[0])
        # What the user asks for once more.
        self.service.clone(made, self.source)
        self.service.delete(made)
        self.assertEqual(set(), self.service.snapshots(self.source.name))

    def test_of_a_snapshot(self):
        made = volume_service.snapshot(self.source)
        self.assertRaises(bindings.rbd().Timeout, self.service.snapshot, made)
        self.assertEqual(1, self.late)
        self.assertEqual(set(), self.service.snapshots(self.source.name))
