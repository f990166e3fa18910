# SPDX-License-Identifier: Apache-2.0

import datetime
import unittest

from glance.common import crypt
from glance.common import exception

from dcn_plugins.glance import image_facts

KEY = '0123456789abcdef'
URL = 'rbd://F/images/1/snap'
OLD = datetime.datetime(2020, 1, 1)
LATER = datetime.datetime(2020, 1, 2)


class FakeDatabase:
    """Glance's; tests/functional/imagecopy has the real one."""

    def __init__(self):
        self.rows = {}
        self.pages = []

    def add(self, image_id, locations=(), properties=(), **values):
        self.rows[image_id] = {
            'id': image_id, 'status': 'active', 'size': 5, 'deleted': False,
            'created_at': OLD, 'updated_at': LATER, 'deleted_at': None,
            'os_hash_algo': 'sha512', 'os_hash_value': 'abc', 'locations': [
                {'url': url, 'metadata': {'store': 'dcn0'}, 'status': status}
                for url, status in locations],
            'properties': [{'name': name, 'value': value, 'deleted': deleted}
                           for name, value, deleted in properties], **values}

    def image_get_all(self, context, filters, marker, limit, sort_key,
                      sort_dir):
        self.pages.append(marker)
        # As Glance's takes them out.
        is_deleted = filters.pop('deleted')
        since = filters.pop('changes-since', None)
        found = [row for row in self.rows.values()
                 if row['deleted'] == is_deleted
                 and (since is None or row['updated_at'] > since)]
        begin = ([row['id'] for row in found].index(marker) + 1
                 if marker else 0)
        return found[begin:begin + limit]

    def image_get(self, context, image_id, force_show_deleted):
        if image_id not in self.rows:
            raise exception.ImageNotFound()
        return self.rows[image_id]


class ImageFactsTest(unittest.TestCase):

    def setUp(self):
        self.db = FakeDatabase()

    def facts(self, key=None):
        return image_facts.ImageFacts(self.db, None, key)

    def one(self, key=None, **values):
        self.db.add('1', **values)
        return self.facts(key).known(['1'])['1']

    def test_what_an_image_is(self):
        found = self.one(locations=[(URL, 'active')])
        self.assertEqual(
            ('active', 5, 'sha512', 'abc', False, False),
            (found.status, found.size, found.hash_algorithm,
             found.hash_value, found.is_deleted, found.is_busy))
        [location] = found.locations
        self.assertEqual(('dcn0', 'F', 'images', '1', 'snap'), (
            location.store, location.fsid, location.pool, location.name,
            location.snapshot))

    def test_it_has_changed_when_it_did_last(self):
        self.assertEqual(LATER.replace(
            tzinfo=datetime.timezone.utc).timestamp(), self.one().changed)

    def test_locations_that_are_still_to_be_removed(self):
        found = self.one(locations=[(URL, 'active'), (URL, 'deleted'),
                                    (URL, 'pending_delete')])
        self.assertEqual(['active', 'pending_delete'],
                         [location.status for location in found.locations])

    def test_urls_that_are_encrypted(self):
        found = self.one(KEY, locations=[
            (crypt.urlsafe_encrypt(KEY, URL), 'active')])
        self.assertEqual('F', found.locations[0].fsid)

    def test_who_has_it_in_hand(self):
        for name in ('os_glance_import_task',
                     'os_glance_importing_to_stores'):
            self.assertTrue(
                self.one(properties=[(name, 'x', False)]).is_busy)
            self.assertFalse(
                self.one(properties=[(name, 'x', True)]).is_busy)
            self.assertFalse(
                self.one(properties=[(name, '', False)]).is_busy)

    def test_images_that_never_were(self):
        self.assertEqual({}, self.facts().known(['2']))

    def test_all_pages(self):
        count = image_facts._PAGE + 1
        for number in range(count):
            self.db.add(str(number))
        self.db.add('gone', deleted=True)
        self.assertEqual({str(number) for number in range(count)},
                         set(self.facts().live()))
        self.assertEqual([None, str(count - 2)], self.db.pages)

    def test_what_was_deleted(self):
        count = image_facts._PAGE + 1
        for number in range(count):
            self.db.add(str(number), deleted=True, deleted_at=LATER)
        self.db.add('old', deleted=True, deleted_at=OLD, updated_at=OLD)
        self.db.add('alive')
        later = LATER.replace(tzinfo=datetime.timezone.utc).timestamp()
        self.assertEqual(
            {str(number): later for number in range(count)},
            self.facts().deleted_since(later - 1))
        self.assertEqual([None, str(count - 2)], self.db.pages)
        self.assertEqual({}, self.facts().deleted_since(later))
