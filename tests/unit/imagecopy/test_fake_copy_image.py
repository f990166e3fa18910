# SPDX-License-Identifier: Apache-2.0
"""The target in memory is as the real one."""

import testtools

from tests.contracts import copy_contract
from tests.fakes import copy_image


class FakeTargetTest(copy_contract.TargetContract, testtools.TestCase):

    sum_of = staticmethod(copy_image.sum_of_bytes)

    def target(self):
        return copy_image.FakeTarget(self.size, copy_contract.MIB)
