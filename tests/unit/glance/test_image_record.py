# SPDX-License-Identifier: Apache-2.0

import unittest

from glance.common import crypt
from glance.common import exception
from oslo_db import exception as db_exception

from dcn_plugins.glance import image_record
from dcn_plugins.placement import image_import

IMAGE = 'image-1'


class FakeDatabase:
    """Glance's, with one image; tests/functional/glance has the real one."""

    def __init__(self):
        self.image = {'deleted': False, 'status': 'active', 'size': None,
                      'os_hash_value': None, 'os_hash_algo': None}
        self.properties = {'colour': 'blue'}
        self.rows = []
        self.updates = []
        self.errors = []
        self.after_add = lambda: None

    def image_get(self, context, image_id, force_show_deleted=False):
        rows = [dict(row) for row in self.rows
                if force_show_deleted or row['status'] == 'active']
        return {**self.image, 'locations': rows, 'properties': [
            {'name': name, 'value': value, 'deleted': False}
            for name, value in self.properties.items()]}

    def image_update(self, context, image_id, values, purge_props=False,
                     atomic_props=None):
        assert not purge_props
        if self.errors:
            raise self.errors.pop(0)
        self.updates.append(values)
        values = dict(values)
        self.properties.update(values.pop('properties', {}))
        self.image.update(values)

    def image_location_add(self, context, image_id, location):
        if self.errors:
            raise self.errors.pop(0)
        self.rows.append({'id': len(self.rows) + 1, **location})
        self.after_add()

    def image_location_delete(self, context, image_id, location_id, status):
        self.rows[location_id - 1]['status'] = status


class ImageRecordTest(unittest.TestCase):

    def setUp(self):
        self.db = FakeDatabase()
        self.record = self.make()

    def make(self, key=None):
        return image_record.ImageRecord(self.db, None, IMAGE, key)

    def lists(self):
        return tuple(self.db.properties.get(name) for name in (
            image_import.IMPORTING, image_import.FAILED))

    def test_a_beginning_forgets_old_failures(self):
        self.db.properties[image_import.FAILED] = 'dcn0,dcn9'
        self.record.begin(['dcn1', 'dcn0'])
        self.assertEqual(('dcn0,dcn1', 'dcn9'), self.lists())

    def test_an_end(self):
        self.record.begin(['dcn0', 'dcn1'])
        self.record.end(['dcn0'])
        self.record.end(['dcn1'], failed=['dcn1'])
        self.assertEqual(('', 'dcn1'), self.lists())

    def test_only_what_changes_is_written(self):
        self.record.begin(['dcn0'])
        self.record.begin(['dcn0'])
        self.assertEqual([{'properties': {image_import.IMPORTING: 'dcn0'}}],
                         self.db.updates)

    def test_a_copy(self):
        self.record.begin(['dcn0'])
        self.record.publish('dcn0', 'rbd://f/p/i/snap')
        self.assertEqual(
            [{'id': 1, 'url': 'rbd://f/p/i/snap', 'status': 'active',
              'metadata': {'store': 'dcn0'}}], self.db.rows)
        self.assertEqual({'dcn0'}, self.record.stores())
        self.assertEqual('', self.lists()[0])

    def test_a_copy_that_another_has_registered(self):
        self.record.publish('dcn0', 'rbd://a')
        self.db.properties[image_import.FAILED] = 'dcn0,dcn1'
        self.record.publish('dcn0', 'rbd://a')
        self.assertEqual(1, len(self.db.rows))
        self.assertEqual('dcn1', self.lists()[1])

    def test_a_copy_that_another_registers_at_this_moment(self):
        def register():
            self.db.after_add = lambda: None
            self.db.image_location_add(None, IMAGE, {
                'url': 'rbd://a', 'metadata': {'store': 'dcn0'},
                'status': 'active'})

        self.db.after_add = register
        self.record.publish('dcn0', 'rbd://a')
        self.assertEqual(['active', 'deleted'],
                         [row['status'] for row in self.db.rows])

    def test_an_image_that_is_deleted_at_this_moment(self):
        def delete():
            self.db.image.update(deleted=True, status='deleted')

        self.db.after_add = delete
        self.assertRaises(exception.ImageNotFound, self.record.publish,
                          'dcn0', 'rbd://f/p/i/snap')
        self.assertEqual('deleted', self.record.state('dcn0'))
        self.assertRaises(exception.ImageNotFound, self.record.end, ['dcn0'])

    def test_addresses_are_encrypted(self):
        key = '0123456789abcdef'
        self.make(key).publish('dcn0', 'rbd://f/p/i/snap')
        url = self.db.rows[0]['url']
        self.assertNotIn('rbd', url)
        self.assertEqual('rbd://f/p/i/snap', crypt.urlsafe_decrypt(key, url))

    def test_a_copy_that_is_taken_back(self):
        self.record.publish('dcn0', 'rbd://a')
        self.record.publish('dcn1', 'rbd://b')
        self.record.withdraw('dcn0')
        self.assertEqual({'dcn1'}, self.record.stores())

    def test_the_newest_state_counts(self):
        self.assertIsNone(self.record.state('dcn0'))
        self.record.publish('dcn0', 'rbd://a')
        self.db.rows[0]['status'] = 'pending_delete'
        self.assertEqual('pending_delete', self.record.state('dcn0'))
        self.record.publish('dcn0', 'rbd://a')
        self.assertEqual('active', self.record.state('dcn0'))

    def test_what_nobody_knew_is_noted(self):
        self.record.fill(7, 'sha512', 'abc')
        self.assertEqual((7, 'sha512', 'abc'), tuple(
            self.db.image[name]
            for name in ('size', 'os_hash_algo', 'os_hash_value')))

    def test_what_is_known_stays(self):
        self.db.image.update(size=7, os_hash_value='abc')
        self.record.fill(8, 'sha512', 'def')
        self.assertEqual([], self.db.updates)

    def test_a_deadlock_is_tried_again(self):
        self.db.errors += [db_exception.DBDeadlock(),
                           db_exception.DBError('database is locked')]
        self.record.begin(['dcn0'])
        self.assertEqual('dcn0', self.lists()[0])
        self.db.errors.append(db_exception.DBDeadlock())
        self.record.publish('dcn0', 'rbd://a')
        self.assertEqual(1, len(self.db.rows))

    def test_another_error_is_not(self):
        self.db.errors.append(db_exception.DBError('test'))
        self.assertRaises(db_exception.DBError, self.record.begin, ['dcn0'])
