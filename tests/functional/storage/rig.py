# SPDX-License-Identifier: Apache-2.0
"""One Ceph cluster and one etcd cluster, without any service of OpenStack.

A fixture for tests. To use one rig for many runs, start it by hand and name
its directory in DCN_RIG::

    python -m tests.functional.storage.rig up /var/tmp/rig
    python -m tests.functional.storage.rig exec /var/tmp/rig COMMAND...
    python -m tests.functional.storage.rig down /var/tmp/rig
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import fixtures

from tests.lab import __main__ as lab_command
from tests.lab import cleanup
from tests.lab import layout as layouts
from tests.lab.services import ceph
from tests.lab.services import etcd

# The site whose etcd has three members.
SITE = 'dcn0'


class Rig(fixtures.Fixture):
    """A site's Ceph cluster and its three members of etcd.

    :param directory: of a rig that runs already, or ``None`` for one of its
        own; DCN_RIG in the environment names one, too.
    """

    def __init__(self, directory=None):
        super().__init__()
        self._directory = directory or os.environ.get('DCN_RIG')

    def _setUp(self):
        if self._directory:
            self.lab = layouts.Layout.load(self._directory)
        else:
            directory = tempfile.mkdtemp(prefix='dcn-rig-', dir='/var/tmp')
            self.addCleanup(cleanup.remove, directory)
            self.lab = start(directory)
        self.ceph = ceph.Cluster(self.lab, SITE)
        self.etcd = members(self.lab)

    @property
    def conf(self):
        """The path of ceph.conf."""
        return str(self.ceph.conf)

    @property
    def user(self):
        """Whom cinder-volume is to Ceph: client.USER."""
        return ceph.USER

    @property
    def pool(self):
        return 'volumes'

    @property
    def etcd_hosts(self):
        """``HOST:PORT,HOST:PORT,HOST:PORT``."""
        return ','.join(f'{self.lab.address(SITE)}:{member.listening_port}'
                        for member in self.etcd)

    def rbd(self, *arguments):
        """Run ``rbd`` as administrator and return what it prints."""
        return ceph.rbd(self.lab, SITE, *arguments)


def members(lab):
    """Return the members of etcd."""
    return [etcd.Etcd(lab, SITE, number)
            for number in range(etcd.members(lab, SITE))]


def start(directory):
    """Start a rig in a directory and return its layout."""
    os.environ[layouts.MARKER] = str(directory)
    cleanup.remove(directory)
    lab = layouts.Layout.create(directory, edges=1)
    for member in members(lab):
        member.launch()
    cluster = ceph.Cluster(lab, SITE)
    cluster.start()
    for member in members(lab):
        member.wait_ready()
    return lab


def environment(lab):
    """Return what a command finds the rig and our plugins with."""
    return {**os.environ, 'DCN_RIG': str(lab.directory),
            'PYTHONPATH': str(lab.plugins)}


def main(action, directory, *command):
    """Start or end a rig that several runs use, or run a command with it."""
    directory = pathlib.Path(directory)
    if action == 'up':
        # As services get them, entry points included.
        lab_command.install_plugins(start(directory))
    elif action == 'exec':
        lab = layouts.Layout.load(directory)
        return subprocess.run(command, env=environment(lab)).returncode
    else:
        cleanup.remove(directory)
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
