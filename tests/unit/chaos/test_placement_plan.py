# SPDX-License-Identifier: Apache-2.0
"""What seeds make of image placement."""

import testtools

from dcn_plugins import exceptions
from dcn_plugins.placement import policy_text
from tests.chaos import placement_plan
from tests.lab import layout as layouts

STORES = frozenset(['central', 'archive', 'dcn0', 'dcn1'])


class PlanTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.plans = [placement_plan.plan(seed, 25.0, STORES)
                      for seed in range(1, 51)]

    def texts(self):
        for plan in self.plans:
            yield plan.policy
            yield from (step.value for step in plan.operator)

    def test_a_seed_is_one_plan(self):
        self.assertEqual(self.plans[6], placement_plan.plan(7, 25.0, STORES))
        self.assertNotEqual(self.plans[5], self.plans[6])

    def test_policies_are_good_or_broken_on_purpose(self):
        good, bad = [], []
        for text in self.texts():
            try:
                good.append(policy_text.policy_of(text))
            except exceptions.InvalidPolicy:
                bad.append(text)
        for plan in self.plans:
            policy_text.policy_of(plan.policy)
        self.assertGreater(len(bad), 5)
        self.assertGreater(len(good), 5 * len(bad) / 2)
        self.assertIn(True, [bool(policy.residencies) for policy in good])

    def test_images_are_always_allowed_where_users_put_them(self):
        for plan in self.plans:
            for residency in policy_text.policy_of(plan.policy).residencies:
                self.assertIn(layouts.CENTRAL, residency.stores.names)

    def test_all_that_can_happen_does(self):
        users = {step.verb for plan in self.plans for steps in plan.users
                 for step in steps}
        faults = {step.verb for plan in self.plans
                  for step in (*plan.faults, *plan.etcd_faults)}
        self.assertEqual({'create', 'delete', 'ask', 'show', 'copy',
                          'remove'}, users)
        self.assertEqual({'kill_api', 'cut', 'kill_member', 'kill_majority'},
                         faults)
