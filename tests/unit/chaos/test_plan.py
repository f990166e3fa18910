# SPDX-License-Identifier: Apache-2.0

import random

import testtools

from tests.chaos import nemesis
from tests.chaos import plan

SECONDS = 20.0
TTL_SECONDS = 3


def made(seed=1, **more):
    return plan.plan(random.Random(seed), SECONDS, TTL_SECONDS, **more)


class PlanTest(testtools.TestCase):

    def test_one_seed_makes_one_plan(self):
        self.assertEqual(made(5), made(5))
        self.assertNotEqual(made(5), made(6))

    def test_steps_follow_each_other(self):
        for seed in range(50):
            for steps in made(seed):
                ends = [step.at + step.seconds for step in steps]
                for end, following in zip(ends, steps[1:]):
                    self.assertLess(end, following.at)
                self.assertLess(steps[-1].at, SECONDS)

    def test_all_verbs_come(self):
        verbs = {step.verb for seed in range(200)
                 for steps in made(seed, verbs=plan.SERVICE_VERBS)
                 for step in steps}
        self.assertEqual(set(plan.SERVICE_VERBS), verbs)

    def test_only_what_is_allowed(self):
        for steps in made(verbs=('pause', 'osd_pause')):
            self.assertEqual(1, len({step.verb for step in steps}))
        self.assertEqual([[], []], made(verbs=()))

    def test_a_part_that_only_a_forgotten_fence_shows(self):
        self.assertEqual((plan.FORGIVE,), plan.verbs_of('deadline', 3))
        self.assertEqual((plan.FORGIVE,), plan.verbs_of('ours', 10))
        self.assertEqual(plan.VERBS, plan.verbs_of('ours', 3))

    def test_what_is_to_cost_a_lease_lasts_longer_than_it(self):
        for seed in range(50):
            for step in made(seed, verbs=('pause',))[0]:
                self.assertGreater(step.seconds, TTL_SECONDS)

    def test_nemesis_knows_all_verbs(self):
        for verb in (*plan.VERBS, plan.FORGIVE):
            self.assertTrue(callable(getattr(nemesis.Nemesis, f'_{verb}')))
