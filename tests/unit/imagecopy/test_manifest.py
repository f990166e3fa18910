# SPDX-License-Identifier: Apache-2.0
"""What proves a source."""

import testtools

from dcn_plugins.imagecopy import manifest
from tests.fakes import copy_image

GRAIN = copy_image.GRAIN_BYTES
MIB = 1 << 20


def digests(size, parts, tail=9):
    found = manifest.Manifest(size, GRAIN, 7, copy_image.sum_of_bytes)
    for start, sums in parts:
        found.add(start, sums)
    return found.close(tail)


class ManifestTest(testtools.TestCase):

    def test_holes_and_zeros_are_the_same(self):
        size = 40 * MIB
        self.assertEqual(
            digests(size, [(16 * MIB, [1, 2])]),
            digests(size, [(0, [7] * 3), (16 * MIB - GRAIN, [7, 1, 2, 7])]))

    def test_a_grain_is_told_by_its_segment(self):
        size = 40 * MIB
        proof = manifest.Proof(size, 'sha512', 'ab',
                               digests(size, [(16 * MIB, [1])]))
        self.assertIsNone(proof.difference(digests(size, [(16 * MIB, [1])])))
        self.assertEqual(16 * MIB, proof.difference(
            digests(size, [(16 * MIB + GRAIN, [1])])))
        self.assertEqual(32 * MIB, proof.difference(
            digests(size, [(16 * MIB, [1]), (39 * MIB, [1])])))

    def test_it_stays_short(self):
        for size in (0, 1, 8 * MIB, 1 << 43):
            text = manifest.Proof(size, 'sha512', 'f' * 128,
                                  digests(size, [])).to_text()
            self.assertTrue(len(text) < 12000, len(text))

    def test_a_shorter_tail(self):
        self.assertNotEqual(digests(MIB + 5, [], 1), digests(MIB + 5, [], 2))

    def test_a_proof_that_was_kept(self):
        proof = manifest.Proof(MIB, 'sha512', 'ab', digests(MIB, []))
        self.assertEqual(proof, manifest.Proof.from_text(proof.to_text()))
        self.assertTrue(proof.is_of(MIB, 'sha512', 'ab'))
        self.assertTrue(proof.is_of(MIB, 'sha512', None))
        for other in ((2, 'sha512', 'ab'), (MIB, 'md5', 'ab'),
                      (MIB, 'sha512', 'cd')):
            self.assertFalse(proof.is_of(*other))

    def test_what_is_no_proof(self):
        for text in (None, '', '{}', '[]', '{"size": 1, "algorithm": "a", '
                     '"value": "b", "digests": "*"}'):
            self.assertIsNone(manifest.Proof.from_text(text))
