# SPDX-License-Identifier: Apache-2.0
"""A sweep finds what has neither our marker nor a parent of ours."""

import pathlib
import subprocess
import tempfile
import unittest

from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab import process

# As libvirt starts a guest: where the lab's directory is mounted over its
# own, with an environment that knows nothing of the lab.
_GUEST = '''
mkdir -p "$1/state/libvirt/h/etc" /etc/libvirt
mount --bind "$1/state/libvirt/h/etc" /etc/libvirt
exec env -i /bin/sleep 60
'''


class GuestTest(unittest.TestCase):

    def guest(self, directory):
        """Start what looks like a guest of a lab."""
        made = subprocess.Popen(
            ['unshare', '--mount', '--propagation', 'private', 'sh', '-c',
             _GUEST, 'sh', str(directory)])
        self.addCleanup(made.wait)
        self.addCleanup(made.kill)
        return made

    def test_a_guest_is_ended_with_its_lab_and_no_other(self):
        scratch = tempfile.TemporaryDirectory(prefix='l', dir='/tmp')
        self.addCleanup(scratch.cleanup)
        lab = layouts.Layout.create(pathlib.Path(scratch.name, 'lab'))
        other = self.guest(f'{lab.directory}2')
        mine = self.guest(lab.directory)
        deadline.wait('the guest', lambda: mine.pid in process.owned(
            lab.directory), 10)
        deadline.wait('the other one', lambda: other.pid in process.owned(
            f'{lab.directory}2'), 10)
        self.assertEqual([mine.pid], process.owned(lab.directory))
        process.sweep(lab.directory)
        self.assertEqual(-9, mine.wait(10))
        self.assertIsNone(other.poll())
