# SPDX-License-Identifier: Apache-2.0
"""Copies that operators want to leave a site."""

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.osc import image_evict
from dcn_plugins.osc import image_eviction
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import job as job_steps
from dcn_plugins.placement import removal as steps
from dcn_plugins.placement import removals
from tests.unit.osc import pane_case

POLICY = '''
version: 1
central: [central]
kinds:
  - name: pinned snapshots
    kind: snapshot
    stores: [central, dcn0]
    pinned: [central, dcn0]
default:
  stores: [central, dcn0]
  may_ask: all
'''


class EvictCase(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        for name in ('central', 'dcn0', 'dcn1'):
            self.cloud.add_site(name)
        self.settings['jobs_url'] = f'dcn-etcd3+http://{self.etcd}'
        self.image = self.cloud.add_image('one', ['central', 'dcn0'])
        self.removals = removals.Removals(self.cloud.etcds['all'],
                                          '/dcn/placement')

    def keys(self):
        return [key for key in self.cloud.etcds['all'].store.keys()
                if '/placement/e/' in key]

    def take_up_at_once(self):
        """Let a worker be at each removal as soon as it is asked for."""
        take = self.removals.take
        begin = removals.Removals.begin

        def begin_and_take(found, removal):
            held = begin(found, removal)
            take(held, 'worker')
            return held

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.removals.Removals.begin', begin_and_take))

    def policy(self):
        path = self.useFixture(fixtures.TempDir()).join('policy.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(POLICY)
        self.settings['policy_file'] = path


class EvictTest(EvictCase):

    def worker(self, act):
        """Let a worker do something while the command waits."""
        def sleep(_seconds):
            held, = self.removals.all()
            taken = self.removals.take(held, 'worker')
            act(taken)

        self.useFixture(fixtures.MockPatchObject(
            image_eviction.ImageEviction.__init__, '__defaults__',
            image_eviction.ImageEviction.__init__.__defaults__[:-1]
            + (sleep,)))

    def evict(self, *words, image=None, site='dcn0'):
        return self.table(image_evict.EvictImage, image or 'one', site,
                          *words)

    def refused(self, *words, **values):
        text = str(self.assertRaises(exceptions.NotDone, self.evict, *words,
                                     **values))
        return text

    def test_a_worker_carries_it_out(self):
        seen = []

        def remove(held):
            seen.append(held.removal)
            self.image['stores'] = 'central'
            self.removals.gone(held)

        self.worker(remove)
        row, = self.evict()
        self.assertEqual((self.image['id'], 'dcn0', 'gone'),
                         (row['Image'], row['Store'], row['State']))
        removal, = seen
        self.assertTrue(removal.is_requested)
        self.assertIn('has asked for it', removal.reason)
        self.assertEqual(('dcn0', []), (removal.store, self.keys()))

    def test_a_worker_refuses(self):
        self.worker(lambda held: self.removals.end(held, copy_note.kept(
            None, 'in use', held.removal.registered_at)))
        self.assertIn(f'image {self.image["id"]} stays in dcn0: in use',
                      self.refused())
        # One that is too old to know of requests.
        self.removals.write_notes('dcn0', {self.image['id']: None})
        self.worker(self.removals.end)
        self.assertIn('did not remove it', self.refused())

    def test_nobody_takes_it_up(self):
        text = self.refused('--wait-seconds', '0')
        self.assertIn('the request was withdrawn', text)
        self.assertEqual([], self.keys())

    def test_time_is_over_while_a_worker_is_at_it(self):
        self.take_up_at_once()
        self.assertIn('a glance-api is at it',
                      self.refused('--wait-seconds', '0'))
        self.assertEqual(1, len(self.keys()))

    def test_what_is_refused_at_once(self):
        self.policy()
        self.assertIn('it is the last copy, or the one that is wanted most',
                      self.refused(site='central'))
        self.image['image_type'] = 'snapshot'
        self.assertIn('it is pinned there', self.refused())
        del self.image['image_type']
        self.image['os_glance_import_task'] = 'task'
        self.assertIn('Glance has the image in hand', self.refused())
        self.assertEqual([], self.keys())

    def test_what_else_happens_to_the_image(self):
        self.removals.begin(steps.requested(self.image['id'], 'central',
                                            'other', '', 0.0))
        self.assertIn('another copy of it leaves or comes', self.refused())
        self.assertEqual(1, len(self.keys()))
        self.removals.end(self.removals.all()[0])
        self.client().jobs.register(job_steps.Job(self.image['id'], 'dcn0',
                                                  0.0, 0.0))
        self.assertIn('a job is about that store', self.refused())

    def test_nothing_to_do(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.assertEqual([], self.evict(site='dcn1'))
        self.assertIn('no store of dcn1 has image', log.output)

    def test_an_etcd_that_is_away(self):
        self.settings['jobs_url'] = 'dcn-etcd3+http://127.0.0.1:1'
        self.assertIn('the etcd of the jobs', str(self.assertRaises(
            exceptions.ServiceError, self.evict)))
        del self.settings['jobs_url']
        self.assertIn('Set jobs_url', str(self.assertRaises(
            exceptions.ConfigError, self.evict)))

    def test_an_etcd_that_goes_away_later(self):
        lost = exceptions.EtcdUnavailable('silence', is_sent=True)
        for name in ('begin', 'end'):
            with fixtures.MockPatchObject(removals.Removals, name,
                                          side_effect=lost):
                self.assertIn('it is not known whether',
                              self.refused('--wait-seconds', '0'))
        held, = self.removals.all()
        self.removals.end(held)
        one_of, silent = removals.Removals.of, [lost]

        def one_late(found, image_id):
            if silent:
                raise silent.pop()
            return one_of(found, image_id)

        self.worker(self.removals.end)
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.removals.Removals.of', one_late))
        self.assertIn('did not remove it', self.refused())
        self.assertEqual([], silent)

    def test_an_image_that_is_deleted_meanwhile(self):
        def delete(held):
            self.cloud.images.clear()
            self.removals.end(held)

        self.worker(delete)
        self.assertEqual('gone', self.evict()[0]['State'])


class EvictSiteTest(EvictCase):
    """All images of a site at once."""

    most = 0

    def evict(self, *words, site='dcn0'):
        command = image_evict.EvictSite(self.app(), None)
        headings, rows = command.take_action(
            command.get_parser('dcn').parse_args([site, *words]))
        self.status = int(command.has_failed)
        return {(row[0], row[2]): row[3:] for row in rows}

    def carry_out(self, *refused):
        """Let a worker do what it is asked for, except for some images."""
        def sleep(_seconds):
            asked = self.removals.all()
            self.most = max(self.most, len(asked))
            for held in asked:
                held = self.removals.take(held, 'worker')
                image_id, store = held.removal.image_id, held.removal.store
                if image_id in refused:
                    self.removals.end(held, copy_note.kept(
                        None, 'in use', held.removal.registered_at))
                    continue
                image = next(one for one in self.cloud.images
                             if one['id'] == image_id)
                image['stores'] = ','.join(
                    name for name in image['stores'].split(',')
                    if name != store)
                self.removals.gone(held)

        self.useFixture(fixtures.MockPatchObject(
            image_eviction.ImageEviction.__init__, '__defaults__',
            image_eviction.ImageEviction.__init__.__defaults__[:-1]
            + (sleep,)))

    def test_all_that_can_leave(self):
        self.policy()
        used = self.cloud.add_image('used', ['central', 'dcn0'])
        alone = self.cloud.add_image('alone', ['dcn0'])
        off = self.cloud.add_image('off', ['central', 'dcn0'],
                                   status='deactivated')
        self.cloud.add_image('elsewhere', ['central', 'dcn1'])
        self.carry_out(used['id'])
        planned = self.evict('--dry-run')
        self.assertEqual(
            {self.image['id']: 'planned', used['id']: 'planned',
             alone['id']: 'stays', off['id']: 'planned'},
            {image: state for (image, _store), (state, _reason)
             in planned.items()})
        self.assertEqual([], self.keys())
        told = self.evict()
        self.assertEqual(1, self.status)
        self.assertEqual(('gone', ''), told[self.image['id'], 'dcn0'])
        self.assertIn('in use', told[used['id'], 'dcn0'][1])
        self.assertIn('it is the last copy', told[alone['id'], 'dcn0'][1])
        self.assertEqual(
            ['central', 'central,dcn0', 'dcn0', 'central'],
            [one['stores'] for one in (self.image, used, alone, off)])
        self.assertEqual([], self.keys())

    def test_many(self):
        """Few of them at a time: nothing else happens to these meanwhile."""
        images = [self.image] + [
            self.cloud.add_image(f'i{number}', ['central', 'dcn0'])
            for number in range(2 * image_evict._MOST_AT_ONCE + 3)]
        self.most = 0
        self.carry_out()
        told = self.evict()
        self.assertEqual({('gone', '')}, set(told.values()))
        self.assertEqual((len(images), 0), (len(told), self.status))
        self.assertEqual(image_evict._MOST_AT_ONCE, self.most)

    def test_a_site_with_two_stores(self):
        """One after the other: of an image one copy leaves at a time."""
        self.cloud.stores.append({'id': 'dcn0-2'})
        aggregate = next(one for one in self.cloud.aggregates
                         if one['name'] == 'dcn0')
        aggregate['metadata']['dcn:store'] = 'dcn0,dcn0-2'
        self.image['stores'] = 'central,dcn0,dcn0-2'
        self.carry_out()
        self.assertEqual({(self.image['id'], store): ('gone', '')
                          for store in ('dcn0', 'dcn0-2')}, self.evict())
        self.assertEqual('central', self.image['stores'])
        self.image['stores'] = 'dcn0,dcn0-2'
        told = self.evict()
        self.assertEqual(['gone', 'stays'],
                         sorted(state for state, _why in told.values()))

    def test_nobody_takes_it_up(self):
        self.cloud.add_image('two', ['central', 'dcn0'])
        told = self.evict('--wait-seconds', '0.3')
        self.assertEqual((['stays'] * 2, 1), (
            [state for state, _reason in told.values()], self.status))
        self.assertIn('taken it up in 0.3 s; the request was withdrawn',
                      told[self.image['id'], 'dcn0'][1])
        self.assertEqual([], self.keys())

    def test_there_is_no_time(self):
        self.assertEqual({(self.image['id'], 'dcn0'): (
            'stays', 'nobody was asked')}, self.evict('--wait-seconds', '0'))

    def test_one_that_is_deleted_meanwhile(self):
        self.cloud.failures = {
            f'GET /image/v2/images/{self.image["id"]}': 404}
        self.assertEqual({(self.image['id'], 'dcn0'): (
            'gone', 'it was deleted')}, self.evict())
        self.assertEqual(0, self.status)

    def test_glance_goes_away_on_the_way(self):
        """What has been asked for is taken back; what is known is told."""
        later = [self.cloud.add_image(f'i{number}', ['central', 'dcn0'])
                 for number in range(3)]
        self.cloud.failures = {f'GET /image/v2/images/{later[1]["id"]}': 500}
        told = self.evict()
        self.assertEqual(['unknown'] * 4,
                         [state for state, _reason in told.values()])
        self.assertEqual(([], 1), (self.keys(), self.status))

    def test_it_is_interrupted(self):
        def interrupt(_leaving, *_seconds):
            raise KeyboardInterrupt

        self.useFixture(fixtures.MockPatchObject(
            image_eviction.ImageEviction, 'wait', interrupt))
        self.assertRaises(KeyboardInterrupt, self.evict)
        self.assertEqual([], self.keys())

    def test_a_worker_that_is_at_it_for_long(self):
        self.take_up_at_once()
        self.assertEqual('leaving', self.evict('--wait-seconds', '0.2')[
            self.image['id'], 'dcn0'][0])

    def test_nothing_to_do(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.assertEqual({}, self.evict(site='dcn1'))
        self.assertIn('no store of dcn1 has an image', log.output)
