# SPDX-License-Identifier: Apache-2.0
"""What the commands of operators do to a cloud; on the fake and on a lab.

Mix into a test case with ``table(command, *words)`` and ``shown(command,
*words)``, ``site``, the name of a site that is well and has hosts, ``image``,
the id of an image that is in the store of that site, ``lacking``, a store that
lacks it, and ``named(prefix)``, the names of volumes and images that begin so.
"""

import uuid

from dcn_plugins import exceptions
from dcn_plugins.osc import explain
from dcn_plugins.osc import image
from dcn_plugins.osc import site
from dcn_plugins.osc import site_check
from dcn_plugins.osc import site_cordon
from dcn_plugins.osc import site_drain
from dcn_plugins.osc import site_edit
from dcn_plugins.osc import site_probe

PLANNED, DONE = {'planned'}, {'done'}


class PaneContract:

    def states(self, rows):
        return {row['State'] for row in rows}

    def verbs(self, rows):
        return [row['Step'] for row in rows]

    def new_site(self):
        name = f'test-{uuid.uuid4().hex[:8]}'
        self.addCleanup(self.table, site_edit.DeleteSite, name)
        return name

    def test_a_site_that_is_well(self):
        row, = self.table(site.ListSites, self.site)
        for name in ('Health', 'Hosts', 'Free', 'cinder-volume', 'Stores',
                     'Images'):
            told = row[name].machine_readable()
            self.assertTrue(told['is_known'], told)
            self.assertIsNotNone(told['age_seconds'], name)
            self.assertLess(told['age_seconds'], 300, name)
        self.assertEqual('ok', str(row['Health']))
        hosts = row['Hosts'].machine_readable()['value']
        self.assertEqual(hosts['total'], hosts['up'])
        self.assertGreater(hosts['total'], 0)
        room = row['Free'].machine_readable()['value']
        self.assertEqual(hosts['total'], room['hosts'])
        self.assertGreaterEqual(room['vcpu']['capacity'],
                                room['vcpu']['free'])
        volumes = row['cinder-volume'].machine_readable()['value']
        self.assertEqual('up', volumes['clusters'][0]['state'])
        self.assertEqual([self.site],
                         row['Stores'].machine_readable()['value'])

    def test_a_site_from_its_creation_to_its_end(self):
        name = self.new_site()
        words = (name, '--state', 'draining', '--store', 'central',
                 '--priority', '3')
        self.assertEqual(PLANNED, self.states(self.table(
            site_edit.CreateSite, *words, '--dry-run')))
        self.assertRaises(exceptions.ConfigError, self.shown, site.ShowSite,
                          name)
        self.assertEqual(DONE, self.states(self.table(
            site_edit.CreateSite, *words)))
        # The second time there is nothing to do.
        self.assertEqual([], self.table(site_edit.CreateSite, *words))
        shown = self.shown(site.ShowSite, name)
        self.assertEqual(('draining', 3, 'central', name, 'empty'), (
            shown['state'], shown['priority'], str(shown['stores']),
            str(shown['zones']), str(shown['health']).split(' ')[0]))
        self.table(site_edit.SetSite, name, '--state', 'enabled',
                   '--no-store')
        shown = self.shown(site.ShowSite, name)
        self.assertEqual(('enabled', name),
                         (shown['state'], str(shown['stores'])))
        self.assertEqual(DONE, self.states(self.table(
            site_edit.DeleteSite, name)))
        self.assertEqual([], self.table(site_edit.DeleteSite, name))

    def test_a_host_that_nova_does_not_know(self):
        name = self.new_site()
        caught = self.assertRaises(
            exceptions.NotDone, self.table, site_edit.CreateSite, name,
            '--host', 'nobody')
        self.assertIn('nobody: Nova or placement does not know of it; '
                      'nothing was changed', str(caught))
        self.assertRaises(exceptions.ConfigError, self.shown, site.ShowSite,
                          name)

    def test_a_site_with_hosts_is_not_deleted(self):
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   site_edit.DeleteSite, self.site)
        self.assertIn('remove host', str(caught))

    def test_a_host_leaves_its_site_and_comes_back(self):
        name = self.new_site()
        shown = self.shown(site.ShowSite, self.site)
        total = shown['hosts'].machine_readable()['value']['total']
        host = self.hosts_of(self.site)[-1]
        self.addCleanup(self.table, site_edit.AddHost, self.site, host)
        self.assertEqual(DONE, self.states(self.table(
            site_edit.RemoveHost, self.site, host)))
        self.assertEqual([], self.table(site_edit.RemoveHost, self.site,
                                        host))
        self.assertEqual(
            ['create aggregate', 'set metadata of aggregate',
             'add host to aggregate', 'mirror in placement'],
            self.verbs(self.table(site_edit.CreateSite, name, '--host',
                                  host)))
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   site_edit.AddHost, self.site, host)
        self.assertIn(f'{host} is in site {name}', str(caught))
        row, = self.table(site.ListSites, name)
        room = row['Free'].machine_readable()['value']
        self.assertEqual(1, room['hosts'])
        self.table(site_edit.RemoveHost, name, host)
        self.assertIn('add host to aggregate', self.verbs(self.table(
            site_edit.AddHost, self.site, host)))
        self.assertEqual([], self.table(site_edit.AddHost, self.site, host))
        shown = self.shown(site.ShowSite, self.site)
        self.assertEqual(
            total, shown['hosts'].machine_readable()['value']['total'])

    def test_placement_is_mirrored_again(self):
        host = self.hosts_of(self.site)[0]
        self.unmirror(host)
        self.assertEqual(
            [('mirror in placement', host)],
            [(row['Step'], row['Detail']) for row in self.table(
                site_edit.SetSite, self.site)])
        self.assertEqual([], self.table(site_edit.SetSite, self.site))

    def test_a_check_finds_what_is_not_mirrored(self):
        host = self.hosts_of(self.site)[0]
        self.unmirror(host)
        self.addCleanup(self.table, site_edit.SetSite, self.site)
        row, = self.found()
        self.assertIn(f'{host} is in the aggregate', row['What'])
        self.table(site_edit.SetSite, self.site)
        self.assertEqual([], self.found())

    def found(self):
        return [row for row in self.table(site_check.CheckSite, self.site)
                if row['ID'] == 'host-not-mirrored']

    def test_a_deep_check_leaves_nothing(self):
        rows = self.table(site_check.CheckSite, self.site, '--deep')
        self.assertEqual([], [row for row in rows
                              if row['ID'].startswith('probe-')])
        self.assertEqual([], self.named(site_probe.PREFIX))

    def test_cordon_and_uncordon(self):
        self.addCleanup(self.table, site_cordon.UncordonSite, self.site)
        planned = self.table(site_cordon.CordonSite, self.site, '--dry-run')
        self.assertEqual(PLANNED, self.states(planned))
        verbs = set(self.verbs(planned))
        self.assertEqual({'disable nova-compute',
                          'disable cluster of cinder-volume'}, verbs)
        done = self.table(site_cordon.CordonSite, self.site, '--reason',
                          'new racks')
        self.assertEqual(self.verbs(planned), self.verbs(done))
        self.assertEqual([], self.table(site_cordon.CordonSite, self.site))
        shown = self.shown(site.ShowSite, self.site)
        self.assertEqual(self.hosts_of(self.site),
                         shown['hosts_disabled'].machine_readable())
        self.assertEqual(0, shown['free'].machine_readable()['value'][
            'vcpu']['free'] if shown['free'].machine_readable()['value']
            else 0)
        self.assertEqual({f'dcn site cordon {self.site}: new racks'},
                         self.reasons(self.site))
        self.table(site_cordon.UncordonSite, self.site)
        self.assertEqual([], self.table(site_cordon.UncordonSite, self.site))
        self.assertEqual({None}, self.reasons(self.site))

    def test_a_drain_that_is_planned_changes_nothing(self):
        words = ('--to', self.lacking, '--dry-run')
        rows = self.table(site_drain.DrainSite, self.site, *words)
        self.assertLessEqual(self.states(rows), {'planned', 'stays'})
        self.assertIn('disable nova-compute', self.verbs(rows))
        # Not the times at which something was heard.
        self.assertEqual(rows, self.table(site_drain.DrainSite, self.site,
                                          *words))
        self.assertRaises(exceptions.NotDone, self.table,
                          site_drain.RetireSite, self.site)

    def test_uncordon_leaves_what_others_have_disabled(self):
        host = self.hosts_of(self.site)[0]
        self.disable(host, 'broken fan')
        self.addCleanup(self.enable, host)
        self.addCleanup(self.table, site_cordon.UncordonSite, self.site)
        self.table(site_cordon.CordonSite, self.site)
        self.table(site_cordon.UncordonSite, self.site)
        self.assertEqual({None, 'broken fan'},
                         self.reasons(self.site) | {None})

    def test_an_image_is_copied(self):
        states = {row['Store']: row['State'] for row in self.table(
            image.ShowImage, self.image)}
        self.assertEqual(('present', 'absent'),
                         (states[self.site], states[self.lacking]))
        rows = self.table(image.CopyImage, self.image, '--store', self.site,
                          '--store', self.lacking, '--wait')
        self.assertEqual({self.site: 'present', self.lacking: 'present'},
                         {row['Store']: row['State'] for row in rows})
        row, = (row for row in self.table(image.ListImages)
                if row['ID'] == self.image)
        self.assertEqual('present', row[self.lacking])
        told = self.shown(explain.ExplainImage, self.image)
        self.assertEqual('present', told['sites'].machine_readable()[
            self.site][0]['state'])

    def test_a_store_that_is_none(self):
        caught = self.assertRaises(
            exceptions.ConfigError, self.table, image.CopyImage, self.image,
            '--store', 'nowhere')
        self.assertIn('there is no store nowhere', str(caught))

    def test_an_image_that_is_none(self):
        for name in (str(uuid.uuid4()), 'no such name'):
            caught = self.assertRaises(exceptions.NotDone, self.table,
                                       image.ShowImage, name)
            self.assertIn(f'there is no image {name}', str(caught))
