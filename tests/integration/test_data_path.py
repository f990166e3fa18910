# SPDX-License-Identifier: Apache-2.0
"""copy-image and imports by our engine, in the real glance-api."""

import hashlib
import os
import pathlib
import tempfile
import threading

from tests.integration import lab_case
from tests.lab import layout as layouts
from tests.lab.services import ceph

POOL = 'images'


class _StagedSizes:
    """The sizes of all files in a directory, for as long as it is watched."""

    def __init__(self, directory):
        self._directory = directory
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.largest = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._is_over.set()
        self._thread.join()

    def _watch(self):
        while not self._is_over.wait(0.005):
            for entry in os.scandir(self._directory):
                try:
                    self.largest = max(self.largest, entry.stat().st_size)
                except FileNotFoundError:
                    pass


class DataPathTest(lab_case.LabCase):

    def setUp(self):
        super().setUp()
        self.glance = self.cloud[f'glance-{layouts.CENTRAL}']
        self.staging = self.lab.path('state', self.glance.name, 'staging')
        self.text = self.log_since(self.glance)

    def assert_whole(self, image_id, site):
        """Compare a copy with what Glance knows of the image."""
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, 'image')
            ceph.rbd(self.lab, site, 'export', '--no-progress',
                     f'{POOL}/{image_id}@snap', str(path))
            with path.open('rb') as file:
                digest = hashlib.file_digest(file, 'sha512').hexdigest()
        self.assertEqual(self.user.image(image_id)['os_hash_value'], digest)

    def assert_copied(self, image_id, source, *stores):
        self.assert_logs(
            self.text, f'Image {image_id} is copied by dcn_plugins from '
            f'{source} to {",".join(stores)}',
            *(f'Image {image_id} is in {store}: copied' for store in stores))

    def test_a_copy_is_not_staged(self):
        image_id = self.import_image([layouts.CENTRAL])
        with _StagedSizes(self.staging) as sizes:
            self.user.copy(image_id, self.far)
        self.assertEqual(0, sizes.largest)
        self.assert_copied(image_id, layouts.CENTRAL, self.far)
        self.assert_whole(image_id, self.far)
        self.assertEqual(sorted([layouts.CENTRAL, self.far]),
                         self.user.stores(image_id))

    def test_an_import_writes_to_one_store(self):
        image_id = self.import_image([layouts.CENTRAL, self.near, self.far])
        self.assert_copied(image_id, layouts.CENTRAL, self.near, self.far)
        for site in (self.near, self.far):
            self.assert_whole(image_id, site)
        self.assertEqual([], os.listdir(self.staging))

    def test_a_copy_beside_one_that_is_deleted(self):
        image_id = self.import_image([layouts.CENTRAL, self.near])
        self.assertEqual(204, self.user.delete_copy(image_id,
                                                    layouts.CENTRAL))
        self.user.copy(image_id, self.far)
        self.assert_copied(image_id, self.near, self.far)
        self.assertEqual(sorted([self.near, self.far]),
                         self.user.stores(image_id))
