# SPDX-License-Identifier: Apache-2.0

import os
import sys

import fixtures
import testtools

from dcn_plugins import version


class VersionTest(testtools.TestCase):

    def test_installed_version(self):
        directory = self.useFixture(fixtures.TempDir()).path
        info = os.path.join(directory, 'dcn_plugins-7.8.9.dist-info')
        os.mkdir(info)
        with open(os.path.join(info, 'METADATA'), 'w') as file:
            file.write('Metadata-Version: 2.1\nName: dcn_plugins\n'
                       'Version: 7.8.9\n')
        self.useFixture(fixtures.MonkeyPatch(
            'sys.path', [directory] + sys.path))
        self.assertEqual('7.8.9', version.version_string())

    def test_source_tree_without_metadata(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.version.DISTRIBUTION', 'dcn_plugins_not_installed'))
        self.assertEqual('unknown', version.version_string())
