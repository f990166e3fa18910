# SPDX-License-Identifier: Apache-2.0
"""The processes under test, as their maker sees them."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time

from tests.chaos import history
from tests.lab import deadline
from tests.lab import inifile
from tests.lab import process
from tests.lab.services import ceph

_ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_SECONDS = 60.0
STOP_SECONDS = 30.0


class Gone(Exception):
    """Report that a process has ended before it answered."""


class Template:
    """The process that forks the others.

    :param lab: whose it is.
    :param environment: of all of them, for instance LD_PRELOAD.
    """

    def __init__(self, lab, environment=None):
        self._process = process.Process(lab, 'chaos-template')
        self.socket = str(lab.path('run', 'chaos.sock'))
        self._process.spawn(
            [sys.executable, '-m', 'tests.chaos.worker', self.socket],
            'central', {'PYTHONPATH': os.pathsep.join(
                [str(lab.plugins), str(_ROOT)]), **(environment or {})})
        deadline.wait('the template of the workers', self._is_ready,
                      READY_SECONDS, 0.1)

    def _is_ready(self):
        if not self._process.is_alive:
            raise deadline.LabError(
                f'the template has ended:\n{self._process.tail(20)}')
        return os.path.exists(self.socket)

    def end_of(self, pid):
        """Return how a process has ended, as far as is known."""
        with contextlib.suppress(deadline.LabTimeout):
            deadline.wait('its end', lambda: self._told(pid), 2, 0.05)
        return self._told(pid) or 'nobody knows how'

    def _told(self, pid):
        text = self._process.log.read_text(errors='replace')
        return next((line for line in text.splitlines()
                     if line.startswith(f'process {pid} ended')), None)

    def close(self):
        """End it; its children end when nobody talks to them any more."""
        self._process.kill()


class Worker:
    """One process under test.

    :param template: :class:`Template`.
    :param name: of the host that it is.
    :param flavour: see :mod:`tests.chaos.flavours`.
    :param conf: path of its cinder.conf.
    :param exists: tells whether the database knows a name.
    :param died: called with the worker when it ends and was not killed.
    """

    def __init__(self, template, name, flavour, conf, exists, died,
                 environment=None):
        self.name = name
        self.pid = None
        self.is_killed = False
        self._template = template
        self._settings = {'conf': str(conf), 'flavour': flavour,
                          'environment': environment or {}}
        self._exists = exists
        self._died = died
        self._lock = threading.Lock()
        self._calls = {}
        self._events = {}
        self._connection = None

    @property
    def is_running(self):
        """Whether it can be asked."""
        return self._connection is not None

    def start(self):
        """Start it and wait until its driver is set up.

        :raises deadline.LabTimeout: if it is not in time.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._template.socket)
        self.is_killed = False
        self._events = {'pid': threading.Event(), 'ready': threading.Event(),
                        'stopped': threading.Event()}
        self._send(connection, self._settings)
        threading.Thread(target=self._read, args=(connection,),
                         name=f'reads {self.name}', daemon=True).start()
        if not self._events['pid'].wait(READY_SECONDS):
            raise deadline.LabTimeout(f'{self.name} being there',
                                      READY_SECONDS)
        self._connection = connection

    def wait_ready(self):
        """Wait until it can be asked; return whether it can."""
        return self._events['ready'].wait(READY_SECONDS) and self.is_running

    def call(self, operation, tell=None, **request):
        """Ask for something and fill in its answer.

        :param operation: of the history.
        :param tell: called once the process has read what it increments.
        """
        waiter = _Call(operation, tell)
        with self._lock:
            connection = self._connection
            if connection is None:
                waiter.end(history.REFUSED, 'it does not run')
                return
            self._calls[operation.number] = waiter
        try:
            self._send(connection, {'number': operation.number, **request})
        except OSError as exc:
            with self._lock:
                self._calls.pop(operation.number, None)
            waiter.end(history.UNKNOWN, str(exc))
            return
        waiter.done.wait()

    def signal(self, number):
        """Send a signal to it."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def pause(self):
        """Freeze it where it is."""
        self.signal(signal.SIGSTOP)

    def resume(self):
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def kill(self):
        """Kill it, and wait until its connection is seen to be gone."""
        self.is_killed = True
        self.signal(signal.SIGKILL)
        with contextlib.suppress(deadline.LabTimeout):
            deadline.wait(f'the end of {self.name}',
                          lambda: not self.is_running, 5, 0.01)

    def stop(self):
        """Ask it to end in order, and kill it if it does not.

        :returns: whether it did.
        """
        connection = self._connection
        self.is_killed = True
        if connection is None:
            return True
        with contextlib.suppress(OSError):
            self._send(connection, {'stop': True})
        is_stopped = self._events['stopped'].wait(STOP_SECONDS)
        self.kill()
        return is_stopped

    def _send(self, connection, thing):
        line = json.dumps(thing).encode() + b'\n'
        with self._lock:
            connection.sendall(line)

    def _read(self, connection):
        with connection, contextlib.suppress(OSError, ValueError):
            for line in connection.makefile('rb'):
                self._heard(connection, json.loads(line))
        with self._lock:
            self._connection = None
            calls, self._calls = list(self._calls.values()), {}
        for event in self._events.values():
            event.set()
        if not self.is_killed:
            self._died(self)
        for call in calls:
            call.end(history.UNKNOWN, 'its process has ended')

    def _heard(self, connection, thing):
        if 'ask' in thing:
            self._send(connection, {'answer': thing['ask'],
                                    'is': self._exists(thing['name'])})
        elif 'number' in thing:
            self._answered(thing)
        elif 'pid' in thing:
            self.pid = thing['pid']
            self._events['pid'].set()
        else:
            self._events[next(iter(thing))].set()

    def _answered(self, thing):
        if 'found' in thing:
            self._calls[thing['number']].found(thing['found'])
            return
        with self._lock:
            call = self._calls.pop(thing['number'])
        call.end(thing['outcome'], thing['error'])


class _Call:
    """Something that was asked for and not answered yet."""

    def __init__(self, operation, tell):
        self.done = threading.Event()
        self._operation = operation
        self._tell = tell

    def found(self, number):
        self._operation.found = number
        if self._tell:
            self._tell()

    def end(self, outcome, error):
        self._operation.outcome = outcome
        self._operation.error = error
        self._operation.ended = time.monotonic()
        self.done.set()


def write_conf(site, name, log, backend_url, wait_seconds, **backend):
    """Write the cinder.conf of one worker and return its path."""
    lab = site.lab
    path = lab.path('etc', f'{name}.conf')
    inifile.write(path, {
        'DEFAULT': {'host': name, 'log_file': lab.path('log', f'{log}.log'),
                    'state_path': lab.path('state', name), 'debug': 'false',
                    'cluster': 'chaos', 'enabled_backends': 'ceph'},
        'coordination': {'backend_url': backend_url},
        'dcn': {'lock_wait_seconds': wait_seconds},
        'ceph': {
            'volume_backend_name': 'ceph', 'rbd_pool': 'volumes',
            'rbd_ceph_conf': ceph.conf(lab, site.ceph.site),
            'rbd_cluster_name': 'ceph', 'rbd_user': ceph.USER,
            'rbd_secret_uuid': lab.uuid('secret'),
            'rbd_max_clone_depth': 3, 'rados_connect_timeout': 5,
            # Each snapshot of a flattened image takes a second.
            'rados_connection_retries': 3, 'rados_connection_interval': 1,
            **backend}})
    return path
