# SPDX-License-Identifier: Apache-2.0
"""Two processes, two operations, one volume: never at the same time."""

import os
import subprocess
import sys
import tempfile
import unittest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
ROUNDS = 15


def overlaps(ours, theirs):
    """Return the pairs of (entered, left) that share a moment."""
    return [(one, other) for one in ours for other in theirs
            if one[0] < other[1] and other[0] < one[1]]


class OverlapsTest(unittest.TestCase):

    def test_apart(self):
        self.assertEqual([], overlaps([(0, 1), (4, 5)], [(1, 2), (3, 4)]))

    def test_one_inside_another(self):
        self.assertEqual([((0, 9), (1, 2))], overlaps([(0, 9)], [(1, 2)]))

    def test_one_ends_in_another(self):
        self.assertEqual([((0, 2), (1, 3))], overlaps([(0, 2)], [(1, 3)]))


class ExclusionTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.backend_url = f'file://{directory.name}'

    def test_guarded_operations_on_one_volume_never_overlap(self):
        ours, theirs = self.race('extend_volume', 'delete_volume', 'guarded')
        self.assertEqual([], overlaps(ours, theirs))

    def test_a_snapshot_waits_for_its_volume(self):
        ours, theirs = self.race('create_snapshot', 'extend_volume',
                                 'guarded')
        self.assertEqual([], overlaps(ours, theirs))

    def test_without_the_guard_they_do_overlap(self):
        # This proves that the two tests above can fail.
        ours, theirs = self.race('extend_volume', 'delete_volume',
                                 'unguarded')
        self.assertNotEqual([], overlaps(ours, theirs))

    def race(self, *operations_and_mode):
        """Let two processes work at the same time; return their times."""
        *operations, mode = operations_and_mode
        processes = [self.start(operation, mode) for operation in operations]
        for process in processes:
            self.assertEqual('ready\n', process.stdout.readline())
        for process in processes:
            process.stdin.write('go\n')
            process.stdin.flush()
        times = []
        for process in processes:
            output, _none = process.communicate(timeout=60)
            self.assertEqual(0, process.returncode)
            times.append([tuple(map(float, line.split()))
                          for line in output.splitlines()])
            self.assertEqual(ROUNDS, len(times[-1]))
        return times

    def start(self, operation, mode):
        process = subprocess.Popen(
            [sys.executable, '-m', 'tests.functional.cinder.contender',
             self.backend_url, operation, str(ROUNDS), mode],
            cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process
