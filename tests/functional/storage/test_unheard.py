# SPDX-License-Identifier: Apache-2.0
"""What Ceph has done, and did not answer in time."""

import contextlib
import functools
import struct
import time

import fixtures
import testtools

from cinder import exception

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import guarded_rbd
from dcn_plugins.cinder import rbd_driver
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


class UnheardTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.rbd = bindings.rbd()
        self.rig = self.useFixture(rig.Rig())
        self.service = volume_service.VolumeService(self.rig)
        self.addCleanup(self.service.close)
        self.source = volume_service.volume()
        self.service.create(self.source)
        #: Calls that were not heard of.
        self.unheard = []

    def make_unheard(self, owner, call, act, count=1):
        """Have the first of some calls do something, and raise.

        :param owner: class of ``guarded_rbd``.
        :param count: how many.
        :param act: called with the call of librbd, what it is a call of, and
            its arguments.
        """
        original = owner._called

        def _called(thing, name, *args, **kwargs):
            if name != call or len(self.unheard) == count:
                return original(thing, name, *args, **kwargs)
            self.unheard.append(name)
            act(functools.partial(original, thing), thing, *args)
            raise self.rbd.Timeout('it was not heard of', errno=110)

        self.useFixture(fixtures.MockPatchObject(owner, '_called', _called))

    def delete(self):
        """Delete the source; nothing of it may be there any more."""
        self.service.delete(self.source)
        self.assertGone()

    def assertGone(self):
        images, trash = self.service.names()
        self.assertNotIn(self.source.name, images)
        self.assertNotIn(f'{self.source.name}.deleted', images)
        self.assertNotIn(self.source.name, trash)


class SnapshotTest(UnheardTestCase):
    """A request for a snapshot that is heard of no more, and is done."""

    def setUp(self):
        super().setUp()
        self.make_unheard(guarded_rbd.GuardedImage, 'create_snap', self.act)

    def act(self, call, image, name):
        # From here on the image has its own lock.
        call('create_snap', 'before')
        call('remove_snap', 'before')
        # It tells itself that it has changed, and would look once more.
        time.sleep(1)
        list(call('list_snaps'))
        with self.service.ioctx() as ioctx:
            add_snapshot(ioctx, image._thing.id(), name)

    def test_of_a_clone(self):
        made = volume_service.volume()
        error = self.assertRaises(exception.VolumeBackendAPIException,
                                  self.service.clone, made, self.source)
        self.assertIn('not heard of', str(error))
        self.assertEqual(1, len(self.unheard))
        self.assertEqual(set(), self.service.snapshots(self.source.name))
        self.assertNotIn(made.name, self.service.names()[0])
        # What the user asks for once more.
        self.service.clone(made, self.source)
        self.service.delete(made)
        self.assertEqual(set(), self.service.snapshots(self.source.name))
        self.delete()

    def test_of_a_snapshot(self):
        made = volume_service.snapshot(self.source)
        self.assertRaises(self.rbd.Timeout, self.service.snapshot, made)
        self.assertEqual(1, len(self.unheard))
        self.assertEqual(set(), self.service.snapshots(self.source.name))
        self.delete()


class RemovalTest(UnheardTestCase):
    """A removal that is heard of no more."""

    def test_of_an_image_that_is_done(self):
        self.make_unheard(guarded_rbd.GuardedCalls, 'remove',
                          lambda call, _thing, *args: call('remove', *args))
        self.delete()
        self.assertEqual(1, len(self.unheard))

    def test_of_an_image_that_is_half_done(self):
        self.make_unheard(guarded_rbd.GuardedCalls, 'remove',
                          lambda *_args: self.remove_header())
        self.delete()
        self.assertEqual(1, len(self.unheard))

    def test_of_an_image_that_was_half_done_before(self):
        self.remove_header()
        self.delete()

    def test_of_an_image_that_is_not_heard_of_for_long(self):
        self.make_unheard(guarded_rbd.GuardedCalls, 'remove',
                          lambda *_args: self.remove_header(), 2)
        self.assertRaises(rbd_driver.LockFailure, self.service.delete,
                          self.source)
        self.assertIn(self.source.name, self.service.names()[0])
        # Whoever comes next, or the caretaker.
        self.assertTrue(self.service.settle([self.source.name], 60))
        self.assertGone()

    def remove_header(self):
        """Remove what makes an image one, and leave its name."""
        with self.service.ioctx() as ioctx:
            with contextlib.suppress(self.rbd.ImageNotFound):
                with self.rbd.Image(ioctx, self.source.name,
                                    read_only=True) as image:
                    header = f'rbd_header.{image.id()}'
                ioctx.remove_object(header)
        self.assertIn(self.source.name, self.service.names()[0])

    def check_snapshot(self, is_done, count=1):
        made = volume_service.snapshot(self.source)
        self.service.snapshot(made)
        self.make_unheard(
            guarded_rbd.GuardedImage, 'remove_snap',
            lambda call, _thing, name: is_done and call('remove_snap', name),
            count)
        if count > 1:
            self.assertRaises(rbd_driver.LockFailure,
                              self.service.delete_snapshot, made)
            self.assertTrue(self.service.settle([self.source.name], 60))
        else:
            self.service.delete_snapshot(made)
        self.assertEqual(count, len(self.unheard))
        self.assertEqual(set(), self.service.snapshots(self.source.name))
        self.delete()

    def test_of_a_snapshot_that_is_done(self):
        self.check_snapshot(True)

    def test_of_a_snapshot_that_is_not(self):
        self.check_snapshot(False)

    def test_of_a_snapshot_that_is_not_heard_of_for_long(self):
        self.check_snapshot(False, 2)
