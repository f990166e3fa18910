# SPDX-License-Identifier: Apache-2.0
"""Sites that are emptied, also by halves, and then taken out."""

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.osc import image_copy
from dcn_plugins.osc import site_drain
from tests.unit.osc import pane_case

POLICY = '''
version: 1
central: [central]
residency:
  - name: stays here
    projects: [secret]
    stores: [dcn1]
default:
  stores: [central]
  may_ask: all
'''


class DrainCase(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        for name in ('central', 'dcn1', 'dcn2'):
            self.cloud.add_site(name)
        self.useFixture(fixtures.MockPatchObject(
            image_copy, 'LOOK_SECONDS', 0.01))

    def drain(self, *words):
        return self.table(site_drain.DrainSite, 'dcn1', *words)

    def retire(self, *words):
        return self.table(site_drain.RetireSite, 'dcn1', *words)

    def steps(self, rows):
        return {(row['Step'], row['Target'], row['State']) for row in rows}

    def enabled(self):
        return sorted(found['host'] for found in self.cloud.computes
                      if found['status'] == 'enabled')


class DrainTest(DrainCase):

    def test_what_is_at_the_site_and_nothing_else(self):
        server = self.cloud.add_server('dcn1-compute-0')
        self.cloud.add_server('dcn2-compute-0')
        # It was shelved: its disk is an image.
        self.cloud.add_server(None, status='SHELVED_OFFLOADED')
        volume = self.cloud.add_volume('dcn1-vol-0@ceph', 'dcn1')
        other = self.cloud.add_volume('dcn2-vol-0@ceph', 'dcn2')
        unplaced = self.cloud.add_volume(None, 'dcn1', status='error')
        snapshot = self.cloud.add_snapshot(volume)
        self.cloud.add_snapshot(other)
        alone = self.cloud.add_image('alone', ['dcn1'])
        self.cloud.add_image('both', ['dcn1', 'dcn2'])
        self.cloud.add_image('other', ['dcn2'])
        rows = self.drain('--to', 'central')
        self.assertEqual({
            ('disable nova-compute', 'dcn1-compute-0', 'done'),
            ('disable cluster of cinder-volume', 'dcn1@ceph', 'done'),
            ('copy image', alone['id'], 'done'),
            ('server', server['id'], 'stays'),
            ('volume', volume['id'], 'stays'),
            ('volume', unplaced['id'], 'stays'),
            ('snapshot', snapshot['id'], 'stays')}, self.steps(rows))
        self.assertEqual('dcn1,central', alone['stores'])
        detail, = (row['Detail'] for row in rows if row['Step'] == 'server')
        self.assertIn('server, ACTIVE, project project, dcn1-compute-0: its '
                      'disk is at this site', detail)

    def test_the_second_time_there_is_only_what_stays(self):
        volume = self.cloud.add_volume('dcn1-vol-0@ceph', 'dcn1')
        self.cloud.add_image('alone', ['dcn1'])
        self.drain('--to', 'central')
        self.assertEqual({('volume', volume['id'], 'stays')},
                         self.steps(self.drain('--to', 'central')))

    def test_a_plan_changes_nothing(self):
        image = self.cloud.add_image('alone', ['dcn1'])
        rows = self.drain('--to', 'central', '--dry-run')
        self.assertEqual({'planned'}, {row['State'] for row in rows})
        self.assertIn(('copy image', image['id'], 'planned'),
                      self.steps(rows))
        self.assertEqual('dcn1', image['stores'])
        self.assertEqual(3, len(self.enabled()))

    def test_what_is_not_known_is_not_cordoned(self):
        for path in ('/servers/detail', '/volumes/detail',
                     '/snapshots/detail', '/images'):
            self.cloud.failures = {path: 500}
            caught = self.assertRaises(exceptions.NotDone, self.drain)
            self.assertIn('nobody knows what is at dcn1', str(caught), path)
        self.assertEqual(3, len(self.enabled()))

    def test_it_goes_on_where_it_was_interrupted(self):
        image = self.cloud.add_image('alone', ['dcn1'])
        self.cloud.failures = {'clusters/disable': 500}
        self.assertRaises(exceptions.NotDone, self.drain, '--to', 'central')
        self.cloud.failures = {}
        self.assertEqual({
            ('disable cluster of cinder-volume', 'dcn1@ceph', 'done'),
            ('copy image', image['id'], 'done')},
            self.steps(self.drain('--to', 'central')))

    def test_one_image_that_fails_spares_the_others(self):
        first = self.cloud.add_image('first', ['dcn1'])
        second = self.cloud.add_image('second', ['dcn1'])
        self.cloud.failures = {f'{first["id"]}/import': 403}
        self.assertEqual(
            {(first['id'], 'failed'), (second['id'], 'done')},
            {(row['Target'], row['State'])
             for row in self.drain('--to', 'central')
             if row['Step'] == 'copy image'})

    def test_a_copy_that_takes_too_long(self):
        self.cloud.add_image('alone', ['dcn1'])
        self.useFixture(fixtures.MockPatchObject(
            image_copy.ImageCopy, 'look', lambda *_args: False))
        row = self.drain('--to', 'central', '--wait-seconds', '0.05')[-1]
        self.assertEqual('failed', row['State'])
        self.assertIn('Glance goes on', row['Detail'])

    def test_without_a_target_nothing_is_changed(self):
        self.cloud.add_image('alone', ['dcn1'])
        for words in ([], ['--to', 'dcn1'], ['--to', 'nowhere']):
            caught = self.assertRaises(exceptions.NotDone, self.drain, *words)
            self.assertIn('nothing was changed', str(caught))
        self.assertEqual(3, len(self.enabled()))

    def test_the_policy_says_where_to_and_where_not(self):
        path = self.useFixture(fixtures.TempDir()).join('policy.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(POLICY)
        self.settings['policy_file'] = path
        image = self.cloud.add_image('alone', ['dcn1'])
        kept = self.cloud.add_image('kept', ['dcn1'], owner='secret')
        rows = {row['Target']: row for row in self.drain()
                if row['Step'] == 'copy image'}
        self.assertEqual(('done', 'failed'), (
            rows[image['id']]['State'], rows[kept['id']]['State']))
        self.assertIn("residency 'stays here'", rows[kept['id']]['Detail'])
        self.assertEqual('dcn1', kept['stores'])


class RetireTest(DrainCase):

    def test_not_while_something_would_be_lost(self):
        made = [self.cloud.add_server('dcn1-compute-0'),
                self.cloud.add_volume('dcn1-vol-0@ceph', 'dcn1'),
                self.cloud.add_image('alone', ['dcn1'])]
        for one in made:
            caught = self.assertRaises(exceptions.NotDone, self.retire)
            self.assertIn(f'{one["id"]}', str(caught))
            self.assertIn('would be lost with dcn1; nothing was changed',
                          str(caught))
            self.cloud.servers.pop(one['id'], None)
            self.cloud.volumes.pop(one['id'], None)
        self.assertEqual(['dcn1-compute-0'], self.hosts())

    def hosts(self):
        return [host for found in self.cloud.aggregates
                if found['name'] == 'dcn1' for host in found['hosts']]

    def test_not_while_a_cell_is_down(self):
        # Nova lists what it knows by its API database.
        server = self.cloud.add_server('somewhere', status='UNKNOWN')
        for key in ('name', 'OS-EXT-SRV-ATTR:host'):
            del server[key]
        caught = self.assertRaises(exceptions.NotDone, self.retire)
        self.assertIn(server['id'], str(caught))

    def test_not_while_glance_offers_its_copies(self):
        image = self.cloud.add_image('both', ['dcn1', 'dcn2'])
        self.drain()
        caught = self.assertRaises(exceptions.NotDone, self.retire)
        self.assertIn(f'image {image["id"]} still have copies', str(caught))
        self.assertIn('site evict dcn1', str(caught))

    def test_not_while_something_may_come(self):
        caught = self.assertRaises(exceptions.NotDone, self.retire)
        self.assertIn('something new may come to dcn1', str(caught))
        self.assertEqual(['dcn1-compute-0'], self.hosts())

    def test_an_empty_site_goes_and_no_other(self):
        self.drain()
        self.assertEqual({'planned'}, {
            row['State'] for row in self.retire('--dry-run')})
        self.assertEqual({
            ('remove host from aggregate', 'dcn1', 'done'),
            ('delete aggregate', 'dcn1', 'done')}, self.steps(self.retire()))
        self.assertEqual(['central', 'dcn2'], sorted(
            found['name'] for found in self.cloud.aggregates))
        self.assertEqual([], self.retire())

    def test_half_a_retirement_goes_on(self):
        self.drain()
        self.cloud.failures = {'/action': 500}
        self.assertRaises(exceptions.NotDone, self.retire)
        self.cloud.failures = {}
        self.retire()
        self.assertNotIn('dcn1', {
            found['name'] for found in self.cloud.aggregates})
