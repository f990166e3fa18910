# SPDX-License-Identifier: Apache-2.0
"""What the fake of librbd promises, on a real one."""

from tests.contracts import rbd_contract
from tests.functional.storage import pool_case


class LibrbdTest(rbd_contract.RbdContract, pool_case.PoolTestCase):
    pass
