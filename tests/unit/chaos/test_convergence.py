# SPDX-License-Identifier: Apache-2.0

import types

import fixtures
import testtools

from dcn_plugins.placement import policy_text
from tests.chaos import convergence
from tests.chaos import placement_evidence
from tests.unit.chaos import small_cloud

_MIB = 1 << 20
PICTURES = [types.SimpleNamespace(hash_value=name, data_bytes=8 * _MIB,
                                  size=16 * _MIB) for name in 'abcd']


class HastyCloud(small_cloud.SmallCloud):
    """It sends again what is there."""

    def converge(self):
        super().converge()
        self.links[self.near].sent += 8 * _MIB


class DeafCloud(small_cloud.SmallCloud):
    """It does not delete what is at the site that is away."""

    def delete(self, image_id):
        last = [what for name, what in self.broken
                if name == self.far and what in ('cut', 'heal')]
        if last[-1:] == ['cut'] and image_id in self.pools[self.far]:
            return 500
        return super().delete(image_id)


class ForgetfulCloud(small_cloud.SmallCloud):

    def converge(self):
        pass


class SceneTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            f'{placement_evidence.__name__}._EMPTY_SECONDS', 0))
        self.useFixture(fixtures.MonkeyPatch(
            f'{convergence.__name__}._FIRST_SECONDS', 0.1))
        self.useFixture(fixtures.MonkeyPatch(
            f'{convergence.__name__}.time.sleep', lambda seconds: None))

    def result(self, kind):
        result = convergence.Scene(kind(), PICTURES, 0.1).run()
        self.assertEqual([], result.failures, str(result))
        self.assertIn('dcn1 is back after', str(result))
        return {violation.rule for violation in result.violations}

    def test_clouds_that_converge(self):
        for kind in (small_cloud.SmallCloud, DeafCloud):
            self.assertEqual(set(), self.result(kind) - {'slow'}, kind)

    def test_clouds_that_do_not(self):
        self.useFixture(fixtures.MonkeyPatch(
            f'{convergence.__name__}.HEALED_SECONDS', 0.1))
        self.assertIn('sent again', self.result(HastyCloud))
        self.assertLessEqual({'stuck', 'lacking'},
                             self.result(ForgetfulCloud))


class PhaseTest(testtools.TestCase):

    def rules(self, seconds=60.0, dcn0=0, dcn1=100 * _MIB):
        phase = convergence.Phase('p', seconds, {'dcn0': dcn0, 'dcn1': dcn1},
                                  {'dcn0': 0, 'dcn1': 100 * _MIB})
        return [found.rule for found in phase.violations(120.0)]

    def test_what_is_needed_is_sent_once(self):
        self.assertEqual([], self.rules())
        self.assertEqual(['sent again'], self.rules(dcn1=120 * _MIB))
        self.assertEqual(['sent again'], self.rules(dcn0=10 * _MIB))

    def test_it_does_not_take_too_long(self):
        self.assertEqual(['slow'], self.rules(seconds=121.0))


class SampleTest(testtools.TestCase):

    def test_the_projects_of_the_scene_are_those_of_the_example(self):
        policy = policy_text.policy_of(convergence.SAMPLE.read_text())
        self.assertEqual([{convergence.RESIDENT}],
                         [set(r.projects) for r in policy.residencies])
        self.assertIn({convergence.RADIO}, [
            set(rule.projects) for rule in policy.rules if rule.projects])
