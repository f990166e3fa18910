# SPDX-License-Identifier: Apache-2.0
"""A real etcd cluster of one or more members for the time of a test."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import fixtures

from dcn_plugins.locking import etcd

READY_SECONDS = 60.0


class Member:
    """One member, that can be killed, paused and started again."""

    def __init__(self, command, data, port, log, context=None):
        self.port = port
        self._data = data
        self._command = [*command, '--data-dir', data]
        self._log = log
        self._context = context
        self.process = None

    @property
    def url(self):
        scheme = 'https' if self._context else 'http'
        return f'{scheme}://127.0.0.1:{self.port}'

    def start(self):
        with open(self._log, 'ab') as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(READY_SECONDS)

    def keep(self):
        """Keep its state; it must not run."""
        shutil.copytree(self._data, f'{self._data}.kept')

    def bring_back(self):
        """Take the state that was kept; it must not run."""
        shutil.rmtree(self._data)
        shutil.copytree(f'{self._data}.kept', self._data)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def is_healthy(self):
        with contextlib.suppress(OSError, ValueError):
            with urllib.request.urlopen(f'{self.url}/health', timeout=2,
                                        context=self._context) as answer:
                return str(json.load(answer).get('health')) == 'true'
        return False

    def is_leader(self):
        """Say whether it leads its cluster; not if it does not answer."""
        request = urllib.request.Request(
            f'{self.url}/v3/maintenance/status', b'{}')
        with contextlib.suppress(OSError, ValueError):
            with urllib.request.urlopen(request, timeout=2,
                                        context=self._context) as answer:
                status = json.load(answer)
            # One that has lost its leader has none in its answer.
            return status.get('leader') == status['header']['member_id']
        return False

    def wait_ready(self):
        """Wait until it serves; raises if it ends or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_healthy():
            if self.process.poll() is not None or (
                    time.monotonic() > deadline):
                with open(self._log) as log:
                    raise AssertionError(
                        f'etcd on port {self.port} did not come up: '
                        f'{log.read()[-2000:]}')
            time.sleep(0.02)


class EtcdServer(fixtures.Fixture):
    """A cluster on ports of the kernel's choice, its data in memory if it can.

    :param count: of members.
    :param certificates: with ``authority``, ``certificate`` and ``key``, for
        a cluster that speaks TLS and wants the same of its clients.
    """

    def __init__(self, count=1, certificates=None):
        super().__init__()
        self._count = count
        self._certificates = certificates

    def _setUp(self):
        program = shutil.which('etcd')
        if program is None:
            raise AssertionError('etcd is not installed: apt-get install '
                                 'etcd-server')
        directory = self.useFixture(fixtures.TempDir()).path
        ports = _free_ports(2 * self._count)
        peers = {f'm{index}': f'http://127.0.0.1:{port}'
                 for index, port in enumerate(ports[self._count:])}
        tls, context = self._tls()
        self.members = []
        for (name, peer), port in zip(peers.items(), ports):
            client = f'{"https" if tls else "http"}://127.0.0.1:{port}'
            self.members.append(Member([
                program, '--name', name,
                '--listen-client-urls', client,
                '--advertise-client-urls', client,
                '--listen-peer-urls', peer,
                '--initial-advertise-peer-urls', peer,
                '--initial-cluster', ','.join(
                    f'{other}={url}' for other, url in peers.items()),
                '--initial-cluster-token', directory,
                '--logger', 'zap', '--log-level', 'error', *tls],
                os.path.join(directory, name), port,
                os.path.join(directory, f'{name}.log'), context))
            self.addCleanup(self.members[-1].kill)
        self._start()

    def _start(self):
        for member in self.members:
            member.start()
        for member in self.members:
            member.wait_ready()

    def keep(self):
        """Make a backup; the cluster is away for a moment."""
        self._stopped(Member.keep)

    def bring_back(self):
        """Restore the backup."""
        self._stopped(Member.bring_back)

    def _stopped(self, act):
        for member in self.members:
            member.kill()
        for member in self.members:
            act(member)
        self._start()

    def _tls(self):
        """Return the options of a server with TLS, and what a client needs."""
        own = self._certificates
        if own is None:
            return [], None
        context = ssl.create_default_context(cafile=own.authority)
        context.load_cert_chain(own.certificate, own.key)
        return ['--client-cert-auth', '--trusted-ca-file', own.authority,
                '--cert-file', own.certificate, '--key-file', own.key], context

    @property
    def endpoints(self):
        return tuple(etcd.Endpoint('127.0.0.1', member.port)
                     for member in self.members)

    @property
    def hosts(self):
        """The members as a URL of ours names them."""
        return ','.join(f'127.0.0.1:{member.port}'
                        for member in self.members)

    def client(self, transport=None):
        """Return a client; its user closes it."""
        return etcd.Client(self.endpoints, transport or etcd.Pool())

    def leases(self):
        """Return the number of leases."""
        client = self.client()
        try:
            return len(client.call('/lease/leases', {}, 10).get('leases', ()))
        finally:
            client.close()

    def leader(self):
        """Return the member that leads."""
        for member in self.members:
            if member.is_leader():
                return member
        raise AssertionError('no member leads')


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        found = []
        for _number in range(count):
            listener = stack.enter_context(socket.socket())
            listener.bind(('127.0.0.1', 0))
            found.append(listener.getsockname()[1])
        return found
