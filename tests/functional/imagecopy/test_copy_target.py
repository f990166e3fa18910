# SPDX-License-Identifier: Apache-2.0
"""A target on a real Ceph is what the pump expects."""

from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import cluster
from dcn_plugins.ceph import copy_target
from tests.contracts import copy_contract
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig


class CephTargetTest(copy_contract.TargetContract, copy_case.CopyTestCase):

    sum_of = staticmethod(checksums.of_bytes)

    def target(self):
        client = cluster.Cluster(self.place(rig.TARGET))
        self.addCleanup(client.close)
        target = copy_target.CopyTarget(
            client, rig.POOL, self.prefix, f'{self.prefix}.dcn-partial',
            'snap', self.size, copy_contract.MIB, 'dcn.copy',
            lambda text: text == 'ours', 'ours')
        self.assertIs(copy_target.Found.NOTHING, target.open())
        self.addCleanup(target.close)
        return target
