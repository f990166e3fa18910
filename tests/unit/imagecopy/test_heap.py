# SPDX-License-Identifier: Apache-2.0
"""Pages that nobody uses are given back, and not more often than needed."""

import os
import subprocess
import sys

import fixtures
import testtools

from dcn_plugins.imagecopy import heap

MIB = 1 << 20
# Pieces of which each second one is returned, so that the heap has holes.
_WITH_HOLES = '''
import ctypes
from dcn_plugins.imagecopy import heap
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
before = heap.resident_bytes()
pieces = [libc.malloc(4 << 20) for _number in range(32)]
for piece in pieces:
    libc.memset(piece, 1, 4 << 20)
for piece in pieces[::2]:
    libc.free(piece)
holes = heap.resident_bytes() - before
found = heap.Heap(before + (80 << 20))
print(holes, found.check(), heap.resident_bytes() - before, found.check())
'''


class HeapTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.resident = 0
        self.trims = 0
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.imagecopy.heap.resident_bytes',
            lambda: self.resident))
        self.heap = heap.Heap(100)
        self.heap._trim = self.trim

    def trim(self, pad):
        self.assertEqual(0, pad)
        self.trims += 1

    def test_little(self):
        self.resident = 100
        self.assertFalse(self.heap.check())
        self.assertEqual(0, self.trims)

    def test_much_that_is_in_use(self):
        self.resident = 50 * MIB
        self.assertTrue(self.heap.check())
        self.assertFalse(self.heap.check())
        self.resident += 8 * MIB
        self.assertFalse(self.heap.check())
        self.resident += 1
        self.assertTrue(self.heap.check())
        self.assertEqual(2, self.trims)

    def test_a_library_that_cannot(self):
        self.heap._trim = None
        self.resident = 50 * MIB
        self.assertFalse(self.heap.check())


class HolesTest(testtools.TestCase):

    def test_they_are_given_back(self):
        found = subprocess.run(
            [sys.executable, '-c', _WITH_HOLES], check=True, timeout=60,
            capture_output=True, text=True,
            env={**os.environ, **heap.SETTINGS})
        holes, is_trimmed, left, again = found.stdout.split()
        self.assertGreater(int(holes), 120 * MIB)
        self.assertEqual('True', is_trimmed)
        self.assertLess(int(left), 72 * MIB)
        self.assertEqual('False', again)
