# SPDX-License-Identifier: Apache-2.0

import fixtures
from oslo_config import cfg
import webob

from dcn_plugins.conf import placement
from dcn_plugins.glance import copy_join
from dcn_plugins.glance import placement_jobs
from dcn_plugins.glance import store_request
from dcn_plugins.placement import job
from tests.unit.glance import placement_case

IMAGE = {'id': 'image-1', 'status': 'active', 'disk_format': 'raw',
         'container_format': 'bare', 'stores': 'central'}


class PossibleTest(placement_case.testtools.TestCase):

    def is_possible(self, *targets, doing='copy-image', stores=('dcn0',),
                    **image):
        return copy_join.is_possible(
            store_request.StoreRequest('image-1', doing, stores),
            {**IMAGE, **image}, targets or ('dcn0',))

    def test_copy_of_an_image_that_can_be_copied(self):
        self.assertTrue(self.is_possible())
        self.assertTrue(self.is_possible('a', 'b', stores=('a', 'b')))
        self.assertTrue(self.is_possible('central', stores=None))

    def test_what_glance_refuses_before_it_knows_who_asks(self):
        for image in ({'status': 'queued'}, {'disk_format': None},
                      {'container_format': None}):
            self.assertFalse(self.is_possible(**image), image)

    def test_stores_that_are_none(self):
        self.assertFalse(self.is_possible('dcn0', stores=('dcn0', 'x')))
        self.assertFalse(copy_join.is_possible(
            store_request.StoreRequest('i', 'copy-image', ()), IMAGE, ()))

    def test_other_requests(self):
        for doing in ('import', 'upload'):
            self.assertFalse(self.is_possible(doing=doing))


class JoinTest(placement_case.PlacementCase):

    def setUp(self):
        super().setUp()
        self.one = self.process('one')
        self.found = self.one
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.placement_jobs.of', lambda conf: self.found))
        self.register('dcn0')
        self.held = self.one.claims.claim(self.listed()['image-1', 'dcn0'])
        self.status = 409

    def ask(self, *stores):
        answer = copy_join.answer(
            webob.Request.blank('/'),
            lambda environ, start: webob.Response(
                'of Glance', self.status)(environ, start),
            None, IMAGE, stores)
        return answer.status_int

    def test_copy_of_ours_is_joined(self):
        self.assertEqual(202, self.ask('dcn1', 'dcn2'))
        found = self.listed()['image-1', 'dcn1'].job
        self.assertEqual((1000, True), (found.priority, found.is_asked))
        # It goes before all that a policy can say.
        self.register('dcn10', priority=100)
        self.assertEqual(['dcn1', 'dcn2', 'dcn10', 'dcn0'], [
            entry.job.store for entry in self.jobs.entries()])

    def test_copy_that_is_under_way_goes_first(self):
        self.assertEqual(202, self.ask('dcn0'))
        self.assertEqual(1000, self.listed()['image-1', 'dcn0'].job.priority)

    def test_what_was_stopped_is_done_for_whoever_asks(self):
        for stop in (self.jobs.pause, self.jobs.cancel):
            self.register('dcn1')
            stop('image-1', 'dcn1')
            self.assertEqual(202, self.ask('dcn1'))
            self.assertIs(job.State.WAITING,
                          self.listed()['image-1', 'dcn1'].job.state)

    def test_other_answers_are_glances(self):
        for status in (202, 400, 403, 404, 500):
            self.status = status
            self.assertEqual(status, self.ask('dcn1'))
        self.assertEqual(1, len(self.listed()))

    def test_copy_of_somebody_else(self):
        self.one.claims.postponed(self.held, '', 0)
        self.assertEqual(409, self.ask('dcn1'))
        self.assertEqual(1, len(self.listed()))

    def test_store_that_has_it(self):
        # Glance will say so as soon as it is asked again.
        self.assertEqual(409, self.ask('central', 'dcn1'))

    def test_image_that_was_deleted(self):
        self.jobs.bury('image-1')
        self.assertEqual(409, self.ask('dcn1'))

    def test_without_jobs(self):
        self.found = None
        self.assertEqual(409, self.ask('dcn1'))

    def test_etcd_that_is_away(self):
        self.away()
        self.assertEqual(409, self.ask('dcn1'))
        self.assertIn('WARNING Image image-1 is not copied to dcn1',
                      self.log.output)


class PlacementJobsTest(placement_case.testtools.TestCase):

    def test_of(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.placement_jobs._shared', {}))
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        placement.register_opts(conf)
        self.assertIsNone(placement_jobs.of(conf))
        conf.set_override('placement_jobs_url', 'dcn-etcd3+http://192.0.2.1',
                          'dcn')
        self.assertIsNone(placement_jobs.of(conf))
        conf.set_override('placement_policy_file', '/p', 'dcn')
        found = placement_jobs.of(conf)
        self.addCleanup(found.close)
        self.assertIs(found, placement_jobs.of(conf))
        self.useFixture(fixtures.MonkeyPatch('os.getpid', lambda: 0))
        self.assertIsNot(found, placement_jobs.of(conf))
