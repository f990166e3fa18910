# SPDX-License-Identifier: Apache-2.0
"""What Ceph keeps of an image in the trash."""

import struct

import testtools

from dcn_plugins.ceph import trash_entry


def encoded(name, source=trash_entry.REMOVING, version=2, extra=b''):
    """Return an entry as Ceph writes it; ``extra`` is of a later version."""
    content = (struct.pack('<B', source) + struct.pack('<I', len(name)) + name
               + bytes(16) + (b'\3' if version > 1 else b'') + extra)
    return struct.pack('<BBI', version, 1, len(content)) + content


class EntryTest(testtools.TestCase):

    def test_all_of_it(self):
        self.assertEqual((3, b'volume-1', trash_entry.RESTORING),
                         trash_entry.TrashEntry.decoded(encoded(b'volume-1')))

    def test_one_without_a_state(self):
        self.assertEqual((0, b'x', None), trash_entry.TrashEntry.decoded(
            encoded(b'x', 0, version=1, extra=b'\3')))

    def test_one_of_a_later_version(self):
        self.assertEqual((3, b'', 3), trash_entry.TrashEntry.decoded(
            encoded(b'', version=9, extra=b'whatever')))

    def test_one_that_ends_too_soon(self):
        data = encoded(b'volume-1')
        self.assertIsNone(trash_entry.TrashEntry.decoded(b''))
        self.assertIsNone(trash_entry.TrashEntry.decoded(data[:10]))
        self.assertIsNone(trash_entry.TrashEntry.decoded(data[:-1]).state)

    def test_a_page(self):
        data = struct.pack('<I', 2)
        for image_id, entry in ((b'1a', encoded(b'one', extra=b'more')),
                                (b'2', encoded(b'two', 0))):
            data += struct.pack('<I', len(image_id)) + image_id + entry
        self.assertEqual([(b'1a', (3, b'one', 3)), (b'2', (0, b'two', 3))],
                         trash_entry.page(data))
        self.assertEqual([], trash_entry.page(bytes(4)))
        self.assertRaises(struct.error, trash_entry.page, data[:9])

    def test_a_question(self):
        self.assertEqual(b'\2\0\0\0ab' + b'\5' + bytes(7),
                         trash_entry.question(b'ab', 5))
