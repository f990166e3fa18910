# SPDX-License-Identifier: Apache-2.0

import json

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.glance import store_request

STORES = ('central', 'dcn0', 'dcn1', 'dcn10')


def request(body=None, method='POST', path='/v2/images/i/import',
            header=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return store_request.store_request(method, path, header, lambda: data)


def body(name='copy-image', **others):
    return {'method': {'name': name}, **others}


class StoreRequestTest(testtools.TestCase):

    def check(self, found, *targets, **values):
        self.assertEqual(targets, found.targets(STORES, 'central', ('dcn0',)))
        for name, value in values.items():
            self.assertEqual(value, getattr(found, name))

    def test_copy(self):
        self.check(request(body(stores=['dcn0', 'dcn1'])), 'dcn0', 'dcn1',
                   image_id='i', doing='copy-image', is_choice=True)

    def test_copy_to_all_leaves_out_where_it_is(self):
        self.check(request(body(all_stores=True)), 'central', 'dcn1', 'dcn10',
                   is_choice=True)
        self.check(request(body('web-download', all_stores=True)), *STORES,
                   is_choice=True)

    def test_default(self):
        self.check(request(body()), 'central', is_choice=True)
        self.check(request(body('glance-direct')), 'central',
                   is_choice=False, doing='import')
        self.check(request(method='PUT', path='/v2/images/i/file'),
                   'central', is_choice=False, doing='upload')

    def test_header(self):
        self.check(request(body('glance-direct'), header='dcn1'), 'dcn1',
                   is_choice=True)
        self.check(request(method='PUT', path='/v2/images/i/file',
                           header='dcn1'), 'dcn1', is_choice=True)

    def test_stores_that_are_none(self):
        self.check(request(body(stores=['dcn', 'DCN1', ' dcn1', 'dcn1\0', 7,
                                        None, '../dcn1', 'dcn10'])), 'dcn10')

    def test_what_glance_would_walk_through(self):
        self.check(request(body(stores={'dcn1': 1})), 'dcn1')
        self.check(request(body(stores=[])))
        self.assertIsNone(request(body(stores=7)))

    def test_paths_that_are_the_same_to_glance(self):
        for path in ('/v2/images/i/import/', '//v2/images//i/import',
                     '/v2/images/i//import'):
            self.check(request(body(), path=path), 'central', image_id='i')

    def test_other_requests(self):
        for method, path in (
                ('GET', '/v2/images/i/file'), ('PUT', '/v2/images/i/stage'),
                ('GET', '/v2/images/i/import'), ('POST', '/v2/images'),
                ('POST', '/v3/images/i/import'), ('POST', '/'), ('POST', ''),
                ('PATCH', '/v2/images/i'), ('POST', '/v2/tasks/i/import'),
                ('POST', '/v2/images/i/locations'),
                ('POST', '/v2/images/i/import/more')):
            self.assertIsNone(request(body(), method, path))

    def test_body_is_read_only_if_it_counts(self):
        def fail():
            raise AssertionError('read')

        for method, path in (('PUT', '/v2/images/i/file'),
                             ('GET', '/v2/images/i/import')):
            store_request.store_request(method, path, None, fail)

    def test_what_glance_refuses(self):
        for data in (b'', b'{', b'[]', b'7', b'{}', b'{"method": 7}',
                     b'{"method": {}}', b'\xff', b'[' * 100000,
                     json.dumps(body()).encode('utf-16')):
            self.assertIsNone(request(data), data[:20])

    def test_last_of_two_keys_counts_as_in_glance(self):
        self.check(request(
            b'{"method": {"name": "copy-image"}, "stores": ["dcn0"], '
            b'"stores": ["dcn1"]}'), 'dcn1')

    @hypothesis.given(strategies.binary() | strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.sampled_from(
            ('copy-image', 'dcn1', '')),
        lambda some: strategies.lists(some, max_size=3)
        | strategies.dictionaries(strategies.sampled_from(
            ('method', 'name', 'stores', 'all_stores')), some)))
    def test_any_body(self, some):
        found = request(some)
        if found is not None:
            self.assertLessEqual(set(found.targets(STORES, 'central')),
                                 set(STORES))
