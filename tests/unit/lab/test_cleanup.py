# SPDX-License-Identifier: Apache-2.0
"""A lab stays a lab until nothing of it is left."""

import pathlib

import fixtures
import testtools

from tests.lab import cleanup
from tests.lab import deadline
from tests.lab import layout as layouts


class RemoveTreeTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.lab = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'lab'
        (self.lab / 'etc').mkdir(parents=True)
        (self.lab / 'etc' / 'nova.conf').touch()
        (self.lab / layouts.FILE).touch()

    def test_all_goes(self):
        cleanup.remove_tree(self.lab)
        self.assertFalse(self.lab.exists())
        cleanup.remove_tree(self.lab)

    def test_somebody_writes_meanwhile(self):
        self.useFixture(fixtures.MonkeyPatch(
            'tests.lab.cleanup.shutil.rmtree', lambda *_args, **_kwargs: None))
        error = self.assertRaises(deadline.LabError, cleanup.remove_tree,
                                  self.lab)
        self.assertIn('etc is there again', str(error))
        self.assertTrue(cleanup.is_lab(self.lab))
