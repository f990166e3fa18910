# SPDX-License-Identifier: Apache-2.0
"""A process that forks others, each of which is one cinder-volume's driver.

To import Cinder takes seconds, to fork an instant: so a process that was
killed is back as soon as a service manager would have it. As in Cinder,
everything that talks to anybody is made after the fork.

``python -m tests.chaos.worker SOCKET``: whoever connects gets a process of his
own, and says in his first line what it is to be. Then both say one thing a
line.
"""

import importlib
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time

# It lets eventlet change what it wants, and so has to come first.
importlib.import_module('cinder.cmd.volume')

from cinder import coordination  # noqa: E402
from cinder import objects  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log as logging  # noqa: E402

from tests.chaos import drivers  # noqa: E402
from tests.chaos import history  # noqa: E402
from tests.chaos import manager  # noqa: E402

CONF = cfg.CONF
START_SECONDS = 60.0


class Line:
    """A connection on which both sides say one thing a line."""

    def __init__(self, connection):
        self._connection = connection
        self._lock = threading.Lock()
        self._lines = connection.makefile('rb')

    def say(self, **thing):
        """Say something."""
        with self._lock:
            self._connection.sendall(json.dumps(thing).encode() + b'\n')

    def hear(self):
        """Return what the other side says; ``None`` when it has gone."""
        try:
            line = self._lines.readline()
        except OSError:
            return None
        return json.loads(line) if line.endswith(b'\n') else None


class Worker:
    """The process of one cinder-volume."""

    def __init__(self, line, flavour):
        self._line = line
        self._flavour = flavour
        self._answers = {}
        self._manager = None
        self._counter = None

    def run(self):
        """Serve until told to stop, or nobody is there any more."""
        _started(_start_coordinator)
        driver = _started(lambda: drivers.make(self._flavour))
        self._manager = manager.Manager(driver, self._exists)
        self._counter = drivers.Counter(driver, self._flavour)
        self._line.say(ready=True)
        while thing := self._line.hear():
            if 'answer' in thing:
                self._answers.pop(thing['answer'])(thing['is'])
            elif 'stop' in thing:
                self._stop(driver)
                return
            else:
                threading.Thread(target=self._serve, args=(thing,),
                                 daemon=True).start()

    def _stop(self, driver):
        """End as a service does that is asked to."""
        for name in ('caretaker',):
            if hasattr(driver, name):
                getattr(driver, name).stop()
        coordination.COORDINATOR.stop()
        self._line.say(stopped=True)

    def _serve(self, request):
        number = request['number']
        if request['kind'] == history.INCREMENT:
            outcome, error = self._counter.increment(
                lambda found: self._line.say(number=number, found=found),
                request['before'], request['within'])
        else:
            outcome, error = self._manager.run(request)
        self._line.say(number=number, outcome=outcome, error=error)

    def _exists(self, name):
        """Ask whether the database knows a name."""
        found = []
        heard = threading.Event()

        def hear(answer):
            found.append(answer)
            heard.set()

        key = f'{threading.get_ident()} {name}'
        self._answers[key] = hear
        self._line.say(ask=key, name=name)
        heard.wait()
        return found[0]


def _started(start):
    """Start something; a service that cannot do so would be restarted."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return start()
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _start_coordinator():
    """Start it as Cinder does."""
    try:
        coordination.COORDINATOR.start()
    except Exception:
        coordination.COORDINATOR.coordinator = None
        raise


def _be(connection):
    """Be what the first line says, to the end of this process."""
    line = Line(connection)
    settings = line.hear()
    os.environ.update(settings['environment'])
    CONF(['--config-file', settings['conf']], project='cinder')
    logging.setup(CONF, 'cinder')
    line.say(pid=os.getpid())
    Worker(line, settings['flavour']).run()


def _forget_hub():
    """Let eventlet make its own epoll in this process, as oslo.service."""
    hubs = sys.modules.get('eventlet.hubs')
    if hubs is not None:
        hubs.use_hub()


def _reap(*_args):
    """Say how a process ended; its maker reads it in the log."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            print(f'process {pid} ended with {code}', flush=True)
    except ChildProcessError:
        return


def main(path):
    """Fork a process for each connection."""
    objects.register_all()
    listener = socket.socket(socket.AF_UNIX)
    pathlib.Path(path).unlink(missing_ok=True)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        connection, _address = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _forget_hub()
            listener.close()
            try:
                _be(connection)
            finally:
                # Without the clean-up that is the parent's.
                os._exit(0 if sys.exc_info()[0] is None else 1)
        connection.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
