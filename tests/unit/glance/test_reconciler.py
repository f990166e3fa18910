# SPDX-License-Identifier: Apache-2.0

from dcn_plugins import exceptions
from dcn_plugins.glance import reconciler
from dcn_plugins.placement import job
from tests.unit.glance import placement_case
from tests.unit.placement import policies


class ReconcilerTest(placement_case.PlacementCase):

    def stores(self, image_id='image-1'):
        return {store for image, store in self.listed() if image == image_id}

    def test_numbers_that_nobody_takes(self):
        def refuse(_survey):
            raise exceptions.EtcdRefused('no right', 7, 'no right')

        self.reconciler._note = refuse
        self.add_image('image-1', visibility='public')
        self.assertEqual(4, self.reconciler.reconcile_all())

    def test_all(self):
        self.add_image('image-1', visibility='public')
        self.add_image('image-2', dcn_sites='dcn0', stores='central')
        self.add_image('image-3', status='queued', visibility='public')
        self.add_image('image-4', owner='project-x', dcn_sites='all')
        noted = []
        self.reconciler._note = noted.append
        self.assertEqual(7, self.reconciler.reconcile_all())
        [survey] = noted
        self.assertEqual(7, sum(survey.lacking.values()))
        self.assertEqual(3, survey.images)
        self.assertEqual(policies.STORES - {'central'}, self.stores())
        self.assertEqual({'dcn0'}, self.stores('image-2'))
        self.assertEqual(set(), self.stores('image-3'))
        self.assertEqual({'dcn0', 'dcn1'}, self.stores('image-4'))
        before = dict(self.etcd.store.items)
        self.assertEqual(0, self.reconciler.reconcile_all())
        self.assertEqual(before, self.etcd.store.items)

    def test_policy_that_changes(self):
        self.add_image(visibility='public')
        self.reconciler.reconcile_all()
        self.jobs.cancel('image-1', 'dcn0')
        self.policy = policies.policy_text.policy_of(policies.TEXT.replace(
            'stores: all', 'stores: [central, dcn0]'))
        self.reconciler.reconcile_all()
        self.assertEqual({'dcn0'}, self.stores())
        self.assertIs(job.State.CANCELLED,
                      self.listed()['image-1', 'dcn0'].job.state)

    def test_deletion_that_nobody_has_told(self):
        self.add_image(visibility='public')
        self.add_image('image-2', visibility='public')
        self.reconciler.reconcile_all()
        del self.api.images['image-1']
        self.reconciler.reconcile_all()
        self.assertEqual((0, 4), (len(self.stores()),
                                  len(self.stores('image-2'))))

    def test_image_that_was_not_listed_and_is_there(self):
        self.add_image(visibility='public')
        self.reconciler.reconcile_all()
        self.api.list_images = list
        self.reconciler.reconcile_all()
        self.assertEqual(4, len(self.stores()))

    def test_deleted_image_does_not_come_back(self):
        self.add_image(visibility='public')
        self.jobs.bury('image-1')
        # As if the list were older than the deletion.
        self.assertEqual(0, self.reconciler.reconcile_all())
        self.assertEqual(set(), self.stores())

    def test_id_that_is_used_anew(self):
        self.add_image(visibility='public')
        self.jobs.bury('image-1')
        self.now += 3601
        self.assertEqual(4, self.reconciler.reconcile_all())

    def test_old_tombstones_go(self):
        self.jobs.bury('image-1')
        self.now += reconciler.TOMBSTONE_SECONDS
        self.jobs.bury('image-2')
        self.reconciler.reconcile_all()
        self.assertEqual(2, len(self.jobs.tombstones()))
        self.now += 1
        self.reconciler.reconcile_all()
        self.assertEqual({'image-2'}, self.jobs.tombstones().keys())

    def test_most_jobs(self):
        for number in range(3):
            self.add_image(f'image-{number}', visibility='public')
        self.useFixture(placement_case.fixtures.MonkeyPatch(
            'dcn_plugins.glance.reconciler.MOST_JOBS', 6))
        self.assertEqual(6, self.reconciler.reconcile_all())
        self.assertEqual(0, self.reconciler.reconcile_all())
        self.assertEqual(6, len(self.listed()))
        self.assertIn('There are 6 jobs', self.log.output)
        for image_id, store in self.listed():
            self.jobs.drop(image_id, store)
            self.api.images[image_id]['stores'] += f',{store}'
        self.assertEqual(6, self.reconciler.reconcile_all())

    def test_stores_that_are_none_are_told_once(self):
        self.api.stores = ('central', 'dcn0')
        self.reconciler.reconcile_all()
        self.reconciler.reconcile_all()
        self.assertEqual(1, self.log.output.count(
            'names what is no store of the glance-api that was asked: dcn1 '
            '(line 4), dcn2 (line 29)'))

    def test_words_without_effect_are_told_of_one_image(self):
        self.add_image(dcn_sites='dcn,dcn0,\x1b' + 'x' * 1000)
        self.assertTrue(self.reconciler.reconcile('image-1'))
        self.assertEqual({'dcn0'}, self.stores())
        self.assertIn('Image image-1: its dcn_sites names what is no store, '
                      "or none that may be asked for, and has no effect: "
                      "'dcn, \\x1bx", self.log.output)
        self.assertNotIn('x' * 300, self.log.output)
        self.add_image('image-2', dcn_sites='dcn0')
        self.reconciler.reconcile('image-2')
        self.reconciler.reconcile_all()
        self.assertEqual(1, self.log.output.count('has no effect'))

    def test_one_image(self):
        image = self.add_image(visibility='public', status='saving')
        self.assertFalse(self.reconciler.reconcile('image-1'))
        image['status'] = 'active'
        self.assertTrue(self.reconciler.reconcile('image-1'))
        self.assertEqual(4, len(self.stores()))
        image['visibility'] = 'private'
        self.reconciler.reconcile('image-1')
        self.assertEqual({'dcn2'}, self.stores())
        for status in ('deactivated', 'killed'):
            image['status'] = status
            self.assertTrue(self.reconciler.reconcile('image-1'))
        self.assertTrue(self.reconciler.reconcile('nothing'))

    def test_without_a_policy_nothing_is_done(self):
        self.add_image(visibility='public')
        self.policy = None
        self.assertEqual(0, self.reconciler.reconcile_all())
        self.assertTrue(self.reconciler.reconcile('image-1'))
        self.assertIsNone(self.reconciler.policy)
        self.assertEqual([], self.etcd.calls)

    def test_forbidden(self):
        self.assertTrue(self.reconciler.is_forbidden(
            {'owner': 'project-x'}, 'dcn2'))
        self.assertFalse(self.reconciler.is_forbidden(
            {'owner': 'project-x'}, 'dcn0'))

    def test_glance_and_etcd_that_are_away(self):
        self.add_image(visibility='public')
        self.api.errors = [exceptions.CopyPostponed('i', 'away')]
        self.assertRaises(exceptions.CopyPostponed,
                          self.reconciler.reconcile_all)
        self.away()
        self.assertRaises(exceptions.EtcdUnavailable,
                          self.reconciler.reconcile_all)
        self.assertEqual(4, self.reconciler.reconcile_all())
