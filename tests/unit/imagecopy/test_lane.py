# SPDX-License-Identifier: Apache-2.0
"""One target: in which order things may come, and what it does with them."""

import itertools

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import held
from dcn_plugins.imagecopy import lane
from tests.fakes import copy_image
from tests.unit.imagecopy import pump_case

MIB = 1 << 20


class OrderTest(pump_case.PumpTestCase):
    """Answers of a target that is compared, before and after pieces."""

    def piece(self, start, data):
        """Give a lane a piece, as a stream does."""
        buffer = copy_image.ctypes.create_string_buffer(data, len(data))
        address = copy_image.ctypes.addressof(buffer)
        runs, sums = pump_case.GRAINS.scan(address, len(data))
        found = [held.Held(start + first, last - first, lead,
                           address + first, lambda buffer=buffer: None)
                 for first, last, lead in runs]
        self.one.take(start, len(data), found, sums)
        for run in found:
            run.release()

    def handle(self):
        while not self.events.empty():
            function, arguments = self.events.get()
            function(*arguments)

    def test_any_order_of_answers(self):
        data = b'a' * MIB + bytes(MIB) + b'c' * MIB
        old = b'a' * (MIB // 2) + b'x' * (MIB // 2) + b'y' * MIB
        for releases in itertools.product((0, 1), repeat=4):
            target = copy_image.FakeTarget(3 * MIB)
            target.put(0, old)
            target.calls.is_held = True
            self.one = self.lane(target, is_compared=True)
            for start, is_released in zip(range(0, 3 * MIB, MIB), releases):
                self.piece(start, data[start:start + MIB])
                if is_released:
                    target.calls.release()
                    self.handle()
            self.one.complete()
            for _round in range(8):
                target.calls.release()
                self.handle()
                self.one.push()
            self.assertIsNone(self.one.error)
            self.assertTrue(self.one.is_verified, releases)
            self.assertEqual(data, target.data)
            self.assertEqual(3 * MIB, self.one.done_bytes)
            self.assertEqual(MIB // 2, self.one.saved_bytes)

    def test_blocks_that_differ(self):
        old = bytes(range(256)) * (MIB // 256)
        new = bytearray(old + b'n' * 70000)
        new[8192:8193] = b'!'
        new[12287:12289] = b'!!'
        new[MIB - 4096:MIB] = bytes(4096)
        target = copy_image.FakeTarget(len(new))
        target.put(0, old)
        self.one = self.lane(target, is_compared=True)
        self.piece(0, bytes(new[:MIB]))
        self.piece(MIB, bytes(new[MIB:]))
        self.one.complete()
        self.handle()
        self.assertTrue(self.one.is_verified)
        self.assertEqual(bytes(new), target.data)
        self.assertEqual([(8192, 8192), (MIB - 4096, 4096), (MIB, 70000)],
                         target.writes)
        self.assertEqual(MIB - 3 * 4096, self.one.saved_bytes)

    def test_an_object_never_ends_within_a_grain(self):
        new = b'a' * (64 << 10) + bytes(4096) + b'b' * 4096 + bytes(
            MIB - 18 * 4096)
        target = copy_image.FakeTarget(MIB)
        target.put(0, new[:64 << 10])
        self.one = self.lane(target, is_compared=True)
        self.piece(0, new)
        self.one.complete()
        self.handle()
        self.assertIsNone(self.one.error)
        self.assertTrue(self.one.is_verified)
        self.assertEqual(new, target.data)
        self.assertEqual(128 << 10, len(target.objects[0]))
        self.assertEqual([(17 * 4096, 4096)], target.writes)

    def test_what_somebody_else_has_written_is_found(self):
        grain = 64 << 10
        new = bytes(grain) + b'a' * grain + bytes(MIB - 2 * grain)
        for place in (grain // 2, 2 * grain - 1, 2 * grain):
            target = copy_image.FakeTarget(MIB)
            self.one = self.lane(target)
            self.piece(0, new)
            target.put(place, b'!' if place < 2 * grain else b'!' * grain)
            self.one.complete()
            self.handle()
            self.assertEqual(place - place % grain, self.one.error.offset)

    def test_nothing_is_verified_before_it_is_written(self):
        target = copy_image.FakeTarget(MIB)
        target.calls.is_held = True
        self.one = self.lane(target)
        self.piece(0, b'a' * MIB)
        self.one.complete()
        self.assertFalse(self.one.is_written)
        target.calls.release()
        self.handle()
        self.assertTrue(self.one.is_written)
        self.assertFalse(self.one.is_verified)
        target.calls.release()
        self.handle()
        self.assertTrue(self.one.is_verified)

    def test_an_object_of_any_length_is_no_reason_to_give_up(self):
        target = copy_image.FakeTarget(2 * MIB)
        target.put(MIB, b'z')
        self.one = self.lane(target, is_compared=True, may_write=False)
        self.piece(0, bytes(MIB))
        self.one.complete()
        self.handle()
        self.assertIsInstance(self.one.error, exceptions.DCNError)


class StallTest(pump_case.PumpTestCase):
    """A target of which nothing is heard any more."""

    def setUp(self):
        super().setUp()
        self.target = copy_image.FakeTarget(MIB)
        self.target.calls.is_held = True
        self.one = self.lane(self.target)
        data = copy_image.ctypes.create_string_buffer(b'a' * MIB, MIB)
        address = copy_image.ctypes.addressof(data)
        _runs, sums = pump_case.GRAINS.scan(address, MIB)
        run = held.Held(0, MIB, 0, address, lambda data=data: None)
        self.one.take(0, MIB, [run], sums)

    def wait(self, seconds):
        for _second in range(int(seconds)):
            self.now += 1
            self.one.push()

    def test_it_fails(self):
        self.wait(lane.STALL_SECONDS)
        self.assertIsNone(self.one.error)
        self.wait(1)
        self.assertIsInstance(self.one.error, exceptions.ClusterUnreachable)
        # What is under way needs its memory.
        self.assertEqual(MIB, self.one.under_way_bytes)

    def test_it_answers_late(self):
        self.wait(lane.STALL_SECONDS)
        self.target.calls.release()
        while not self.events.empty():
            function, arguments = self.events.get()
            function(*arguments)
        self.wait(lane.STALL_SECONDS)
        self.assertIsNone(self.one.error)

    def test_it_is_us_who_stood_still(self):
        self.now += 1000
        self.one.push()
        self.assertIsNone(self.one.error)
        self.wait(lane.STALL_SECONDS + 1)
        self.assertIsNotNone(self.one.error)
