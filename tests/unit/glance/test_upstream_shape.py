# SPDX-License-Identifier: Apache-2.0

import unittest
from unittest import mock

from glance.async_.flows import api_image_import
from glance.db.sqlalchemy import api as db_api

from dcn_plugins.glance import upstream_shape


def _copying(**kwargs):
    stores = list(kwargs.get('backend', [None]))
    return stores


def _replacing(**kwargs):
    stores = kwargs.get('backend', [None])
    stores = [store for store in stores if store]
    return stores


class UpstreamShapeTest(unittest.TestCase):

    def check(self, owner, name, value, *expected):
        with mock.patch.object(owner, name, value):
            found = upstream_shape.differences()
        self.assertEqual(len(expected), len(found), found)
        for words, text in zip(expected, found, strict=True):
            self.assertIn(words, text)

    def test_the_installed_glance_is_known(self):
        self.assertEqual([], upstream_shape.differences())

    def test_a_function_that_is_gone(self):
        self.check(db_api, 'image_location_add', None,
                   'no glance.db.sqlalchemy.api.image_location_add')

    def test_a_parameter_that_is_gone(self):
        self.check(db_api, 'image_update', lambda context, image_id: None,
                   'no parameter values', 'no parameter purge_props',
                   'no parameter atomic_props')

    def test_a_list_that_is_copied(self):
        for get_flow in (_copying, _replacing):
            self.check(api_image_import, 'get_flow', get_flow,
                       'does not get the list of stores')

    def test_a_source_that_cannot_be_read(self):
        self.check(api_image_import, 'get_flow', len, 'TypeError')

    def test_a_repository_of_another_name(self):
        self.check(api_image_import.ImportActionWrapper, '__init__',
                   lambda *_args: None, 'has no _image_repo')

    def test_a_property_of_another_name(self):
        self.check(api_image_import._ImportActions, 'IMPORT_FAILED_KEY', 'x',
                   'other names')
