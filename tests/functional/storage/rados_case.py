# SPDX-License-Identifier: Apache-2.0
"""A test with clients of a real Ceph."""

import testtools

from dcn_plugins.ceph import bindings
from tests.functional.storage import rig


class RadosTestCase(testtools.TestCase):
    """Clients that are shut down after the test; one rig for a class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rig = rig.Rig()
        cls.rig.setUp()
        cls.addClassCleanup(cls.rig.cleanUp)

    def client(self, user=None, **options):
        """Return a connected ``rados.Rados``; Cinder's user, if none."""
        client = bindings.rados().Rados(
            conffile=self.rig.conf, rados_id=user or self.rig.user,
            conf={'rados_osd_op_timeout': '30', **options})
        client.connect()
        self.addCleanup(client.shutdown)
        return client

    def admin(self):
        """Return a client that may do everything."""
        return self.client('admin')
