# SPDX-License-Identifier: Apache-2.0

import fixtures
import testtools

from dcn_plugins.locking import etcd_requests
from tests.unit.placement import job_model


class JobModelTest(testtools.TestCase):
    """Each order of what can happen, within a budget."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.job.MOST_TRIES', 2))

    def check(self, least, **budget):
        self.assertGreater(job_model.explore(job_model.begin(**budget)),
                           least)

    def test_operations(self):
        self.check(300, operations=3, claims=2)

    def test_lost_answers(self):
        self.check(600, operations=2, claims=2, losses=1)

    def test_late_messages(self):
        self.check(200, operations=1, claims=2, delays=1, losses=1)

    def test_deaths(self):
        self.check(800, operations=2, claims=2, deaths=1)

    def test_deletions(self):
        self.check(200, operations=2, claims=1, deletions=1, delays=1)

    def test_deaths_and_lost_answers(self):
        self.check(400, operations=1, claims=2, deaths=1, losses=1)

    def test_reports_that_come_late(self):
        self.check(100, operations=1, claims=1, delays=1, deaths=1,
                   reports=1)


class BrokenTest(testtools.TestCase):
    """The model finds what it is there to find."""

    def check(self, text, path, replacement, **budget):
        self.useFixture(fixtures.MonkeyPatch(path, replacement))
        error = self.assertRaises(
            job_model.Violation, job_model.explore, job_model.begin(**budget))
        self.assertIn(text, str(error))

    def test_settling_by_anybody(self):
        def settle(image_id, store, found, claim, job):
            return etcd_requests.transaction(
                [], [etcd_requests.delete(job_model.CLAIM),
                     job_model.REQUESTS._write(image_id, store, job)],
                job_model.REQUESTS._reads(image_id, store))

        self.check('deleted image', 'tests.unit.placement.job_model.REQUESTS.'
                   'settle', settle, operations=1, claims=1, deletions=1,
                   delays=1)

    def test_claiming_what_has_changed(self):
        def claim(found, job, claim_id, lease_id):
            return etcd_requests.transaction(
                [], [etcd_requests.put(job_model.CLAIM, claim_id, lease_id),
                     job_model.REQUESTS._write('i', 's', job)],
                job_model.REQUESTS._reads('i', 's'))

        self.check('claimed', 'tests.unit.placement.job_model.REQUESTS.claim',
                   claim, operations=2, claims=1, delays=1)

    def test_report_into_whatever_claim(self):
        def report(image_id, store, claim, progress):
            return etcd_requests.transaction(
                [], [etcd_requests.put(job_model.CLAIM, claim.id)])

        self.check('nobody can do anything',
                   'tests.unit.placement.job_model.REQUESTS.report', report,
                   operations=1, claims=1, deaths=1, reports=1)

    def test_done_by_whoever(self):
        self.check('nothing was copied', 'dcn_plugins.placement.job.failed',
                   lambda *_arguments: None, operations=1, claims=1)

    def test_pause_without_end(self):
        self.check('nobody can do anything',
                   'dcn_plugins.placement.job.resumed', lambda job, now: job,
                   operations=2, claims=1)

    def test_registering_what_was_deleted(self):
        def change(image_id, store, found, job):
            return etcd_requests.transaction(
                [], [job_model.REQUESTS._write(image_id, store, job)],
                job_model.REQUESTS._reads(image_id, store))

        self.check('deleted image', 'tests.unit.placement.job_model.REQUESTS.'
                   'change', change, operations=2, claims=1, deletions=1)
