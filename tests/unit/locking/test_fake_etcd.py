# SPDX-License-Identifier: Apache-2.0
"""The fake of etcd keeps to the contract that the real one is held to."""

import testtools

from tests.contracts import etcd_contract
from tests.fakes import etcd


class FakeEtcdTest(etcd_contract.EtcdContract, testtools.TestCase):

    def setUp(self):
        self.client = etcd.Client()
        self.prefix = '/t'
        super().setUp()

    def renewer(self):
        return self.client
