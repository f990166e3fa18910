# SPDX-License-Identifier: Apache-2.0
"""What is known of sites, and what is not."""

import time

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import site
from dcn_plugins.placement import job as steps
from tests.fakes import cloud as clouds
from tests.unit.osc import pane_case

POLICY = '''
version: 1
central: [central]
default:
  stores: all
'''


class SiteTest(pane_case.PaneCase):

    def row(self, name, *words):
        return next(row for row in self.table(site.ListSites, *words)
                    if row['Site'] == name)

    def silence(self, name):
        """Let a site have been silent for a while; return since when."""
        self.cloud.silence(name, 754)
        return self.moment(next(found for found in self.cloud.computes
                                if found['zone'] == name))

    @staticmethod
    def moment(service):
        return service['updated_at'].partition('.')[0] + 'Z'

    def value(self, row, column):
        return row[column].machine_readable()['value']

    def test_a_silent_site_is_unknown_since_its_last_sign_of_life(self):
        self.cloud.add_site('dcn0')
        self.cloud.add_site('dcn1', hosts=3)
        since = self.silence('dcn1')
        row = self.row('dcn1')
        for name in ('Health', 'Hosts', 'Free', 'cinder-volume'):
            told = row[name].machine_readable()
            self.assertIsNone(told['value'], name)
            self.assertEqual(since, told['at'])
            self.assertTrue(str(row[name]).startswith(
                f'unknown since {since} ('))
        self.assertEqual('ok', str(self.row('dcn0')['Health']))
        shown = self.shown(site.ShowSite, 'dcn1')
        self.assertIn('none of 3 hosts is up', str(shown['hosts']))

    def test_more_of_each(self):
        self.cloud.add_site('dcn0')
        self.cloud.add_site('dcn1')
        self.silence('dcn1')
        self.assertNotIn('FSID', self.row('dcn0'))
        told = self.cloud.pools[0]['capabilities']['dcn_fsid']
        row = self.row('dcn0', '--long')
        self.assertEqual(told, str(row['FSID']))
        self.assertEqual([told], self.value(row, 'FSID'))
        self.assertTrue(str(self.row('dcn1', '--long')['FSID']).startswith(
            'unknown since '))

    def test_the_last_sign_of_life_is_that_of_any_service(self):
        self.cloud.add_site('dcn1', hosts=2)
        self.cloud.silence('dcn1', 500)
        self.cloud.computes[0]['updated_at'] = clouds.moment(100)
        told = self.row('dcn1')['Health'].machine_readable()
        self.assertEqual(self.moment(self.cloud.computes[0]), told['at'])

    def test_the_age_is_that_of_the_oldest_report(self):
        self.cloud.add_site('dcn1', hosts=2)
        self.cloud.computes[1]['updated_at'] = clouds.moment(50)
        row = self.row('dcn1')
        self.assertEqual(self.moment(self.cloud.computes[1]),
                         row['Hosts'].machine_readable()['at'])
        self.assertEqual(row['Hosts'].machine_readable()['age_seconds'],
                         row['Age'].machine_readable())

    def test_a_host_that_is_down_and_one_that_is_disabled(self):
        self.cloud.add_site('dcn1', hosts=3)
        self.cloud.computes[0]['state'] = 'down'
        self.cloud.computes[1]['status'] = 'disabled'
        row = self.row('dcn1')
        self.assertEqual('2/3, 1 disabled', str(row['Hosts']))
        self.assertEqual('hosts: 1 of 3 down; hosts: 1 of 3 disabled',
                         str(row['Health']))
        # Of three hosts with 28 of 32 that are free one takes anything.
        self.assertEqual('28/32 vCPU, 7.0/8.0 GiB', str(row['Free']))

    def test_a_member_of_the_cluster_is_down(self):
        self.cloud.add_site('dcn1')
        self.cloud.volume_services[0]['state'] = 'down'
        row = self.row('dcn1')
        self.assertEqual('1/2 in 1/1 clusters', str(row['cinder-volume']))
        self.assertEqual('cinder-volume: 1 of 2 down', str(row['Health']))

    def test_a_backend_that_names_its_site(self):
        self.cloud.add_site('dcn1', **{'dcn:site': 'a'})
        self.cloud.add_aggregate('b', ['b-compute'], **{
            'availability_zone': 'dcn1', 'dcn:site': 'b'})
        self.cloud.pools[0]['capabilities']['dcn_site'] = 'b'
        self.assertEqual(0, self.value(self.row('a'),
                                       'cinder-volume')['total'])
        self.assertEqual(2, self.value(self.row('b'),
                                       'cinder-volume')['total'])

    def test_a_full_site_and_one_that_is_not_mirrored(self):
        self.cloud.add_site('dcn1')
        self.cloud.add_site('dcn2')
        memory = self.cloud.providers[self.cloud.hypervisors[0]['id']][
            'MEMORY_MB']
        memory['used'] = memory['capacity']
        for name in ('dcn1', 'dcn2'):
            self.cloud.mirrored.pop(
                next(found['id'] for found in self.cloud.hypervisors
                     if found['service']['host'].startswith('dcn2')), None)
            row = self.row(name)
            self.assertFalse(row['Free'].machine_readable()['is_known'])
            self.assertIn('placement has no host with room',
                          str(row['Health']))

    def test_a_service_of_the_centre_fails(self):
        self.cloud.add_site('dcn1')
        for part, columns in (
                ('allocation_candidates', ['Free']),
                ('volume/v3/os-services', ['cinder-volume']),
                ('image/v2/images', ['Images']),
                ('image/v2/info', ['Stores']),
                ('compute/v2.1/os-services', ['Hosts', 'Free'])):
            self.cloud.failures = {part: 503}
            row = self.row('dcn1')
            for name in columns:
                self.assertEqual('unknown', str(row[name]), part)
                self.assertIn('503', row[name].machine_readable()['problem'])
            # Of the images the site cannot be to blame.
            self.assertEqual(columns == ['Images'],
                             str(row['Health']) == 'ok', part)
        self.cloud.failures = {'os-aggregates': 403}
        caught = self.assertRaises(exceptions.ServiceError, self.table,
                                   site.ListSites)
        self.assertIn('Use the credentials of an administrator', str(caught))

    def test_images_that_are_wanted_and_copies_on_their_way(self):
        self.cloud.add_site('dcn0')
        self.cloud.add_site('dcn1')
        there = self.cloud.add_image('there', ['dcn0', 'dcn1'])
        lacks = self.cloud.add_image('lacks', ['dcn0'], os_hidden=True)
        self.assertEqual(2, self.value(self.row('dcn0'), 'Images')['present'])
        self.assertIsNone(self.value(self.row('dcn1'), 'Images')['wanted'])
        path = self.useFixture(fixtures.TempDir()).join('policy.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(POLICY)
        self.settings.update(policy_file=path,
                             jobs_url=f'dcn-etcd3+http://{self.etcd}')
        jobs = self.client().jobs
        jobs.register(steps.Job(lacks['id'], 'dcn1', 1.0, 1.0))
        row = self.row('dcn1')
        self.assertEqual({'present': 1, 'wanted': 2, 'lacking': 1},
                         self.value(row, 'Images'))
        self.assertEqual('1 present, 1/2 wanted', str(row['Images']))
        self.assertEqual('1 (1 waiting)', str(row['Backlog']))
        self.assertEqual('0', str(self.row('dcn0')['Backlog']))
        self.assertTrue(there)

    def test_an_etcd_that_was_heard_before(self):
        hole = self.useFixture(clouds.BlackHole())
        self.cloud.add_site('dcn1')
        self.lock_settings('dcn1')
        before = facts.moment(time.time())
        self.assertEqual('ok, 0 keys', str(self.row('dcn1')['etcd']))
        heard = facts.moment(time.time())
        self.settings['sites']['dcn1']['locks_url'] = (
            f'dcn-etcd3+http://{hole.address}')
        row = self.row('dcn1', '--site-seconds', '0.3')
        told = row['etcd'].machine_readable()
        self.assertLessEqual(before, told['at'])
        self.assertLessEqual(told['at'], heard)
        self.assertTrue(str(row['etcd']).startswith('unknown since '))
        self.assertIn('does not answer within 0.3 s', str(row['Health']))

    def test_a_member_that_hangs_is_not_the_last_one(self):
        hole = self.useFixture(clouds.BlackHole())
        self.cloud.add_site('dcn1')
        self.settings['sites'] = {'dcn1': {
            'locks_url': f'dcn-etcd3+http://{hole.address},{self.etcd}'}}
        self.assertEqual('ok, 0 keys', str(self.row(
            'dcn1', '--site-seconds', '8')['etcd']))

    def test_hosts_of_two_sites_are_in_none(self):
        self.cloud.add_site('dcn0')
        self.cloud.add_site('dcn1', hosts=2)
        self.cloud.aggregates[0]['hosts'].append('dcn1-compute-0')
        log = self.useFixture(fixtures.FakeLogger())
        self.assertEqual('1/1', str(self.row('dcn1')['Hosts']))
        self.assertIn('dcn1-compute-0 is in the sites dcn0 and dcn1 at once',
                      log.output)


class BlackHoleTest(pane_case.PaneCase):

    def test_two_hundred_sites_and_one_that_never_answers(self):
        # How long it takes is measured by "python -m tests.bench pane".
        hole = self.useFixture(clouds.BlackHole())
        for number in range(200):
            self.cloud.add_site(f'edge{number}', hosts=5)
            self.lock_settings(f'edge{number}')
        self.settings['sites']['edge7']['locks_url'] = (
            f'dcn-etcd3+http://{hole.address}')
        self.cloud.silence('edge7', 754)
        since = SiteTest.moment(next(
            found for found in self.cloud.computes
            if found['zone'] == 'edge7'))
        for number in range(50):
            self.cloud.add_image(f'image{number}', ['edge1', 'edge7'])
        rows = {row['Site']: row for row in self.table(
            site.ListSites, '--site-seconds', '1')}
        self.assertEqual(200, len(rows))
        dead = rows.pop('edge7')
        self.assertEqual({'unknown'}, {
            str(dead[name]).split()[0] for name in (
                'Health', 'Hosts', 'Free', 'cinder-volume', 'etcd')})
        for name in ('Health', 'Hosts', 'Free', 'cinder-volume'):
            self.assertEqual(since, dead[name].machine_readable()['at'])
        self.assertEqual({5}, {row['Hosts'].machine_readable()['value']['up']
                               for row in rows.values()})
