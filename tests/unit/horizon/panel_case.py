# SPDX-License-Identifier: Apache-2.0
"""What every test of a page starts from: Horizon and a simulated cloud."""

import datetime
import html
import re
import types
from unittest import mock

from django.conf import settings
from django import test as django_test
from django.test import utils as django_utils
import fixtures
from openstack_auth import user as users
from openstack_auth import utils as auth
import testtools

from tests.fakes import cloud as clouds

_KINDS = {'compute': '/compute/v2.1', 'placement': '/placement',
          # The name that older catalogues have.
          'volumev3': '/volume/v3', 'image': '/image',
          'identity': '/identity/v3'}


class PanelCase(testtools.TestCase):

    roles = ('admin',)

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable(
            'XDG_CACHE_HOME', self.useFixture(fixtures.TempDir()).path))
        self.cloud = self.useFixture(clouds.Cloud())
        # What Horizon's own tests do not ask, either.
        for panel in settings.TEST_GLOBAL_MOCKS_ON_PANELS.values():
            self.useFixture(fixtures.MonkeyPatch(
                panel['method'], mock.Mock(return_value=True)))
        self.useFixture(fixtures.MockPatchObject(
            auth, 'get_user', side_effect=lambda _request: self.user()))
        # On a busy machine nobody answers soon.
        self.set(DCN_SITE_SECONDS=60, DCN_SERVICE_SECONDS=60)
        self.browser = django_test.Client(enforce_csrf_checks=True)

    def set(self, **values):
        """Have other settings until the end of the test."""
        override = django_utils.override_settings(**values)
        override.enable()
        self.addCleanup(override.disable)

    def user(self):
        token = types.SimpleNamespace(
            id='token', project={'id': 'p'}, domain={'id': None},
            expires=datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(hours=1))
        made = users.User(
            id='u', token=token, user='somebody', user_domain_id='default',
            project_id='p', project_name='project', enabled=True,
            roles=[{'name': name} for name in self.roles],
            endpoint=f'{self.cloud.url}/identity/v3', services_region='one',
            authorized_tenants=[], service_catalog=[
                {'type': kind, 'name': kind, 'endpoints': [{
                    'interface': 'public', 'region': 'one',
                    'region_id': 'one', 'url': self.cloud.url + path}]}
                for kind, path in _KINDS.items()])
        made._is_system_user = False
        return made

    def page(self, path='', **query):
        """Return the text of a page."""
        answer = self.browser.get(f'/admin/dcn_sites/{path}', query)
        self.assertEqual(200, answer.status_code, answer.content[-3000:])
        return answer.content.decode()

    def rows(self, text):
        """Return the cells of the lines of the table, without their tags."""
        body = text.partition('<tbody>')[2].partition('</tbody>')[0]
        return [[_plain(cell) for cell in re.findall(
            r'<td[^>]*>(.*?)</td>', line, re.DOTALL)]
            for line in re.findall(r'<tr[^>]*>(.*?)</tr>', body, re.DOTALL)]

    def post(self, path, **values):
        """Send a form as a browser does, which has it from a page."""
        self.page(path, site=values['site'])
        return self.browser.post(f'/admin/dcn_sites/{path}', {
            **values, 'csrfmiddlewaretoken':
                self.browser.cookies['csrftoken'].value})


def _plain(text):
    return ' '.join(html.unescape(re.sub('<[^>]*>', ' ', text)).split())
