# SPDX-License-Identifier: Apache-2.0
"""What Glance's data path relies on in the engine that copies images.

A test class that runs it offers:

* ``copy``: ``dcn_plugins.imagecopy.service.copy``, or what stands for it;
* ``place(store)`` of the stores ``central``, ``dcn0`` and ``dcn1``;
* ``add(store, image_id, data)``: an image with a protected snapshot ``snap``;
* ``data(store, image_id)``: what that snapshot has;
* ``names(store)``: of all images that are there;
* ``slow(store)``: have a copy to a store last until it is cancelled.
"""

import hashlib
import threading
import uuid

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request as requests

DATA = b'IMAGEDATA' * 1000


class CopierContract:

    def setUp(self):
        super().setUp()
        self.image_id = str(uuid.uuid4())
        self.told = []

    def request(self, *targets, sources=('central',), **options):
        return requests.CopyRequest(
            self.image_id, self.image_id,
            tuple(self.place(store) for store in sources),
            tuple(self.place(store) for store in targets), **options)

    def run_copy(self, *targets, **options):
        return self.copy(self.request(*targets, **options), self.told.append)

    def assert_not_there(self, store):
        """A partial one may be there, under another name."""
        self.assertNotIn(self.image_id, self.names(store))

    def test_all_targets_get_it(self):
        self.add('central', self.image_id, DATA)
        found = self.run_copy('dcn0', 'dcn1')
        self.assertEqual({'dcn0', 'dcn1'}, set(found))
        self.assertEqual({'dcn0', 'dcn1'},
                         {result.store for result in self.told})
        for store, result in found.items():
            self.assertIs(requests.Outcome.COPIED, result.outcome)
            self.assertEqual(DATA, self.data(store, self.image_id))
            self.assertEqual(len(DATA), result.size_bytes)
            self.assertEqual(hashlib.sha512(DATA).hexdigest(),
                             result.hash_value)
            scheme, _empty, fsid, *rest = result.location.split('/')
            self.assertEqual('rbd:', scheme)
            self.assertTrue(fsid)
            self.assertEqual([self.place(store).pool, self.image_id, 'snap'],
                             rest)

    def test_what_is_there_is_said_to_be_there(self):
        self.add('central', self.image_id, DATA)
        self.run_copy('dcn0')
        found = self.run_copy('dcn0')
        self.assertIs(requests.Outcome.PRESENT, found['dcn0'].outcome)
        self.assertTrue(found['dcn0'].location)

    def test_a_source_that_lacks_it_is_passed_over(self):
        self.add('dcn1', self.image_id, DATA)
        found = self.run_copy('dcn0', sources=('central', 'dcn1'))
        self.assertIs(requests.Outcome.COPIED, found['dcn0'].outcome)

    def test_no_source_has_it(self):
        self.assertRaises(exceptions.CopyError, self.run_copy, 'dcn0')
        self.assert_not_there('dcn0')

    def test_what_is_not_registered_is_removed(self):
        self.add('central', self.image_id, DATA)

        def refuse(result):
            if result.store == 'dcn0':
                raise ZeroDivisionError('test')

        found = self.copy(self.request('dcn0', 'dcn1'), refuse)
        self.assertIs(requests.Outcome.FAILED, found['dcn0'].outcome)
        self.assertIs(requests.Outcome.COPIED, found['dcn1'].outcome)
        self.assert_not_there('dcn0')
        self.assertEqual(DATA, self.data('dcn1', self.image_id))

    def test_a_check_that_raises_ends_it(self):
        self.add('central', self.image_id, DATA)
        self.slow('dcn0')

        def check():
            raise ZeroDivisionError('test')

        self.assertRaises(ZeroDivisionError, self.copy, self.request('dcn0'),
                          self.told.append, check=check)
        self.assertEqual([], [result for result in self.told
                              if result.location])
        self.assert_not_there('dcn0')

    def test_a_source_of_another_content(self):
        self.add('central', self.image_id, DATA)
        try:
            found = self.run_copy('dcn0', hash_value='0' * 128)
        except exceptions.DCNError:
            found = {}
        self.assertEqual([], [result for result in found.values()
                              if result.location])
        self.assert_not_there('dcn0')

    def test_several_at_once(self):
        self.add('central', self.image_id, DATA)
        other = threading.Thread(target=self.run_copy, args=('dcn1',))
        other.start()
        self.run_copy('dcn0')
        other.join()
        self.assertEqual({'dcn0', 'dcn1'},
                         {result.store for result in self.told
                          if result.location})
