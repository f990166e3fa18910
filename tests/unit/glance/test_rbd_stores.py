# SPDX-License-Identifier: Apache-2.0

import types
import unittest

from dcn_plugins.glance import rbd_stores
from dcn_plugins.imagecopy import request

IMAGE = 'image-1'


class Group(dict):
    __getattr__ = dict.__getitem__


def store(**options):
    return Group({'rbd_store_ceph_conf': '/etc/ceph/dcn0.conf',
                  'rbd_store_user': 'glance', 'rbd_store_pool': 'images',
                  'rbd_store_chunk_size': 8, 'rados_connect_timeout': -1,
                  **options})


class Conf(Group):

    def __init__(self, stores, **groups):
        super().__init__(
            groups, enabled_backends={name: options and 'rbd' or 'file'
                                      for name, options in stores.items()},
            glance_store=types.SimpleNamespace(default_backend='central'))
        self.update(stores)


class PlaceTest(unittest.TestCase):

    def place(self, **options):
        return rbd_stores.place(Conf({'dcn0': store(**options)}), 'dcn0')

    def test_of_a_store(self):
        self.assertEqual(
            request.Place('dcn0', '/etc/ceph/dcn0.conf', 'glance', 'images',
                          30.0), self.place())

    def test_its_limit_of_time(self):
        self.assertEqual(5.0, self.place(
            rados_connect_timeout=5).connect_seconds)
        self.assertEqual(30.0, self.place(
            rados_connect_timeout=0).connect_seconds)

    def test_no_file_is_named(self):
        self.assertEqual('/etc/ceph/ceph.conf',
                         self.place(rbd_store_ceph_conf='').conf)

    def test_no_user_is_named(self):
        self.assertIsNone(self.place(rbd_store_user=None))

    def test_of_a_store_that_is_none_in_rbd(self):
        conf = Conf({'files': None})
        self.assertIsNone(rbd_stores.place(conf, 'files'))
        self.assertIsNone(rbd_stores.place(conf, 'other'))
        conf['enabled_backends'] = None
        self.assertIsNone(rbd_stores.place(conf, 'files'))

    def test_what_the_store_leaves_to_all(self):
        conf = Conf({'dcn0': store(rbd_store_pool=None,
                                   rados_connect_timeout=None)},
                    backend_defaults=store(rbd_store_pool='shared',
                                           rados_connect_timeout=7))
        found = rbd_stores.place(conf, 'dcn0')
        self.assertEqual(('shared', 7.0), (found.pool, found.connect_seconds))

    def test_objects(self):
        for mib, size in ((8, 8 << 20), (4, 4 << 20), (1, 1 << 20),
                          (6, 4 << 20)):
            self.assertEqual(size, rbd_stores.object_bytes(
                Conf({'dcn0': store(rbd_store_chunk_size=mib)}), 'dcn0'))


class SourcesTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.conf = Conf({'central': store(), 'dcn0': store(),
                          'dcn1': store(), 'files': None})

    def sources(self, *locations):
        return [(found.store, found.pool) for found in rbd_stores.sources(
            self.conf, IMAGE, locations)]

    def test_the_default_first_and_then_as_listed(self):
        self.assertEqual(
            [('central', 'images'), ('dcn1', 'images'), ('dcn0', 'images')],
            self.sources((f'rbd://f/images/{IMAGE}/snap', 'dcn1'),
                         (f'rbd://f/images/{IMAGE}/snap', 'dcn0'),
                         (f'rbd://f/images/{IMAGE}/snap', 'central')))

    def test_the_pool_is_that_of_the_location(self):
        self.assertEqual(
            [('dcn0', 'old pool')],
            self.sources((f'rbd://f/old%20pool/{IMAGE}/snap', 'dcn0')))

    def test_what_is_no_copy(self):
        self.assertEqual([], self.sources(
            ('file:///images/x', 'files'), ('', 'dcn0'), (None, 'dcn0'),
            (IMAGE, 'dcn0'), (f'rbd://{IMAGE}', 'dcn0'),
            ('rbd://f/images/other/snap', 'dcn0'),
            (f'rbd://f/images/{IMAGE}/other', 'dcn0'),
            (f'http://f/images/{IMAGE}/snap', 'dcn0')))

    def test_a_store_of_another_glance_api(self):
        self.assertEqual([], self.sources(
            (f'rbd://f/images/{IMAGE}/snap', 'dcn7'),
            (f'rbd://f/images/{IMAGE}/snap', None)))
