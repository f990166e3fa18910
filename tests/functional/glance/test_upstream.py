# SPDX-License-Identifier: Apache-2.0
"""Glance's own tests of imports and copies, with our data path off and on."""

import json
import os
import pathlib
import subprocess
import sys

import fixtures
import testtools

ROOT = pathlib.Path(__file__).parents[3]
WAIT_SECONDS = 2400

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

    def start(self, kind, data_path):
        # Glance's tests write to where they are run, and more than a pipe
        # holds.
        directory = self.useFixture(fixtures.TempDir())
        out = directory.join('out')
        with open(out, 'w') as file:
            process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-m',
                 'tests.functional.glance.upstream_run', kind],
                cwd=directory.path,
                env={**os.environ, 'PYTHONPATH': str(ROOT),
                     'OS_DCN__COPY_DATA_PATH': data_path},
                stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, out

    def ended(self, process, out):
        """Return what a run has found; it is the last line."""
        code = process.wait(WAIT_SECONDS)
        with open(out) as file:
            text = file.read()
        self.assertEqual(0, code, text)
        return json.loads(text.splitlines()[-1])

    def test_all_of_them(self):
        # They mostly wait, so all run at once.
        started = {name: self.start(*run) for name, run in RUNS.items()}
        found = {name: self.ended(*run) for name, run in started.items()}
        self.check_files(found['stock'], found['files'])
        self.check_rbd(found['rbd'], found['stock'])

    def check_files(self, stock, ours):
        # What fails without us fails for reasons of its own: in 33.0.0 tests
        # of web-download do where localhost has more than one address.
        self.assertLessEqual(set(ours['failed']), set(stock['failed']),
                             ours['failed'])
        self.assertEqual((stock['ran'], stock['skipped']),
                         (ours['ran'], ours['skipped']))
        self.assertGreater(ours['ran'] - len(ours['failed']), 50)
        self.assertEqual(0, stock['claims'])
        self.assertGreater(ours['claims'], 0)
        self.assertEqual(0, ours['asked'])

    def check_rbd(self, found, stock):
        failed = {name.rpartition('.')[2]
                  for name in set(found['failed']) - set(stock['failed'])}
        self.assertLessEqual(failed, OWN_WAY, found['failed'])
        # The oldest release has twelve of them, four of which are OWN_WAY.
        self.assertGreater(found['ran'] - len(found['failed']), 5)
        self.assertGreater(found['asked'], 0)
