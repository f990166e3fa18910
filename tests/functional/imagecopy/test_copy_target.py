# SPDX-License-Identifier: Apache-2.0
"""A target on a real Ceph is what the pump expects."""

import errno
import types

from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import cluster
from dcn_plugins.ceph import copy_target
from dcn_plugins.imagecopy import places
from tests.contracts import copy_contract
from tests.functional.imagecopy import copy_case
from tests.functional.imagecopy import rig
from tests.lab import deadline


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


class FullTest(copy_case.CopyTestCase):

    def test_a_pool_that_is_full_is_named(self):
        client = cluster.Cluster(self.place(rig.TARGET))
        self.addCleanup(client.close)
        self.assertIsNone(client.full_reason())
        order = self.rig.cluster(rig.TARGET).ceph
        order('osd', 'pool', 'create', self.prefix, '1')
        self.addCleanup(order, 'osd', 'pool', 'rm', self.prefix, self.prefix,
                        '--yes-i-really-really-mean-it')
        order('osd', 'pool', 'set-quota', self.prefix, 'max_objects', '1')
        context = client.context(self.prefix)
        cluster.set_attribute(context, 'one', 'key', 'value')
        reason = deadline.wait('the pool being full', client.full_reason, 60)
        self.assertIn('full', reason)
        self.assertIs(self, places.Places.explained(
            types.SimpleNamespace(full_reason=lambda: None), self))
        error = places.Places.explained(client, self)
        self.assertEqual((reason, errno.ENOSPC), (error.reason, error.errno))
