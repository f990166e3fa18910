# SPDX-License-Identifier: Apache-2.0
"""Copies from bytes to bytes."""

import errno
import hashlib

import hypothesis
from hypothesis import strategies

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import arena
from tests.fakes import copy_image
from tests.unit.imagecopy import pump_case

MIB = 1 << 20
GRAIN = copy_image.GRAIN_BYTES


def layouts():
    """Return images of a few MiB with data in some places."""
    parts = strategies.lists(strategies.tuples(
        strategies.integers(0, 9 * MIB), strategies.integers(1, 3 * MIB),
        strategies.integers(0, 255)), max_size=6)
    return strategies.builds(
        image, strategies.sampled_from([
            0, 1, 4095, GRAIN, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1,
            5 * MIB + 12345, 10 * MIB]), parts)


def image(size, parts):
    data = bytearray(size)
    for start, length, byte in parts:
        end = min(size, start + length)
        if start < end:
            data[start:end] = bytes([byte]) * (end - start)
    return bytes(data)


class CopyTest(pump_case.PumpTestCase):

    @hypothesis.settings(max_examples=40, deadline=None)
    @hypothesis.given(data=layouts(), before=layouts(),
                      object_bytes=strategies.sampled_from(
                          [GRAIN, MIB, 4 * MIB, 8 * MIB]),
                      is_hashed=strategies.booleans())
    def test_any_layout_on_anything(self, data, before, object_bytes,
                                    is_hashed):
        source = copy_image.FakeSource(data)
        fresh = copy_image.FakeTarget(len(data), object_bytes)
        used = copy_image.FakeTarget(len(data), MIB)
        used.put(0, before[:len(data)])
        lanes = [self.lane(fresh, 'fresh'),
                 self.lane(used, 'used', is_compared=True)]
        self.copy(source, lanes, 'sha512' if is_hashed else None)
        self.assertEqual([None, None], [one.error for one in lanes])
        self.assertEqual(data, fresh.data)
        self.assertEqual(data, used.data)
        if is_hashed:
            self.assertEqual(hashlib.sha512(data).hexdigest(),
                             self.digest.value)
        self.assertEqual(self.memory_bytes, self.memory._arena.free_bytes)
        self.assertEqual(len(data), source.read_bytes)

    @hypothesis.settings(max_examples=20, deadline=None)
    @hypothesis.given(data=layouts(), object_bytes=strategies.sampled_from(
        [MIB, 8 * MIB]))
    def test_the_manifest_does_not_depend_on_extents(self, data, object_bytes):
        found = []
        for ranges in (None, self.extents(data)):
            self.copy(copy_image.FakeSource(data, ranges), [self.lane(
                copy_image.FakeTarget(len(data), object_bytes))])
            found.append(self.digest.digests)
        self.assertEqual(found[0], found[1])

    @staticmethod
    def extents(data):
        return [(start, min(len(data), start + GRAIN))
                for start in range(0, len(data), GRAIN)
                if any(data[start:start + GRAIN])]

    def test_zeros_are_not_sent(self):
        data = image(20 * MIB, [(5 * MIB, GRAIN, 1), (7 * MIB, 100, 2)])
        target = copy_image.FakeTarget(len(data))
        one = self.lane(target)
        self.copy(copy_image.FakeSource(data), [one])
        self.assertEqual([(5 * MIB, GRAIN), (7 * MIB, GRAIN)], target.writes)
        self.assertEqual(2 * GRAIN, one.sent_bytes)
        self.assertEqual(len(data), one.done_bytes)

    def test_an_image_of_zeros_makes_no_object(self):
        target = copy_image.FakeTarget(20 * MIB)
        self.copy(copy_image.FakeSource(bytes(20 * MIB)), [self.lane(target)])
        self.assertEqual({}, target.objects)

    def test_blocks_of_zeros_before_data_are_not_sent(self):
        data = image(MIB, [(GRAIN - 100, 100, 1)])
        target = copy_image.FakeTarget(len(data))
        self.copy(copy_image.FakeSource(data), [self.lane(target)])
        self.assertEqual([(GRAIN - 4096, 4096)], target.writes)

    def test_what_is_there_is_not_sent_again(self):
        data = image(8 * MIB, [(0, 8 * MIB, 7)])
        target = copy_image.FakeTarget(len(data))
        target.put(0, data[:5 * MIB])
        one = self.lane(target, is_compared=True)
        self.copy(copy_image.FakeSource(data), [one])
        self.assertEqual((3 * MIB, 5 * MIB), (one.sent_bytes, one.saved_bytes))
        self.assertEqual(len(data), one.done_bytes)
        self.assertEqual(data, target.data)

    def test_what_is_a_hole_at_the_source_becomes_one(self):
        target = copy_image.FakeTarget(8 * MIB)
        target.put(3 * MIB + 100, b'old')
        self.copy(copy_image.FakeSource(bytes(8 * MIB), []),
                  [self.lane(target, is_compared=True)])
        self.assertEqual(bytes(8 * MIB), target.data)

    def test_an_image_that_is_only_checked(self):
        data = image(8 * MIB, [(0, 3 * MIB, 7)])
        target = copy_image.FakeTarget(len(data))
        target.put(0, data)
        one = self.lane(target, is_compared=True, may_write=False)
        self.copy(copy_image.FakeSource(data), [one])
        self.assertEqual((None, []), (one.error, target.writes))

    def test_an_image_that_is_only_checked_and_differs(self):
        data = image(8 * MIB, [(0, 3 * MIB, 7)])
        for offset in (2 * MIB + 5, 6 * MIB + 5):
            target = copy_image.FakeTarget(len(data))
            target.put(0, data)
            target.put(offset, b'x')
            one = self.lane(target, is_compared=True, may_write=False)
            self.copy(copy_image.FakeSource(data), [one])
            self.assertIsInstance(one.error, exceptions.VerifyFailed)
            self.assertEqual(offset - offset % GRAIN, one.error.offset)
            self.assertEqual([], target.writes)


class BrokenTarget(copy_image.FakeTarget):
    """Stores a byte that is not what was written."""

    def __init__(self, size, offset):
        super().__init__(size)
        self._offset = offset

    def write(self, offset, address, length, done):
        super().write(offset, address, length, lambda code: None)
        if offset <= self._offset < offset + length:
            self.put(self._offset, b'!')
        done(0)


class FailureTest(pump_case.PumpTestCase):

    def setUp(self):
        super().setUp()
        self.data = image(12 * MIB, [(0, 12 * MIB, 9)])

    def test_a_byte_that_was_stored_wrongly(self):
        target = BrokenTarget(len(self.data), 7 * MIB + 12345)
        good = copy_image.FakeTarget(len(self.data))
        lanes = [self.lane(target, 'bad'), self.lane(good, 'good')]
        self.copy(copy_image.FakeSource(self.data), lanes)
        self.assertIsInstance(lanes[0].error, exceptions.VerifyFailed)
        self.assertEqual(7 * MIB, lanes[0].error.offset)
        self.assertIsNone(lanes[1].error)
        self.assertEqual(self.data, good.data)
        self.assertEqual(self.memory_bytes, self.memory._arena.free_bytes)

    def test_a_target_that_refuses(self):
        target = copy_image.FakeTarget(len(self.data))
        target.code = -errno.ENOSPC
        good = copy_image.FakeTarget(len(self.data))
        lanes = [self.lane(target, 'full'), self.lane(good, 'good')]
        self.copy(copy_image.FakeSource(self.data), lanes)
        self.assertEqual(-errno.ENOSPC, lanes[0].error.errno)
        self.assertEqual(self.data, good.data)

    def test_a_source_that_fails(self):
        source = copy_image.FakeSource(self.data)
        source.code = -errno.EIO
        one = self.lane(copy_image.FakeTarget(len(self.data)))
        self.copy(source, [one])
        self.assertEqual(-errno.EIO, one.error.errno)

    def test_a_source_that_has_become_shorter(self):
        source = copy_image.FakeSource(self.data)
        del source.data[5 * MIB:]
        one = self.lane(copy_image.FakeTarget(len(self.data)))
        self.copy(source, [one])
        self.assertIsInstance(one.error, exceptions.CephRefused)


class SlowTargetTest(pump_case.PumpTestCase):
    """One of two targets takes what it is sent, and tells nothing."""

    memory_bytes = 32 << 20

    def setUp(self):
        super().setUp()
        self.data = image(64 * MIB, [
            (start * MIB, MIB, start + 1) for start in range(64)])
        self.source = copy_image.FakeSource(self.data)
        self.slow = copy_image.FakeTarget(len(self.data))
        self.slow.calls.is_held = True
        self.fast = copy_image.FakeTarget(len(self.data))
        self.lanes = [self.lane(self.slow, 'slow'),
                      self.lane(self.fast, 'fast')]
        self.running = self.pump(self.source)
        self.running.add(self.lanes)

    def test_it_does_not_hold_up_the_other(self):
        self.drive(self.running, lambda: self.lanes[1].is_verified)
        self.assertEqual(['slow'], self.running.detached)
        self.assertEqual(self.data, self.fast.data)
        self.assertFalse(self.lanes[0].is_verified)

    def test_it_ends_by_itself_and_is_sent_little_again(self):
        self.drive(self.running, lambda: self.lanes[1].is_verified)
        self.slow.calls.is_held = False
        self.slow.calls.release()
        self.drive(self.running, lambda: self.lanes[0].is_verified)
        self.assertEqual(self.data, self.slow.data)
        sent = sum(length for _offset, length in self.slow.writes)
        self.assertTrue(sent <= len(self.data) + self.memory_bytes, sent)
        self.assertEqual(len(self.data), self.lanes[0].done_bytes)
        self.assertEqual(self.memory_bytes, self.memory._arena.free_bytes)

    def test_two_that_are_alike_stay_together(self):
        other = copy_image.FakeTarget(len(self.data))
        lanes = [self.lane(self.fast, 'a'), self.lane(other, 'b')]
        source = copy_image.FakeSource(self.data)
        running = self.copy(source, lanes)
        self.assertEqual([], running.detached)
        self.assertEqual(len(self.data), source.read_bytes)


class MemoryTest(pump_case.PumpTestCase):

    def test_no_more_is_held_than_there_is(self):
        data = image(64 * MIB, [(0, 64 * MIB, 3)])
        target = copy_image.FakeTarget(len(data))
        target.calls.is_held = True
        source = copy_image.FakeSource(data)
        one = self.lane(target)
        running = self.pump(source)
        running.add([one])
        for _number in range(20):
            running.step(0.0001)
        self.assertEqual(self.memory_bytes, source.read_bytes)
        self.assertLess(self.memory._arena.free_bytes, arena.UNIT_BYTES)

    def test_a_pause(self):
        data = image(8 * MIB, [(0, 8 * MIB, 3)])
        source = copy_image.FakeSource(data)
        one = self.lane(copy_image.FakeTarget(len(data)))
        running = self.pump(source)
        running.add([one])
        running.pause(True)
        for _number in range(10):
            running.step(0.0001)
        self.assertEqual(0, source.read_bytes)
        running.pause(False)
        self.drive(running, lambda: one.is_verified)

    def test_a_pause_while_much_is_under_way(self):
        data = image(64 * MIB, [(0, 64 * MIB, 3)])
        source = copy_image.FakeSource(data)
        target = copy_image.FakeTarget(len(data))
        target.calls.is_held = True
        one = self.lane(target)
        running = self.pump(source)
        running.add([one])
        one.window.limit(4 * MIB)
        for _number in range(10):
            running.step(0.0001)
        read, writes = source.read_bytes, len(target.writes)
        self.assertLess(one.under_way_bytes, read)
        running.pause(True)
        for _number in range(10):
            target.calls.release()
            running.step(0.0001)
        self.assertEqual((read, writes, 0), (
            source.read_bytes, len(target.writes), one.under_way_bytes))
        # A stream of its own is no way around it.
        running.detach(running.streams[0], one)
        for _number in range(10):
            running.step(0.0001)
        self.assertEqual(read, source.read_bytes)
        target.calls.is_held = False
        running.pause(False)
        self.drive(running, lambda: one.is_verified)
        self.assertEqual(data, target.data)


class RateTest(pump_case.PumpTestCase):

    def test_a_rate_is_kept(self):
        data = image(40 * MIB, [(0, 40 * MIB, 3)])
        one = self.lane(copy_image.FakeTarget(len(data)), rate=2 * MIB)
        running = self.pump(copy_image.FakeSource(data))
        running.add([one])
        while self.now < 10:
            running.step(0.0001)
            self.now += 0.01
        self.assertTrue(0.95 < one.sent_bytes / (20 * MIB) < 1.05,
                        one.sent_bytes)
