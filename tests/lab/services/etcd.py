# SPDX-License-Identifier: Apache-2.0
"""etcd: the lock manager of a site's cinder-volumes.

That of the central site has the jobs of image placement, too.
"""

import http.client
import json

from tests.lab import service


def members(lab, site):
    """Return how many members a site has: three at the first edge.

    Unless the lab was made with other numbers.
    """
    return lab.state.get('etcd', {}).get(
        site, 3 if site == lab.edges[0] else 1)


def coordination_url(lab, site):
    """Return the URL of a site's etcd, with all its members.

    As ``[coordination] backend_url`` and ``[dcn] placement_jobs_url``.
    """
    hosts = ','.join(f'{lab.address(site)}:{lab.port(f"etcd{m}", site)}'
                     for m in range(members(lab, site)))
    return f'dcn-etcd3+http://{hosts}?ttl=15'


def stock_url(lab, site):
    """Return the same for tooz' own driver, which takes one member only.

    A site that loses it loses its locks, though the cluster may be well.
    """
    return (f'etcd3+http://{lab.address(site)}:{lab.port("etcd0", site)}'
            '?api_version=v3&timeout=6')


class Etcd(service.Service):
    """One member of a site's etcd cluster."""

    def __init__(self, lab, site, member=0):
        super().__init__(lab, f'etcd-{site}-{member}', site)
        self.member = member

    @property
    def listening_port(self):
        return self.lab.port(f'etcd{self.member}', self.site)

    def _peer(self, member):
        port = self.lab.port(f'etcd-peer{member}', self.site)
        return f'http://{self.lab.address(self.site)}:{port}'

    def _name(self, member):
        return f'{self.site}-{member}'

    def command(self):
        client = (f'http://{self.lab.address(self.site)}:'
                  f'{self.listening_port}')
        cluster = ','.join(f'{self._name(m)}={self._peer(m)}'
                           for m in range(members(self.lab, self.site)))
        return ['etcd', '--name', self._name(self.member),
                '--data-dir', self.lab.path('state', self.name),
                '--listen-client-urls', client,
                '--advertise-client-urls', client,
                '--listen-peer-urls', self._peer(self.member),
                '--initial-advertise-peer-urls', self._peer(self.member),
                '--initial-cluster', cluster,
                '--initial-cluster-token', f'{self.lab.name}-{self.site}',
                # Ticks of members that have nothing to do are a tenth of what
                # an idle lab costs.
                '--heartbeat-interval', '200', '--election-timeout', '1000',
                '--logger', 'zap', '--log-level', 'warn']

    def start(self):
        """Start the member; a cluster answers once a majority has started."""
        self.launch()
        if members(self.lab, self.site) == 1:
            self.wait_ready()

    def is_ready(self):
        return super().is_ready() and self.is_healthy()

    def is_healthy(self):
        """Say whether the member serves writes: it sees a leader."""
        answer = self._asked('GET', '/health')
        return str(answer.get('health')) == 'true'

    def is_leader(self):
        """Say whether the member leads its cluster."""
        answer = self._asked('POST', '/v3/maintenance/status', '{}')
        return 'leader' in answer and (
            answer['leader'] == answer['header']['member_id'])

    def _asked(self, method, path, body=None):
        """Return what the member answers; nothing if it does not."""
        connection = http.client.HTTPConnection(
            self.lab.address(self.site), self.listening_port, timeout=2)
        try:
            connection.request(method, path, body)
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            connection.close()
