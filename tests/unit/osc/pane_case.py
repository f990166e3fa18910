# SPDX-License-Identifier: Apache-2.0
"""What every test of a command on the simulated cloud starts from."""

import argparse
import io
import types

import fixtures
from keystoneauth1.identity import v3
from keystoneauth1 import session
import testtools

from dcn_plugins.osc import plugin
from tests.fakes import cloud as clouds


class PaneCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable(
            'XDG_CACHE_HOME', self.useFixture(fixtures.TempDir()).path))
        self.cloud = self.useFixture(clouds.Cloud())
        self.settings = {}
        self.stdout = io.StringIO()
        self.etcd = self.cloud.url.removeprefix('http://')

    def session(self):
        return session.Session(v3.Password(
            f'{self.cloud.url}/identity/v3', username='admin', password='x',
            project_name='admin', user_domain_id='default',
            project_domain_id='default'))

    def client(self):
        made = plugin.make_client(types.SimpleNamespace(
            session=self.session(), interface='public', region_name='one',
            _cli_options=types.SimpleNamespace(
                config={'dcn': self.settings})))
        self.addCleanup(made.close)
        return made

    def app(self):
        """Return what a command is given."""
        return types.SimpleNamespace(
            client_manager=types.SimpleNamespace(dcn=self.client()),
            options=argparse.Namespace(), stdout=self.stdout, NAME='openstack',
            command_manager=None)

    def run_command(self, command, *words):
        """Run a command; return what its ``take_action`` does."""
        made = command(self.app(), None)
        # On a busy machine nobody answers soon; the last word counts.
        return made.take_action(made.get_parser('dcn').parse_args(
            ['--site-seconds', '60', '--service-seconds', '120', *words]))

    def table(self, command, *words):
        """Return the lines of a list, each a dictionary of columns."""
        headings, rows = self.run_command(command, *words)
        return [dict(zip(headings, row)) for row in rows]

    def shown(self, command, *words):
        """Return the fields that are shown of one thing."""
        return dict(zip(*self.run_command(command, *words)))

    def lock_settings(self, site):
        """Let a site have an etcd."""
        self.settings.setdefault('sites', {})[site] = {
            'locks_url': f'dcn-etcd3+http://{self.etcd}?namespace=/{site}'}
