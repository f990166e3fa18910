# SPDX-License-Identifier: Apache-2.0

import logging
import pathlib

import fixtures
from nova import policies
from oslo_config import cfg
from oslo_policy import policy
from oslo_upgradecheck import upgradecheck
import testtools

from dcn_plugins.cmd import policy_checks
from tests import samples
from tests.unit.cmd import nova_files

LIVE, EVACUATE, FORCED_HOST = policy_checks.PASSAGES
NEW_LIVE_RULE, OLD_LIVE_RULE = LIVE.rules
# That of the release whose Nova is installed.
LIVE_RULE = next(name for name in LIVE.rules if name in {
    rule.name for rule in policies.list_rules()})


class PolicyTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.files = self.useFixture(nova_files.NovaFiles())
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))

    def checks(self, rules=None):
        if rules is not None:
            self.files.write('policy.yaml', rules)
        conf = cfg.ConfigOpts()
        conf(['--config-file', self.files.conf], project='nova')
        return policy_checks.PolicyChecks(conf)

    def assert_success(self, result, details=None):
        self.assertEqual((upgradecheck.Code.SUCCESS, details),
                         (result.code, result.details))

    def assert_warns(self, result, *texts):
        self.assertEqual(upgradecheck.Code.WARNING, result.code)
        self.assert_texts(result, texts)

    def assert_fails(self, result, *texts):
        self.assertEqual(upgradecheck.Code.FAILURE, result.code,
                         result.details)
        self.assert_texts(result, texts)

    def assert_texts(self, result, texts):
        for text in texts:
            self.assertIn(text, result.details)
        self.assertNotIn('Traceback', result.details)


class PassageTest(PolicyTestCase):

    def test_defaults_are_open_to_administrators_only(self):
        checks = self.checks()
        for passage, rule in (
                (LIVE, LIVE_RULE), (EVACUATE, 'os_compute_api:os-evacuate'),
                (FORCED_HOST, 'os_compute_api:servers:create:forced_host')):
            self.assert_warns(
                checks.passage(passage),
                f'{rule} is open to administrators. ',
                passage.harm, passage.remedy, policy_checks.SAMPLE)

    def test_closed(self):
        checks = self.checks(f'''
"{LIVE_RULE}": "role:dcn_cross_site_mover"
"os_compute_api:os-evacuate": "role:dcn_cross_site_mover"
"os_compute_api:servers:create:forced_host": "!"
''')
        for passage in policy_checks.PASSAGES:
            self.assert_success(checks.passage(passage))

    def test_sample_closes_all(self):
        checks = self.checks(samples.rules_of_release()[0])
        for _name, check in checks.all():
            self.assert_success(check())

    def test_one_rule_closes_one_passage(self):
        checks = self.checks('"os_compute_api:os-evacuate": "!"')
        self.assert_success(checks.passage(EVACUATE))
        self.assert_warns(checks.passage(LIVE))
        self.assert_warns(checks.passage(FORCED_HOST))

    def test_file_in_a_policy_directory(self):
        self.files.write('policy.d/sites.yaml',
                         '"os_compute_api:os-evacuate": "!"')
        self.assert_success(self.checks().passage(EVACUATE))
        self.assert_success(self.checks('').passage(EVACUATE))

    def test_open_to_everybody(self):
        for rule in ('"@"', '""', '[]', ''):
            self.assert_warns(
                self.checks(f'"{LIVE_RULE}": {rule}').passage(LIVE),
                'is open to administrators, managers of a project, members '
                'of a project. ')

    def test_open_to_managers(self):
        self.assert_warns(
            self.checks(f'"{LIVE_RULE}": "role:manager"').passage(LIVE),
            'is open to administrators, managers of a project. ')

    def test_open_to_the_own_project(self):
        self.assert_warns(
            self.checks(f'"{LIVE_RULE}": "project_id:%(project_id)s"'
                        ).passage(LIVE), 'members of a project')

    def test_open_through_a_reference(self):
        self.assert_warns(
            self.checks(f'"movers": "role:mover or role:admin"\n'
                        f'"{LIVE_RULE}": "rule:movers"').passage(LIVE),
            'is open to administrators. ')
        self.assert_success(
            self.checks(f'"movers": "role:mover"\n'
                        f'"{LIVE_RULE}": "rule:movers"').passage(LIVE))

    def test_open_to_the_flag_of_an_administrator(self):
        self.assert_warns(
            self.checks('"os_compute_api:os-evacuate": "is_admin:True"'
                        ).passage(EVACUATE), 'is open to administrators. ')

    def test_administrators_of_another_name(self):
        self.assert_warns(
            self.checks('"context_is_admin": "role:cloud_admin"'
                        ).passage(EVACUATE), 'is open to administrators. ')

    def test_rule_of_the_release_before_closes_named_hosts(self):
        # As Nova itself reads a file that was written for Nova 31.
        self.assert_success(
            self.checks(f'"{OLD_LIVE_RULE}": "role:mover"').passage(LIVE))

    def test_release_without_a_rule_for_named_hosts(self):
        older = [rule for rule in policies.list_rules()
                 if rule.name != NEW_LIVE_RULE]
        self.useFixture(fixtures.MockPatchObject(
            policies, 'list_rules', return_value=older))
        self.assert_warns(self.checks().passage(LIVE),
                          f'{OLD_LIVE_RULE} is open to ')
        self.assert_success(
            self.checks(f'"{OLD_LIVE_RULE}": "role:mover"').passage(LIVE))

    def test_release_that_has_renamed_the_rule(self):
        self.useFixture(fixtures.MockPatchObject(
            policies, 'list_rules', return_value=[
                rule for rule in policies.list_rules()
                if rule.name not in EVACUATE.rules]))
        self.assert_warns(
            self.checks().passage(EVACUATE),
            'skipped: this Nova does not know os_compute_api:os-evacuate')

    def test_rule_that_refers_to_itself(self):
        result = self.checks(
            f'"{LIVE_RULE}": "rule:{LIVE_RULE}"').passage(LIVE)
        self.assert_warns(result, f'skipped: {LIVE_RULE} cannot be evaluated')


class CrossSiteMoveTest(PolicyTestCase):

    def test_default(self):
        self.assert_success(self.checks().cross_site_move())

    def test_administrators_may(self):
        self.assert_success(self.checks('"dcn:cross_site_move": "role:admin"'
                                        ).cross_site_move())

    def test_members_may(self):
        self.assert_warns(
            self.checks('"dcn:cross_site_move": "role:member"'
                        ).cross_site_move(),
            'dcn:cross_site_move is open to managers of a project, members '
            'of a project. ')


class FilesTest(PolicyTestCase):

    def assert_unusable(self, checks, text):
        self.assert_fails(checks.files(), text)
        for name, check in checks.all()[1:]:
            self.assert_warns(check(), 'skipped: ', text)
        self.assertNotIn('Traceback', self.log.output)

    def test_no_file(self):
        self.assert_success(
            self.checks().files(),
            'policy.yaml does not exist or is empty: the defaults hold.')

    def test_empty_file(self):
        self.assert_success(
            self.checks('# nothing\n').files(),
            'policy.yaml does not exist or is empty: the defaults hold.')

    def test_good_file(self):
        self.assert_success(self.checks(
            '"movers": "role:mover"\n'
            '"os_compute_api:os-evacuate": "rule:movers"').files())

    def test_own_rule_is_known(self):
        self.assert_success(
            self.checks('"dcn:cross_site_move": "role:mover"').files())

    def test_former_name_has_an_effect(self):
        evacuate, = EVACUATE.rules
        renamed = policy.RuleDefault(
            'os_compute_api:os-evacuation', 'rule:context_is_admin',
            deprecated_rule=policy.DeprecatedRule(
                evacuate, 'rule:context_is_admin', deprecated_reason='Name',
                deprecated_since='99'))
        self.useFixture(fixtures.MockPatchObject(
            policies, 'list_rules', return_value=[renamed, *(
                rule for rule in policies.list_rules()
                if rule.name != evacuate)]))
        self.assert_success(self.checks(f'"{evacuate}": "!"').files())

    def test_no_yaml(self):
        self.assert_unusable(self.checks('"a": "b'),
                             '(policy.yaml) cannot be read: ')

    def test_no_mapping(self):
        self.assert_unusable(self.checks('- a\n- b\n'),
                             '(policy.yaml) cannot be read: ')

    def test_number_in_place_of_a_rule(self):
        self.assert_unusable(self.checks('"os_compute_api:os-evacuate": 7'),
                             '(policy.yaml) cannot be read: ')

    def test_binary(self):
        path = self.files.write('policy.yaml', '')
        pathlib.Path(path).write_bytes(b'\xff\xfe\x00')
        self.assert_unusable(self.checks(), '(policy.yaml) cannot be read: ')

    def test_directory(self):
        self.files.write('policy.yaml/file', '')
        self.assert_unusable(self.checks(), '(policy.yaml) cannot be read: ')

    def test_rule_that_is_none(self):
        for rule in ('nobody', 'role:a and nobody', 'role:a role:b'):
            self.assert_fails(
                self.checks(f'"os_compute_api:os-evacuate": "{rule}"'
                            ).files(),
                'says of os_compute_api:os-evacuate is no rule')

    def test_nobody_is_a_rule(self):
        for rule in ('!', 'role:a and !', 'not @'):
            self.assert_success(self.checks(
                f'"os_compute_api:os-evacuate": "{rule}"').files())

    def test_reference_to_nothing(self):
        self.assert_fails(
            self.checks('"os_compute_api:os-evacuate": "rule:movrs"'
                        ).files(), 'os_compute_api:os-evacuate')

    def test_circle(self):
        self.assert_fails(
            self.checks('"a": "rule:b"\n"b": "rule:a"').files(), "'a'")

    def test_unknown_rule(self):
        self.assert_warns(
            self.checks('"os_compute_api:os-evacuat": "!"\n'
                        '"dcn:cross_site_moves": "!"').files(),
            'does not know dcn:cross_site_moves, os_compute_api:os-evacuat,')
