# SPDX-License-Identifier: Apache-2.0
"""A test on a real etcd, in a part of its keys that no other test has."""

import uuid

from dcn_plugins.locking import etcd
from tests.functional.locking import etcd_server


class EtcdCase:
    """What contracts ask for, before their own ``setUp``.

    One cluster of so many members serves all tests of a class.
    """

    members = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = etcd_server.EtcdServer(cls.members)
        cls.server.setUp()
        cls.addClassCleanup(cls.server.cleanUp)

    def setUp(self):
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.prefix = f'/{uuid.uuid4()}'
        super().setUp()

    def renewer(self):
        return self.server.client(etcd.NativeLine())
