# SPDX-License-Identifier: Apache-2.0
"""The check of a site as a command, on the simulated cloud."""

import argparse
import io
import json
import re
import ssl

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.locking import connection
from dcn_plugins.osc import etcd_member
from dcn_plugins.osc import finding
from dcn_plugins.osc import site_check
from tests.fakes import cloud as clouds
from tests.unit.osc import entry_points
from tests.unit.osc import pane_case
from tests.unit.osc import test_shell

POLICY = '''
version: 1
central: [central]
default:
  stores: [central, dcn0]
'''


class CheckCase(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.cloud.add_site('central')
        self.cloud.add_site('dcn0', hosts=2)
        self.cloud.add_image('one', ['central', 'dcn0'])
        path = self.useFixture(fixtures.TempDir()).join('policy.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(POLICY)
        self.settings.update(policy_file=path,
                             jobs_url=f'dcn-etcd3+http://{self.etcd}')
        self.lock_settings('dcn0')

    def ids(self, *words):
        return [row['ID'] for row in self.table(site_check.CheckSite, 'dcn0',
                                                *words)]


class CheckTest(CheckCase):

    def test_a_site_that_is_well(self):
        self.assertEqual([], self.table(site_check.CheckSite, 'dcn0'))

    def test_what_a_finding_has(self):
        self.cloud.computes[1].update(status='disabled',
                                      disabled_reason='broken fan')
        row, = self.table(site_check.CheckSite, 'dcn0')
        self.assertEqual({
            'ID': 'host-disabled', 'Severity': 'warning',
            'What': 'nova-compute on dcn0-compute-0 is disabled: broken fan',
            'Why': 'Nothing new goes there',
            'Remedy': 'openstack compute service set --enable '
                      'dcn0-compute-0 nova-compute'}, row)
        self.assertEqual([], self.ids('--ignore', 'host-disabled'))

    def test_it_changes_nothing(self):
        self.ids()
        changes = {path for method, path, _body in self.cloud.requests
                   if method != 'GET' and not path.startswith(
                       ('/v3/kv/range', '/v3/maintenance/status',
                        '/identity/v3/auth/tokens'))}
        self.assertEqual(set(), changes)

    def test_what_placement_has(self):
        provider = self.cloud.hypervisors[1]['id']
        self.cloud.mirrored[provider][0].clear()
        self.assertEqual(['host-not-mirrored'], self.ids())

    def test_flavors_and_volume_types(self):
        self.cloud.flavors.append(
            {'id': '1', 'name': 'm1', 'extra_specs': {'dcn:site': 'DCN0'}})
        self.cloud.volume_types.append(
            {'id': '1', 'name': 'rbd', 'extra_specs': {
                'RESKEY:availability_zones': 'dcn9'}})
        self.assertEqual(['flavor-names-no-site',
                          'volume-type-names-no-zone'], self.ids())

    def test_each_id_is_documented(self):
        path = entry_points.SOURCE / 'doc/source/admin/site-check.rst'
        rows = re.findall(r'^   \* - ``([a-z-]+)``\n     - (\w+)$',
                          path.read_text(encoding='utf-8'), re.MULTILINE)
        self.assertEqual([(rule_id, rule.severity.value) for rule_id, rule
                          in finding.RULES.items()], rows)

    def test_where_the_stores_are(self):
        self.cloud.store_properties['central'] = self.cloud.store_properties[
            'dcn0']
        self.assertEqual(['stores-share-pool'], self.ids())
        self.cloud.failures = {'info/stores/detail': 403}
        row, = self.table(site_check.CheckSite, 'dcn0')
        self.assertEqual(('unknown-glance', 'warning'),
                         (row['ID'], row['Severity']))

    def test_etcd(self):
        for changes, found in (
                ({'version': '3.3.1'}, ['etcd-too-old']),
                ({'dbSize': '2000000000'}, ['etcd-space']),
                # etcd 3.6 tells it, and nobody reads all metrics.
                ({'dbSize': '2000000000', 'dbSizeQuota': '8000000000'}, []),
                ({'errors': ['alarm:NOSPACE ']}, ['etcd-no-space']),
                ({'leader': '0'}, ['etcd-member-without-leader'])):
            before = dict(self.cloud.etcd_status)
            self.cloud.etcd_status.update(changes)
            self.assertEqual(found, self.ids(), changes)
            self.cloud.etcd_status = before
        for text in (None, 'much'):
            self.cloud.etcd_quota = text
            self.assertEqual(['unknown-etcd-quota'], self.ids())
        self.cloud.failures = {'/metrics': 404}
        self.assertEqual(['unknown-etcd-quota'], self.ids())

    def test_no_service_of_the_centre(self):
        for part, rule_id in (
                ('compute/v2.1/os-services', 'unknown-nova'),
                ('flavors', 'unknown-nova'),
                ('resource_providers', 'unknown-placement'),
                ('volume/v3/clusters', 'unknown-cinder'),
                ('volume/v3/types', 'unknown-cinder'),
                ('image/v2/images', 'unknown-glance')):
            self.cloud.failures = {part: 503}
            rows = self.table(site_check.CheckSite, 'dcn0')
            self.assertEqual({(rule_id, 'error')}, {
                (row['ID'], row['Severity']) for row in rows}, part)
            self.assertIn('503', rows[0]['What'])
            self.assertIn('(asked for 120 s)', rows[0]['What'])

    def test_an_etcd_that_never_answers(self):
        hole = self.useFixture(clouds.BlackHole())
        self.settings['sites']['dcn0']['locks_url'] = (
            f'dcn-etcd3+http://{hole.address}')
        rows = self.table(site_check.CheckSite, 'dcn0', '--site-seconds',
                          '0.3')
        self.assertEqual([('unknown-etcd', 'error'),
                          ('unknown-etcd-member', 'error')],
                         [(row['ID'], row['Severity']) for row in rows])
        for row in rows:
            self.assertIn('(asked for 0.3 s)', row['What'])

    def test_a_member_that_never_answers(self):
        hole = self.useFixture(clouds.BlackHole())
        self.settings['sites']['dcn0']['locks_url'] = (
            f'dcn-etcd3+http://{self.etcd},{hole.address}')
        row, = self.table(site_check.CheckSite, 'dcn0', '--site-seconds',
                          '4')
        self.assertEqual(('unknown-etcd-member', 'warning'),
                         (row['ID'], row['Severity']))
        self.assertIn(hole.address, row['What'])

    def test_what_nobody_says(self):
        self.settings.clear()
        rows = self.table(site_check.CheckSite, 'dcn0')
        self.assertEqual(
            {('unknown-policy', 'warning'), ('unknown-jobs', 'warning'),
             ('unknown-etcd', 'warning')},
            {(row['ID'], row['Severity']) for row in rows})

    def test_a_policy_of_no_use(self):
        self.settings['policy_file'] = '/nowhere'
        row, = self.table(site_check.CheckSite, 'dcn0')
        self.assertEqual(('unknown-policy', 'error'),
                         (row['ID'], row['Severity']))

    def test_a_site_that_is_none(self):
        caught = self.assertRaises(
            exceptions.ConfigError, self.table, site_check.CheckSite, 'dcn7')
        self.assertIn('there is no site dcn7', str(caught))

    def test_clocks_that_differ(self):
        self.cloud.ahead_seconds = -90.0
        row, = self.table(site_check.CheckSite, 'dcn0')
        self.assertEqual('clocks-differ', row['ID'])
        for name in ('Nova', 'placement', 'Cinder', 'Glance',
                     f'etcd http://{self.etcd}'):
            self.assertRegex(row['What'], rf'{name} -(89|9\d) s')
        self.assertTrue(row['What'].endswith('; all 5 of those that were '
                                             'asked'))

    def test_an_id_that_is_none(self):
        made = site_check.CheckSite(argparse.Namespace(
            command_manager=None, NAME='openstack', stdout=None,
            options=argparse.Namespace()), None)
        self.assertRaises(SystemExit, made.get_parser('dcn').parse_args,
                          ['dcn0', '--ignore', 'nothing'])


class MemberTest(pane_case.PaneCase):

    def member(self, url):
        settings = connection.settings_of(url, 'test')
        return etcd_member.EtcdMember(settings, settings.endpoints[0],
                                      'test')

    def test_no_time_is_left(self):
        caught = self.assertRaises(
            exceptions.EtcdUnavailable,
            self.member(f'dcn-etcd3+http://{self.etcd}').read, -1.0)
        self.assertIn('no time was left', str(caught))

    def test_it_ends_in_the_middle(self):
        self.cloud.handle = self._handle
        caught = self.assertRaises(
            exceptions.EtcdUnavailable,
            self.member(f'dcn-etcd3+http://{self.etcd}').read, 30.0)
        self.assertIn('at /version', str(caught))

    def _handle(self, handler):
        if handler.path == '/version':
            handler.close_connection = True
            return
        data = b'{"version": "3.5.0"}'
        handler.rfile.read(int(handler.headers['Content-Length']))
        handler.send_response(200)
        handler.send_header('Content-Length', str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def test_tls_checks_the_server(self):
        made = self.member('dcn-etcd3+https://localhost:2379')
        context = made._tls()['ssl_context']
        self.assertEqual(ssl.CERT_REQUIRED, context.verify_mode)


class ExitTest(CheckCase, test_shell.ShellCase):

    def run_check(self, *words):
        """Return the exit status, and what is printed as JSON."""
        app = argparse.Namespace(
            client_manager=argparse.Namespace(dcn=self.client()),
            command_manager=None, NAME='openstack', stdout=io.StringIO(),
            options=argparse.Namespace())
        made = site_check.CheckSite(app, None)
        status = made.run(made.get_parser('dcn').parse_args(
            ['dcn0', '-f', 'json', '--site-seconds', '60',
             '--service-seconds', '120', *words]))
        return status, [row['ID'] for row in json.loads(
            app.stdout.getvalue())]

    def test_only_errors_are_the_exit_status(self):
        self.assertEqual((0, []), self.run_check())
        metadata = self.cloud.aggregates[1]['metadata']
        metadata['dcn:state'] = 'draining'
        self.assertEqual((0, ['site-draining']), self.run_check())
        metadata['dcn:state'] = 'disabled'
        self.assertEqual((1, ['site-closed']), self.run_check())
        self.assertEqual((0, []), self.run_check('--ignore', 'site-closed'))

    def test_in_its_own_process(self):
        self.cloud.aggregates[1]['metadata']['dcn:state'] = 'down'
        ran = self.openstack('dcn', 'site', 'check', 'dcn0', '-f', 'json')
        self.assertEqual(1, ran.returncode, ran.stderr)
        self.assertEqual('', ran.stderr)
        # Nobody says where the policy, the jobs and the locks are.
        self.assertEqual(
            ['site-closed', 'unknown-policy', 'unknown-jobs',
             'unknown-etcd'], [row['ID'] for row in json.loads(ran.stdout)])
