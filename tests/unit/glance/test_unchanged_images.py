# SPDX-License-Identifier: Apache-2.0
"""What Glance's steps write of an image that they have read."""

import unittest

from glance import domain
from glance.domain import proxy

from dcn_plugins.glance import unchanged_images


class Repo:
    """One image, and who has written it."""

    def __init__(self):
        self.saved = []

    def get(self, image_id):
        return proxy.Image(proxy.Image(domain.Image(
            image_id, 'active', None, None, name='a',
            extra_properties={'colour': 'red'}, locations=[
                {'url': 'rbd://a', 'metadata': {'store': 'central'}}])))

    def save(self, image, from_state=None):
        self.saved.append((image, from_state))

    def delete_property_atomic(self, *arguments):
        return arguments


class Wrapper:

    def __init__(self):
        self._image_repo = Repo()


class UnchangedImagesTest(unittest.TestCase):

    def setUp(self):
        self.wrapper = Wrapper()
        self.repo = self.wrapper._image_repo
        unchanged_images.keep(self.wrapper)
        self.images = self.wrapper._image_repo

    def assert_saved(self, change):
        image = self.images.get('i')
        change(image)
        # The lock is looked at before.
        self.images.get('i')
        self.images.save(image, 'active')
        self.assertEqual([(image, 'active')], self.repo.saved)

    def test_what_is_as_it_was(self):
        image = self.images.get('i')
        self.images.get('i')
        self.images.save(image, 'active')
        self.assertEqual([], self.repo.saved)

    def test_a_property(self):
        self.assert_saved(lambda image: image.extra_properties.pop('colour'))

    def test_a_list_of_stores(self):
        def change(image):
            image.extra_properties['os_glance_failed_import'] = 'dcn0'

        self.assert_saved(change)

    def test_a_list_of_no_stores(self):
        image = self.images.get('i')
        image.extra_properties['os_glance_failed_import'] = ''
        self.images.save(image)
        self.assertEqual([], self.repo.saved)

    def test_a_status(self):
        def change(image):
            image.status = 'deactivated'

        self.assert_saved(change)

    def test_a_location(self):
        self.assert_saved(lambda image: image.locations.append(
            {'url': 'rbd://b', 'metadata': {}}))

    def test_what_is_noted_of_a_location(self):
        self.assert_saved(lambda image: image.locations[0]['metadata'].update(
            store='dcn0'))

    def test_a_name(self):
        def change(image):
            image.name = 'b'

        self.assert_saved(change)

    def test_one_that_was_read_long_ago(self):
        image = self.images.get('i')
        for _number in range(unchanged_images._MOST):
            self.images.get('i')
        self.images.save(image)
        self.assertEqual([(image, None)], self.repo.saved)

    def test_one_that_was_not_read_here(self):
        image = self.repo.get('i')
        self.images.save(image)
        self.assertEqual([(image, None)], self.repo.saved)

    def test_all_else_is_of_glance(self):
        self.assertEqual((1, 2), self.images.delete_property_atomic(1, 2))

    def test_twice_is_once(self):
        unchanged_images.keep(self.wrapper)
        self.assertIs(self.images, self.wrapper._image_repo)
