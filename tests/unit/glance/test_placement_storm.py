# SPDX-License-Identifier: Apache-2.0

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import exceptions
from tests.unit.glance import placement_storm


def weather(events):
    """Have it all happen; raises if something is not as it should be."""
    storm = placement_storm.Storm()
    storm.setUp()
    try:
        for event in events:
            try:
                storm.do(*event)
            except (exceptions.EtcdUnavailable, exceptions.CopyPostponed):
                # Of what the test itself has asked for, which is no matter.
                continue
        storm.heal()
        storm.check()
    finally:
        storm.doCleanups()


class StormTest(testtools.TestCase):

    @hypothesis.settings(max_examples=100, deadline=None)
    @hypothesis.given(strategies.lists(placement_storm.EVENTS, max_size=25))
    def test_anything(self, events):
        weather(events)


class BrokenTest(testtools.TestCase):
    """What the storm would find."""

    def check(self, path, replacement, *storms):
        for events in storms:
            weather(events)
        self.useFixture(fixtures.MonkeyPatch(path, replacement))
        found = 0
        for events in storms:
            try:
                weather(events)
            except self.failureException:
                found += 1
        self.assertGreater(found, 0)

    def test_jobs_that_nobody_ends(self):
        self.check('dcn_plugins.placement.job.done',
                   lambda job, claim: job,
                   [('create', 0, 'private', None), ('round', 0)])

    def test_policy_that_nobody_compares(self):
        self.check('dcn_plugins.glance.reconciler.Reconciler.reconcile_all',
                   lambda _self: 0,
                   [('policy', 2), ('create', 0, 'private', None),
                    *[('round', 0)] * 3, ('policy', 0)])

    def test_claims_that_nobody_knows_of(self):
        self.check('dcn_plugins.placement.job_claims.JobClaims.drop_strays',
                   lambda _self, _held: 0, *(
                       [('create', 0, 'private', None),
                        ('answer lost', number), ('round', 0)]
                       for number in range(20)))

    def test_images_that_are_there_already(self):
        self.check('dcn_plugins.glance.copy_need.names',
                   lambda text: (), [('create', 0, 'private', None)])
