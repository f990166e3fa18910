# SPDX-License-Identifier: Apache-2.0
"""One Ceph cluster and three members of etcd that can be broken.

Between the members of etcd stand proxies, so that they can be parted. The
state of etcd can be kept and brought back, as an operator does who restores a
backup.
"""

import http.client
import json
import os
import shutil

from tests.chaos import proxy
from tests.chaos import wallclock
from tests.lab import cleanup
from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab.services import ceph
from tests.lab.services import etcd

NAME = 'dcn0'
POOL = 'volumes'
#: Of the ports below, in front of each member.
_PEER = 'etcd-peer-proxy'
_PORTS_FROM = 22000
_SENDER = b'\r\nx-server-from: '


class Member(etcd.Etcd):
    """A member whose peers reach it through a proxy."""

    def _proxied(self, member):
        port = self.lab.port(f'{_PEER}{member}', self.site)
        return f'http://{self.lab.address(self.site)}:{port}'

    def command(self):
        line = super().command()
        ours = {'--initial-advertise-peer-urls': self._proxied(self.member),
                '--initial-cluster': ','.join(
                    f'{self._name(m)}={self._proxied(m)}'
                    for m in range(etcd.members(self.lab, self.site)))}
        for option, value in ours.items():
            line[line.index(option) + 1] = value
        # A member that is behind catches up within a second.
        return line + ['--heartbeat-interval', '50',
                       '--election-timeout', '500']

    @property
    def data(self):
        """The directory with all that the member knows."""
        return self.lab.path('state', self.name)

    def ask(self, path, body=None, seconds=2.0):
        """Return what the member says to a call of its JSON gateway.

        :raises OSError: if it does not answer.
        """
        connection = http.client.HTTPConnection(
            self.lab.address(self.site), self.listening_port, timeout=seconds)
        try:
            connection.request('POST', f'/v3{path}', json.dumps(body or {}))
            return json.loads(connection.getresponse().read())
        except (ValueError, http.client.HTTPException) as exc:
            raise OSError(f'{self.name}: {exc}') from exc
        finally:
            connection.close()

    @property
    def id(self):
        """The number that etcd has given the member, as it writes it."""
        told = self.ask('/maintenance/status', seconds=10.0)
        return int(told['header']['member_id'])

    @property
    def is_leader(self):
        """Whether it says so itself."""
        try:
            told = self.ask('/maintenance/status')
            return told['leader'] == told['header']['member_id']
        except (OSError, KeyError):
            return False


class Site:
    """Ceph and etcd of one run.

    :param directory: for both; what is there is ended and removed.
    :param loop: :class:`~tests.chaos.proxy.Loop` for the peers' proxies.
    """

    def __init__(self, directory, loop):
        os.environ[layouts.MARKER] = str(directory)
        cleanup.remove(directory)
        self.lab = layouts.Layout.create(directory, edges=1)
        # Where no other lab looks for a port: one whose member was killed is
        # free, and the member wants it back.
        self.lab.state['ports']['before all others'] = [_PORTS_FROM, 1]
        self._loop = loop
        self.ceph = ceph.Cluster(self.lab, NAME)
        self.members = [Member(self.lab, NAME, number)
                        for number in range(etcd.members(self.lab, NAME))]
        self._peers = []
        self.clocks = wallclock.WallClocks(self.lab.path('run'))

    def start(self):
        """Start everything."""
        address = self.lab.address(NAME)
        for number in range(len(self.members)):
            self._peers.append(proxy.Proxy(
                self._loop,
                (address, self.lab.port(f'etcd-peer{number}', NAME)),
                (address, self.lab.port(f'{_PEER}{number}', NAME)),
                _sender))
        for member in self.members:
            member.launch()
        self.ceph.start()
        # What upstream's driver wants for its clones.
        self.ceph.ceph('osd', 'set-require-min-compat-client', 'mimic')
        self.wait_etcd()

    def close(self):
        """End everything and remove the directory."""
        for one in self._peers:
            one.close()
        cleanup.remove(self.lab.directory)

    def wait_etcd(self):
        """Wait until all members serve."""
        for member in self.members:
            member.wait_ready()

    def leader(self):
        """Return the member that leads; the first one if none does."""
        return next((member for member in self.members if member.is_leader),
                    self.members[0])

    def part(self, member):
        """Cut a member off from the others; clients still reach it."""
        number = self.members.index(member)
        own = b'%x' % member.id
        for other, peer in enumerate(self._peers):
            peer.cut(None if other == number else own)

    def join(self):
        """Let all members reach each other again."""
        for peer in self._peers:
            peer.heal()

    def keep(self):
        """Keep the state of etcd, which is away for a moment."""
        self._replace(lambda member: _copy(member.data, _kept(member)))

    def bring_back(self):
        """Go back to the state of etcd that was kept."""
        self._replace(lambda member: _copy(_kept(member), member.data))

    def _replace(self, act):
        for member in self.members:
            member.kill()
        deadline.wait('the end of etcd', lambda: not any(
            member.is_running for member in self.members), 10, 0.05)
        for member in self.members:
            act(member)
            member.launch()

    def repair(self):
        """Start what does not run, wake what sleeps, join what is parted."""
        self.join()
        self.ceph.resume()
        for member in self.members:
            member.resume()
            member.launch()
        self.ceph.start()
        self.wait_etcd()


def _sender(header):
    """Return the number of the member that has sent a request, as text."""
    found = header.lower().partition(_SENDER)[2]
    return found.partition(b'\r\n')[0] or None


def _kept(member):
    return member.data.with_suffix('.kept')


def _copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
