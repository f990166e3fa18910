# SPDX-License-Identifier: Apache-2.0

import os
import subprocess
import sys
import time

import fixtures
import testtools

from tests.chaos import wallclock

# It says all its clocks each time it is told to.
PROGRAM = '''
import sys, time
for _line in sys.stdin:
    print(time.time(), time.monotonic(),
          time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)
'''


class WallClockTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.clocks = wallclock.WallClocks(
            self.useFixture(fixtures.TempDir()).path)
        self.process = self.start()

    def start(self):
        made = subprocess.Popen(
            [sys.executable, '-c', PROGRAM], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, **self.clocks.environment})
        self.addCleanup(made.communicate)
        return made

    def wrong_by(self, process):
        """Return by how much each clock of a process differs from ours."""
        process.stdin.write('\n')
        process.stdin.flush()
        told = map(float, process.stdout.readline().split())
        ours = (time.time(), time.monotonic(),
                time.clock_gettime(time.CLOCK_BOOTTIME))
        return [round((clock - our) / 60) for clock, our in zip(told, ours)]

    def test_right_at_first(self):
        self.assertEqual([0, 0, 0], self.wrong_by(self.process))

    def test_only_the_wall_clock_jumps_and_comes_back(self):
        for minutes in (60, -60, 0):
            self.clocks.jump(self.process.pid, minutes * 60)
            self.assertEqual([minutes, 0, 0], self.wrong_by(self.process))

    def test_only_that_of_one_process(self):
        other = self.start()
        self.clocks.jump(self.process.pid, 3600)
        self.assertEqual([0, 0, 0], self.wrong_by(other))
        self.clocks.jump(other.pid, 7200)
        self.assertEqual([120, 0, 0], self.wrong_by(other))
        self.assertEqual([60, 0, 0], self.wrong_by(self.process))
