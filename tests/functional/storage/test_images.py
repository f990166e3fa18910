# SPDX-License-Identifier: Apache-2.0
"""Images that the driver writes and reads itself, as ``rbd`` would."""

import hashlib
import os

import fixtures
import testtools

from cinder import context
from cinder.volume.drivers import rbd

from dcn_plugins.cinder import rbd_driver
from tests.functional.storage import rig
from tests.functional.storage import volume_service

MIB = 1 << 20


def digest(path):
    with open(path, 'rb') as source:
        return hashlib.file_digest(source, 'sha256').hexdigest()


class ImagesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.rig = self.useFixture(rig.Rig())
        self.service = volume_service.VolumeService(self.rig)
        self.addCleanup(self.service.close)
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.volume = volume_service.volume()
        # No program of this name is run.
        self.useFixture(fixtures.EnvironmentVariable('PATH', '/nowhere'))

    def file(self, name='file'):
        """Return a sparse file of 32 MiB with two pieces of data."""
        path = os.path.join(self.directory, name)
        with open(path, 'wb') as target:
            target.write(os.urandom(MIB))
            target.seek(20 * MIB)
            target.write(os.urandom(MIB))
            target.truncate(32 * MIB)
        return path

    def fetched(self, path):
        """Let Cinder's flow find a file where it would put the image."""
        def fetch(_context, _service, _image_id, target, *_args, **_kwargs):
            with open(path, 'rb') as source, open(target, 'wb') as copy:
                copy.write(source.read())

        self.useFixture(fixtures.MockPatchObject(
            rbd.image_utils, 'fetch_to_raw', fetch))
        self.useFixture(fixtures.MockPatchObject(
            rbd.volume_utils, 'image_conversion_dir',
            lambda: self.directory))

    def test_an_image_becomes_a_volume_and_an_image_again(self):
        path = self.file()
        self.fetched(path)
        driver = self.service.driver
        self.service.create(self.volume)
        driver.copy_image_to_volume(context.get_admin_context(), self.volume,
                                    None, 'image')
        target = os.path.join(self.directory, 'exported')
        driver._try_execute('rbd', 'export', '--pool', self.rig.pool,
                            self.volume.name, target, '--id', 'x')
        # The volume has been resized to its gibibyte.
        os.truncate(path, 1 << 30)
        self.assertEqual(digest(path), digest(target))
        self.assertLess(os.stat(target).st_blocks * 512, 16 * MIB)
        self.service.delete(self.volume)
        self.assertNotIn(self.volume.name, self.service.names()[0])

    def test_one_that_cannot_be_read_leaves_nothing(self):
        self.fetched(os.devnull)
        self.service.create(self.volume)
        self.assertRaises(
            rbd_driver.LockFailure, self.service.driver.copy_image_to_volume,
            context.get_admin_context(), self.volume, None, 'image')
        self.assertNotIn(self.volume.name, self.service.names()[0])

    def test_other_programs_are_run_as_ever(self):
        error = self.assertRaises(
            OSError, self.service.driver._try_execute, 'rbd', 'ls')
        self.assertIsInstance(error, FileNotFoundError)
