# SPDX-License-Identifier: Apache-2.0
"""A glance-api under eventlet starts another program."""

import subprocess
import sys

import testtools

# oslo.concurrency, too, has the child do something before it is qemu-img. It
# must do that only: a green thread of its parent that goes on there reads
# from the sockets of both.
_PROGRAM = '''
import eventlet
eventlet.monkey_patch()
import os
import subprocess
import threading
import time
from oslo_config import cfg
from dcn_plugins.glance import copy_hook

conf = cfg.ConfigOpts()
conf([], project='glance', default_config_files=[])
hook = copy_hook.CopyHook(conf, [], None)

def tick():
    while True:
        os.write(1, b'%d ' % os.getpid())
        time.sleep(0.001)

threading.Thread(target=tick, daemon=True).start()
time.sleep(0.05)
for _number in range(3):
    subprocess.run(['true'], check=True, preexec_fn=lambda: None)
'''


class ProgramTest(testtools.TestCase):

    def test_its_parent_alone_goes_on(self):
        with subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-c', _PROGRAM],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=120)
        self.assertEqual(0, process.returncode, err)
        self.assertEqual({str(process.pid)}, set(out.decode().split()))
