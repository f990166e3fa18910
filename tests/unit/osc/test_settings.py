# SPDX-License-Identifier: Apache-2.0
"""What clouds.yaml or a file of its own says."""

import os
import types

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.osc import plugin
from dcn_plugins.osc import settings


class SettingsTest(testtools.TestCase):

    def test_a_site_outranks_the_rule(self):
        found = settings.settings_of({
            'locks_url': 'x://etcd.{site}', 'sites': {
                'dcn1': {'locks_url': 'x://other'},
                'edge_2': {'locks_url': 'x://two'}}}, 'f')
        self.assertEqual('x://etcd.dcn0', found.locks_url_of('dcn0'))
        self.assertEqual('x://other', found.locks_url_of('dcn1'))
        # The loader of clouds.yaml has changed the key.
        self.assertEqual('x://two', found.locks_url_of('edge-2'))

    def test_nothing_is_set(self):
        found = settings.settings_of(None, 'f')
        self.assertIsNone(found.locks_url_of('dcn0'))
        self.assertEqual('Set jobs_url below "dcn" in f',
                         found.remedy('jobs_url'))

    def test_mistakes_do_not_tell_passwords(self):
        for values, text in (
                ([1], 'dcn is no mapping'),
                ({'job_url': 'secret'}, 'dcn.job_url means nothing'),
                ({'jobs_url': ['secret']}, 'dcn.jobs_url is no text'),
                ({'sites': ['secret']}, 'dcn.sites is no mapping'),
                ({'sites': {'a': {'url': 'secret'}}},
                 'dcn.sites.a.url means nothing')):
            caught = self.assertRaises(exceptions.ConfigError,
                                       settings.settings_of, values, 'f')
            self.assertIn(text, str(caught))
            self.assertNotIn('secret', str(caught))


class ClientTest(testtools.TestCase):

    def client(self, **config):
        return plugin.make_client(types.SimpleNamespace(
            session=None, interface=None, region_name=None,
            _cli_options=types.SimpleNamespace(config=config)))

    def file(self, text):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'f')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def test_a_file_outranks_clouds_yaml(self):
        for text in ('jobs_url: x', 'dcn: {jobs_url: x}'):
            made = self.client(dcn={'jobs_url': 'y'},
                               dcn_config_file=self.file(text))
            self.assertEqual('x', made.settings.jobs_url)

    def test_a_file_of_no_use(self):
        for path in ('/nowhere/at/all', self.file('a: [secret'),
                     self.file('just a text')):
            caught = self.assertRaises(exceptions.ConfigError, self.client,
                                       dcn_config_file=path)
            self.assertNotIn('secret', str(caught))

    def test_a_url_of_no_use(self):
        made = self.client(dcn={'jobs_url': 'mysql://root:secret@host'})
        caught = self.assertRaises(exceptions.ConfigError, made.needed_jobs)
        self.assertNotIn('secret', str(caught))
        self.assertIn('jobs_url', str(caught))

    def test_no_jobs(self):
        caught = self.assertRaises(exceptions.ConfigError,
                                   self.client().needed_jobs)
        self.assertIn('Set jobs_url below "dcn" in clouds.yaml', str(caught))
