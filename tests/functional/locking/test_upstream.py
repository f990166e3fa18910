# SPDX-License-Identifier: Apache-2.0
"""tooz's own tests of drivers, run on ours and a real etcd."""

import fixtures
from tooz.tests import test_coordination

from tests.functional.locking import etcd_server


class UpstreamTest(test_coordination.TestAPI):
    """All of them; stock tooz skips seventeen of its own driver.

    Ours are nine: members have no statistics, nobody has to beat its heart,
    and it does not claim to fail at a start without etcd.
    """

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
