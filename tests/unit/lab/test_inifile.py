# SPDX-License-Identifier: Apache-2.0
import pathlib
import tempfile
import unittest

from oslo_config import cfg

from tests.lab import inifile


class InifileTest(unittest.TestCase):

    def test_later_layers_win(self):
        self.assertEqual({'a': {'x': 2, 'y': 1}, 'b': {}}, inifile.merge(
            {'a': {'x': 1, 'y': 1}}, {'a': {'x': 2}, 'b': {}}))

    def test_oslo_config_reads_what_was_written(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = inifile.write(
                pathlib.Path(scratch, 'sub', 'a.conf'),
                {'g': {'many': ['one', 'two'], 'text': 'a b', 'none': None}})
            self.assertEqual(0, path.stat().st_mode & 0o077)
            conf = cfg.ConfigOpts()
            conf.register_opts([cfg.MultiStrOpt('many'), cfg.StrOpt('text'),
                                cfg.StrOpt('none', default='kept')],
                               group='g')
            conf([], default_config_files=[str(path)], default_config_dirs=[])
            self.assertEqual(['one', 'two'], conf.g.many)
            self.assertEqual('a b', conf.g.text)
            self.assertEqual('kept', conf.g.none)
