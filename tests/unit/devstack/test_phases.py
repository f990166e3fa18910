# SPDX-License-Identifier: Apache-2.0
"""DevStack's contract: what the plugin does in which phase."""

import subprocess

import fixtures
import testtools

from tests.unit.devstack import stacked


class PhaseTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.stack = stacked.Stacked(
            self.useFixture(fixtures.TempDir()).path)

    def commands(self, beginning):
        return [line for line in self.stack.commands
                if line.startswith(beginning)]


class PhaseTest(PhaseTestCase):

    def test_it_says_who_it_is(self):
        self.stack.run()
        self.assertEqual(['define_plugin dcn_plugins'], self.stack.commands)

    def test_nothing_before_it_is_installed(self):
        before = self.stack.files()
        self.stack.run('pre-install')
        self.assertEqual(before, self.stack.files())

    def test_install(self):
        before = self.stack.files()
        self.stack.run('install')
        self.assertEqual([f'setup_develop {self.stack.path}/dcn_plugins'],
                         self.commands('setup_develop'))
        self.assertEqual(before, self.stack.files())

    def test_no_service_is_asked_before_it_runs(self):
        self.stack.run('pre-install', 'install', 'post-config')
        self.assertEqual([], self.commands('openstack'))

    def test_volume_types_in_extra(self):
        for _stack in range(2):
            self.stack.run('extra')
        self.assertEqual(
            ['openstack volume type unset --property volume_backend_name '
             'central'], self.commands('openstack volume type unset'))

    def test_sites_when_the_computes_are_known(self):
        self.stack.run('test-config')
        self.assertEqual([
            f'openstack aggregate create --zone {site} --property '
            f'dcn:site={site} dcn-{site}'
            for site in ('central', 'dcn0', 'dcn1')],
            self.commands('openstack aggregate create'))
        self.assertEqual(['openstack aggregate add host dcn-central devstack'],
                         self.commands('openstack aggregate add'))
        self.stack.run('test-config')
        self.assertIn('openstack aggregate set --property dcn:site=dcn1 '
                      'dcn-dcn1', self.stack.commands)

    def test_several_computes_are_spread(self):
        self.stack.run('test-config', hosts='c3 c1 c2 c4')
        self.assertEqual([
            f'openstack aggregate add host dcn-{site} {host}'
            for site, host in [('central', 'c1'), ('dcn0', 'c2'),
                               ('dcn1', 'c3'), ('central', 'c4')]],
                         self.commands('openstack aggregate add'))

    def test_a_second_stack_changes_nothing(self):
        self.stack.run(*stacked.PHASES, hosts='c1 c2')
        before = self.lines()
        count = len(self.commands('openstack aggregate add'))
        self.stack.run(*stacked.PHASES, hosts='c1 c2')
        self.assertEqual(before, self.lines())
        self.assertEqual(count,
                         len(self.commands('openstack aggregate add')))

    def lines(self):
        """Return all files, without the order of their lines."""
        return {name: sorted(text.splitlines())
                for name, text in self.stack.files().items()}

    def test_unstack_leaves_all_to_devstack(self):
        self.stack.run(*stacked.PHASES)
        before, count = self.stack.files(), len(self.stack.commands)
        self.stack.run('unstack')
        self.assertEqual(before, self.stack.files())
        self.assertEqual(['define_plugin dcn_plugins'],
                         self.stack.commands[count:])

    def test_clean(self):
        before = set(self.stack.files())
        self.stack.run(*stacked.PHASES)
        self.assertEqual({'nova/policy.d/dcn.yaml', 'glance/placement.yaml'},
                         set(self.stack.files()) - before)
        self.stack.run('unstack', 'clean')
        self.assertEqual(before, set(self.stack.files()))

    def test_switched_off(self):
        before = self.stack.files()
        self.stack.run(*stacked.PHASES, 'unstack', 'clean',
                       localrc='DISABLED_SERVICES=dcn')
        self.assertEqual(before, self.stack.files())
        self.assertEqual(['define_plugin dcn_plugins'], self.stack.commands)

    def test_only_what_is_enabled(self):
        before = self.stack.files()
        self.stack.run(*stacked.PHASES, services='g-api')
        changed = {name for name, text in self.stack.files().items()
                   if before.get(name) != text}
        self.assertEqual({'glance/glance-api.conf', 'glance/placement.yaml',
                          'glance/glance-api-paste.ini'}, changed)
        self.assertEqual([], self.commands('openstack'))


class SettingsTest(PhaseTestCase):

    def test_defaults(self):
        found = self.stack.run()
        self.assertEqual('central,dcn0,dcn1', found['DCN_SITES'])
        self.assertEqual('lvm:central,lvm:dcn0,lvm:dcn1',
                         found['CINDER_ENABLED_BACKENDS'])
        self.assertEqual('central,dcn0,dcn1',
                         found['GLANCE_MULTIPLE_FILE_STORES'])
        self.assertEqual('central', found['GLANCE_DEFAULT_BACKEND'])
        self.assertIn(',dcn,etcd3', found['ENABLED_SERVICES'])
        self.assertEqual('', found['NUMBER_FAKE_NOVA_COMPUTE'])

    def test_local_conf_comes_first(self):
        found = self.stack.run(localrc='''
            DCN_SITES=a,b
            CINDER_ENABLED_BACKENDS=ceph:ceph
            GLANCE_ENABLE_MULTIPLE_STORES=False
            ''')
        self.assertEqual('ceph:ceph', found['CINDER_ENABLED_BACKENDS'])
        self.assertEqual('False', found['GLANCE_ENABLE_MULTIPLE_STORES'])
        self.assertEqual('', found['GLANCE_MULTIPLE_FILE_STORES'])

    def test_a_fake_compute_for_each_site(self):
        for localrc, count in [
                ('VIRT_DRIVER=fake; NUMBER_FAKE_NOVA_COMPUTE=1', '3'),
                ('VIRT_DRIVER=fake; NUMBER_FAKE_NOVA_COMPUTE=9', '9'),
                ('VIRT_DRIVER=fake; DCN_SITES=a,b', '2')]:
            self.assertEqual(count, self.stack.run(
                localrc=localrc)['NUMBER_FAKE_NOVA_COMPUTE'])

    def test_tracing_is_as_it_was(self):
        path = stacked.ROOT / 'devstack'
        for name in ('plugin.sh', 'lib/dcn'):
            done = subprocess.run(
                ['bash', '-c', 'is_service_enabled() { return 1; }; '
                 f'DCN_PLUGINS_DIR={stacked.ROOT}; set -x; '
                 f'source {path / name} unstack; [[ $- == *x* ]]'],
                capture_output=True, text=True, timeout=60)
            self.assertEqual(0, done.returncode, done.stderr)
