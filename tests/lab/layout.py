# SPDX-License-Identifier: Apache-2.0
"""One lab: its directory, sites, addresses, ports, passwords and options.

All of it is one JSON file, so that any later command finds the same lab.
"""

import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import secrets
import socket
import sys
import threading
import uuid

from tests.lab import deadline

FILE = 'lab.json'
#: In the environment of every process of a lab; how a sweep finds them.
MARKER = 'DCN_LAB_DIR'
CENTRAL = 'central'
#: A further store at the central site, for copies that are made later.
ARCHIVE = 'archive'
# Below are those of whatever else tests start.
_PORTS_FROM = 23000


def ephemeral_start():
    """Return the first port that the kernel may hand to a client."""
    path = pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range')
    return int(path.read_text().split()[0])


@dataclasses.dataclass(frozen=True)
class Wan:
    """A link: round trip in milliseconds, rate in kbit/s (0: no limit)."""

    rtt_ms: float
    rate_kbit: int

    @classmethod
    def parse(cls, text):
        """Read ``40ms,1Gbit``; the rate may be left out.

        :raises deadline.LabError: with the form that is expected.
        """
        units = {'kbit': 1, 'mbit': 1000, 'gbit': 1000000}
        rtt, _comma, rate = text.lower().replace(' ', '').partition(',')
        try:
            if not rtt.endswith('ms'):
                raise ValueError
            kbit = 0
            if rate:
                unit = next(u for u in units if rate.endswith(u))
                kbit = int(float(rate[:-len(unit)]) * units[unit])
            link = cls(float(rtt[:-2]), kbit)
            if not 0 <= link.rtt_ms <= 10000 or link.rate_kbit < 0:
                raise ValueError
            return link
        except (ValueError, StopIteration):
            raise deadline.LabError(
                f'--wan {text}: expected a round trip of 0ms to 10000ms and '
                'a rate in kbit, Mbit or Gbit, like 40ms,1Gbit') from None


class Layout:
    """Where everything of one lab is, and how its parts reach one another."""

    def __init__(self, directory, state):
        self.directory = pathlib.Path(directory)
        self.state = state
        self._lock = threading.Lock()

    @classmethod
    def create(cls, directory, edges=2, guests='fake', wan=None):
        """Make the layout of a new lab; nothing is started.

        :param edges: number of edge sites, 1 to 20.
        :param guests: ``fake`` or ``real``.
        :param wan: a ``Wan`` between central and each edge, or None.
        :raises deadline.LabError: bad option, or a path that Ceph, libvirt or
            a unix socket cannot use.
        """
        directory = pathlib.Path(directory)
        check_directory(directory)
        check_edges(edges)
        state = {
            'guests': guests,
            'sites': [CENTRAL] + [f'dcn{i}' for i in range(edges)],
            'wan': dataclasses.asdict(wan) if wan else None,
            'ports': {}, 'secrets': {}, 'phases': [],
        }
        # Passwords and keys are inside.
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        layout = cls(directory, state)
        # First of all: without it nobody may remove the directory again.
        layout.save()
        for sub in ('etc', 'run', 'log', 'state'):
            layout.path(sub).mkdir(exist_ok=True)
        return layout

    @classmethod
    def load(cls, directory):
        """Return the layout that ``create`` made.

        :raises deadline.LabError: when there is no lab, or its file is torn.
        """
        path = pathlib.Path(directory) / FILE
        try:
            return cls(directory, json.loads(path.read_text()))
        except FileNotFoundError:
            raise deadline.LabError(
                f'no lab in {directory}: run "up" first') from None
        except ValueError as exc:
            raise deadline.LabError(
                f'{path} is damaged ({exc}): run "down", then "up"') from exc

    def save(self):
        """Replace the file; a reader or a kill never sees half of it."""
        target = self.path(FILE)
        scratch = target.with_suffix('.tmp')
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(self.state, indent=1))
        os.replace(scratch, target)

    def path(self, *parts):
        """Return a path inside the lab's directory."""
        return self.directory.joinpath(*parts)

    @property
    def name(self):
        """Name things outside the directory so that labs do not meet."""
        return f'dcnlab{self._digest.hex()[:6]}'

    @property
    def _digest(self):
        return hashlib.sha256(str(self.directory).encode()).digest()

    @property
    def sites(self):
        """All sites, the central one first."""
        return list(self.state['sites'])

    @property
    def edges(self):
        """The edge sites."""
        return self.sites[1:]

    def add_edge(self):
        """Return the name of one more edge site; nothing of it is started.

        :raises deadline.LabError: if there are as many as there can be.
        """
        check_edges(len(self.edges) + 1)
        with self._lock:
            site = f'dcn{len(self.edges)}'
            self.state['sites'].append(site)
            self.save()
        return site

    @property
    def has_real_guests(self):
        """Say whether guests run under libvirt."""
        return self.state['guests'] == 'real'

    @property
    def wan(self):
        """The link between central and each edge, or None."""
        return Wan(**self.state['wan']) if self.state['wan'] else None

    @property
    def plugins(self):
        """Where dcn_plugins is installed for the services of this lab."""
        return self.path('plugins')

    @property
    def venv(self):
        """The virtual environment of the services: the one we run in."""
        return pathlib.Path(sys.prefix)

    def program(self, name):
        """Return the path of a program of the virtual environment."""
        return str(self.venv / 'bin' / name)

    def number(self, site):
        """Return the site's number: 0 is central."""
        return self.sites.index(site)

    def namespace(self, site):
        """Return the site's network namespace, or None without a WAN."""
        return f'{self.name}-{site}' if self.wan else None

    def address(self, site=CENTRAL):
        """Return the address that all services of a site listen on.

        Each site has its own even without namespaces, so that a service
        that is configured for another site is never reached by accident.
        Each lab has others, too: two that start at the same time find the
        same ports free.
        """
        net = '10.77' if self.wan else f'127.{16 + self._digest[8] % 224}'
        return f'{net}.{self.number(site)}.1'

    def port(self, name, site=CENTRAL, count=1):
        """Return the first of ``count`` free ports; the same at each call.

        Below the ephemeral range, else a client may own it when the server
        comes. Inside a network namespace no probing is needed: it is ours.
        Not all labs begin at the same one: Erlang listens on all addresses.
        """
        key = f'{name}@{site}'
        with self._lock:
            ports = self.state['ports']
            if key not in ports:
                taken = max((first + many for first, many in ports.values()),
                            default=_PORTS_FROM + self._digest[11] % 32 * 250)
                ports[key] = [self._free(taken, count), count]
                self.save()
            return ports[key][0]

    def _free(self, start, count):
        limit = ephemeral_start()
        first = start
        while first + count < limit:
            busy = next((port for port in range(first, first + count)
                         if not self._is_free(port)), None)
            if busy is None:
                return first
            first = busy + 1
        raise deadline.LabError(
            f'no {count} free ports between {start} and {limit}')

    def _is_free(self, port):
        if self.wan:
            return True
        # On all addresses: Erlang listens on others than it is told.
        with socket.socket() as probe:
            try:
                probe.bind(('', port))
            except OSError as exc:
                if exc.errno == errno.EADDRINUSE:
                    return False
                raise
        return True

    def url(self, name, site=CENTRAL, scheme='http'):
        """Return the URL of a service that listens on its port of ``name``."""
        return f'{scheme}://{self.address(site)}:{self.port(name, site)}'

    def secret(self, name):
        """Return a throw-away password; the same at each call."""
        return self._generated(name, lambda: secrets.token_hex(12))

    def uuid(self, name):
        """Return a random UUID; the same at each call."""
        return self._generated(name, lambda: str(uuid.uuid4()))

    def _generated(self, name, make):
        with self._lock:
            known = self.state['secrets']
            if name not in known:
                known[name] = make()
                self.save()
            return known[name]


def check_edges(edges):
    """Refuse a number of edge sites that no machine of ours can hold.

    :raises deadline.LabError: with the range.
    """
    if not 1 <= edges <= 20:
        raise deadline.LabError(f'--sites {edges}: 1 to 20 edge sites')


def check_directory(directory):
    """Refuse a directory that one of the services cannot live in.

    :raises deadline.LabError: with the reason.
    """
    text = str(directory)
    if not directory.is_absolute() or any(c in text for c in ' ,:;%$\'"'):
        raise deadline.LabError(
            f'{text}: the lab needs an absolute path without spaces and '
            'without , : ; % $ or quotes, as Ceph, RabbitMQ and libvirt take '
            'it apart. The checkout itself may be anywhere.')
    # sun_path holds 107 bytes; the longest name below is libvirt's.
    if len(text) > 40:
        raise deadline.LabError(
            f'{text}: longer than 40 characters, so that the names of unix '
            'sockets inside would be cut off')
