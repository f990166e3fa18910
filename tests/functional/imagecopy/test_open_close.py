# SPDX-License-Identifier: Apache-2.0
"""Snapshots that are closed as soon as they are open, in many processes.

A thread of librbd that comes late ends its process then, if they are opened as
usual; see snapshot_opener.
"""

import subprocess
import sys

from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig

SECONDS = 8
# More than there are cores: a thread comes late as it has to wait for one.
PROCESSES = 6

BY_CLUSTER = '''
import sys, time
from dcn_plugins.ceph import cluster, image_handle
from dcn_plugins.imagecopy import request

conf, pool, name, seconds = sys.argv[1:]
place = request.Place('store', conf, 'admin', pool)
end = time.monotonic() + float(seconds)
with cluster.Cluster(place) as client:
    while time.monotonic() < end:
        with image_handle.ImageHandle(client, pool, name, 'snap'):
            image_handle.ImageHandle(client, pool, name, 'snap').close()
'''
BY_MODULES = '''
import sys, time
import rbd
from dcn_plugins.ceph import guarded_rbd, pool_access
from dcn_plugins.imagecopy import request

conf, pool, name, seconds = sys.argv[1:]
end = time.monotonic() + float(seconds)
guarded = guarded_rbd.GuardedRBD(
    rbd, lambda: None, lambda call, *args, **kwargs: call(*args, **kwargs))

def opened():
    return guarded.Image(ioctx, name, snapshot='snap', read_only=True)

with pool_access.opened(request.Place('store', conf, 'admin', pool)) as ioctx:
    while time.monotonic() < end:
        with opened():
            opened().close()
'''


class OpenCloseTest(copy_case.CopyTestCase):

    def test_all_survive(self):
        name, _content = self.image('image', 1 << 20, [])
        running = [subprocess.Popen(
            [sys.executable, '-c', program, self.rig.conf(rig.SOURCE),
             rig.POOL, name, str(SECONDS)], stderr=subprocess.PIPE, text=True)
            for program in (BY_CLUSTER, BY_MODULES) * (PROCESSES // 2)]
        ends = []
        for process in running:
            # One that has broken its memory may also hang.
            try:
                _output, errors = process.communicate(timeout=5 * SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                errors = process.communicate()[1]
            ends.append((process.returncode, errors))
        self.assertEqual([(0, '')] * PROCESSES, ends)
