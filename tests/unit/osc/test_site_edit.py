# SPDX-License-Identifier: Apache-2.0
"""Sites that are made, changed and cordoned, also half of them."""

import testtools

from dcn_plugins import exceptions
from dcn_plugins.osc import site
from dcn_plugins.osc import site_change
from dcn_plugins.osc import site_cordon
from dcn_plugins.osc import site_edit
from dcn_plugins.osc import step
from tests.unit.osc import pane_case


class SiteEditTest(pane_case.PaneCase):

    def metadata(self, name):
        return next(found['metadata'] for found in self.cloud.aggregates
                    if found['name'] == name)

    def test_all_of_a_new_site(self):
        self.cloud.add_compute('h1')
        self.cloud.add_compute('h2')
        self.table(site_edit.CreateSite, 'dcn1', '--zone', 'az1', '--store',
                   's1', '--store', 's2', '--project', 'p', '--group', 'g',
                   '--priority', '-3', '--host', 'h1', '--host', 'h2')
        self.assertEqual(
            {'availability_zone': 'az1', 'dcn:site': 'dcn1',
             'dcn:store': 's1,s2', 'dcn:projects': 'p', 'dcn:group': 'g',
             'dcn:priority': '-3'}, self.metadata('dcn1'))
        self.assertEqual(2, self.shown(site.ShowSite, 'dcn1')[
            'free'].machine_readable()['value']['hosts'])

    def test_an_interrupted_creation_goes_on(self):
        self.cloud.add_compute('h1')
        words = ('dcn1', '--state', 'draining', '--host', 'h1')
        self.cloud.failures = {'/action': 500}
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   site_edit.CreateSite, *words)
        self.assertIn('"set metadata of aggregate dcn1" has failed, 1 of 5 '
                      'steps were done', str(caught))
        self.cloud.failures = {}
        self.assertEqual(
            ['set metadata of aggregate', 'add host to aggregate',
             'mirror in placement'],
            [row['Step'] for row in self.table(site_edit.CreateSite,
                                               *words)])
        self.assertEqual('draining', self.metadata('dcn1')['dcn:state'])
        self.assertEqual([], self.table(site_edit.CreateSite, *words))

    def test_a_name_that_is_taken(self):
        self.cloud.add_aggregate('dcn1', availability_zone='other')
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   site_edit.CreateSite, 'dcn1')
        self.assertIn('the aggregate dcn1 is of another site', str(caught))
        self.cloud.add_site('dcn2')
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   site_edit.CreateSite, 'dcn2', '--zone',
                                   'other')
        self.assertIn('site dcn2 is in availability zone dcn2', str(caught))

    def test_an_aggregate_that_says_nothing_yet(self):
        self.cloud.add_aggregate('dcn1')
        self.table(site_edit.CreateSite, 'dcn1')
        self.assertEqual({'availability_zone': 'dcn1', 'dcn:site': 'dcn1'},
                         self.metadata('dcn1'))

    def test_a_site_of_two_aggregates_is_not_contradicted(self):
        self.cloud.add_site('dcn1')
        self.cloud.add_aggregate('more', ['dcn1-compute-0'], **{
            'dcn:site': 'dcn1', 'dcn:state': 'disabled'})
        self.table(site_edit.SetSite, 'dcn1', '--state', 'draining')
        shown = self.shown(site.ShowSite, 'dcn1')
        self.assertEqual(('draining', ''), (shown['state'],
                                            str(shown['faults'])))

    def test_many_projects(self):
        self.cloud.add_site('dcn1')
        projects = [f'{number:032d}' for number in range(9)]
        words = [word for project in projects
                 for word in ('--project', project)]
        self.table(site_edit.SetSite, 'dcn1', *words)
        found = self.metadata('dcn1')
        self.assertIn('dcn:projects1', found)
        self.assertLessEqual(max(map(len, found.values())), 255)
        self.assertEqual(projects, self.shown(site.ShowSite, 'dcn1')[
            'projects'].machine_readable())
        self.table(site_edit.SetSite, 'dcn1', '--no-project')
        self.assertEqual({'availability_zone': 'dcn1'}, self.metadata('dcn1'))

    def test_a_host_that_is_discovered_while_we_wait(self):
        self.cloud.add_site('dcn1')
        now = [0.0]

        def sleep(seconds):
            now[0] += seconds
            if now[0] > 5 and len(self.cloud.computes) == 1:
                self.cloud.add_compute('late')

        change = site_change.SiteChange(
            self.client().cloud, 60, 30, lambda: now[0], sleep)
        change.check_hosts(['late'])
        self.assertLess(now[0], 10)
        self.assertRaises(exceptions.NotDone, change.check_hosts, ['never'])

    def test_somebody_else_changes_the_provider(self):
        self.cloud.add_site('dcn1')
        provider = self.cloud.hypervisors[0]['id']
        inside = self.cloud.mirrored[provider]
        inside[0].clear()
        change = site_change.SiteChange(self.client().cloud, 60)
        put, races = change._cloud.set_provider_aggregates, []

        def late(*args):
            if not races:
                races.append(1)
                inside[1] += 1
                inside[0].add('somebody-elses')
            put(*args)

        change._cloud.set_provider_aggregates = late
        change.run([step.Step(step.Verb.MIRROR, 'dcn1', 'dcn1-compute-0')])
        self.assertEqual({'somebody-elses',
                          self.cloud.aggregates[0]['uuid']}, inside[0])

    def test_half_a_cordon_goes_on(self):
        self.cloud.add_site('dcn1', hosts=2)
        self.cloud.failures = {'clusters/disable': 500}
        self.assertRaises(exceptions.NotDone, self.table,
                          site_cordon.CordonSite, 'dcn1')
        self.cloud.failures = {}
        row, = self.table(site_cordon.CordonSite, 'dcn1')
        self.assertEqual('disable cluster of cinder-volume', row['Step'])

    def test_nothing_is_cordoned_that_is_not_known(self):
        self.cloud.add_site('dcn1')
        self.cloud.failures = {'clusters/detail': 500}
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   site_cordon.CordonSite, 'dcn1')
        self.assertIn('nothing was changed', str(caught))
        self.assertEqual({'enabled'}, {found['status'] for found
                                       in self.cloud.computes})

    def test_a_cinder_volume_in_no_cluster(self):
        self.cloud.add_site('dcn1')
        for found in self.cloud.volume_services:
            found['cluster'] = None
        self.cloud.clusters.clear()
        self.table(site_cordon.CordonSite, 'dcn1', '--reason', 'x')
        self.assertEqual({('disabled', 'dcn site cordon dcn1: x')}, {
            (found['status'], found['disabled_reason'])
            for found in self.cloud.volume_services})
        self.table(site_cordon.UncordonSite, 'dcn1')
        self.assertEqual({'enabled'}, {found['status'] for found
                                       in self.cloud.volume_services})

    def test_two_sites_in_one_zone(self):
        self.cloud.add_site('dcn1')
        self.cloud.add_site('dcn10')
        for pool in self.cloud.pools:
            pool['capabilities']['dcn_site'] = pool['name'].partition('@')[0]
        for found in self.cloud.aggregates + self.cloud.volume_services:
            found['zone'] = 'az'
            if 'metadata' in found:
                found['metadata'].update({'availability_zone': 'az',
                                          'dcn:site': found['name']})
        for name in ('dcn1', 'dcn10'):
            self.table(site_cordon.CordonSite, name)
        # Cinder tells no pools of clusters that are disabled.
        self.cloud.pools.clear()
        self.table(site_cordon.UncordonSite, 'dcn1')
        self.assertEqual({'dcn1@ceph': 'enabled', 'dcn10@ceph': 'disabled'}, {
            found['name']: found['status'] for found in self.cloud.clusters})

    def test_a_cordoned_site_is_not_ok(self):
        self.cloud.add_site('dcn1', hosts=2)
        self.table(site_cordon.CordonSite, 'dcn1')
        self.assertEqual(
            'hosts: 2 of 2 disabled; cinder-volume: cluster dcn1@ceph '
            'disabled', str(self.table(site.ListSites)[0]['Health']))


class StepTest(testtools.TestCase):

    def test_lists_of_names(self):
        self.assertEqual({'k': None}, step.metadata('k', []))
        self.assertEqual({'k': 'a,b', 'k1': None, 'k2': None}, step.metadata(
            'k', ['b', 'a'], [{'k1': 'x', 'k': 'y'}, {'k2': 'z', 'kind': 1}]))
        found = step.metadata('k', [f'{n:0100d}' for n in range(5)])
        self.assertEqual(['k', 'k1', 'k2'], sorted(found))
