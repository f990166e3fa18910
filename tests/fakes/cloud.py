# SPDX-License-Identifier: Apache-2.0
"""Keystone, Nova, placement, Cinder, Glance and etcd on loopback ports.

As far as the commands of operators use them.
:mod:`tests.contracts.pane_contract` holds this cloud and a real one to the
same.
"""

import collections
import datetime
import http.server
import socket
import time
import uuid

import fixtures

from tests.fakes import cloud_api
from tests.fakes import etcd
from tests.unit.glance import http_service


def moment(seconds_ago=0.0):
    """Return a time as Nova and Cinder write it."""
    then = datetime.datetime.now(
        datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return then.replace(tzinfo=None).isoformat()


class Cloud(cloud_api.Answers, fixtures.Fixture):
    """A cloud whose contents are plain lists.

    ``failures`` maps a part of ``METHOD path`` to a status.
    """

    def _setUp(self):
        self.aggregates = []
        self.computes = []
        self.hypervisors = []
        self.providers = {}
        #: UUIDs of aggregates, and a generation, by provider.
        self.mirrored = collections.defaultdict(lambda: [set(), 0])
        self.volume_services = []
        self.clusters = []
        self.pools = []
        self.stores = []
        #: What only details of a store tell, by its name.
        self.store_properties = {}
        self.images = []
        self.servers = {}
        self.volumes = {}
        self.snapshots = []
        #: What becomes of a volume that is asked for.
        self.new_volume_status = 'available'
        self.image_data = {}
        self.flavors = []
        self.volume_types = []
        #: Of those that tell by a link whether there is more.
        self.page_size = 1000
        #: What a member of etcd says of itself, and its limit by /metrics.
        self.etcd_status = {
            'header': {'cluster_id': '7'}, 'version': '3.4.23',
            'dbSize': '20480', 'leader': '9'}
        self.etcd_quota = '2.147483648e+09'
        self.etcds = collections.defaultdict(etcd.Client)
        self.requests = []
        self.failures = {}
        #: Of all clocks but ours.
        self.ahead_seconds = 0.0
        self._next_aggregate = 1
        self.url = self._serve()

    def _serve(self):
        cloud = self

        class Handler(http.server.BaseHTTPRequestHandler):

            protocol_version = 'HTTP/1.1'
            # Else each answer waits for the acknowledgement of its headers.
            wbufsize = -1

            def do_GET(self):
                cloud.handle(self)

            def date_time_string(self, timestamp=None):
                return super().date_time_string(
                    time.time() + cloud.ahead_seconds)

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        # A reader whose time is over hangs up.
        server.handle_error = lambda *_args: None
        # All readers come at once.
        server.socket.listen(1024)
        self.useFixture(http_service.Serving(server))
        return f'http://127.0.0.1:{server.server_port}'

    # What there is

    def add_site(self, name, hosts=1, **metadata):
        """Add a site with all of its services; return its hosts."""
        made = [f'{name}-compute-{number}' for number in range(hosts)]
        for host in made:
            self.add_compute(host, name)
        self.add_aggregate(name, made, availability_zone=name, **metadata)
        for number in range(2):
            self.add_volume_service(f'{name}-vol-{number}@ceph', name,
                                    f'{name}@ceph')
        self.clusters.append({
            'name': f'{name}@ceph', 'state': 'up', 'status': 'enabled',
            'num_hosts': 2, 'num_down_hosts': 0, 'disabled_reason': None})
        fsid = str(uuid.uuid4())
        self.pools.append({'name': f'{name}@ceph#ceph', 'capabilities': {
            'free_capacity_gb': 50.0, 'total_capacity_gb': 100.0,
            'dcn_fsid': fsid}})
        self.stores.append({'id': name})
        self.store_properties[name] = {'fsid': fsid, 'pool': 'images'}
        return made

    def add_aggregate(self, name, hosts=(), **metadata):
        """Add an aggregate; return it."""
        made = {'id': self._next_aggregate, 'uuid': str(uuid.uuid4()),
                'name': name, 'hosts': list(hosts), 'metadata': metadata,
                'availability_zone': metadata.get('availability_zone')}
        self._next_aggregate += 1
        self.aggregates.append(made)
        for host in hosts:
            self.mirror(host, made)
        return made

    def mirror(self, host, aggregate, is_inside=True):
        """Do in placement what Nova does there, if there is a provider."""
        for found in self.hypervisors:
            if found['service']['host'] == host:
                inside = self.mirrored[found['id']]
                inside[1] += 1
                (inside[0].add if is_inside else inside[0].discard)(
                    aggregate['uuid'])

    def add_compute(self, host, zone='nova', seconds_ago=3.0):
        """Add a nova-compute with its hypervisor and its provider."""
        made = {'id': str(uuid.uuid4()), 'binary': 'nova-compute',
                'host': host, 'zone': zone, 'state': 'up',
                'status': 'enabled', 'updated_at': moment(seconds_ago),
                'disabled_reason': None, 'forced_down': False}
        self.computes.append(made)
        provider = str(uuid.uuid4())
        self.hypervisors.append({
            'id': provider, 'hypervisor_hostname': host,
            'service': {'id': made['id'], 'host': host}})
        self.providers[provider] = {
            'VCPU': {'capacity': 32, 'used': 4},
            'MEMORY_MB': {'capacity': 8192, 'used': 1024}}
        return made

    def add_volume_service(self, host, zone, cluster=None, seconds_ago=5.0):
        """Add a cinder-volume."""
        made = {'binary': 'cinder-volume', 'host': host, 'zone': zone,
                'state': 'up', 'status': 'enabled', 'cluster': cluster,
                'updated_at': moment(seconds_ago), 'disabled_reason': None}
        self.volume_services.append(made)
        return made

    def silence(self, site, seconds_ago):
        """Let the services of a site have been silent for so long."""
        for found in self.computes + self.volume_services:
            if found['zone'] == site:
                found.update(state='down', updated_at=moment(seconds_ago))
        for cluster in self.clusters:
            if cluster['name'].partition('@')[0] == site:
                cluster.update(state='down', num_down_hosts=2)

    def add_image(self, name, stores, **values):
        """Add an active image; return it."""
        made = {'id': str(uuid.uuid4()), 'name': name, 'status': 'active',
                'stores': ','.join(stores), 'visibility': 'public',
                'owner': 'project', 'created_at': moment(60) + 'Z',
                'os_hidden': False, 'size': 1, **values}
        self.images.append(made)
        return made

    def add_server(self, host, **values):
        """Add a server on a host; return it."""
        made = {'id': str(uuid.uuid4()), 'name': 'server', 'status': 'ACTIVE',
                'tenant_id': 'project', 'OS-EXT-SRV-ATTR:host': host,
                **values}
        self.servers[made['id']] = made
        return made

    def add_volume(self, host, zone, **values):
        """Add a volume of a backend; return it."""
        made = {'id': str(uuid.uuid4()), 'name': 'volume',
                'status': 'available', 'availability_zone': zone,
                'os-vol-host-attr:host': host and f'{host}#ceph',
                'os-vol-tenant-attr:tenant_id': 'project', **values}
        self.volumes[made['id']] = made
        return made

    def add_snapshot(self, volume, **values):
        """Add a snapshot of a volume; return it."""
        made = {'id': str(uuid.uuid4()), 'name': 'snapshot',
                'status': 'available', 'volume_id': volume['id'],
                'os-extended-snapshot-attributes:project_id': 'project',
                **values}
        self.snapshots.append(made)
        return made


class BlackHole(fixtures.Fixture):
    """A port that takes connections and never says a word."""

    def _setUp(self):
        hole = socket.socket()
        self.addCleanup(hole.close)
        hole.bind(('127.0.0.1', 0))
        hole.listen(64)
        self.address = '127.0.0.1:%d' % hole.getsockname()[1]
