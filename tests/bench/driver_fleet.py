# SPDX-License-Identifier: Apache-2.0
"""Several processes, each with one driver as cinder-volume has it.

Importing Cinder takes seconds, forking an instant, so one process imports it
and is forked. This one gives orders and does not measure: that is done where
the work is.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from tests.bench import driver_names as names

# For the import of Cinder on a busy machine.
START_SECONDS = 180.0
# Between two looks at those that should start.
_LOOK_SECONDS = 1.0
# Longer than any request takes, but for those that never end.
ANSWER_SECONDS = 300.0


class Died(Exception):
    """Say that a process has ended, or answers no more."""


class Lane:
    """One conversation with a process: one request at a time."""

    def __init__(self, connection):
        self._connection = connection
        self._lines = connection.makefile('rb')
        self.process = None

    def hear(self, seconds=ANSWER_SECONDS):
        """Return what the process says next.

        :raises Died: if it does not, in time.
        """
        self._connection.settimeout(seconds)
        try:
            line = self._lines.readline()
        except OSError as exc:
            raise Died(f'no answer: {exc}') from exc
        if not line.endswith(b'\n'):
            raise Died('it has ended')
        return json.loads(line)

    def say(self, **thing):
        """Tell the process something; raises Died if it has ended."""
        try:
            self._connection.sendall(json.dumps(thing).encode() + b'\n')
        except OSError as exc:
            raise Died(str(exc)) from exc

    def ask(self, request, is_there=None):
        """Return what has become of a request.

        :param is_there: tells by its id whether an object is there, to a
            process that has its lock, or is told that it was deleted.
        :raises Died: if the process has, meanwhile.
        """
        self.say(**request, is_watched=is_there is not None)
        while True:
            found = self.hear()
            if 'ask' not in found:
                return found
            self.say(is_there=is_there(found['ask'], found['is_deleted']))

    def close(self):
        """Ask for nothing more: the process ends."""
        # The file holds the connection, too.
        self._lines.close()
        self._connection.close()


class Process:
    """One that was forked."""

    def __init__(self, pid):
        self.pid = pid
        self.code = None
        self._is_over = threading.Event()

    def ended(self, code):
        """Take note of how it has ended."""
        self.code = code
        self._is_over.set()

    def join(self, seconds):
        """Wait for its end; return its code, or ``None``."""
        self._is_over.wait(seconds)
        return self.code

    def signal(self, number):
        """Send it a signal, unless it has ended."""
        if not self._is_over.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Nursery:
    """The process that has imported Cinder, and what it has forked."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._processes = {}
        #: Or nobody would know who it is that connects.
        self.one_at_a_time = threading.Lock()

    def __enter__(self):
        directory = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._path = os.path.join(directory, 'socket')
        self._listener = self._stack.enter_context(
            socket.socket(socket.AF_UNIX))
        self._listener.bind(self._path)
        self._listener.listen(64)
        self._listener.settimeout(_LOOK_SECONDS)
        self._parent = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.bench.driver_worker', self._path],
            stdin=subprocess.DEVNULL)
        self._stack.callback(self._end)
        self._line = self.accept()
        self._line.hear()
        self._started = {}
        self._is_started = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_exc):
        self._stack.close()

    def accept(self, processes=()):
        """Return the conversation that a process begins.

        :param processes: of which none may have ended.
        :raises Died: if none does.
        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._parent.poll() is None and all(
                process.code is None for process in processes):
            with contextlib.suppress(TimeoutError):
                return Lane(self._listener.accept()[0])
        raise Died('a process did not start')

    def fork(self, number, settings):
        """Return a new :class:`Process`, which will connect."""
        self._line.say(number=number, settings=settings)
        with self._is_started:
            self._is_started.wait_for(
                lambda: number in self._started, START_SECONDS)
            return self._started.pop(number)

    def _listen(self):
        with contextlib.suppress(Died):
            while True:
                found = self._line.hear(None)
                if 'started' in found:
                    process = self._processes[found['pid']] = Process(
                        found['pid'])
                    with self._is_started:
                        self._started[found['started']] = process
                        self._is_started.notify_all()
                else:
                    self._processes[found['ended']].ended(found['code'])

    def _end(self):
        for process in list(self._processes.values()):
            process.signal(signal.SIGKILL)
        self._parent.kill()
        self._parent.wait(10)


class Fleet:
    """Processes of one flavour.

    :param nursery: a started :class:`Nursery`.
    :param rig: :class:`tests.functional.storage.rig.Rig`, started.
    :param flavour: of ``driver_names``.
    :param count: of processes at the start.
    :param lanes: conversations with each.
    :param ttl_seconds: of a lease of ours.
    :param log: beginning of the names of their logs.
    """

    def __init__(self, nursery, rig, flavour, count, lanes=1, ttl_seconds=15,
                 log='/dev/null', **options):
        self._nursery = nursery
        self._settings = {
            'flavour': flavour, 'lanes': lanes, 'options': options,
            'log': log, 'url': url(rig, flavour, ttl_seconds),
            'rig': {'conf': rig.conf, 'user': rig.user, 'pool': rig.pool,
                    'etcd_hosts': rig.etcd_hosts}}
        #: All that were ever started.
        self.processes = []
        self.lanes = []
        self.start(count)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        for process in self.processes:
            process.signal(signal.SIGKILL)
            process.join(10)

    def start(self, count):
        """Start so many processes more and return their lanes.

        :raises Died: if one does not say that it is ready.
        """
        with self._nursery.one_at_a_time:
            return self._start(count)

    def _start(self, count):
        first = len(self.processes)
        for number in range(first, first + count):
            self.processes.append(self._nursery.fork(number, self._settings))
        found = []
        for _lane in range(count * self._settings['lanes']):
            lane = self._nursery.accept(self.processes[first:])
            who = lane.hear(START_SECONDS)
            lane.process = self.processes[who['number']]
            found.append((who['number'], who['lane'], lane))
        found = [lane for _number, _lane, lane in sorted(
            found, key=lambda entry: entry[:2])]
        self.lanes += found
        return found

    def stop(self, seconds=60.0):
        """End all processes in order; return the codes of all that were.

        ``None`` is one that did not end by itself.
        """
        for lane in self.lanes:
            lane.close()
        end = time.monotonic() + seconds
        return [process.join(max(0.0, end - time.monotonic()))
                for process in self.processes]


def url(rig, flavour, ttl_seconds):
    """Return the coordinator of a flavour."""
    if flavour == names.OURS:
        return f'dcn-etcd3+http://{rig.etcd_hosts}?ttl={ttl_seconds}'
    if flavour in names.WITHOUT_LOCKS:
        # Nobody takes a lock of it.
        return f'file://{tempfile.gettempdir()}'
    # It takes one member only.
    return f'etcd3+http://{rig.etcd_hosts.split(",")[0]}?api_version=v3'
