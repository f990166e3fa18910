# SPDX-License-Identifier: Apache-2.0
"""Glance's own tests of imports and copies, with our data path off and on."""

import json
import os
import pathlib
import subprocess
import sys

import testtools

ROOT = pathlib.Path(__file__).parents[3]
WAIT_SECONDS = 900

# These look at Glance's way of copying itself, and not at what comes of it.
OWN_WAY = {
    # Replace Glance's upload to a store, and wait for it to be called.
    'test_import_copy_locked', 'test_import_copy_bust_lock',
    # Looks for files in the directories of stores, and removes one of these.
    'test_copy_image_revert_lifecycle',
    # Glance counts an image that is copied twice, as if it were staged
    # already; ours is counted once, and never staged.
    'test_copy'}

RUNS = {'stock': ('file', 'stock'), 'files': ('file', 'dcn'),
        'rbd': ('rbd', 'dcn')}


class UpstreamTest(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # They mostly wait, so all run at once.
        started = {name: cls.start(*run) for name, run in RUNS.items()}
        cls.found = {}
        for name, process in started.items():
            out, err = process.communicate(timeout=WAIT_SECONDS)
            cls.found[name] = json.loads(out) if not process.returncode else {
                'failed': {'all': err}}

    @classmethod
    def start(cls, kind, data_path):
        process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.functional.glance.upstream_run', kind], cwd=ROOT,
            env={**os.environ, 'OS_DCN__COPY_DATA_PATH': data_path},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.kill)
        return process

    def test_with_stores_in_files(self):
        stock, ours = self.found['stock'], self.found['files']
        self.assertEqual({}, stock['failed'])
        self.assertEqual({}, ours['failed'])
        self.assertEqual((stock['ran'], stock['skipped']),
                         (ours['ran'], ours['skipped']))
        self.assertGreater(ours['ran'], 50)
        self.assertEqual(0, stock['claims'])
        self.assertGreater(ours['claims'], 0)
        self.assertEqual(0, ours['asked'])

    def test_with_stores_in_rbd(self):
        found = self.found['rbd']
        failed = {name.rpartition('.')[2] for name in found['failed']}
        self.assertLessEqual(failed, OWN_WAY, found['failed'])
        self.assertGreater(found['ran'] - len(failed), 10)
        self.assertGreater(found['asked'], 0)
