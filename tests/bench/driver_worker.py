# SPDX-License-Identifier: Apache-2.0
"""One cinder-volume's driver in a process of its own, that does as told.

It runs as cinder-volume of the installed release does: with eventlet where
that has it. ``driver_fleet`` imports it once and forks it, as Cinder forks
its backends; whatever talks to anybody is made after the fork.
"""

import contextlib
import faulthandler
import importlib
import json
import logging
import os
import socket
import sys
import threading
import time
import traceback
import types

# It lets eventlet change what it wants, and so has to come first.
importlib.import_module('cinder.cmd.volume')

from cinder import coordination  # noqa: E402
from cinder import exception  # noqa: E402
from cinder.volume.drivers import rbd  # noqa: E402

from dcn_plugins.cinder import takeover  # noqa: E402
from dcn_plugins.locking import session  # noqa: E402
from tests.bench import blast_stop  # noqa: E402
from tests.bench import driver_names as names  # noqa: E402
from tests.bench import driver_raw  # noqa: E402
from tests.functional.storage import volume_service  # noqa: E402

_SNAPSHOTS = frozenset([names.SNAPSHOT, names.DELETE_SNAPSHOT])
#: Of each lock in tooz' own etcd driver.
STOCK_TTL_SECONDS = 30.0

_DELETIONS = frozenset([names.DELETE, names.DELETE_SNAPSHOT])
_OF_MANAGER = ('-delete_volume', '-delete_snapshot')


class Gone(Exception):
    """Say that what a request needs was deleted while it waited."""


class TidyDriver(rbd.RBDDriver):
    """Upstream's, which removes the snapshot of a clone that is deleted.

    It did until a way out was put before it. This is the least that would
    bring it back.
    """

    def _find_clone_snap(self, image):
        found = super()._find_clone_snap(image)
        self._has_clones = found is not None
        return found

    def _get_clone_info(self, *args, **kwargs):
        self._parent = super()._get_clone_info(*args, **kwargs)
        return self._parent

    def _delete_volume(self, volume, client):
        self._parent = None, None, None
        super()._delete_volume(volume, client)
        _pool, parent, snapshot = self._parent
        # With clones, it is kept for them.
        if parent and not self._has_clones:
            with contextlib.suppress(self.rbd.ImageNotFound):
                self._delete_clone_parent_refs(client, parent, snapshot)


class Line:
    """A connection to who gives the orders; one thing a line."""

    def __init__(self, path, **who):
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(path)
        self._lines = self._connection.makefile('rb')
        self._lock = threading.Lock()
        self.say(**who)

    def say(self, **thing):
        """Say something."""
        with self._lock:
            self._connection.sendall(json.dumps(thing).encode() + b'\n')

    def hear(self):
        """Return what the other side says; ``None`` when it has gone."""
        line = self._lines.readline()
        return json.loads(line) if line.endswith(b'\n') else None


class Worker:
    """The process.

    :param settings: what ``driver_fleet`` gives all of its processes.
    """

    def __init__(self, settings):
        flavour = settings['flavour']
        self._is_ours = flavour == names.OURS
        self._here = threading.local()
        self._stop = None
        rig = types.SimpleNamespace(**settings['rig'])
        if flavour == names.RAW:
            self._service = driver_raw.RawService(rig)
            return
        self._service = volume_service.VolumeService(
            rig, settings['url'], self._driver_class(flavour),
            **settings['options'])
        self._driver = self._service.driver
        # There is no database here.
        takeover.Takeover.run = lambda _self: None
        self._driver.check_for_setup_error()
        self._get_lock = coordination.COORDINATOR.get_lock
        self._has_locks = flavour not in names.WITHOUT_LOCKS
        coordination.COORDINATOR.get_lock = self._lock
        if self._is_ours:
            self._hold = self._driver.lock_guard.hold
            self._driver.lock_guard.hold = self._holding

    def _driver_class(self, flavour):
        if self._is_ours:
            return volume_service.OURS
        return (TidyDriver if flavour in names.THAT_TIDY_UP
                else volume_service.STOCK)

    def _lock(self, name):
        """Stand in for a lock of Cinder's coordinator."""
        if name.endswith(_OF_MANAGER):
            return self._lock_of_manager(name)
        return self._get_lock(name)

    @contextlib.contextmanager
    def _lock_of_manager(self, name):
        with contextlib.ExitStack() as held:
            if self._has_locks:
                held.enter_context(self._get_lock(name))
            self._here.held_at = session.clock()
            if self._stop is not None:
                self._stop.held(STOCK_TTL_SECONDS)
            self._ask(name, is_deleted=False)
            yield
            if self._here.is_deletion:
                self._ask(name, is_deleted=True)

    def _ask(self, name, is_deleted):
        """Have the database looked at, or changed, as the manager does.

        :raises Gone: if what is to be locked is not there any more.
        """
        if self._here.is_watched:
            line = self._here.line
            line.say(ask=name.rpartition('-')[0], is_deleted=is_deleted)
            if not line.hear()['is_there']:
                raise Gone(name)

    @contextlib.contextmanager
    def _holding(self, *args):
        with self._hold(*args) as operation:
            if not getattr(self._here, 'is_held', True):
                self._here.is_held = True
                self._here.held_at = session.clock()
            yield operation

    def serve(self, line):
        """Do what is asked for until nobody asks any more."""
        self._here.line = line
        while request := line.hear():
            if 'stop_at' in request:
                self._stop = blast_stop.Stop(
                    line.say, self._left, **request['stop_at'])
                self._stop.watch()
            line.say(**self._answered(request))

    def _left(self, hold):
        return self._driver.backend.locks().left(hold)

    def _answered(self, request):
        name, arguments = _call(request)
        self._here.held_at = None
        self._here.is_held = False
        self._here.is_deletion = name in _DELETIONS
        self._here.is_watched = request.get('is_watched', False)
        outcome, error = 'done', ''
        cpu, began_at = time.process_time(), time.perf_counter()
        try:
            getattr(self._service, name)(*arguments)
        except Gone as exc:
            outcome, error = 'gone', str(exc)
        except (exception.VolumeIsBusy, exception.SnapshotIsBusy) as exc:
            outcome, error = 'busy', _told(exc)
        # What a driver raises is no closed list.
        except Exception as exc:
            outcome, error = 'failed', _told(exc)
        return {'outcome': outcome, 'error': error,
                'seconds': time.perf_counter() - began_at,
                'cpu_seconds': time.process_time() - cpu,
                'held_at': self._here.held_at, 'ended_at': session.clock()}

    def close(self):
        """Stop as a service does that is asked to."""
        if self._is_ours:
            self._driver.caretaker.stop()
        self._service.close()


def _call(request):
    """Return the method of VolumeService and its arguments."""
    operation = request['operation']
    first = volume_service.volume(**request['volume'])
    if operation in _SNAPSHOTS:
        return operation, [volume_service.snapshot(
            first, request['snapshot'])]
    if operation == names.EXTEND:
        return operation, [first, request['size']]
    if operation == names.CLONE:
        return operation, [first, volume_service.volume(**request['source'])]
    if operation == names.FROM_SNAPSHOT:
        return operation, [first, volume_service.snapshot(
            volume_service.volume(**request['source']), request['snapshot'])]
    return operation, [first]


def _told(exc):
    return f'{type(exc).__name__}: {exc}'[:500]


def be(path, number, settings):
    """Serve all lanes of one process."""
    log = open(f'{settings["log"]}-{number}.log', 'a')
    logging.basicConfig(stream=log, level=logging.INFO, force=True, format=(
        '%(asctime)s %(process)d %(levelname)s %(name)s %(message)s'))
    # Where librbd ends a process there is no other trace.
    faulthandler.enable(log)
    worker = Worker(settings)
    threads = [threading.Thread(target=worker.serve, args=(Line(
        path, number=number, lane=lane),))
        for lane in range(settings['lanes'])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worker.close()


def _fork(line, path, number, settings):
    pid = os.fork()
    if pid:
        line.say(started=number, pid=pid)
        return
    # A hub of its own: that of the process that was forked is copied.
    hubs = sys.modules.get('eventlet.hubs')
    if hubs is not None:
        hubs.use_hub()
    try:
        be(path, number, settings)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    # Without what is for the process that was forked.
    os._exit(0)


def _bury(line):
    """Tell how each process has ended, for ever."""
    while True:
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                line.say(ended=pid, code=os.waitstatus_to_exitcode(status))
                continue
        time.sleep(0.02)


def main(path):
    """Fork a process for each that is asked for."""
    line = Line(path)
    threading.Thread(target=_bury, args=(line,), daemon=True).start()
    while request := line.hear():
        _fork(line, path, **request)


if __name__ == '__main__':
    main(*sys.argv[1:])
