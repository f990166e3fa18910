# SPDX-License-Identifier: Apache-2.0
"""Where there is data: all of it is found, and little else."""

import errno
import os

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.ceph import sparse

SETTINGS = hypothesis.settings(deadline=None, database=None)
BLOCK = sparse.BLOCK_BYTES

PARTS = strategies.lists(strategies.tuples(
    strategies.integers(0, 5 * BLOCK), strategies.binary(
        min_size=1, max_size=9)), max_size=6)


def filled(parts, size):
    data = bytearray(size)
    for start, part in parts:
        data[start:start + len(part)] = part
    return bytes(data[:size])


class RunsTest(testtools.TestCase):

    def test_runs(self):
        for data, *runs in (
                (b'',), (bytes(3 * BLOCK),), (bytes(5),),
                (b'a', (0, 1)), (bytes(4) + b'a', (0, 5)),
                (bytes(BLOCK) + b'a', (BLOCK, BLOCK + 1)),
                (b'a' + bytes(2 * BLOCK), (0, BLOCK)),
                (b'a' * 2 * BLOCK + bytes(BLOCK) + b'a',
                 (0, 2 * BLOCK), (3 * BLOCK, 3 * BLOCK + 1)),
                (bytes(BLOCK) + b'a' + bytes(BLOCK),
                 (BLOCK, 2 * BLOCK))):
            self.assertEqual(runs, list(sparse.runs(data)))

    @SETTINGS
    @hypothesis.given(PARTS, strategies.integers(0, 6 * BLOCK))
    def test_nothing_is_missed_and_no_block_of_zeros_is_in(self, parts, size):
        data = filled(parts, size)
        made = bytearray(size)
        end = 0
        for start, stop in sparse.runs(data):
            self.assertTrue(end <= start < stop <= size)
            made[start:stop] = data[start:stop]
            for block in range(start, stop, BLOCK):
                self.assertTrue(any(data[block:min(block + BLOCK, stop)]))
            end = stop
        self.assertEqual(data, bytes(made))


class ExtentsTest(testtools.TestCase):

    def extents(self, size, *parts):
        path = self.useFixture(fixtures.TempDir()).join('file')
        with open(path, 'w+b') as opened:
            for start, data in parts:
                opened.seek(start)
                opened.write(data)
            opened.truncate(size)
            opened.flush()
            return list(sparse.extents(opened.fileno(), size))

    def assertCovered(self, extents, size, *parts):
        self.assertEqual(sorted(extents), extents)
        for start, data in parts:
            self.assertTrue(any(
                first <= start and start + len(data) <= end <= size
                for first, end in extents), (start, extents))

    def test_parts_of_a_file(self):
        size = 9 << 20
        for parts in ([], [(0, b'a')], [(5 << 20, b'a')],
                      [(0, b'a'), (4 << 20, b'b'), (size - 1, b'c')]):
            found = self.extents(size, *parts)
            self.assertCovered(found, size, *parts)
            # Far less than all of it, if the file system knows of holes.
            self.assertLess(sum(end - start for start, end in found),
                            size // 2)

    def test_no_byte_of_a_file(self):
        self.assertEqual([], self.extents(0))
        self.assertEqual([(0, 1)], self.extents(1, (0, b'a')))

    def test_a_file_system_without_holes(self):
        def lseek(descriptor, position, whence):
            raise OSError(errno.EINVAL, 'Invalid argument')

        self.patch(os, 'lseek', lseek)
        self.assertEqual([(0, 5)], list(sparse.extents(3, 5)))

    def test_a_file_that_cannot_be_read(self):
        def lseek(descriptor, position, whence):
            raise OSError(errno.EIO, 'Input/output error')

        self.patch(os, 'lseek', lseek)
        self.assertRaises(OSError, list, sparse.extents(3, 5))
