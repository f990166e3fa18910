# SPDX-License-Identifier: Apache-2.0

import json
import logging
import socket

import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins.conf import imagecopy
from dcn_plugins import exceptions
from dcn_plugins.glance import image_api
from tests.unit.glance import http_service

IMAGE = '/v2/images/image-1'


class ImageAPITestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        self.service = self.useFixture(http_service.HTTPService())
        self.answers = self.service.answers

    def make(self, text):
        path = self.useFixture(fixtures.TempDir()).join('glance-api.conf')
        with open(path, 'w') as file:
            file.write(text)
        conf = cfg.ConfigOpts()
        conf(['--config-file', path])
        imagecopy.register_opts(conf)
        return image_api.ImageAPI(conf)


class RequestsTest(ImageAPITestCase):

    def setUp(self):
        super().setUp()
        self.api = self.make(
            '[dcn]\nauth_type = none\ncopy_request_timeout_seconds = 5\n'
            f'copy_endpoint_override = {self.service.url}/\n')

    def refuse(self, status, body='{"message": "the reason"}'):
        self.answers[f'POST {IMAGE}/import'] = status, body
        return self.assertRaises(exceptions.CopyRefused,
                                 self.api.request_copy, 'image-1', ['dcn0'])

    def test_image(self):
        self.answers[f'GET {IMAGE}'] = 200, {'id': 'image-1'}
        self.assertEqual({'id': 'image-1'}, self.api.get_image('image-1'))

    def test_no_image(self):
        self.assertIsNone(self.api.get_image('image-1'))

    def test_stores(self):
        self.answers['GET /v2/info/stores'] = 200, {'stores': [
            {'id': 'dcn0'}, {'id': 'web', 'read-only': 'true'}]}
        self.assertEqual(('dcn0',), self.api.get_stores('image-1'))

    def test_only_one_store(self):
        error = self.assertRaises(exceptions.CopyRefused,
                                  self.api.get_stores, 'image-1')
        self.assertIn('enabled_backends', str(error))

    def test_all_images(self):
        path = ('/images?status=active&visibility=all&limit=200'
                '&os_hidden={}')
        for is_hidden, images in (('false', ('1', '2')), ('true', ('3',))):
            self.answers[f'GET /v2{path.format(is_hidden)}'] = 200, {
                'images': [{'id': images[0]}],
                **({'next': f'/v2/images?{is_hidden}'} if images[1:] else {})}
        self.answers['GET /v2/images?false'] = 200, {'images': [{'id': '2'}]}
        self.assertEqual(['1', '2', '3'], [
            image['id'] for image in self.api.list_images()])

    def test_all_images_of_nobody(self):
        self.assertRaises(exceptions.CopyRefused, list,
                          self.api.list_images())

    def test_copy(self):
        self.answers[f'POST {IMAGE}/import'] = 202, ''
        self.api.request_copy('image-1', ('dcn0', 'dcn1'))
        name, body, headers = self.service.requests[-1]
        self.assertEqual(
            {'method': {'name': 'copy-image'}, 'stores': ['dcn0', 'dcn1'],
             'all_stores_must_succeed': False}, json.loads(body))
        self.assertIn('dcn_plugins', headers['User-Agent'])

    def test_passing_refusals(self):
        for status in (408, 409, 429, 500, 502, 503, 504):
            self.answers[f'POST {IMAGE}/import'] = status, ''
            self.assertRaises(exceptions.CopyPostponed,
                              self.api.request_copy, 'image-1', ['dcn0'])
        self.assertEqual(7, len(self.service.requests))

    def test_policy(self):
        error = self.refuse(403)
        self.assertEqual(('dcn0',), error.stores)
        self.assertIn('policy copy_image', str(error))

    def test_bad_request(self):
        self.answers[f'GET {IMAGE}'] = 200, {'stores': 'central'}
        self.assertIn('enabled_import_methods', str(self.refuse(400)))

    def test_bad_request_because_it_is_there(self):
        self.answers[f'POST {IMAGE}/import'] = 400, ''
        self.answers[f'GET {IMAGE}'] = 200, {'stores': 'central,dcn0'}
        error = self.assertRaises(
            exceptions.CopyPostponed, self.api.request_copy, 'image-1',
            ['dcn0', 'dcn1'])
        self.assertIn('just come to dcn0', str(error))

    def test_image_gone_when_asked_for(self):
        self.assertRaises(exceptions.CopyPostponed,
                          self.api.request_copy, 'image-1', ['dcn0'])

    def remove(self, status, body=''):
        self.answers['DELETE /v2/stores/dcn0/image-1'] = status, body
        self.api.remove_copy('image-1', 'dcn0')

    def test_removal(self):
        self.assertIsNone(self.remove(204))
        self.assertEqual('DELETE /v2/stores/dcn0/image-1',
                         self.service.requests[-1][0])
        self.assertIsNone(self.remove(404))

    def test_removal_that_is_refused(self):
        for status, is_used in ((409, True), (403, False), (401, False),
                                (400, False), (429, False)):
            error = self.assertRaises(exceptions.RemovalRefused, self.remove,
                                      status, '{"message": "the reason"}')
            self.assertEqual(is_used, error.is_used)
            self.assertIn(str(status), error.reason)

    def test_removal_of_which_nobody_knows(self):
        for status in (500, 502, 503, 504):
            self.assertRaises(exceptions.RemovalUnanswered, self.remove,
                              status)
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.image_api.REMOVAL_SECONDS', 0.5))
        with socket.socket() as silent:
            silent.bind(('127.0.0.1', 0))
            silent.listen()
            api = self.make(
                '[dcn]\nauth_type = none\ncopy_endpoint_override = '
                f'http://127.0.0.1:{silent.getsockname()[1]}\n')
            self.assertRaises(exceptions.RemovalUnanswered,
                              api.remove_copy, 'image-1', 'dcn0')

    def test_removal_without_credentials(self):
        api = self.make('[dcn]\nauth_type = no_such\n')
        self.assertRaises(exceptions.RemovalRefused,
                          api.remove_copy, 'image-1', 'dcn0')

    def test_answer_of_something_else(self):
        self.answers[f'GET {IMAGE}'] = 200, '<html>'
        self.assertRaises(exceptions.CopyPostponed,
                          self.api.get_image, 'image-1')

    def test_nobody_listens(self):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            api = self.make(
                '[dcn]\nauth_type = none\ncopy_endpoint_override = '
                f'http://127.0.0.1:{free.getsockname()[1]}\n')
            self.assertRaises(exceptions.CopyPostponed,
                              api.get_image, 'image-1')

    def test_no_answer_in_time(self):
        with socket.socket() as silent:
            silent.bind(('127.0.0.1', 0))
            silent.listen()
            api = self.make(
                '[dcn]\nauth_type = none\ncopy_request_timeout_seconds = 1\n'
                'copy_endpoint_override = '
                f'http://127.0.0.1:{silent.getsockname()[1]}\n')
            self.assertRaises(exceptions.CopyPostponed,
                              api.get_image, 'image-1')


class CredentialsTest(ImageAPITestCase):

    def password(self, group, more=''):
        return (f'[{group}]\nauth_type = v3password\n'
                f'auth_url = {self.service.url}/v3\nusername = glance\n'
                'password = SECRET\nuser_domain_id = default\n'
                f'project_name = service\nproject_domain_id = default\n{more}')

    def check(self, text):
        self.answers[f'GET {IMAGE}'] = 200, {'id': 'image-1'}
        api = self.make(text)
        self.assertEqual({'id': 'image-1'}, api.get_image('image-1'))
        self.assertEqual('token-1',
                         self.service.requests[-1][2]['X-Auth-Token'])
        self.assertNotIn('SECRET', self.log.output)
        self.assertNotIn('token-1', self.log.output)

    def test_own_group(self):
        self.service.add_keystone(self.service.url)
        self.check(self.password('dcn'))

    def test_section_of_somebody_else(self):
        self.service.add_keystone(self.service.url)
        self.check('[dcn]\nauth_section = other\n' + self.password('other'))

    def test_keystone_authtoken(self):
        self.service.add_keystone(self.service.url)
        self.check(self.password('keystone_authtoken'))

    def test_endpoint_that_names_the_version(self):
        self.service.add_keystone(self.service.url + '/v2/', 'public', 'two')
        self.check(self.password(
            'dcn', 'copy_interface = public\ncopy_region_name = two\n'))

    def refuse(self, text):
        error = self.assertRaises(exceptions.CopyRefused,
                                  self.make(text).get_image, 'image-1')
        self.assertNotIn('SECRET', str(error) + self.log.output)
        return str(error)

    def test_no_endpoint_of_that_interface(self):
        self.service.add_keystone(self.service.url, 'public')
        self.assertIn('internal endpoint for image service not found',
                      self.refuse(self.password('dcn')))

    def test_plugin_without_catalogue_and_no_override(self):
        self.assertIn('no image endpoint for the interface internal',
                      self.refuse('[dcn]\nauth_type = none\n'))

    def test_password_not_accepted(self):
        self.answers['POST /v3/auth/tokens'] = 401, '{}'
        self.assertIn('are not accepted', self.refuse(self.password('dcn')))

    def test_no_keystone_there_is_not_an_image_gone(self):
        for more in ('', f'copy_endpoint_override = {self.service.url}\n'):
            self.assertIn('There is no Keystone at',
                          self.refuse(self.password('dcn', more)))

    def test_keystone_fails_for_a_while(self):
        self.answers['POST /v3/auth/tokens'] = 503, '{}'
        self.assertRaises(
            exceptions.CopyPostponed,
            self.make(self.password('dcn')).get_image, 'image-1')

    def test_no_credentials(self):
        self.assertIn('neither [dcn] nor [keystone_authtoken] has auth_type',
                      self.refuse('[dcn]\n'))

    def test_no_such_plugin(self):
        self.assertIn('psword', self.refuse('[dcn]\nauth_type = psword\n'))

    def test_required_options_missing(self):
        self.assertIn('auth_url', self.refuse('[dcn]\nauth_type = password\n'))
