# SPDX-License-Identifier: Apache-2.0
"""A WAN between the sites: a star of network namespaces around the centre.

Each site lives in a namespace of its own with its address on ``lo``; a
``wanlink`` process per edge is the line to the centre.
"""

import ctypes
import os
import pathlib
import socket
import subprocess
import tempfile

from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab import process
from tests.lab import service

_SOURCE = pathlib.Path(__file__).with_name('wanlink.c')
_NAMESPACES = pathlib.Path('/run/netns')
_CLONE_NEWNET = 0x40000000
# What the kernel keeps of a connection unless told otherwise; half of it is
# for what is under way.
_USUAL_BYTES = 4 << 20


def enter(lab, site=layouts.CENTRAL):
    """Move the calling thread, and those it starts, into a site's network.

    :raises deadline.LabError: when the namespace is not there.
    """
    namespace = lab.namespace(site)
    if namespace is None:
        return
    try:
        fd = os.open(_NAMESPACES / namespace, os.O_RDONLY)
    except FileNotFoundError:
        raise deadline.LabError(
            f'the network of {site} is gone: run "down", then "up"') from None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(fd, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise deadline.LabError(
                f'network of {site}: {os.strerror(number)}')
    finally:
        os.close(fd)


def ip(*arguments):
    """Run ``ip``.

    :raises deadline.LabError: with what it said.
    """
    done = subprocess.run(
        ['ip', *map(str, arguments)], capture_output=True, text=True,
        timeout=20)
    if done.returncode:
        raise deadline.LabError(
            f'ip {" ".join(map(str, arguments))}: {done.stderr.strip()}')
    return done.stdout


# What an order takes, and what that may be.
_ORDERS = {'stat': None, 'cut': None, 'heal': None,
           'delay': (int, 60_000_000), 'rate': (int, 100_000_000),
           'loss': (float, 1.0)}


def order(words):
    """Return an order to a line as it is sent.

    :param words: of somebody; the program takes what it understands of them.
    :raises deadline.LabError: if it is none.
    """
    verb, *values = words
    takes = _ORDERS.get(verb)
    try:
        if verb not in _ORDERS or len(values) != (takes is not None):
            raise ValueError
        if takes is not None and not 0 <= takes[0](values[0]) <= takes[1]:
            raise ValueError
    except ValueError:
        raise deadline.LabError(
            f'{" ".join(words)!r} is no order to a line. Give stat, cut, '
            'heal, delay MICROSECONDS, rate KBIT or loss FRACTION (0 to 1)'
        ) from None
    return ' '.join(words)


class Link(service.Service):
    """The line between the centre and one edge."""

    def __init__(self, lab, edge):
        super().__init__(lab, f'wan-{edge}')
        self.edge = edge
        self.program = lab.path('state', 'wan', 'wanlink')
        self.socket = lab.path('state', 'wan', f'{edge}.sock')

    def prepare(self):
        self.program.parent.mkdir(parents=True, exist_ok=True)
        if not self.program.exists():
            scratch = self.program.with_suffix('.new')
            # Not process.run: the namespaces may not be there yet.
            subprocess.run(
                ['gcc', '-O2', '-o', scratch, _SOURCE], check=True,
                timeout=60)
            scratch.rename(self.program)

    def command(self):
        wan = self.lab.wan
        return [self.program, self.lab.namespace(layouts.CENTRAL),
                f'w-{self.edge}', self.lab.namespace(self.edge), 'w-central',
                str(int(wan.rtt_ms * 500)), str(wan.rate_kbit), self.socket]

    def is_ready(self):
        return all(
            (f'w-{self.edge}:' in ip('-n', self.command()[1], 'link'),
             'w-central:' in ip('-n', self.command()[3], 'link')))

    def tell(self, order):
        """Send an order and return the line's settings and counters.

        :param order: ``stat``, ``cut``, ``heal``, ``delay US``,
            ``rate KBIT`` or ``loss FRACTION``.
        :raises deadline.LabError: when the line does not answer.
        """
        with tempfile.TemporaryDirectory(prefix='dcn-wan-') as scratch, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.bind(f'{scratch}/s')
            client.settimeout(5)
            try:
                client.sendto(order.encode(), str(self.socket))
                answer = client.recv(1024).decode()
            except OSError as exc:
                raise deadline.LabError(
                    f'the line to {self.edge} does not answer: {exc}') from exc
        pairs = (item.split('=', 1) for item in answer.split())
        return {key: float(value) if key == 'loss' else int(value)
                for key, value in pairs}


def up(lab):
    """Make the namespaces and the lines between them."""
    _add_namespace(lab, layouts.CENTRAL)
    process.run(lab, ['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
    for edge in lab.edges:
        add(lab, edge)


def add(lab, edge):
    """Make the namespace of an edge, and the line to it."""
    _add_namespace(lab, edge)
    Link(lab, edge).start()
    central, namespace = lab.namespace(layouts.CENTRAL), lab.namespace(edge)
    number = lab.number(edge)
    near, far = f'10.78.{number}.1', f'10.78.{number}.2'
    for space, device, mine, other in (
            (central, f'w-{edge}', near, far),
            (namespace, 'w-central', far, near)):
        ip('-n', space, 'addr', 'add', mine, 'peer', other, 'dev', device)
        ip('-n', space, 'link', 'set', device, 'up', 'mtu', '1500',
           'txqueuelen', '5000')
    ip('-n', central, 'route', 'add', lab.address(edge), 'via', far,
       'src', lab.address())
    ip('-n', namespace, 'route', 'add', 'default', 'via', near,
       'src', lab.address(edge))


def _add_namespace(lab, site):
    namespace = lab.namespace(site)
    ip('netns', 'add', namespace)
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
    ip('-n', namespace, 'addr', 'add', f'{lab.address(site)}/32', 'dev', 'lo')
    _tune(lab, site)


def _tune(lab, site):
    """Let a connection fill the line, as everybody does who has a long one.

    Otherwise one connection to an OSD carries 4 MiB in each round trip at
    most, whoever uses it.
    """
    most = 4 * int(lab.wan.rate_kbit * 125 * lab.wan.rtt_ms / 1000)
    if most <= _USUAL_BYTES:
        return
    for name, usual in (('wmem', 16384), ('rmem', 131072)):
        process.run(lab, ['sysctl', '-qw',
                          f'net.ipv4.tcp_{name}=4096 {usual} {most}'], site)


def namespaces(name):
    """Return the namespaces that belong to the lab of that name."""
    if not _NAMESPACES.is_dir():
        return []
    return sorted(entry.name for entry in _NAMESPACES.iterdir()
                  if entry.name.startswith(f'{name}-'))


def remove(name):
    """Remove the namespaces of a lab; return how many there were."""
    found = namespaces(name)
    for namespace in found:
        ip('netns', 'del', namespace)
    return len(found)
