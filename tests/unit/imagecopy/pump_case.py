# SPDX-License-Identifier: Apache-2.0
"""A test with a pump between a source and targets in memory."""

import queue

import testtools

from dcn_plugins.imagecopy import digest
from dcn_plugins.imagecopy import grains
from dcn_plugins.imagecopy import hasher
from dcn_plugins.imagecopy import lane
from dcn_plugins.imagecopy import memory
from dcn_plugins.imagecopy import plan
from dcn_plugins.imagecopy import pump
from dcn_plugins.imagecopy import throttle
from dcn_plugins.imagecopy import window
from tests.fakes import copy_image

GRAINS = grains.Grains(copy_image.GRAIN_BYTES, copy_image.BLOCK_BYTES,
                       plan.PIECE_BYTES, copy_image.sum_of)


class PumpTestCase(testtools.TestCase):
    """Steps a pump until it has ended, with a clock of its own."""

    memory_bytes = 16 << 20

    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.events = queue.SimpleQueue()

    def clock(self):
        return self.now

    def lane(self, target, name='edge', rate=None, **options):
        limit = throttle.Throttle(rate)
        return lane.Lane(
            name, target, target.size, GRAINS,
            window.Window(self.memory_bytes), (limit,), self.events,
            self.clock, **options)

    def pump(self, source, algorithm=None):
        self.memory = memory.Memory(self.memory_bytes)
        self.digest = digest.Digest(
            source.size, GRAINS, copy_image.sum_of_bytes,
            hasher.Hasher(algorithm, self.events) if algorithm else None)
        return pump.Pump(
            source, plan.wanted(source.extents(), source.size,
                                copy_image.GRAIN_BYTES),
            source.size, self.memory, GRAINS, self.events, self.clock,
            self.digest)

    def drive(self, running, is_enough, steps=2000):
        """Step until it is enough; each step takes as long as a tick."""
        for _number in range(steps):
            if is_enough():
                return
            running.step(0.001)
            self.now += 0.1
        self.fail('it does not end')

    def copy(self, source, lanes, algorithm=None):
        """Copy to lanes, up to the end of all of them."""
        running = self.pump(source, algorithm)
        running.add(lanes)
        self.drive(running, lambda: all(
            one.error or one.is_verified for one in lanes)
            and (self.digest.is_known or all(one.error for one in lanes)))
        return running
