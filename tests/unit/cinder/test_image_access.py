# SPDX-License-Identifier: Apache-2.0
"""Credentials and address of the image service, out of cinder.conf."""

from cinder import context
from cinder.volume.drivers import rbd  # noqa: F401 (Cinder's options)
import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import noauth
from oslo_config import cfg
from oslo_config import fixture as config_fixture
import testtools

from dcn_plugins.cinder import image_access
from dcn_plugins.cinder import image_api
from tests.fakes import glance

CONF = cfg.CONF


class AccessTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.glance = self.useFixture(glance.FakeGlance())
        self.glance.add_image('i', 'central')
        self.addCleanup(self.forget)
        self.useFixture(config_fixture.Config(CONF))
        self.context = context.RequestContext(
            user_id='u', project_id='p', is_admin=False,
            auth_token='token-user', service_catalog=[])

    def forget(self):
        # Registered when the credentials are used, and required ever after.
        CONF.reset()
        for group in image_access.GROUPS:
            CONF.unregister_opts(
                loading.get_auth_plugin_conf_options('v3password'), group)

    def configure(self, *groups, more=''):
        """Let sections name one user each, of the section's name."""
        text = f'[DEFAULT]\nglance_api_servers = {self.glance.url}\n{more}'
        for group in groups:
            self.glance.roles.setdefault(group, [])
            text += (f'[{group}]\nauth_type = v3password\n'
                     f'auth_url = {self.glance.url}/v3\nusername = {group}\n'
                     'password = SECRET\nuser_domain_id = default\n'
                     'project_name = service\nproject_domain_id = default\n')
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write(text)
        self.forget()
        CONF([], project='cinder', default_config_files=[path])
        self.access = image_access.Access(CONF)
        self.api = image_api.ImageAPI(self.access)

    def askers(self):
        return [headers['X-Auth-Token'].removeprefix('token-')
                for name, _body, headers in self.glance.requests
                if 'images' in name]

    def copy(self):
        return self.api.request_copy(self.context, 'i', 'dcn1')

    def test_sections_are_tried_in_order_and_the_user_last(self):
        self.configure(*reversed(image_access.GROUPS))
        self.glance.roles['user'].append('admin')
        self.assertTrue(self.copy())
        self.assertEqual(['glance', 'service_user', 'keystone_authtoken',
                          'glance', 'service_user', 'keystone_authtoken',
                          'user'], self.askers())
        self.assertEqual([True] * 3 + [False] * 4, [
            'X-Service-Token' in headers for name, _body, headers
            in self.glance.requests if name.endswith('/import')])
        self.assertNotIn('SECRET', self.log.output)

    def test_any_one_section_is_enough(self):
        for group in image_access.GROUPS:
            self.configure(group)
            self.glance.roles[group] = ['admin']
            self.glance.add_image('i', 'central')
            self.glance.requests.clear()
            self.assertTrue(self.copy())
            self.assertEqual([group], self.askers())

    def test_one_token_serves_many_requests(self):
        self.configure('service_user')
        self.glance.roles['service_user'] = ['service']
        for _number in range(3):
            self.api.locations(self.context, 'i')
        self.assertEqual(1, [name for name, _body, _headers
                             in self.glance.requests].count(
                                 'POST /v3/auth/tokens'))

    def test_a_section_of_no_use_is_told_and_passed_over(self):
        self.configure('service_user',
                       more='[glance]\nauth_type = v3passwort\n')
        self.glance.roles['service_user'] = ['admin']
        self.assertTrue(self.copy())
        self.assertIn('[glance]', self.log.output)

    def test_without_sections_there_is_the_user(self):
        self.configure()
        self.assertEqual('i', self.api.image(self.context, 'i')['id'])
        self.assertEqual([], self.access.services())

    def test_a_service_token_goes_with_that_of_the_user(self):
        self.configure('service_user')
        CONF.set_override('send_service_user_token', True, 'service_user')
        self.addCleanup(CONF.clear_override, 'send_service_user_token',
                        'service_user')
        self.api.image(self.context, 'i')
        headers = self.glance.requests[-1][2]
        self.assertEqual('token-user', headers['X-Auth-Token'])
        self.assertEqual('token-service_user', headers['X-Service-Token'])

    def test_a_service_shows_its_token_as_that_of_a_service(self):
        # Else Glance 2025.1 does not tell it the locations.
        self.configure('service_user')
        self.glance.roles['service_user'] = ['service']
        self.glance.images['i']['visibility'] = 'public'
        self.assertEqual(1, len(self.api.locations(self.context, 'i')))
        self.assertEqual('token-service_user',
                         self.glance.requests[-1][2]['X-Service-Token'])

    def test_the_catalogue_names_glance_where_cinder_conf_does_not(self):
        self.configure()
        CONF.set_override('glance_api_servers', None)
        self.addCleanup(CONF.clear_override, 'glance_api_servers')
        self.assertRaises(ks_exceptions.EndpointNotFound, self.access.url,
                          self.context)
        self.context.service_catalog = [{
            'type': 'image', 'name': 'glance',
            'endpoints': [{'publicURL': f'{self.glance.url}/'}]}]
        self.assertEqual(f'{self.glance.url}/', self.access.url(self.context))
        self.assertEqual('i', self.api.image(self.context, 'i')['id'])

    def test_a_cloud_without_keystone(self):
        self.configure('service_user', more='auth_strategy = noauth\n')
        self.assertEqual([], self.access.services())
        self.assertIsInstance(self.access.user(self.context), noauth.NoAuth)

    def test_every_request_ends(self):
        self.configure()
        self.assertEqual(image_access.REQUEST_SECONDS,
                         self.access.session.timeout)
        self.configure(more='glance_request_timeout = 7\n')
        self.assertEqual(7, self.access.session.timeout)
