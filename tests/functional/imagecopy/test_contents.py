# SPDX-License-Identifier: Apache-2.0
"""Whatever is in an image, its copy has the same in it."""

import os
import random

from dcn_plugins.imagecopy import request as requests
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig

MIB = copy_case.MIB


def noise(length):
    return os.urandom(length)


class SizeTest(copy_case.CopyTestCase):

    def test_sizes(self):
        for size in (0, 1, 4095, 65537, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1):
            name, content = self.image(f'size-{size}', size,
                                       [(0, noise(size))] if size else [])
            result = self.assert_copied(name, content)
            self.assertEqual(size, result.size_bytes)
            self.assertEqual(size, result.sent_bytes)


class LayoutTest(copy_case.CopyTestCase):

    def test_zeros_that_were_written_are_not_sent(self):
        name, content = self.image('zeros', 16 * MIB,
                                   [(4 * MIB, bytes(8 * MIB))])
        result = self.assert_copied(name, content)
        self.assertEqual(0, result.sent_bytes)

    def test_random_places(self):
        seed = random.randrange(1 << 32)
        self.addDetail('seed', copy_case.testtools.content.text_content(
            str(seed)))
        chance = random.Random(seed)
        for number, object_bytes in enumerate((1 << 20, 8 << 20, 32 << 20)):
            size = chance.randrange(30 * MIB, 60 * MIB)
            parts = [(chance.randrange(size),
                      noise(chance.choice((1, 511, 4096, 70000, 3 * MIB))))
                     for _part in range(12)]
            name, content = self.image(f'random-{number}', size, parts)
            self.assert_copied(name, content, object_bytes=object_bytes)

    def test_a_source_that_is_striped(self):
        name, content = self.image(
            'striped', 20 * MIB, [(3 * MIB, noise(9 * MIB))],
            '--object-size', '4M', '--stripe-unit', '65536',
            '--stripe-count', '4')
        self.assert_copied(name, content)

    def test_a_source_without_features(self):
        for number, features in enumerate((
                'layering', 'layering,exclusive-lock',
                'layering,exclusive-lock,object-map')):
            name, content = self.image(
                f'features-{number}', 20 * MIB,
                [(100, noise(1000)), (9 * MIB, noise(2 * MIB))],
                '--image-feature', features)
            self.assert_copied(name, content)

    def test_a_clone(self):
        parent, content = self.image('parent', 20 * MIB,
                                     [(2 * MIB, noise(3 * MIB)),
                                      (12 * MIB, noise(MIB))])
        child = f'{self.prefix}-child'
        place = f'{rig.POOL}/{child}'
        self.command(rig.SOURCE, 'clone', f'{rig.POOL}/{parent}@snap', place)
        changed = bytearray(content)
        data = noise(70000)
        changed[3 * MIB + 5:3 * MIB + 5 + len(data)] = data
        with copy_case.tempfile.TemporaryDirectory() as scratch:
            self.write(scratch, place, 3 * MIB + 5, data)
        self.freeze(place)
        self.assert_copied(child, bytes(changed))

    def test_a_map_that_lies(self):
        """Data that the object map of the source does not know of."""
        name, _content = self.image('lie', 64 * MIB, [(0, noise(MIB))],
                                    is_frozen=False)
        info = self.command(rig.SOURCE, 'info', '--format', 'json',
                            f'{rig.POOL}/{name}').decode()
        prefix = copy_case.json_field(info, 'block_name_prefix')
        data = noise(4096)
        for number in range(3, 16):
            self.rados(rig.SOURCE, 'put', f'{prefix}.{number:016x}', data)
        self.freeze(f'{rig.POOL}/{name}')
        exc = self.assertRaises(
            copy_case.exceptions.VerifyFailed, copy_case.service.copy,
            self.request(name), lambda _: None)
        self.assertIn('object-map rebuild', str(exc))
        # A partial one may be there, which was made meanwhile.
        self.assertNotIn(name, self.names(rig.TARGET))


class AgainTest(copy_case.CopyTestCase):

    def setUp(self):
        super().setUp()
        self.name, self.content = self.image(
            'image', 40 * MIB, [(0, noise(9 * MIB)), (20 * MIB, noise(MIB))])

    def test_a_copy_that_is_there(self):
        first = self.assert_copied(self.name, self.content)
        again = self.copy(self.name)
        self.assertEqual(requests.Outcome.PRESENT, again.outcome)
        self.assertEqual(0, again.sent_bytes)
        self.assertEqual(first.location, again.location)
        self.assertEqual(first.hash_value, again.hash_value)

    def test_a_copy_of_a_copy_needs_no_hash(self):
        self.assert_copied(self.name, self.content)
        proof = self.proof(rig.TARGET)
        self.assertEqual(self.proof(rig.SOURCE), proof)

    def proof(self, site):
        info = self.command(site, 'info', '--format', 'json',
                            f'{rig.POOL}/{self.name}').decode()
        header = f'rbd_header.{copy_case.json_field(info, "id")}'
        return self.rados(site, 'getxattr', header, None, 'dcn.proof')

    def test_an_image_that_is_not_ours(self):
        self.command(rig.TARGET, 'create', '--size', '40M',
                     f'{rig.POOL}/{self.name}')
        result = self.copy(self.name)
        self.assertEqual(requests.Outcome.FAILED, result.outcome)
        self.assertEqual('ForeignImage', type(result.error).__name__)
        self.assertIn('rbd rm', str(result.error))
        self.assertEqual([self.name], self.names(rig.TARGET))

    def test_a_hash_that_is_another(self):
        result = self.copy(self.name, hash_value='0' * 128)
        self.assertEqual(requests.Outcome.FAILED, result.outcome)
        self.assertEqual('VerifyFailed', type(result.error).__name__)
        self.assertEqual([], self.names(rig.TARGET))

    def test_a_source_that_has_changed_since_its_hash_was_verified(self):
        self.assert_copied(self.name, self.content)
        self.remove_all(rig.TARGET)
        self.flip(rig.SOURCE, 20 * MIB + 5)
        result = self.copy(self.name)
        self.assertEqual('VerifyFailed', type(result.error).__name__)
        self.assertEqual(16 * MIB, result.error.offset)
        self.assertEqual([], self.names(rig.TARGET))

    def test_a_copy_that_has_changed(self):
        self.assert_copied(self.name, self.content)
        self.flip(rig.TARGET, 5 * MIB + 5)
        result = self.copy(self.name)
        self.assertEqual('VerifyFailed', type(result.error).__name__)
        self.assertEqual(5 * MIB, result.error.offset)

    def test_nobody_wants_it_after_all(self):
        def refuse(result):
            raise RuntimeError('the image was deleted')

        found = copy_case.service.copy(self.request(self.name), refuse)
        self.assertEqual(requests.Outcome.FAILED, found[rig.TARGET].outcome)
        self.assertEqual([], self.names(rig.TARGET))

    def test_a_source_that_is_not_there(self):
        self.assertRaises(
            copy_case.exceptions.SourceMissing, copy_case.service.copy,
            self.request(f'{self.prefix}-no'), lambda _: None)

    def flip(self, site, offset):
        """Change a byte of an object that a snapshot refers to."""
        info = self.command(site, 'info', '--format', 'json',
                            f'{rig.POOL}/{self.name}').decode()
        size = copy_case.json_field(info, 'object_size')
        name = '{}.{:016x}'.format(
            copy_case.json_field(info, 'block_name_prefix'), offset // size)
        self.overwrite(site, name, offset % size, b'!')
