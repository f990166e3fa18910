# SPDX-License-Identifier: Apache-2.0

from dcn_plugins import exceptions
from dcn_plugins.glance import image_jobs
from dcn_plugins.placement import image_import
from dcn_plugins.placement import job
from tests.unit.glance import placement_case


class ImageJobsTest(placement_case.PlacementCase):

    def setUp(self):
        super().setUp()
        self.one = self.process('one')
        self.image = self.add_image(visibility='public')
        self.work = self.make(self.one)

    def make(self, process):
        return image_jobs.ImageJobs('image-1', process.claims, self.api,
                                    self.reconciler.is_forbidden)

    def take(self, *stores, work=None, process=None):
        for store in stores:
            if ('image-1', store) not in self.listed():
                self.register(store)
            (work or self.work).add((process or self.one).claims.claim(
                self.listed()['image-1', store]))

    def job(self, store):
        return self.listed()['image-1', store].job

    def test_copies_to_several_stores_are_one_request(self):
        self.take('dcn0', 'dcn1')
        self.work.advance()
        self.assertEqual([('image-1', ('dcn0', 'dcn1'))], self.api.asked)
        self.work.advance()
        self.assertEqual(1, len(self.api.asked))
        self.api.end_copy('image-1')
        self.work.advance()
        self.assertEqual({}, self.work.held)
        self.assertEqual({}, self.listed())
        self.assertEqual({}, self.jobs.claims())

    def test_store_that_is_done_does_not_wait_for_the_others(self):
        self.take('dcn0', 'dcn1')
        self.work.advance()
        self.image['stores'] = 'central,dcn0'
        self.image['os_glance_importing_to_stores'] = 'dcn1'
        self.work.advance()
        self.assertEqual({'dcn1'}, self.work.held.keys())
        self.assertEqual(1, len(self.listed()))

    def test_store_that_is_there_already(self):
        self.image['stores'] = 'central,dcn0'
        self.take('dcn0')
        self.work.advance()
        self.assertEqual(([], {}), (self.api.asked, self.listed()))

    def test_failure(self):
        self.take('dcn0', 'dcn1')
        self.work.advance()
        self.api.end_copy('image-1', ['dcn1'])
        self.work.advance()
        self.assertEqual({}, self.work.held)
        found = self.job('dcn1')
        self.assertIn('Glance has failed', found.reason)
        self.assertEqual((1005.0, 1), (found.due_at, found.tries))
        self.now += 5
        self.take('dcn1')
        self.work.advance()
        self.assertEqual(('image-1', ('dcn1',)), self.api.asked[-1])

    def test_other_import_is_made_room_for(self):
        self.image[image_import.TASK] = 'of somebody else'
        self.take('dcn0')
        self.work.advance()
        self.assertEqual([], self.api.asked)
        found = self.job('dcn0')
        self.assertEqual((1010.0, 0), (found.due_at, found.tries))
        self.assertIn('busy', found.reason)

    def test_lock_that_was_taken_just_now(self):
        self.take('dcn0')
        self.image['os_glance_importing_to_stores'] = 'dcn9'
        self.work.advance()
        self.assertEqual(('409 Conflict', 0),
                         (self.job('dcn0').reason, self.job('dcn0').tries))

    def test_new_job_waits_for_our_own_copy(self):
        self.take('dcn0')
        self.work.advance()
        self.take('dcn1')
        self.work.advance()
        self.assertEqual({'dcn0', 'dcn1'}, self.work.held.keys())
        self.api.end_copy('image-1')
        self.work.advance()
        self.assertEqual(('image-1', ('dcn1',)), self.api.asked[-1])

    def test_worker_that_died_is_gone_on_with(self):
        self.take('dcn0')
        self.work.advance()
        self.one.close()
        other = self.process('other')
        work = self.make(other)
        self.take('dcn0', work=work, process=other)
        work.advance()
        self.assertEqual(1, len(self.api.asked))
        self.assertEqual({'dcn0'}, work.held.keys())
        self.work.advance()
        self.assertEqual({}, self.work.held)
        self.api.end_copy('image-1')
        work.advance()
        self.assertEqual({}, self.listed())

    def test_worker_that_has_lost_its_lease_asks_for_nothing(self):
        self.take('dcn0')
        self.one.close()
        self.work.advance()
        self.assertEqual(([], {}), (self.api.asked, self.work.held))
        self.assertIn('is no longer ours', self.log.output)

    def test_claim_that_others_have_taken(self):
        self.take('dcn0')
        self.etcd.expire(self.work.held['dcn0'].lease_id)
        other = self.process('other')
        self.take('dcn0', work=self.make(other), process=other)
        self.work.advance()
        self.assertEqual(([], {}), (self.api.asked, self.work.held))

    def test_what_operators_stop(self):
        for stop, state in ((self.jobs.pause, job.State.PAUSED),
                            (self.jobs.cancel, job.State.CANCELLED)):
            self.take('dcn0')
            stop('image-1', 'dcn0')
            self.work.advance()
            self.assertEqual(([], {}), (self.api.asked, self.work.held))
            self.assertIs(state, self.job('dcn0').state)
            self.jobs.resume('image-1', 'dcn0')
            self.jobs.redo('image-1', 'dcn0')

    def test_deletion(self):
        self.take('dcn0')
        self.jobs.bury('image-1')
        self.work.advance()
        self.assertEqual(([], {}), (self.api.asked, self.jobs.claims()))
        del self.api.images['image-1']
        self.jobs.unbury('image-1')
        self.take('dcn0')
        self.work.advance()
        self.assertEqual(({}, {}), (self.listed(), self.jobs.claims()))

    def test_residency_that_is_new(self):
        self.take('dcn0', 'dcn2')
        self.image['owner'] = 'project-x'
        self.work.advance()
        self.assertEqual([('image-1', ('dcn0',))], self.api.asked)
        self.assertEqual({('image-1', 'dcn0')}, self.listed().keys())

    def test_glance_that_is_away(self):
        self.take('dcn0')
        self.api.errors = [exceptions.CopyPostponed('image-1', 'too slow')]
        self.work.advance()
        self.assertEqual(('too slow', 0),
                         (self.job('dcn0').reason, self.job('dcn0').tries))

    def test_refusal_is_tried_again(self):
        self.take('dcn0')
        self.api.errors = [exceptions.CopyRefused('image-1', ['dcn0'],
                                                  'no right')]
        self.work.advance()
        found = self.job('dcn0')
        self.assertEqual((job.State.WAITING, 'no right', 1),
                         (found.state, found.reason, found.tries))

    def test_image_that_is_not_active(self):
        self.take('dcn0')
        self.image['status'] = 'deactivated'
        self.work.advance()
        self.assertIn('deactivated', self.job('dcn0').reason)

    def test_etcd_that_is_away_is_made_up_for(self):
        self.take('dcn0')
        self.work.advance()
        self.api.end_copy('image-1')
        self.away()
        self.assertRaises(exceptions.EtcdUnavailable, self.work.advance)
        self.work.advance()
        self.assertEqual(({}, {}), (self.work.held, self.listed()))

    def test_give_back(self):
        self.take('dcn0', 'dcn1')
        self.work.give_back()
        self.assertEqual({}, self.jobs.claims())
        self.assertEqual({0}, {entry.job.tries
                               for entry in self.jobs.entries()})
