# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy in front of one server, for the time of a test."""

import csv
import os
import shutil
import socket
import subprocess
import time

import fixtures

READY_SECONDS = 30.0

# As doc/source/admin/health.rst says.
_CHECK = '''
    option httpchk GET /healthcheck
    http-check expect status 200
    timeout check 3s
    default-server inter 1s fall 2 rise 2
'''


class HAProxy(fixtures.Fixture):
    """HAProxy with one server, which it checks.

    :param port: of the server.
    :param host: its address.
    """

    def __init__(self, port, host='127.0.0.1'):
        super().__init__()
        self._server = f'{host}:{port}'

    def _setUp(self):
        program = shutil.which('haproxy') or '/usr/sbin/haproxy'
        if not os.path.exists(program):
            raise AssertionError('haproxy is not installed: apt-get install '
                                 'haproxy')
        directory = self.useFixture(fixtures.TempDir()).path
        self._socket = os.path.join(directory, 'stats')
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        conf = os.path.join(directory, 'haproxy.cfg')
        with open(conf, 'w') as file:
            file.write(f'''
global
    stats socket {self._socket} level admin
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend images
    bind 127.0.0.1:{self.port}
    default_backend glance
backend glance
{_CHECK}
    server own {self._server} check
''')
        log = open(os.path.join(directory, 'log'), 'wb')
        self.addCleanup(log.close)
        self._process = subprocess.Popen(
            [program, '-db', '-f', conf], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log)
        self.addCleanup(self._process.wait, READY_SECONDS)
        self.addCleanup(self._process.kill)
        self._wait_ready(log.name)

    def _wait_ready(self, log):
        deadline = time.monotonic() + READY_SECONDS
        while not os.path.exists(self._socket):
            if self._process.poll() is not None or (
                    time.monotonic() > deadline):
                with open(log) as file:
                    raise AssertionError(
                        f'haproxy did not come up: {file.read()[-2000:]}')
            time.sleep(0.02)

    def state(self):
        """Return what HAProxy says: "UP", "UP 1/2", "DOWN" and so on."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(self._socket)
            line.sendall(b'show stat\n')
            text = b''.join(iter(lambda: line.recv(65536), b'')).decode()
        for row in csv.DictReader(text.lstrip('# ').splitlines()):
            if (row['pxname'], row['svname']) == ('glance', 'own'):
                return row['status']
        raise AssertionError(f'haproxy does not know its server: {text}')

    def seconds_until(self, state, limit_seconds):
        """Wait for a state; return how long that took, at most the limit."""
        begun = time.monotonic()
        while self.state() != state:
            if time.monotonic() - begun > limit_seconds:
                raise AssertionError(
                    f'after {limit_seconds:g} s it is {self.state()} and not '
                    f'{state}')
            time.sleep(0.05)
        return time.monotonic() - begun

    def seen_of_election(self, members, seconds):
        """Watch while members of an etcd elect a leader.

        :returns: how long they had none, and whether the server was DOWN.
        """
        begun = time.monotonic()
        took, was_down = None, False
        while took is None or time.monotonic() - begun < seconds:
            was_down = was_down or self.state() == 'DOWN'
            if took is None and any(member.is_leader() for member in members):
                took = time.monotonic() - begun
            if time.monotonic() - begun > READY_SECONDS:
                raise AssertionError(f'no leader in {READY_SECONDS:g} s')
            time.sleep(0.05)
        print(f'a leader after {took:.1f} s, DOWN: {was_down}')
        return took, was_down
