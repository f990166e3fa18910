# SPDX-License-Identifier: Apache-2.0
"""``dcn_stores`` on a real Ceph that stands still for a while.

Other tests use the same clusters meanwhile: their calls only take longer.
"""

import os
import socket
import tempfile
import time

from glance_store._drivers import rbd
from oslo_config import cfg

from dcn_plugins.conf import health
from dcn_plugins.glance import health_stores
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig

DEADLINE_SECONDS = 1.0
BACK_SECONDS = 60.0


class StoresTest(copy_case.RigTestCase):

    def check(self, conf_path, **options):
        """Return the check as glance-api would have it."""
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        conf.register_opt(cfg.DictOpt('enabled_backends'))
        conf.register_opt(cfg.StrOpt('default_backend'), 'glance_store')
        conf.register_opts(rbd._RBD_OPTS, 'dcn0')
        health.register_store_opts(conf)
        conf.set_override('enabled_backends', {'dcn0': 'rbd'})
        conf.set_override('default_backend', 'dcn0', 'glance_store')
        conf.set_override('health_deadline_seconds', DEADLINE_SECONDS, 'dcn')
        for name, value in {
                'rbd_store_ceph_conf': conf_path, 'rbd_store_user': 'admin',
                'rbd_store_pool': rig.POOL, **options}.items():
            conf.set_override(name, value, 'dcn0')
        return health_stores.StoresCheck(conf, {})

    def ask(self, check):
        begun = time.monotonic()
        found = check.healthcheck(9292)
        self.assertLess(time.monotonic() - begun, DEADLINE_SECONDS + 5)
        return found

    def ask_until(self, check, is_good):
        deadline = time.monotonic() + BACK_SECONDS
        while True:
            found = self.ask(check)
            if found.available == is_good:
                return found
            self.assertLess(time.monotonic(), deadline, vars(found))
            time.sleep(0.2)

    def test_stands_still_and_goes_on(self):
        check = self.check(self.rig.conf(rig.TARGET))
        # Connecting may take longer than the deadline on a busy machine.
        self.assertEqual('OK', self.ask_until(check, True).reason)
        osd = self.rig.cluster(rig.TARGET).osd
        osd.pause()
        try:
            found = self.ask_until(check, False)
        finally:
            osd.resume()
        self.assertEqual('Ceph of store dcn0 does not answer', found.reason)
        self.ask_until(check, True)

    def test_another_pool(self):
        check = self.check(self.rig.conf(rig.TARGET), rbd_store_pool='gone')
        found = self.ask_until(check, False)
        deadline = time.monotonic() + BACK_SECONDS
        while 'refuses us' not in found.reason:
            self.assertLess(time.monotonic(), deadline, vars(found))
            time.sleep(0.2)
            found = self.ask(check)

    def test_black_hole(self):
        hole = socket.socket()
        self.addCleanup(hole.close)
        hole.bind(('127.0.0.1', 0))
        hole.listen(64)
        with open(self.rig.conf(rig.TARGET)) as file:
            text = file.read()
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, 'ceph.conf')
            with open(path, 'w') as file:
                file.writelines(
                    line for line in text.splitlines(True)
                    if not line.strip().startswith(('mon host', 'mon_host')))
                file.write('\n[global]\nmon_host = v2:127.0.0.1:'
                           f'{hole.getsockname()[1]}\n')
            check = self.check(path)
            for _request in range(3):
                found = self.ask(check)
                self.assertFalse(found.available)
                time.sleep(0.5)
