# SPDX-License-Identifier: Apache-2.0
"""tooz's own tests of drivers, run on ours and a real etcd."""

import json
import pathlib
import subprocess
import sys
import unittest

import fixtures
import testtools
from tooz.tests import test_coordination

from tests.functional.locking import etcd_server

ROOT = pathlib.Path(__file__).parents[3]
WAIT_SECONDS = 600

# Members have no statistics, nobody has to beat its heart, and it does not
# claim to fail at a start without etcd. Stock tooz skips twice as many of its
# own driver.
SKIPPED = [
    'test_connection_error_bad_host', 'test_get_member_info',
    'test_get_member_info_complex', 'test_get_member_info_nonexistent_group',
    'test_get_member_info_nonjoined_member', 'test_heartbeat',
    'test_heartbeat_loop', 'test_timeout', 'test_watch_join_group_disappear']


class UpstreamTest(test_coordination.TestAPI):
    """All of them, with threads of the operating system."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = etcd_server.EtcdServer()
        server.setUp()
        cls.addClassCleanup(server.cleanUp)
        cls.url = f'dcn-etcd3+http://{server.hosts}?ttl=5'
        # Newer releases look there, and at each test.
        variable = fixtures.EnvironmentVariable('TOOZ_TEST_URL', cls.url)
        variable.setUp()
        cls.addClassCleanup(variable.cleanUp)


class EventletTest(testtools.TestCase):
    """All of them, in a process that eventlet has patched."""

    def test_all_of_them(self):
        server = self.useFixture(etcd_server.EtcdServer())
        ran = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.functional.locking.upstream_run',
             f'dcn-etcd3+http://{server.hosts}?ttl=5', '--eventlet'],
            cwd=ROOT, capture_output=True, text=True, timeout=WAIT_SECONDS)
        self.assertEqual(0, ran.returncode, ran.stderr)
        found = json.loads(ran.stdout)
        self.assertTrue(found['is_green'])
        self.assertEqual({}, found['failed'])
        self.assertEqual(SKIPPED, found['skipped'])
        names = unittest.defaultTestLoader.getTestCaseNames(
            test_coordination.TestAPI)
        self.assertEqual(len(names), found['ran'])
