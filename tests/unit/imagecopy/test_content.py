# SPDX-License-Identifier: Apache-2.0
"""What is called the same, and what different, and by which means."""

import errno
import hashlib
import os
import threading
import unittest
from unittest import mock

from dcn_plugins.ceph import checksums
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import content
from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import stored_image
from tests.fakes import copy_image

GRAIN = checksums.GRAIN_BYTES
OBJECT = 1 << 20


class Source(copy_image.FakeSource):
    """A snapshot whose objects have checksums; none where all is zero."""

    object_bytes = OBJECT
    is_summable = True
    short = ()

    def sums(self, number, done):
        self.asked = getattr(self, 'asked', 0) + 1
        data = bytes(self.data[number * OBJECT:(number + 1) * OBJECT])
        if number in self.short:
            done(-errno.EINVAL, [[]])
        elif not any(data):
            done(0, [[]])
        else:
            done(0, [[checksums.of_bytes(data[start:start + GRAIN])
                      for start in range(0, len(data), GRAIN)]])


class ContentTest(unittest.TestCase):

    size = 5 * OBJECT + 12345

    def setUp(self):
        data = bytearray(self.size)
        data[:OBJECT] = os.urandom(OBJECT)
        data[3 * OBJECT + 7:3 * OBJECT + 9] = b'ab'
        self.source = Source(data)
        self.value = hashlib.sha512(data).hexdigest()
        self.proof = manifest.Proof(self.size, 'sha512', self.value,
                                    content.summed(self.source))
        self.is_there = True
        patcher = mock.patch('dcn_plugins.ceph.copy_source.CopySource',
                             lambda *_args: self.source)
        patcher.start()
        self.addCleanup(patcher.stop)

    def compare(self, proof=None, algorithm='sha512', is_read=False):
        found = stored_image.StoredImage(
            'name', 'id', self.size, 0.0,
            stored_image.Snapshot(self.size, True), proof=proof)
        return content.compare(None, 'images', found, algorithm, self.value,
                               is_read)

    def test_all_bytes_are_hashed_without_a_proof(self):
        self.assertEqual((True, stored_image.HASH), (
            self.compare().is_same, self.compare().how))
        self.assertTrue(self.source.is_closed)

    def test_none_is_read_with_one(self):
        found = self.compare(self.proof)
        self.assertEqual((True, stored_image.CHECKSUMS, 0),
                         (found.is_same, found.how, self.source.read_bytes))

    def test_unless_it_is_told_so(self):
        self.assertEqual(stored_image.HASH,
                         self.compare(self.proof, is_read=True).how)

    def test_a_proof_of_another_hash_counts_for_nothing(self):
        proof = manifest.Proof(self.size, 'sha512', '0' * 128,
                               self.proof.digests)
        self.assertEqual(stored_image.HASH, self.compare(proof).how)

    def test_what_is_different(self):
        self.source.data[4 * OBJECT] = 1
        for proof, offset in ((None, None), (self.proof, 0)):
            found = self.compare(proof)
            self.assertEqual((False, stored_image.HASH, offset),
                             (found.is_same, found.how, found.offset))

    def test_a_proof_that_is_wrong_makes_nothing_wrong(self):
        self.source.data[4 * OBJECT] = 1
        wrong = manifest.Proof(self.size, 'sha512', self.value,
                               content.summed(self.source))
        self.source.data[4 * OBJECT] = 0
        found = self.compare(wrong)
        self.assertEqual((True, stored_image.HASH, None),
                         (found.is_same, found.how, found.offset))

    def test_an_object_that_has_no_checksums(self):
        self.source.short = (3,)
        self.assertEqual((True, stored_image.HASH), (
            self.compare(self.proof).is_same,
            self.compare(self.proof).how))

    def test_nothing_is_under_way_any_more_then(self):
        self.source.short = (0,)
        begun, ended = [], []
        sums = self.source.sums

        def late(number, done):
            def end():
                ended.append(number)
                sums(number, done)

            begun.append(number)
            if number:
                threading.Timer(0.05, end).start()
            else:
                end()

        self.source.sums = late
        self.assertIsNone(content.summed(self.source))
        self.assertGreater(len(begun), 1)
        self.assertEqual(begun, sorted(ended))

    def test_a_clone_has_no_checksums(self):
        self.source.is_summable = False
        self.assertEqual(stored_image.HASH, self.compare(self.proof).how)

    def test_one_that_was_removed_meanwhile_is_neither(self):
        self.source.is_there = False
        for proof in (None, self.proof):
            self.assertRaises(exceptions.CephRefused, self.compare, proof)

    def test_one_that_cannot_be_read(self):
        self.source.code = -errno.EIO
        self.assertRaises(exceptions.CephRefused, self.compare)
        self.assertTrue(self.source.is_closed)

    def test_a_hash_that_nobody_has(self):
        found = self.compare(algorithm='nonsense')
        self.assertIsNone(found.is_same)
        self.value = None
        self.assertIsNone(self.compare().is_same)


class EmptyTest(ContentTest):
    """The same where the last grain is whole."""

    size = 5 * OBJECT
