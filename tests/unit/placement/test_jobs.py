# SPDX-License-Identifier: Apache-2.0
"""Jobs on the fake, and answers of etcd that are lost."""

import testtools

from dcn_plugins import exceptions
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import job_claims
from tests.contracts import job_contract
from tests.fakes import etcd


class FakeTest(job_contract.JobContract, testtools.TestCase):

    prefix = '/t'

    def setUp(self):
        self.client = etcd.Client()
        super().setUp()

    def renewer(self):
        return etcd.Client(self.client.store)

    def lost(self, is_sent=True):
        self.client.faults = [exceptions.EtcdUnavailable('lost', is_sent)]

    def test_claim_whose_answer_is_lost_is_given_up(self):
        self.register()
        entry = self.entry()
        self.sessions[0].lease(5)
        self.lost()
        self.assertRaises(exceptions.EtcdUnavailable, self.one.claim, entry)
        self.assertIsNotNone(self.entry().claim)
        self.assertEqual(1, self.one.drop_strays([]))
        self.assertIsNotNone(self.other.claim(self.entry()))

    def test_claim_that_is_sent_twice(self):
        self.register()
        entry = self.entry()
        self.sessions[0].lease(5)
        self.client.faults = [etcd.Repeated()]
        held = self.one.claim(entry)
        self.assertEqual(self.entry().claim, held.claim)
        self.one.done(held)

    def test_end_that_is_sent_twice(self):
        for end in (self.one.done, lambda held: self.one.failed(held, 'x')):
            self.register()
            held = self.one.claim(self.entry())
            self.client.faults = [None, etcd.Repeated()]
            end(held)
            self.assertEqual({}, self.jobs.claims())

    def test_end_whose_answer_is_lost_may_be_asked_for_again(self):
        self.register()
        held = self.one.claim(self.entry())
        self.client.faults = [None, exceptions.EtcdUnavailable('lost', False)]
        self.assertRaises(exceptions.EtcdUnavailable, self.one.done, held)
        self.one.done(held)
        self.assertEqual([], self.keys())

    def test_registration_that_is_sent_twice(self):
        self.client.faults = [None, etcd.Repeated()]
        self.assertIsNotNone(self.register())
        self.assertEqual(1, len(self.jobs.entries()))

    def test_job_whose_workers_keep_dying(self):
        self.register()
        self.client.store.transaction({'success': [{'request_put': {
            'key': job_contract.job_requests.requests.encoded(
                '/t/j/image-1/dcn0'),
            'value': job_contract.job_requests.requests.encoded(
                steps.text_of(steps.Job('image-1', 'dcn0', 0.0, 0.0,
                                        tries=steps.MOST_TRIES)))}}]})
        self.assertIsNone(self.one.claim(self.entry()))
        self.assertIs(steps.State.FAILED, self.entry().job.state)
        self.assertIsNone(self.entry().claim)

    def test_job_that_others_change_all_the_time(self):
        self.register()
        held = self.one.claim(self.entry())
        calls = self.client.call

        def call(path, body, seconds):
            answer = calls(path, body, seconds)
            if not body.get('compare'):
                priority = len(self.client.calls)
                calls('/kv/txn', {'success': [{'request_put': {
                    'key': job_contract.job_requests.requests.encoded(
                        '/t/j/image-1/dcn0'),
                    'value': job_contract.job_requests.requests.encoded(
                        steps.text_of(steps.prioritised(
                            held.job, priority)))}}]}, seconds)
            return answer

        self.client.call = call
        error = self.assertRaises(exceptions.EtcdUnavailable, self.one.done,
                                  held)
        self.assertIn('20 times in a row', str(error))
        self.assertIsInstance(held, job_claims.Held)
