# SPDX-License-Identifier: Apache-2.0
"""The entry points of setup.cfg, for an interpreter without our package."""

import configparser
import pathlib

import fixtures

SOURCE = pathlib.Path(__file__).resolve().parents[3]


def of_setup():
    """Return the entry points of setup.cfg by their group."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(SOURCE / 'setup.cfg', encoding='utf-8')
    return {group: dict(line.split(' = ') for line in lines.split('\n')
                        if line and not line.startswith('#'))
            for group, lines in setup['entry_points'].items()}


class EntryPoints(fixtures.Fixture):
    """A directory for PYTHONPATH that makes the checkout look installed."""

    def _setUp(self):
        self.path = self.useFixture(fixtures.TempDir()).path
        info = pathlib.Path(self.path, 'dcn_plugins-0.0.0.dist-info')
        info.mkdir()
        (info / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: dcn_plugins\nVersion: 0.0.0\n')
        text = ''.join(
            f'[{group}]\n' + ''.join(f'{name} = {value}\n'
                                     for name, value in found.items())
            for group, found in of_setup().items()
            if group.startswith('openstack.'))
        (info / 'entry_points.txt').write_text(text)
        pathlib.Path(self.path, 'dcn_plugins').symlink_to(
            SOURCE / 'dcn_plugins')
