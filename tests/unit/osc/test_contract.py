# SPDX-License-Identifier: Apache-2.0
"""The contract of the commands on the simulated cloud."""

from tests.contracts import pane_contract
from tests.unit.osc import pane_case


class FakeTest(pane_contract.PaneContract, pane_case.PaneCase):

    site, lacking = 'dcn0', 'central'

    def setUp(self):
        super().setUp()
        self.cloud.add_site('central', hosts=1)
        self.cloud.add_site(self.site, hosts=2)
        self.image = self.cloud.add_image('one', [self.site])['id']

    def hosts_of(self, name):
        return sorted(host for found in self.cloud.aggregates
                      if found['name'] == name for host in found['hosts'])

    def named(self, prefix):
        return [one['name'] for one in [*self.cloud.volumes.values(),
                                        *self.cloud.images]
                if one['name'].startswith(prefix)]

    def unmirror(self, host):
        for found in self.cloud.hypervisors:
            if found['service']['host'] == host:
                self.cloud.mirrored[found['id']][0].clear()

    def reasons(self, name):
        return {found['disabled_reason'] for found in self.cloud.computes
                if found['zone'] == name} | {
            found['disabled_reason'] for found in self.cloud.clusters
            if found['name'] == f'{name}@ceph'}

    def disable(self, host, reason):
        for found in self.cloud.computes:
            if found['host'] == host:
                found.update(status='disabled', disabled_reason=reason)

    def enable(self, host):
        for found in self.cloud.computes:
            if found['host'] == host:
                found.update(status='enabled', disabled_reason=None)
