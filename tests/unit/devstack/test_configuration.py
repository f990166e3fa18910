# SPDX-License-Identifier: Apache-2.0
"""What the plugin writes; ``tests.samples`` has the services judge it."""

import fixtures
import testtools

from dcn_plugins.placement import policy_text
from tests.unit.devstack import stacked


class ConfigurationTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.stack = stacked.Stacked(
            self.useFixture(fixtures.TempDir()).path)
        self.stack.run(*stacked.PHASES)

    def lines(self, name):
        return self.stack.text(name).splitlines()

    def test_nova(self):
        lines = self.lines('nova/nova.conf')
        self.assertIn(
            'enabled_filters = DCNSiteFilter,ComputeFilter,'
            'ComputeCapabilitiesFilter,ImagePropertiesFilter,SameHostFilter,'
            'DifferentHostFilter,DCNOneSiteFilter', lines)
        self.assertIn('cross_az_attach = False', lines)
        # "all_filters" must come first, and is not named twice.
        self.assertEqual(
            ['nova.scheduler.filters.all_filters',
             'dcn_plugins.nova.site_filter.DCNSiteFilter',
             'dcn_plugins.nova.one_site_filter.DCNOneSiteFilter'],
            [line.partition(' = ')[2] for line in lines
             if line.startswith('available_filters')])

    def test_cinder(self):
        text = self.stack.text('cinder/cinder.conf')
        self.assertIn('backend_url = dcn-etcd3+http://192.0.2.10:2379?ttl=15',
                      text)
        for site in ('central', 'dcn0', 'dcn1'):
            self.assertRegex(text, rf'\[{site}\]\n(\w.*\n)*'
                                   f'backend_availability_zone = {site}\n')
        # A driver that is not RBD is none of ours.
        self.assertIn('LVMVolumeDriver', text)

    def test_a_backend_of_rbd(self):
        self.stack.run('post-config',
                       localrc='CINDER_ENABLED_BACKENDS=ceph:ceph')
        self.assertRegex(
            self.stack.text('cinder/cinder.conf'),
            r'\[ceph\]\n(\w.*\n)*volume_driver = '
            r'dcn_plugins\.cinder\.rbd_driver\.DCNRBDDriver\n')

    def test_glance(self):
        lines = self.lines('glance/glance-api.conf')
        self.assertIn('copy_data_path = dcn', lines)
        self.assertEqual(
            ['driver = messagingv2', 'driver = dcn_copy'],
            [line for line in lines if line.startswith('driver')])
        policy = policy_text.policy_of(
            self.stack.text('glance/placement.yaml'), 'placement.yaml')
        self.assertEqual(
            [], list(policy.strangers(frozenset(['central', 'dcn0',
                                                 'dcn1']))))

    def test_a_policy_of_ones_own(self):
        sample = stacked.ROOT / 'etc/glance/placement.yaml.sample'
        self.stack.run('post-config',
                       localrc=f'DCN_PLACEMENT_POLICY="{sample}"')
        self.assertEqual(sample.read_text(),
                         self.stack.text('glance/placement.yaml'))

    def test_a_glance_with_one_store_gets_no_policy(self):
        stack = stacked.Stacked(
            self.useFixture(fixtures.TempDir()).path)
        stack.run('post-config',
                  localrc='GLANCE_ENABLE_MULTIPLE_STORES=False')
        self.assertNotIn('placement', stack.text('glance/glance-api.conf'))
        self.assertNotIn('dcn_placement',
                         stack.text('glance/glance-api-paste.ini'))

    def test_pipelines_of_glance(self):
        pipelines = [line for line in
                     self.lines('glance/glance-api-paste.ini')
                     if line.endswith(' rootapp')]
        for line in pipelines:
            # Who is nobody has no project that a residency could name.
            self.assertEqual(' context ' in line,
                             ' dcn_placement ' in line, line)
        self.assertEqual(3, sum('dcn_placement rootapp' in line
                                for line in pipelines))

    def test_health(self):
        for name in ('glance/glance-api-paste.ini', 'cinder/api-paste.ini'):
            self.assertIn('backends = disable_by_file,dcn_dlm',
                          self.lines(name))
