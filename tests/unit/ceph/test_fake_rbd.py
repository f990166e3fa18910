# SPDX-License-Identifier: Apache-2.0
"""The fake of librbd keeps the promises of a real one."""

import testtools

from tests.contracts import rbd_contract
from tests.fakes import rbd


class FakeRbdTest(rbd_contract.RbdContract, testtools.TestCase):

    rbd = rbd
    template = 'volume-%s'
    prefix = 'other-'

    def setUp(self):
        super().setUp()
        self.ioctx = rbd.Pool()
