# SPDX-License-Identifier: Apache-2.0
"""What copies before a clone rely on in Glance; the fake is held to it too.

Mix into a test case that sets before each test:

``self.images``
    an :class:`~dcn_plugins.cinder.image_api.ImageAPI` that may copy;
``self.context``
    what it takes for a request;
``self.store``
    a store that lacks the images;

and that has ``new_image()``, which returns the id of an active raw image, and
``break_copy(image_id)``, after which its copy to that store fails.
"""

import time

from dcn_plugins.cinder import image_api
from dcn_plugins import exceptions

SECONDS = 300.0
TASK = 'os_glance_import_task'


class ImageAPIContract:
    """An image that comes to a store, or does not."""

    def look(self, image_id):
        return self.images.image(self.context, image_id)

    def ask(self, image_id):
        return self.images.request_copy(self.context, image_id, self.store)

    def wait_idle(self, image_id):
        """Wait until Glance has the image in its hands no more."""
        deadline = time.monotonic() + SECONDS
        while True:
            image = self.look(image_id)
            if TASK not in image:
                return image
            if time.monotonic() > deadline:
                self.fail(f'Glance is still busy with {image}')
            time.sleep(0.05)

    def test_a_copy_comes_and_the_image_says_so(self):
        image_id = self.new_image()
        before = self.look(image_id)
        self.assertNotIn(self.store, image_api.names(before, 'stores'))
        self.assertNotIn(TASK, before)
        self.assertTrue(self.ask(image_id))
        # At no time there is neither a task nor a copy.
        during = self.look(image_id)
        self.assertTrue(TASK in during or self.store in image_api.names(
            during, 'stores'), during)
        after = self.wait_idle(image_id)
        self.assertEqual(
            image_api.names(before, 'stores') | {self.store},
            image_api.names(after, 'stores'))

    def test_a_second_request_is_not_taken(self):
        image_id = self.new_image()
        self.assertTrue(self.ask(image_id))
        # Neither while it is copied nor when it is there.
        self.assertFalse(self.ask(image_id))
        self.wait_idle(image_id)
        self.assertFalse(self.ask(image_id))

    def test_a_copy_that_fails_is_told(self):
        image_id = self.new_image()
        self.break_copy(image_id)
        self.assertTrue(self.ask(image_id))
        image = self.wait_idle(image_id)
        self.assertNotIn(self.store, image_api.names(image, 'stores'))
        self.assertIn(self.store, image_api.names(
            image, 'os_glance_failed_import'))

    def test_locations_of_all_copies_are_told_with_their_stores(self):
        image_id = self.new_image()
        self.ask(image_id)
        self.wait_idle(image_id)
        locations = self.images.locations(self.context, image_id)
        self.assertEqual(
            image_api.names(self.look(image_id), 'stores'),
            {location['metadata']['store'] for location in locations})
        for location in locations:
            self.assertIn('://', location['url'])

    def test_stores_are_told(self):
        self.assertIn(self.store, self.images.stores(self.context, 'some'))

    def test_a_store_that_does_not_exist_looks_like_a_busy_image(self):
        # Why the list of the stores is asked for before.
        self.assertNotIn('none', self.images.stores(self.context, 'some'))
        self.assertFalse(self.images.request_copy(
            self.context, self.new_image(), 'none'))

    def test_an_image_that_does_not_exist(self):
        nobody = '00000000-0000-4000-8000-000000000000'
        self.assertRaises(exceptions.CopyRefused, self.look, nobody)
        self.assertRaises(exceptions.CopyRefused, self.ask, nobody)
        self.assertRaises(exceptions.CopyRefused, self.images.locations,
                          self.context, nobody)
