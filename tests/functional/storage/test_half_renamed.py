# SPDX-License-Identifier: Apache-2.0
"""Deletions of volumes with clones that were interrupted while renaming."""

import fixtures
import testtools

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import encoding
from dcn_plugins.ceph import half_renamed
from tests.functional.storage import rig
from tests.functional.storage import volume_service


class HalfRenamedTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.rig = self.useFixture(rig.Rig())
        self.service = volume_service.VolumeService(self.rig)
        self.addCleanup(self.service.close)
        self.volume, self.clone = (volume_service.volume() for _each in '12')
        self.service.create(self.volume)
        self.service.clone(self.clone, self.volume)
        self.deleted = f'{self.volume.name}.deleted'
        context = self.service.ioctx()
        self.ioctx = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def lead(self):
        """Have the new name lead to the image, too."""
        self.ioctx.write_full(f'rbd_id.{self.deleted}', self.ioctx.read(
            f'rbd_id.{self.volume.name}'))

    def enter(self):
        """Have the directory know the new name."""
        image_id = self.ioctx.read(f'rbd_id.{self.volume.name}')[4:]
        self.ioctx.execute(
            'rbd_directory', 'rbd', 'dir_rename_image',
            encoding.text(self.volume.name.encode())
            + encoding.text(self.deleted.encode()) + encoding.text(image_id))

    def assertGone(self):
        self.service.delete(self.volume)
        self.assertEqual({self.clone.name, self.deleted}, {
            name for name in self.service.names()[0]
            if name in (self.clone.name, self.deleted, self.volume.name)})
        self.service.delete(self.clone)
        self.assertEqual([], [
            found.key for found in self.ioctx.list_objects()
            if self.volume.id in found.key or self.clone.id in found.key])

    def test_before_the_directory_knows(self):
        self.lead()
        self.assertGone()

    def test_after_the_directory_knows(self):
        self.lead()
        self.enter()
        self.assertGone()

    def finish(self):
        return half_renamed.finish(self.ioctx, self.volume.name, self.deleted)

    def assertNamed(self):
        """See that it has the new name, and that only."""
        rbd = bindings.rbd()
        self.assertEqual({self.deleted}, {self.volume.name, self.deleted}
                         & set(self.service.names()[0]))
        with rbd.Image(self.ioctx, self.deleted, read_only=True):
            pass
        self.assertRaises(rbd.ImageNotFound, rbd.Image, self.ioctx,
                          self.volume.name, read_only=True)
        self.assertFalse(self.finish())
        rbd.RBD().rename(self.ioctx, self.deleted, self.volume.name)

    def test_finished_before_the_directory_knows(self):
        self.lead()
        self.assertTrue(self.finish())
        self.assertNamed()

    def test_finished_after_the_directory_knows(self):
        self.lead()
        self.enter()
        self.assertTrue(self.finish())
        self.assertNamed()

    def test_finished_by_somebody_else_meanwhile(self):
        self.lead()

        def is_listed(ioctx, name):
            self.useFixture(fixtures.MonkeyPatch(
                'dcn_plugins.ceph.half_renamed._is_listed', lambda *_: False))
            self.assertTrue(self.finish())
            return False

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.ceph.half_renamed._is_listed', is_listed))
        self.assertTrue(self.finish())
        self.assertNamed()

    def test_none_is_finished_that_is_somebody_elses(self):
        rbd = bindings.rbd()
        self.assertFalse(self.finish())
        rbd.RBD().create(self.ioctx, self.deleted, 1 << 20)
        self.addCleanup(rbd.RBD().remove, self.ioctx, self.deleted)
        self.assertFalse(self.finish())
        self.assertEqual({self.volume.name, self.deleted},
                         {self.volume.name, self.deleted}
                         & set(self.service.names()[0]))

    def test_what_is_somebody_elses_is_left_alone(self):
        rbd = bindings.rbd()
        rbd.RBD().create(self.ioctx, self.deleted, 1 << 20)
        self.assertFalse(half_renamed.end(self.ioctx, self.volume.name,
                                          self.deleted))
        self.assertRaises(rbd.ImageExists, self.service.delete, self.volume)
        rbd.RBD().remove(self.ioctx, self.deleted)
        self.assertFalse(half_renamed.end(self.ioctx, self.volume.name,
                                          self.deleted))
        self.assertGone()
