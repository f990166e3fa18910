# SPDX-License-Identifier: Apache-2.0
"""What the pump expects of a target, on the fake and on Ceph."""

import ctypes
import queue

MIB = 1 << 20


class TargetContract:
    """Tests of a target of 3 MiB and 5 bytes with objects of 1 MiB.

    The class has ``target()``, which returns a new one that is open, and
    ``sum_of(data)``, the checksum of some bytes.
    """

    size = 3 * MIB + 5
    grain_bytes = 64 << 10

    def ended(self, begin, *arguments):
        """Begin something and return what it has ended with."""
        answers = queue.SimpleQueue()
        begin(*arguments, lambda *found: answers.put(found))
        return answers.get(timeout=60)

    def write(self, target, offset, data):
        buffer = ctypes.create_string_buffer(data, len(data))
        return self.ended(target.write, offset, ctypes.addressof(buffer),
                          len(data))

    def sums(self, target, number):
        code, [sums] = self.ended(target.sums, number, min(
            MIB, self.size - number * MIB))
        return code, sums

    def test_an_object_that_is_not_there_has_no_checksums(self):
        target = self.target()
        self.assertEqual(MIB, target.object_bytes)
        for number in range(4):
            self.assertEqual((0, []), self.sums(target, number))

    def test_checksums_end_with_the_object(self):
        target = self.target()
        data = bytes(range(256)) * (2 * self.grain_bytes // 256)
        self.assertEqual((0,), self.write(target, MIB, data))
        grain = self.sum_of(data[:self.grain_bytes])
        self.assertEqual((0, [grain, grain]), self.sums(target, 1))

    def test_the_last_grain_may_be_short(self):
        target = self.target()
        self.assertEqual((0,), self.write(target, 3 * MIB, b'tail!'))
        self.assertEqual((0, [self.sum_of(b'tail!')]), self.sums(target, 3))

    def test_fine_checksums_come_with_the_others(self):
        target = self.target()
        data = bytes(range(256)) * (self.grain_bytes // 256)
        self.write(target, MIB, data)
        self.assertEqual((0, [[self.sum_of(data)], [
            self.sum_of(data[:4096])] * (self.grain_bytes // 4096)]),
            self.ended(target.fine_sums, 1, MIB))
        self.write(target, 3 * MIB, b'tail!')
        tail = self.sum_of(b'tail!')
        self.assertEqual((0, [[tail], [tail]]),
                         self.ended(target.fine_sums, 3, 5))
        self.assertEqual((0, [[], []]), self.ended(target.fine_sums, 2, MIB))
        self.write(target, 0, b'x')
        self.assertEqual((-22, [[], []]),
                         self.ended(target.fine_sums, 0, MIB))

    def test_an_object_that_ends_within_a_grain(self):
        target = self.target()
        self.write(target, 0, b'x')
        code, sums = self.sums(target, 0)
        self.assertEqual((-22, []), (code, sums))
        self.assertEqual((0,), self.ended(target.zero, 0, MIB))
        self.assertEqual((0, []), self.sums(target, 0))

    def test_an_object_that_is_extended(self):
        target = self.target()
        self.write(target, 2 * MIB, b'z' * 4096)
        self.assertEqual((0,), self.ended(
            target.extend, 2, self.grain_bytes))
        self.assertEqual((0, [self.sum_of(
            (b'z' * 4096).ljust(self.grain_bytes, b'\0'))]),
            self.sums(target, 2))

    def test_zeros_in_place_of_data(self):
        target = self.target()
        self.write(target, 0, b'x' * MIB)
        self.assertEqual((0,), self.ended(
            target.zero, self.grain_bytes, self.grain_bytes))
        code, sums = self.sums(target, 0)
        data, zeros = (self.sum_of(byte * self.grain_bytes)
                       for byte in (b'x', bytes(1)))
        self.assertEqual((0, [data, zeros] + [data] * 14), (code, sums))

    def test_zeros_at_the_end_have_a_checksum(self):
        target = self.target()
        self.write(target, 3 * MIB, b'y')
        self.assertEqual((0,), self.ended(target.zero, 3 * MIB, 5))
        self.assertEqual((0, [self.sum_of(bytes(5))]), self.sums(target, 3))
