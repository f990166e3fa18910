# SPDX-License-Identifier: Apache-2.0
"""The configuration of a new site, as oslo.config reads it."""

import fixtures
from oslo_config import cfg

from dcn_plugins import exceptions
from dcn_plugins.osc import site_configuration
from dcn_plugins.osc import site_render
from tests.unit.osc import pane_case

LOCKS = 'dcn-etcd3+http://etcd.{site}.example.org:2379'
JOBS = 'dcn-etcd3+http://central1:2379,central2:2379'


class RenderTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.settings.update(locks_url=LOCKS, jobs_url=JOBS)

    def render(self, *words, site='dcn2'):
        """Return what is printed."""
        self.stdout.truncate(0)
        self.stdout.seek(0)
        command = site_render.RenderSite(self.app(), None)
        command.take_action(
            command.get_parser('dcn').parse_args([site, *words]))
        return self.stdout.getvalue()

    def read(self, service, *words, **options):
        """Return a file as oslo.config reads it: each value is a list."""
        text = self.render('--service', service, *words, **options)
        path = self.useFixture(fixtures.TempDir()).join('service.conf')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        sections = {}
        cfg.ConfigParser(path, sections).parse()
        return sections

    def test_a_site_is_named_alike_everywhere(self):
        nova, cinder, glance = (
            self.read('nova'), self.read('cinder'), self.read('glance'))
        self.assertEqual(['dcn2'],
                         nova['libvirt']['images_rbd_glance_store_name'])
        self.assertEqual(['dcn2'], glance['glance_store']['default_backend'])
        self.assertEqual(['dcn2:rbd,central:rbd'],
                         glance['DEFAULT']['enabled_backends'])
        self.assertEqual(['dcn2'], cinder['DEFAULT']['cluster'])
        self.assertEqual(['dcn2'],
                         cinder['DEFAULT']['storage_availability_zone'])
        # One secret of libvirt for disks and for volumes.
        self.assertEqual(nova['libvirt']['rbd_secret_uuid'],
                         cinder['ceph']['rbd_secret_uuid'])
        self.assertEqual(
            ['/etc/ceph/dcn2.conf'],
            nova['libvirt']['images_rbd_ceph_conf'])
        self.assertEqual(nova['libvirt']['images_rbd_ceph_conf'],
                         cinder['ceph']['rbd_ceph_conf'])
        self.assertEqual(nova['libvirt']['images_rbd_ceph_conf'],
                         glance['dcn2']['rbd_store_ceph_conf'])
        self.assertEqual(['/etc/ceph/central.conf'],
                         glance['central']['rbd_store_ceph_conf'])

    def test_our_doors_are_open(self):
        cinder, glance = self.read('cinder'), self.read('glance')
        self.assertEqual(['dcn_plugins.cinder.rbd_driver.DCNRBDDriver'],
                         cinder['ceph']['volume_driver'])
        self.assertEqual([LOCKS.replace('{site}', 'dcn2')],
                         cinder['coordination']['backend_url'])
        self.assertEqual(['messagingv2', 'dcn_copy'],
                         glance['oslo_messaging_notifications']['driver'])
        self.assertEqual([JOBS], glance['dcn']['placement_jobs_url'])
        self.assertEqual(['/etc/glance/placement.yaml'],
                         glance['dcn']['placement_policy_file'])

    def test_without_a_central_etcd_there_is_no_policy(self):
        del self.settings['jobs_url']
        self.assertEqual({'copy_data_path': ['dcn']},
                         self.read('glance')['dcn'])

    def test_the_centre_has_its_store_once(self):
        glance = self.read('glance', site='central')
        self.assertEqual(['central:rbd'],
                         glance['DEFAULT']['enabled_backends'])

    def test_what_is_given_outranks(self):
        words = ['--zone', 'az2', '--store', 'store2', '--glance-url',
                 'http://10.2.0.1:9292', '--ceph-conf', '/c/{site}/conf',
                 '--secret-uuid', 'u', '--locks-url', 'dcn-etcd3+http://e:1']
        cinder = self.read('cinder', *words)
        self.assertEqual(['az2'],
                         cinder['DEFAULT']['storage_availability_zone'])
        self.assertEqual(['http://10.2.0.1:9292'],
                         cinder['DEFAULT']['glance_api_servers'])
        self.assertEqual(['dcn-etcd3+http://e:1'],
                         cinder['coordination']['backend_url'])
        self.assertEqual(['u'], cinder['ceph']['rbd_secret_uuid'])
        self.assertEqual(['/c/dcn2/conf'], cinder['ceph']['rbd_ceph_conf'])

    def test_without_an_etcd_it_says_where_to_name_it(self):
        del self.settings['locks_url']
        error = self.assertRaises(exceptions.NotDone, self.render)
        self.assertIn('Give --locks-url. Set locks_url below "dcn" in',
                      str(error))

    def test_names_that_are_sections(self):
        for name in ('dcn', 'DEFAULT', 'a]b', 'a,b', 'a b', 'a:rbd',
                     'oslo_policy'):
            error = self.assertRaises(exceptions.NotDone, self.render,
                                      '--store', name)
            self.assertIn(repr(name), str(error))
        self.assertRaises(exceptions.NotDone, self.render, site='dcn')

    def test_a_value_of_two_lines(self):
        error = self.assertRaises(exceptions.NotDone, self.render,
                                  '--glance-url', 'http://a\n[DEFAULT]')
        self.assertIn('control characters', str(error))

    def test_all_files_with_headings(self):
        text = self.render()
        for reader in site_render.READERS.values():
            self.assertIn(f'# {reader} of dcn2\n', text)

    def test_the_secret_is_the_same_each_time(self):
        secret = site_configuration.secret_of('dcn2')
        self.assertEqual(secret, site_configuration.secret_of('dcn2'))
        self.assertNotEqual(secret, site_configuration.secret_of('dcn3'))
