# SPDX-License-Identifier: Apache-2.0

import os

import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins.conf import unknown_options


class UnknownOptionsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.log = self.useFixture(fixtures.FakeLogger())

    def write(self, text, name='service.conf'):
        path = os.path.join(self.directory, name)
        with open(path, 'w') as file:
            file.write(text)
        return path

    def make_conf(self, text):
        conf = cfg.ConfigOpts()
        conf.register_opts([cfg.StrOpt('move_policy'), cfg.IntOpt('depth')],
                           group='dcn')
        conf(['--config-file', self.write(text)])
        return conf

    def test_nearest_known_option_is_named(self):
        path = self.write('[dcn]\nmove_polcy = off\n')
        self.assertEqual(
            [(path, 'move_polcy', 'move_policy')],
            unknown_options.find([path], 'dcn', {'move_policy', 'depth'}))

    def test_nothing_near_is_none(self):
        path = self.write('[dcn]\nzzz = 1\n')
        self.assertEqual([(path, 'zzz', None)],
                         unknown_options.find([path], 'dcn', {'depth'}))

    def test_dashes_are_underscores(self):
        path = self.write('[dcn]\nmove-policy = off\n')
        self.assertEqual(
            [], unknown_options.find([path], 'dcn', {'move_policy'}))

    def test_other_groups_are_left_alone(self):
        path = self.write('[DEFAULT]\nzzz = 1\n[other]\nzzz = 1\n')
        self.assertEqual([], unknown_options.find([path], 'dcn', {'depth'}))

    def test_missing_and_broken_files_are_passed_over(self):
        broken = self.write('no section = 1\n  [\n', 'broken.conf')
        good = self.write('[dcn]\nzzz = 1\n', 'good.conf')
        found = unknown_options.find(
            [broken, self.directory + '/none', good], 'dcn', {'depth'})
        self.assertEqual([(good, 'zzz', None)], found)

    def test_configuration_directories_are_read(self):
        self.write('[dcn]\nzzz = 1\n', '10-extra.conf')
        self.write('[dcn]\nyyy = 1\n', 'README')
        conf = cfg.ConfigOpts()
        conf(['--config-dir', self.directory])
        self.assertEqual([os.path.join(self.directory, '10-extra.conf')],
                         unknown_options.config_files(conf))

    def test_warning_names_file_option_and_nearest(self):
        conf = self.make_conf('[dcn]\nmove_polcy = off\n')
        unknown_options.warn(conf, 'dcn')
        self.assertIn('service.conf: [dcn] move_polcy is not an option',
                      self.log.output)
        self.assertIn('Did you mean move_policy?', self.log.output)

    def test_no_warning_without_mistake(self):
        conf = self.make_conf('[dcn]\nmove_policy = off\n')
        unknown_options.warn(conf, 'dcn')
        self.assertEqual('', self.log.output)

    def test_also_known_options_and_their_old_names(self):
        conf = self.make_conf('[dcn]\nuser-name = a\ntenant = b\n')
        later = [cfg.StrOpt('user_name'),
                 cfg.StrOpt('project', deprecated_name='tenant')]
        unknown_options.warn(conf, 'dcn', later)
        self.assertEqual('', self.log.output)

    def test_never_raises(self):
        unknown_options.warn(cfg.ConfigOpts(), 'dcn')
        self.assertIn('[dcn] could not be checked', self.log.output)
