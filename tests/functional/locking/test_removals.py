# SPDX-License-Identifier: Apache-2.0
"""Removals on a real etcd."""

import testtools

from tests.contracts import removal_contract
from tests.functional.locking import etcd_case


class RemovalTest(etcd_case.EtcdCase, removal_contract.RemovalContract,
                  testtools.TestCase):

    ttl_seconds = 3
