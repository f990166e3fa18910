# SPDX-License-Identifier: Apache-2.0

import unittest

from dcn_plugins.glance import copy_progress
from dcn_plugins.imagecopy import request

MIB = 1 << 20


class CopyProgressTest(unittest.TestCase):

    def test_all_stores_in_their_order(self):
        progress = copy_progress.CopyProgress(['dcn1', 'dcn0'])
        self.assertEqual('dcn1 waits; dcn0 waits', str(progress))
        progress.take(request.Progress('dcn0', 'pump', 540 * MIB, 1024 * MIB,
                                       118e6))
        progress.take(request.Progress('dcn1', 'verify', 0, 0, 0.0))
        self.assertEqual(
            'dcn1 verify; dcn0 52% 540/1024 MiB 118 MB/s ETA 4s',
            str(progress))

    def test_nothing_moves(self):
        progress = copy_progress.CopyProgress(['dcn0'])
        progress.take(request.Progress('dcn0', 'pump', 0, 10 * MIB, 0.0))
        self.assertEqual('dcn0 0% 0/10 MiB 0 MB/s', str(progress))

    def test_more_than_was_known(self):
        progress = copy_progress.CopyProgress(['dcn0'])
        progress.take(request.Progress('dcn0', 'pump', 20 * MIB, 10 * MIB,
                                       1e6))
        self.assertIn('ETA 0s', str(progress))

    def test_an_image_without_data(self):
        progress = copy_progress.CopyProgress(['dcn0'])
        progress.take(request.Progress('dcn0', 'pump', 0, 0, 0.0))
        self.assertEqual('dcn0 pump', str(progress))

    def test_the_end(self):
        result = request.Result(
            'dcn0', request.Outcome.COPIED, 'rbd://f/p/i/snap', 1024 * MIB,
            100 * MIB, 24 * MIB, 5.4)
        self.assertEqual(
            'copied 1024 MiB in 5s, 100 MiB sent, 24 MiB saved',
            copy_progress.ended(result))
