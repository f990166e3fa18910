# SPDX-License-Identifier: Apache-2.0
"""The commands as python-openstackclient runs them, in their own process."""

import importlib
import json
import os
import subprocess
import sys

import fixtures

from osc_lib.command import command

from tests.unit.osc import entry_points
from tests.unit.osc import pane_case


class ShellCase(pane_case.PaneCase):

    def openstack(self, *words, config=''):
        """Run ``openstack``; return what subprocess says."""
        home = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(home, 'clouds.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(
                'clouds:\n  test:\n    region_name: one\n    auth:\n'
                f'      auth_url: {self.cloud.url}/identity/v3\n'
                '      username: admin\n      password: x\n'
                '      project_name: admin\n      user_domain_id: default\n'
                '      project_domain_id: default\n' + config)
        installed = self.useFixture(entry_points.EntryPoints()).path
        return subprocess.run(
            [sys.executable, '-m', 'openstackclient.shell', '--os-cloud',
             'test', *words], capture_output=True, text=True, timeout=300,
            env={'PATH': os.environ['PATH'], 'HOME': home,
                 'PYTHONPATH': installed, 'PYTHONWARNINGS': 'ignore',
                 'OS_CLIENT_CONFIG_FILE': path})


class ShellTest(ShellCase):

    def test_a_table_and_json_of_sites(self):
        self.cloud.add_site('dcn0', hosts=2)
        self.cloud.add_site('edge-1')
        config = ('    dcn:\n      sites:\n        edge-1:\n          '
                  f'locks_url: dcn-etcd3+http://{self.etcd}\n')
        ran = self.openstack('dcn', 'site', 'list', '-f', 'json',
                             config=config)
        self.assertEqual(0, ran.returncode, ran.stderr)
        first, second = json.loads(ran.stdout)
        self.assertEqual(('dcn0', 'edge-1'), (first['Site'], second['Site']))
        self.assertEqual('ok', first['Health']['value'])
        self.assertEqual({'up': 2, 'total': 2, 'disabled': [],
                          'disabled_reasons': [], 'down': []},
                         first['Hosts']['value'])
        # The one has an etcd in clouds.yaml, which turns "-" into "_".
        self.assertFalse(first['etcd']['is_known'])
        self.assertEqual({'keys': 0}, second['etcd']['value'])
        ran = self.openstack('dcn', 'site', 'show', 'dcn0', config=config)
        self.assertEqual(0, ran.returncode, ran.stderr)
        self.assertIn('2/2', ran.stdout)

    def test_an_error_is_one_line_with_a_remedy(self):
        self.cloud.add_site('dcn0')
        ran = self.openstack('dcn', 'site', 'show', 'dcn7')
        self.assertNotEqual(0, ran.returncode)
        self.assertIn('there is no site dcn7. Name some of dcn0', ran.stderr)
        self.assertNotIn('Traceback', ran.stderr)

    def test_a_setting_that_means_nothing(self):
        ran = self.openstack('dcn', 'job', 'list',
                             config='    dcn:\n      job_url: x\n')
        self.assertNotEqual(0, ran.returncode)
        self.assertIn('dcn.job_url means nothing', ran.stderr)

    def test_completion_knows_the_commands(self):
        ran = self.openstack('complete')
        self.assertEqual(0, ran.returncode, ran.stderr)
        self.assertIn("cmds_dcn_site='add check cordon create delete drain "
                      "evict list onboard remove render retire set show "
                      "uncordon'",
                      ran.stdout)


class EntryPointTest(pane_case.PaneCase):

    def test_every_entry_point_is_a_command(self):
        found = entry_points.of_setup()
        for name, path in found['openstack.dcn.v1'].items():
            module, _colon, attribute = path.partition(':')
            made = getattr(importlib.import_module(module), attribute)
            self.assertTrue(issubclass(made, command.Command), path)
            self.assertTrue(name.startswith('dcn_'), name)
            # The first line is what "openstack help" lists.
            self.assertTrue(made.__doc__.splitlines()[0].endswith('.'), path)
        plugin = importlib.import_module(
            found['openstack.cli.extension']['dcn'])
        self.assertEqual(('dcn', ('1',)),
                         (plugin.API_NAME, plugin.API_VERSIONS))
