# SPDX-License-Identifier: Apache-2.0
"""Jobs on the fake, and answers of etcd that are lost."""

import testtools

from dcn_plugins import exceptions
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import job_claims
from dcn_plugins.placement import numbers
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

    def test_numbers_whose_answer_is_lost_are_added_once(self):
        found = numbers.Numbers(self.client, self.prefix)
        found.count('dcn0', copies=1)
        for before, is_sent in ((0, True), (1, False)):
            self.client.faults = [None] * (1 + before) + [
                exceptions.EtcdUnavailable('lost', is_sent)]
            self.assertRaises(exceptions.EtcdUnavailable, found.flush)
            found.count('dcn0', copies=1)
        found.flush()
        found.flush()
        self.assertEqual(3, found.tallies()['dcn0'].copies)
        self.client.faults = [None, etcd.Repeated()]
        found.count('dcn0', failures=1)
        found.flush()
        self.assertEqual((3, 1), (found.tallies()['dcn0'].copies,
                                  found.tallies()['dcn0'].failures))

    def test_progress_while_etcd_is_away(self):
        self.register()
        self.one.claim(self.entry())
        self.lost(is_sent=False)
        self.assertRaises(exceptions.EtcdUnavailable, self.report)
        self.assertEqual(1, self.report())

    def test_claim_with_what_nobody_can_read(self):
        self.register()
        held = self.one.claim(self.entry())
        key = job_contract.job_requests.Requests(self.prefix).claim_key(
            'image-1', 'dcn0')
        for told in ('', '{', '[]', '{"at": "NaN"}', 'null', '1\n2',
                     '{"at": 1e999, "step": "x", "done_bytes": 1,'
                     ' "total_bytes": 1, "bytes_per_second": 1}'):
            self.client.store.transaction({'success': [
                job_contract.job_requests.requests.put_again(
                    key, f'{held.claim.id}\n{told}')]})
            found = self.entry().claim
            self.assertEqual((held.claim, None), (found, found.progress))
        self.assertEqual(0, self.one.drop_strays([held]))

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
