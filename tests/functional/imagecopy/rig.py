# SPDX-License-Identifier: Apache-2.0
"""Some Ceph clusters, one per site, and nothing else.

A fixture for tests. To use one rig for many runs, start it by hand and name
its directory in DCN_COPY_RIG::

    python -m tests.functional.imagecopy.rig up /var/tmp/rig
    python -m tests.functional.imagecopy.rig exec /var/tmp/rig COMMAND...
    python -m tests.functional.imagecopy.rig down /var/tmp/rig

``up`` takes the number of edge sites, and a WAN like ``20ms,1Gbit``, too.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import fixtures

from tests.lab import cleanup
from tests.lab import layout as layouts
from tests.lab.services import ceph
from tests.lab import wan

#: Where images are read, and the first one that they are written to.
SOURCE, TARGET = layouts.CENTRAL, 'dcn0'
POOL = 'images'
WATCH_SECONDS = 12


class Rig(fixtures.Fixture):
    """A cluster at the central site, and one at each edge.

    :param directory: of a rig that runs already, or ``None`` for one of its
        own; DCN_COPY_RIG in the environment names one, too.
    """

    def __init__(self, directory=None, edges=1, link=None):
        super().__init__()
        self._directory = directory or os.environ.get('DCN_COPY_RIG')
        self._edges = edges
        self._link = link

    def _setUp(self):
        if self._directory:
            self.lab = layouts.Layout.load(self._directory)
        else:
            directory = tempfile.mkdtemp(prefix='dcn-copy-', dir='/var/tmp')
            self.addCleanup(cleanup.remove, directory)
            self.lab = start(directory, self._edges, self._link)

    def conf(self, site):
        """Return the path of a site's ceph.conf."""
        return str(ceph.conf(self.lab, site))

    def cluster(self, site):
        """Return the cluster of a site, to stop and to start."""
        return ceph.Cluster(self.lab, site)

    def rbd(self, site, *arguments, seconds=60):
        """Run ``rbd`` as administrator and return what it prints."""
        return ceph.rbd(self.lab, site, *arguments, seconds=seconds)


def start(directory, edges=1, link=None):
    """Start a rig in a directory and return its layout."""
    os.environ[layouts.MARKER] = str(directory)
    cleanup.remove(directory)
    lab = layouts.Layout.create(
        directory, edges=edges,
        wan=layouts.Wan.parse(link) if link else None)
    if link:
        wan.up(lab)
    with concurrent.futures.ThreadPoolExecutor(2) as starters:
        list(starters.map(lambda site: _start(lab, site), lab.sites))
    return lab


def _start(lab, site):
    cluster = ceph.Cluster(lab, site)
    cluster.start()
    # How long a client that was killed is in the way: half a minute, else.
    cluster.ceph('config', 'set', 'osd', 'osd_client_watch_timeout',
                 str(WATCH_SECONDS))


def main(action, directory, *words):
    """Start or end a rig that several runs use, or run a command with it."""
    directory = pathlib.Path(directory)
    if action == 'up':
        start(directory, int(words[0]) if words else 1, *words[1:])
    elif action == 'exec':
        return subprocess.run(words, env={
            **os.environ, 'DCN_COPY_RIG': str(directory)}).returncode
    else:
        cleanup.remove(directory)
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
