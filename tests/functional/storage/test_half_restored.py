# SPDX-License-Identifier: Apache-2.0
"""Removals that were interrupted while librbd took them back."""

import struct
import time

import testtools

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import encoding
from dcn_plugins.ceph import half_restored
from tests.functional.storage import rig
from tests.functional.storage import volume_service

# cls::rbd::TrashImageSource and TrashImageState.
USER, REMOVING = 0, 3
NORMAL, MOVING, STATE_REMOVING, RESTORING = range(4)


class HalfRestoredTest(testtools.TestCase):
    """An image in each state in which an interruption may leave it."""

    def setUp(self):
        super().setUp()
        self.rbd = bindings.rbd()
        self.rig = self.useFixture(rig.Rig())
        self.service = volume_service.VolumeService(
            self.rig, rados_connection_retries=1)
        self.addCleanup(self.service.close)
        self.volume = volume_service.volume()
        self.service.create(self.volume)
        self.ioctx = self.enterContext(self.service.ioctx())
        with self.rbd.Image(self.ioctx, self.volume.name,
                            read_only=True) as image:
            self.image_id = image.id()

    def enterContext(self, context):
        # Of unittest since Python 3.11.
        found = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return found

    def put_in_trash(self, state, source=REMOVING):
        now = int(time.time())
        content = (struct.pack('<B', source)
                   + encoding.text(self.volume.name.encode())
                   + struct.pack('<IIIIB', now, 0, now, 0, state))
        self.ioctx.execute('rbd_trash', 'rbd', 'trash_add',
                           encoding.text(self.image_id.encode())
                           + struct.pack('<BBI', 2, 1, len(content))
                           + content)

    def forget_name(self):
        self.ioctx.remove_object(f'rbd_id.{self.volume.name}')

    def leave_directory(self):
        self.ioctx.execute('rbd_directory', 'rbd', 'dir_remove_image',
                           encoding.text(self.volume.name.encode())
                           + encoding.text(self.image_id.encode()))

    def assertGone(self):
        self.service.delete(self.volume)
        self.assertNotIn(self.volume.name, self.service.names()[0])
        self.assertEqual([], [
            found.key for found in self.ioctx.list_objects()
            if self.image_id in found.key or self.volume.name in found.key])
        # What it was is not listed, but is in the way of nobody.
        self.assertFalse(half_restored.release(self.ioctx, self.volume.name))

    def test_being_restored_and_complete(self):
        self.put_in_trash(RESTORING)
        self.assertGone()

    def test_being_restored_and_without_its_name(self):
        self.put_in_trash(RESTORING)
        self.forget_name()
        self.assertGone()

    def test_being_restored_and_not_begun(self):
        self.put_in_trash(RESTORING)
        self.forget_name()
        self.leave_directory()
        self.assertGone()

    def test_being_restored_and_not_listed(self):
        self.put_in_trash(RESTORING)
        self.leave_directory()
        self.assertGone()

    def test_being_moved_and_not_listed(self):
        self.put_in_trash(MOVING)
        self.forget_name()
        self.leave_directory()
        self.assertGone()

    def test_being_removed_and_complete(self):
        self.put_in_trash(STATE_REMOVING)
        self.assertGone()

    def test_being_moved(self):
        self.put_in_trash(MOVING)
        self.assertGone()

    def test_what_somebody_restores_is_left_alone(self):
        self.put_in_trash(RESTORING, USER)
        self.assertFalse(half_restored.release(self.ioctx, self.volume.name))
        self.ioctx.execute('rbd_trash', 'rbd', 'trash_remove',
                           encoding.text(self.image_id.encode()))
        self.put_in_trash(NORMAL)
        self.assertFalse(half_restored.release(self.ioctx, self.volume.name))
        self.assertGone()

    def test_others_are_left_alone(self):
        self.put_in_trash(RESTORING)
        self.assertFalse(half_restored.release(self.ioctx, 'volume-x'))
        self.assertTrue(half_restored.release(self.ioctx, self.volume.name))
        self.assertGone()
