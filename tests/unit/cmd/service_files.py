# SPDX-License-Identifier: Apache-2.0
"""A directory with the files of a service, and their checks."""

import os

import fixtures
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
import testtools

CODES = upgradecheck.Code


class ServiceTestCase(testtools.TestCase):
    """Subclasses say which checks, and the name of the file."""

    module = None
    name = None

    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path

    def write(self, name, text):
        """Write a file and return its path."""
        path = os.path.join(self.path, name)
        with open(path, 'w') as file:
            file.write(text)
        return path

    def conf(self, text):
        """Return the options of a configuration file with this text."""
        conf = cfg.ConfigOpts()
        self.module.register_opts(conf)
        conf(['--config-file', self.write(self.name, text)],
             project='none')
        return conf

    def assert_result(self, code, found, *texts):
        self.assertEqual(code, found.code, found.details)
        for text in texts:
            self.assertIn(text, found.details)

    def assert_success(self, found, *texts):
        self.assert_result(CODES.SUCCESS, found, *texts)

    def assert_warns(self, found, *texts):
        self.assert_result(CODES.WARNING, found, *texts)

    def assert_fails(self, found, *texts):
        self.assert_result(CODES.FAILURE, found, *texts)
