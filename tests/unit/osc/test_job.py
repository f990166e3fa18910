# SPDX-License-Identifier: Apache-2.0
"""Jobs of copies, as operators see and change them."""

import time
import uuid

from dcn_plugins import exceptions
from dcn_plugins.osc import job
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import job_claims
from tests.unit.osc import pane_case


class JobTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.settings['jobs_url'] = f'dcn-etcd3+http://{self.etcd}'
        self.jobs = self.client().jobs
        self.image = self.cloud.add_image('one', ['central'])['id']

    def register(self, store='dcn0', **values):
        now = time.time()
        self.jobs.register(steps.Job(self.image, store, now - 600, now + 30,
                                     **values))

    def claim(self):
        """Let a worker have claimed the only job."""
        client = self.cloud.etcds['all']

        class Session:

            def lease(self, _seconds):
                return type('Lease', (), {'id': client.store.grant()})

        entry, = self.jobs.entries()
        client.call('/kv/txn', job_claims.JobClaims(
            client, Session(), '/dcn/placement', 'worker')._requests.claim(
                entry.found, entry.job, 'worker x', client.store.grant()), 1)

    def test_the_list_is_in_the_order_of_their_turn(self):
        self.register('dcn0')
        self.register('dcn1', priority=5, reason='no route')
        first, second = self.table(job.ListJobs)
        self.assertEqual(('dcn1', 5, 'no route'), (
            first['Store'], first['Priority'], first['Reason']))
        self.assertEqual('dcn0', second['Store'])
        self.assertGreaterEqual(second['Age'].machine_readable(), 600)
        self.assertLessEqual(second['Due in'].machine_readable(), 30)

    def test_filters(self):
        self.register('dcn0')
        self.register('dcn1')
        self.table(job.PauseJob, self.image, 'dcn1')
        for words, stores in ((('--store', 'dcn0'), ['dcn0']),
                              (('--state', 'paused'), ['dcn1']),
                              (('--state', 'copying'), []),
                              (('--image', 'one'), ['dcn0', 'dcn1']),
                              (('--image', str(uuid.uuid4())), [])):
            self.assertEqual(stores, [
                row['Store'] for row in self.table(job.ListJobs, *words)])

    def test_one_that_is_under_way(self):
        self.register()
        self.claim()
        row, = self.table(job.ListJobs)
        self.assertEqual('copying', row['State'])
        self.assertIsNone(row['Due in'].machine_readable())
        self.assertEqual('worker x', self.shown(
            job.ShowJob, 'one', 'dcn0')['claimed_by'])

    def test_each_step(self):
        self.register()
        for command, state in ((job.PauseJob, 'paused'),
                               (job.PauseJob, 'paused'),
                               (job.ResumeJob, 'waiting'),
                               (job.CancelJob, 'cancelled'),
                               (job.RetryJob, 'waiting')):
            row, = self.table(command, 'one', 'dcn0')
            self.assertEqual(state, row['State'])
            self.assertEqual(state, self.shown(
                job.ShowJob, 'one', 'dcn0')['state'])

    def test_steps_that_lead_nowhere(self):
        self.register()
        self.table(job.CancelJob, 'one', 'dcn0')
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   job.PauseJob, 'one', 'dcn0')
        self.assertIn('is cancelled. Begin it anew with "openstack dcn job '
                      'retry"', str(caught))
        self.table(job.RetryJob, 'one', 'dcn0')
        self.table(job.PauseJob, 'one', 'dcn0')
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   job.RetryJob, 'one', 'dcn0')
        self.assertIn('openstack dcn job resume', str(caught))

    def test_one_of_two_is_missing(self):
        self.register()
        caught = self.assertRaises(exceptions.NotDone, self.table,
                                   job.PauseJob, 'one', 'dcn0', 'dcn1')
        self.assertIn(f'no job of image {self.image} to dcn1', str(caught))
        self.assertNotIn('dcn0', str(caught))
        self.assertEqual('paused', self.shown(
            job.ShowJob, 'one', 'dcn0')['state'])

    def test_an_etcd_that_is_away(self):
        self.settings['jobs_url'] = 'dcn-etcd3+http://127.0.0.1:1'
        caught = self.assertRaises(exceptions.ServiceError, self.table,
                                   job.ListJobs)
        self.assertIn('the etcd of the jobs', str(caught))
        self.assertIn('See jobs_url', str(caught))
