# SPDX-License-Identifier: Apache-2.0

import importlib

import fixtures
from nova import exception
import testtools


class ExtraSpecsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        # Nova's API is imported here, and up to 2025.1 that turns threads
        # into eventlet's, for all other tests of the process as well.
        self.useFixture(fixtures.EnvironmentVariable(
            'OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true'))
        module = importlib.import_module('dcn_plugins.nova.extra_specs')
        self.validators = {validator.name: validator
                           for validator in module.register()}

    def assert_values(self, name, good, bad):
        validator = self.validators[f'dcn:{name}']
        for value in good:
            validator.validate(f'dcn:{name}', value)
        for value in bad:
            self.assertRaises(exception.ValidationError, validator.validate,
                              f'dcn:{name}', value)

    def test_names(self):
        self.assertEqual({'dcn:site', 'dcn:image_locality',
                          'dcn:volume_locality'}, self.validators.keys())
        for validator in self.validators.values():
            self.assertTrue(validator.description)
            self.assertFalse(validator.deprecated)

    def test_sites(self):
        self.assert_values(
            'site',
            good=['dcn1', 'dcn1,dcn2', 'Edge-7.north_2', '7', 'group:gpu',
                  'group:gpu,dcn1', 'dcn1,group:gpu,group:far'],
            bad=['', ' ', 'dcn 1;', 'dcn1;', 'dcn1,', ',dcn1', 'dcn1,,dcn2',
                 'dcn1\n', '-dcn1', 'group:', 'groups:gpu', 'group:a:b',
                 'dcn1, dcn2', 'dcn1/..'])

    def test_localities(self):
        for name in ('image_locality', 'volume_locality'):
            self.assert_values(
                name, good=['ignore', 'prefer', 'require'],
                bad=['', 'maybe', 'Require', 'prefer ', 'true'])

    def test_other_names_do_not_match(self):
        for name in ('dcn:sites', 'dcn:sit', 'dcn1:site', 'site'):
            self.assertRaises(exception.ValidationError,
                              self.validators['dcn:site'].validate, name,
                              'dcn1')
