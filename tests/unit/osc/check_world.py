# SPDX-License-Identifier: Apache-2.0
"""A site that is well, as facts; a test breaks one thing of it."""

from dcn_plugins.osc import clock
from dcn_plugins.osc import etcd_findings
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import site_findings
from dcn_plugins.placement import policy_text

NOW = 1000000.0

POLICY = '''
version: 1
central: [central]
default:
  stores: [central, north]
'''

#: Of three members in this order.
MEMBERS = ('http://a:2379', 'http://b:2379', 'http://c:2379')


class World:
    """Two sites, ``north`` and ``south``; ``north`` is the one to check."""

    def __init__(self):
        self.aggregates, self.computes, self.hypervisors = [], [], []
        self.volume_services, self.clusters, self.pools = [], [], []
        self.stores, self.store_details, self.images = [], [], []
        self.flavors = [{'name': 'm1', 'extra_specs': {
            'dcn:site': 'north, group:poles'}}, {'name': 'm2'}]
        self.volume_types = [{'name': 'rbd', 'extra_specs': {
            'RESKEY:availability_zones': 'north,south'}}, {'name': 'any'}]
        self.jobs = []
        self.mirrors = {}
        self.policy = policy_text.policy_of(POLICY, 'policy.yaml')
        self.quorum = facts.Fact({'keys': 0})
        self.members = {name: etcd_findings.Member(
            '3.5.1', 'one', 'leader', quota_bytes=1000, size_bytes=100,
            round_trip_seconds=0.01) for name in MEMBERS}
        self.clocks = {'Nova': clock.Clock(0.2, 0.5)}
        #: Facts in the place of what is above.
        self.instead = {}
        for name in ('north', 'south'):
            self._add_site(name)
        self._add_store('central')
        self.images.append({
            'id': 'image', 'name': 'image', 'status': 'active',
            'stores': 'central,north', 'visibility': 'public',
            'owner': 'project', 'created_at': '2026-01-01T00:00:00Z',
            'os_hidden': False, 'size': 1})

    def _add_site(self, name):
        hosts = [f'{name}-compute-{number}' for number in range(2)]
        for host in hosts:
            self.add_compute(host, name)
        self.aggregates.append({
            'id': len(self.aggregates), 'uuid': f'uuid-{name}', 'name': name,
            'hosts': hosts, 'metadata': {
                'availability_zone': name, 'dcn:group': 'poles'}})
        self.mirrors[f'uuid-{name}'] = {f'id-{host}' for host in hosts}
        for number in range(2):
            self.volume_services.append({
                'host': f'{name}-vol-{number}@ceph', 'zone': name,
                'state': 'up', 'status': 'enabled',
                'cluster': f'{name}@ceph', 'updated_at': None})
        self.clusters.append({'name': f'{name}@ceph', 'state': 'up',
                              'status': 'enabled', 'disabled_reason': None})
        self.pools.append({'name': f'{name}@ceph#ceph', 'capabilities': {
            'dcn_fsid': f'fsid-{name}', 'dcn_fence': 'blocklist',
            'storage_protocol': 'ceph'}})
        self._add_store(name)

    def _add_store(self, name):
        self.stores.append({'id': name})
        self.store_details.append({'id': name, 'properties': {
            'fsid': f'fsid-{name}', 'pool': 'images'}})

    def add_compute(self, host, zone='nova'):
        self.computes.append({
            'host': host, 'zone': zone, 'state': 'up', 'status': 'enabled',
            'updated_at': '2026-01-01T00:00:00', 'disabled_reason': None})
        self.hypervisors.append({'id': f'id-{host}',
                                 'service': {'host': host}})

    def answers(self):
        def fact(name):
            return self.instead.get(name) or facts.Fact(
                getattr(self, name), NOW)

        return site_findings.Answers(
            aggregates=self.aggregates,
            **{name: fact(name) for name in site_findings.QUESTIONS},
            writable=frozenset(store['id'] for store in self.stores),
            mirrors={uuid: self.instead.get(uuid) or facts.Fact(found)
                     for uuid, found in self.mirrors.items()},
            etcd=etcd_findings.EtcdAnswers(
                self.quorum, {name: found if isinstance(found, facts.Fact)
                              else facts.Fact(found)
                              for name, found in self.members.items()},
                1.0, 1.6),
            clocks=self.clocks, seconds=20.0, now=NOW)

    def findings(self):
        """Return what is found of ``north``."""
        return site_findings.findings('north', self.answers())
