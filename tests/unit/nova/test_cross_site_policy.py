# SPDX-License-Identifier: Apache-2.0

import os
import threading

import fixtures
from oslo_policy import policy

from dcn_plugins.nova import cross_site_policy
from tests.unit.nova import records

MOVER = 'dcn_cross_site_mover'

ENFORCER = policy.Enforcer


class CrossSitePolicyTest(records.NovaTestCase):

    def setUp(self):
        super().setUp()
        self.path = self.policy_file()

    def may_cross(self, *roles):
        return cross_site_policy.may_cross(self.context(roles))

    def write(self, text):
        self.path.write_text(text)
        # The file is read again when it has become newer.
        self.ticks = getattr(self, 'ticks', 1000) + 10
        os.utime(self.path, (self.ticks, self.ticks))

    def test_role_that_nobody_has_until_it_is_made(self):
        """A scheduler often has no policy file."""
        self.assertFalse(self.may_cross())
        self.assertFalse(self.may_cross('member', 'reader', 'manager'))
        self.assertFalse(self.may_cross('admin'))
        self.assertTrue(self.may_cross(MOVER))
        self.assertTrue(self.may_cross('member', MOVER))

    def test_rule_of_a_file(self):
        self.write('"dcn:cross_site_move": "role:manager"\n')
        self.assertTrue(self.may_cross('manager'))
        self.assertFalse(self.may_cross(MOVER))

    def test_rule_may_refer_to_rules_of_nova(self):
        self.write('"dcn:cross_site_move": "rule:admin_api or role:x"\n')
        self.assertTrue(self.may_cross('x'))
        self.assertFalse(self.may_cross('y'))
        context = self.context(['admin'])
        context.is_admin = True
        self.assertTrue(cross_site_policy.may_cross(context))

    def test_rule_may_look_at_the_project(self):
        self.write('"dcn:cross_site_move": "project_id:%(project_id)s"\n')
        self.assertTrue(self.may_cross('member'))

    def test_file_that_changes_is_read_again(self):
        self.write('"dcn:cross_site_move": "!"\n')
        self.assertFalse(self.may_cross(MOVER))
        self.write('"dcn:cross_site_move": "role:manager"\n')
        self.assertTrue(self.may_cross('manager'))
        self.assertFalse(self.may_cross(MOVER))

    def test_file_that_cannot_be_read_gives_no_right(self):
        self.write('"dcn:cross_site_move": [\n')
        self.assertRaises(ValueError, self.may_cross, 'x')

    def test_context_may_come_from_anybody(self):
        context = self.context()
        context.project_id = context.user_id = None
        self.assertFalse(cross_site_policy.may_cross(context))

    def test_one_enforcer_serves_all_threads(self):
        made = []
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.nova.cross_site_policy.policy.Enforcer',
            lambda conf: made.append(conf) or ENFORCER(conf)))
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            self.may_cross(MOVER))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([True] * 16, answers)
        self.assertEqual(1, len(made))

    def test_rules_are_documented_for_the_sample(self):
        rule, = cross_site_policy.list_rules()
        self.assertEqual('dcn:cross_site_move', rule.name)
        self.assertEqual(f'role:{MOVER}', rule.check_str)
        self.assertIn('names its destination', rule.description)
        self.assertEqual('POST', rule.operations[0]['method'])
