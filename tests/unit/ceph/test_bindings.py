# SPDX-License-Identifier: Apache-2.0
"""Ceph's modules may be missing until they are needed."""

import subprocess
import sys

import testtools

from dcn_plugins.ceph import bindings
from dcn_plugins import exceptions

# None in sys.modules is what Python takes for a module that is not there.
WITHOUT = """
import sys

sys.modules.update(rados=None, rbd=None)

from dcn_plugins.ceph import addresses
from dcn_plugins.ceph import fence
from dcn_plugins.ceph import importer
from dcn_plugins.ceph import markers

print('imported')
"""


class BindingsTest(testtools.TestCase):

    def test_what_is_there_is_returned(self):
        self.patch(sys, 'modules', {**sys.modules, 'rados': testtools,
                                    'rbd': subprocess})
        self.assertIs(testtools, bindings.rados())
        self.assertIs(subprocess, bindings.rbd())

    def test_what_is_missing_is_named_with_its_remedy(self):
        self.patch(sys, 'modules', {**sys.modules, 'rados': None, 'rbd': None})
        for name, function in (('rados', bindings.rados),
                               ('rbd', bindings.rbd)):
            error = self.assertRaises(exceptions.ConfigError, function)
            self.assertIn(f'python3-{name}', error.remedy)
            self.assertIsInstance(error.__cause__, ImportError)

    def test_nothing_needs_them_when_it_is_imported(self):
        out = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', WITHOUT], check=True,
            capture_output=True, text=True, timeout=60,
            env={'PYTHONPATH': ':'.join(filter(None, sys.path))}).stdout
        self.assertEqual('imported\n', out)
