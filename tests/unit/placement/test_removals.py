# SPDX-License-Identifier: Apache-2.0
"""Removals on the fake, and answers of etcd that are lost."""

import testtools

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd_requests
from dcn_plugins.placement import removal as steps
from tests.contracts import removal_contract
from tests.fakes import etcd


class FakeTest(removal_contract.RemovalContract, testtools.TestCase):

    prefix = '/t'

    def setUp(self):
        self.client = etcd.Client()
        super().setUp()

    def renewer(self):
        return etcd.Client(self.client.store)

    def test_whatever_is_sent_twice(self):
        self.client.faults = [etcd.Repeated()]
        held = self.begin()
        self.assertEqual([held], self.removals.all())
        self.client.faults = [etcd.Repeated()]
        held = self.ask(held)
        self.assertEqual([held], self.removals.all())
        self.client.faults = [None, etcd.Repeated()]
        self.removals.gone(held)
        held = self.begin()
        self.client.faults = [etcd.Repeated()]
        self.removals.end(held)
        self.assertEqual([], self.keys())

    def test_end_whose_answer_is_lost(self):
        held = self.begin()
        self.client.faults = [exceptions.EtcdUnavailable('lost', True)]
        self.assertRaises(exceptions.EtcdUnavailable, self.removals.end, held)
        self.assertEqual([], self.keys())

    def test_job_that_others_change_all_the_time(self):
        held = self.begin(state=removal_contract.verdict.State.WANTED)
        calls = self.client.call
        count = []

        def call(path, body, seconds):
            answer = calls(path, body, seconds)
            if not body.get('compare'):
                count.append(1)
                self.client.call = calls
                self.register(priority=len(count))
                self.client.call = call
            return answer

        self.client.call = call
        error = self.assertRaises(exceptions.EtcdUnavailable,
                                  self.removals.gone, held)
        self.assertIn('20 times in a row', str(error))

    def test_what_is_none_is_not_listed(self):
        for key in ('/t/e/image-1', '/t/u/dcn0/image-1'):
            self.client.transaction({'success': [{'request_put': {
                'key': etcd_requests.encoded(key), 'value': '/w=='}}]}, 1)
        self.assertEqual([], self.removals.all())
        self.assertEqual({'image-1': None}, self.removals.notes('dcn0'))

    def test_text_of_a_later_version(self):
        held = self.begin()
        text = steps.text_of(held.removal).replace('{', '{"more": 1, ', 1)
        self.assertEqual(held.removal, steps.removal_of(text))
        for text in ('', '[]', '{}', '{"image_id": 1}', 'null'):
            self.assertIsNone(steps.removal_of(text))
