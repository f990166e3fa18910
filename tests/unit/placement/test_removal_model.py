# SPDX-License-Identifier: Apache-2.0

import fixtures
import testtools

from dcn_plugins.locking import etcd_requests
from tests.unit.placement import removal_model


class RemovalModelTest(testtools.TestCase):
    """Each order of what can happen, within a budget."""

    def check(self, least, **budget):
        self.assertGreater(
            removal_model.explore(removal_model.begin(**budget)), least)

    def test_three_stores(self):
        self.check(70, removals=3)

    def test_two_stores_only(self):
        self.check(20, stores='ab', removals=3)

    def test_deaths(self):
        self.check(600, removals=3, deaths=2)

    def test_lost_answers_of_etcd(self):
        self.check(200, removals=3, losses=1)

    def test_silence_of_glance(self):
        self.check(600, removals=3, silences=1, deaths=1)

    def test_worker_that_is_taken_for_dead(self):
        self.check(800, removals=3, mistakes=1, silences=1)

    def test_a_bit_of_all(self):
        self.check(2000, removals=2, mistakes=1, silences=1, deaths=1,
                   losses=1)

    def test_operators(self):
        self.check(100, requests=2)
        self.check(500, requests=2, removals=1, deaths=1)
        self.check(500, requests=1, removals=1, silences=1, mistakes=1)

    def test_operator_whose_worker_gets_no_answer_of_etcd(self):
        self.check(200, stores='ab', requests=1, removals=1, losses=1,
                   deaths=1)

    def test_copy_that_comes_meanwhile(self):
        self.check(300, stores='abcd', target='d', removals=2, copies=1,
                   silences=1)

    def test_copy_that_comes_where_one_leaves(self):
        self.check(3000, target='c', removals=2, copies=2, silences=1,
                   deaths=1)


class BrokenTest(testtools.TestCase):
    """The model finds what it is there to find."""

    def check(self, text, path, replacement, **budget):
        self.useFixture(fixtures.MonkeyPatch(path, replacement))
        error = self.assertRaises(
            removal_model.Violation, removal_model.explore,
            removal_model.begin(**budget))
        self.assertRegex(str(error), text)

    def test_two_removals_of_an_image(self):
        def begin(requests, removal):
            return etcd_requests.transaction([], [etcd_requests.put(
                removal_model.KEY, removal_model.steps.text_of(removal))])

        self.check('the last copy is gone', 'dcn_plugins.placement.'
                   'removal_requests.Requests.begin', begin, stores='ab',
                   removals=2, mistakes=1)

    def test_removal_that_is_given_up_while_glance_is_at_work(self):
        self.check('the last copy is gone', 'tests.unit.placement.'
                   'removal_model.World.is_quiet', lambda world: True,
                   removals=3, silences=1)

    def test_removal_that_ends_with_its_worker(self):
        def asked(removal, now):
            return removal

        # As a key that hangs on a lease: nobody knows that Glance was asked.
        self.check('the last copy is gone',
                   'dcn_plugins.placement.removal.asked', asked, removals=3,
                   deaths=1)

    def test_worker_that_was_taken_for_dead_and_goes_on(self):
        def change(requests, removal, revision, changed):
            return etcd_requests.transaction([], [etcd_requests.put(
                removal_model.KEY, removal_model.steps.text_of(changed))])

        self.check('the last copy is gone', 'dcn_plugins.placement.'
                   'removal_requests.Requests.change', change, removals=3,
                   mistakes=1)

    def test_request_that_is_carried_out_twice(self):
        def is_open(removal, now):
            return removal.is_requested

        self.check('the last copy is gone|lists what is not there',
                   'dcn_plugins.placement.removal.is_open', is_open,
                   requests=1, removals=1, silences=1)

    def test_copies_that_come_while_one_leaves(self):
        def claim(requests, found, job, claim_id, lease_id):
            key = requests.claim_key(job.image_id, job.store)
            return etcd_requests.transaction(
                [etcd_requests.is_absent(key)],
                [etcd_requests.put(key, claim_id)])

        self.check('forgets a copy', 'dcn_plugins.placement.job_requests.'
                   'Requests.claim', claim, stores='abcd', target='d',
                   removals=1, copies=1)

    def test_removal_while_a_copy_is_in_hand(self):
        def begin(requests, removal):
            return etcd_requests.transaction(
                [etcd_requests.is_absent(removal_model.KEY)],
                [etcd_requests.put(removal_model.KEY,
                                   removal_model.steps.text_of(removal))],
                [etcd_requests.read(removal_model.KEY)])

        self.check('forgets a copy', 'dcn_plugins.placement.'
                   'removal_requests.Requests.begin', begin, stores='abcd',
                   target='d', removals=1, copies=1)

    def test_removal_that_nobody_finishes(self):
        self.check('stays for ever', 'tests.unit.placement.removal_model.'
                   'taking', lambda *_arguments: iter(()), removals=1,
                   deaths=1)
