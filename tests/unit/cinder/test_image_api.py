# SPDX-License-Identifier: Apache-2.0
"""Requests to the image service: who asks, and what refusals mean."""

import socket
import uuid

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import token_endpoint
import testtools

from dcn_plugins.cinder import image_api
from dcn_plugins import exceptions
from tests.contracts import image_api_contract
from tests.fakes import glance

IMAGE = '/v2/images/i'


class GlanceTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.glance = self.useFixture(glance.FakeGlance())
        self.context = None
        self.images = self.make()

    def make(self, *args, **kwargs):
        return image_api.ImageAPI(glance.KnownTokens(self.glance.url, *args,
                                                     **kwargs))

    def askers(self):
        """Return who has asked what, in order."""
        return [(headers.get('X-Auth-Token', '').removeprefix('token-'),
                 name.removeprefix('GET ').rpartition('/')[2])
                for name, _body, headers in self.glance.requests]


class ContractTest(image_api_contract.ImageAPIContract, GlanceTestCase):

    store = 'dcn1'

    def new_image(self):
        image_id = str(uuid.uuid4())
        self.glance.add_image(image_id, 'central')
        return image_id

    def break_copy(self, image_id):
        self.glance.broken.add(image_id)


class CredentialsTest(GlanceTestCase):

    def setUp(self):
        super().setUp()
        self.glance.add_image('i', 'central')

    def test_the_user_sees_the_image_and_the_service_copies_it(self):
        self.images.image(None, 'i')
        self.images.stores(None, 'i')
        self.images.locations(None, 'i')
        self.assertTrue(self.images.request_copy(None, 'i', 'dcn1'))
        self.assertEqual([('user', 'i'), ('user', 'stores'),
                          ('cinder', 'locations'), ('cinder', 'import')],
                         self.askers())

    def test_a_service_that_may_not_copy_leaves_it_to_the_next(self):
        api = self.make(services=('glance', 'cinder'))
        self.assertTrue(api.request_copy(None, 'i', 'dcn1'))
        self.assertEqual(['glance', 'cinder'],
                         [who for who, _what in self.askers()])

    def test_a_user_who_may_copy_stands_in_for_the_services(self):
        self.glance.roles['boss'] = ['admin']
        api = self.make('boss', ['glance', 'nobody'])
        self.assertTrue(api.request_copy(None, 'i', 'dcn1'))
        self.assertEqual(['glance', 'nobody', 'boss'],
                         [who for who, _what in self.askers()])

    def test_a_user_whose_token_has_expired_does_not_end_the_wait(self):
        self.assertEqual('i', self.make('late').image(None, 'i')['id'])

    def test_nobody_may_copy(self):
        # What those say who ought to be able to is what is reported.
        error = self.assertRaises(
            exceptions.CopyRefused,
            self.make('late', ['glance']).request_copy, None, 'i', 'dcn1')
        self.assertIn('policy copy_image', error.reason)
        self.assertEqual([], self.glance.accepted)

    def test_nobody_may_see_the_locations(self):
        error = self.assertRaises(
            exceptions.CopyRefused, self.make(services=()).locations, None,
            'i')
        self.assertIn('HTTP 403', error.reason)

    def test_credentials_that_fail_by_themselves_are_passed_over(self):

        class Broken(token_endpoint.Token):

            def get_token(self, session):
                raise ks_exceptions.AuthPluginException('no')

        door = glance.KnownTokens(self.glance.url)
        door.services = lambda: [Broken('http://unused', 'x')]
        self.glance.roles['user'].append('admin')
        self.assertTrue(image_api.ImageAPI(door).request_copy(
            None, 'i', 'dcn1'))


class RefusalsTest(GlanceTestCase):

    def setUp(self):
        super().setUp()
        self.glance.add_image('i', 'central')

    def answer(self, status, body=None, name=f'POST {IMAGE}/import'):
        self.glance.answers[name] = status, body

    def request(self):
        return self.images.request_copy(None, 'i', 'dcn1')

    def test_what_may_be_different_next_time(self):
        for status in (408, 425, 429, 500, 502, 503, 504):
            self.answer(status)
            self.assertRaises(exceptions.CopyPostponed, self.request)
        # Nor is it asked again with other credentials.
        self.assertEqual(7, len(self.glance.requests))

    def test_what_will_not(self):
        for status, words in ((413, 'quota'), (422, '422')):
            self.answer(status)
            error = self.assertRaises(exceptions.CopyRefused, self.request)
            self.assertIn(words, error.reason)

    def test_a_glance_that_copies_no_images(self):
        self.glance.import_methods.remove('copy-image')
        error = self.assertRaises(exceptions.CopyRefused, self.request)
        self.assertIn('enabled_import_methods', error.reason)

    def test_an_answer_of_something_else(self):
        self.answer(200, None, f'GET {IMAGE}')
        self.assertRaises(exceptions.CopyPostponed, self.images.image, None,
                          'i')

    def test_nobody_listens(self):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            api = image_api.ImageAPI(glance.KnownTokens(
                f'http://127.0.0.1:{free.getsockname()[1]}'))
            self.assertRaises(exceptions.CopyPostponed, api.image, None, 'i')

    def test_no_answer_in_time(self):
        with socket.socket() as silent:
            silent.bind(('127.0.0.1', 0))
            silent.listen()
            api = image_api.ImageAPI(glance.KnownTokens(
                f'http://127.0.0.1:{silent.getsockname()[1]}', seconds=0.5))
            self.assertRaises(exceptions.CopyPostponed, api.image, None, 'i')

    def test_no_glance_in_the_catalogue(self):
        door = glance.KnownTokens(self.glance.url)

        def url(_context):
            raise ks_exceptions.EndpointNotFound('none')

        door.url = url
        self.assertRaises(exceptions.CopyRefused,
                          image_api.ImageAPI(door).image, None, 'i')

    def test_read_only_stores_are_no_stores(self):
        self.assertEqual({'central', 'dcn0', 'dcn1'},
                         self.images.stores(None, 'i'))

    def test_an_address_that_names_the_version(self):
        self.glance.url += '/v2/'
        self.assertEqual('i', self.make().image(None, 'i')['id'])


class NamesTest(testtools.TestCase):

    def test_names_are_whole(self):
        self.assertEqual({'dcn1', 'dcn10'}, image_api.names(
            {'stores': ' dcn1,,dcn10 '}, 'stores'))
        self.assertEqual(frozenset(), image_api.names({}, 'stores'))

    def test_as_an_older_client_of_cinder_has_them(self):
        self.assertEqual({'dcn1'}, image_api.names(
            {'properties': {'stores': 'dcn1'}}, 'stores'))
