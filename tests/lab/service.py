# SPDX-License-Identifier: Apache-2.0
"""What every program of the lab has in common.

A service is one class: a fixture for tests, and from the same definition
what ``python -m tests.lab service NAME start|stop|restart|kill|pause|resume``
acts on.
"""

import signal

import fixtures

from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab import process


class Service(fixtures.Fixture):
    """A program with a configuration, a log, and a proof that it is ready."""

    #: How long the program may take until it is ready: long, as the machine
    #: may be busy with other tests; one that ends is seen at once.
    ready_seconds = 300
    #: How long it may take to end before it is killed.
    stop_seconds = 10

    def __init__(self, lab, name, site=layouts.CENTRAL):
        super().__init__()
        self.lab = lab
        self.name = name
        self.site = site
        self.process = process.Process(lab, name)

    @property
    def listening_port(self):
        """The port whose listener proves readiness, or None."""
        return None

    def prepare(self):
        """Write the configuration; called before each start."""

    def command(self):
        """Return the program and its arguments."""
        raise NotImplementedError

    def environment(self):
        """Return what the program needs in its environment."""
        return {}

    def is_ready(self):
        """Say whether the program answers; cheap, called often."""
        if self.listening_port is None:
            return True
        return process.listens(process.tree(self.process.pid or 0),
                               self.listening_port)

    def start(self):
        """Start the program and wait until it is ready.

        :raises deadline.LabError: when it ends instead, with its last lines.
        :raises deadline.LabTimeout: when it is not ready in time.
        """
        self.launch()
        self.wait_ready()

    def launch(self):
        """Start the program without waiting; nothing if it runs already."""
        if self.process.is_alive:
            return
        self.prepare()
        self.process.spawn(self.command(), self.site, self.environment())

    def wait_ready(self):
        """Wait until the program is ready."""
        def ready():
            if not self.process.is_alive:
                raise deadline.LabError(
                    f'{self.name} ended before it was ready; '
                    f'{self.process.log}:\n{self.process.tail()}')
            return self.is_ready()

        try:
            deadline.wait(f'{self.name} being ready', ready,
                          self.ready_seconds)
        except deadline.LabTimeout as exc:
            raise deadline.LabError(
                f'{exc}; {self.process.log}:\n{self.process.tail()}') from exc

    def stop(self):
        """Stop the program and wait for its end."""
        self.process.stop(self.stop_seconds)

    def kill(self):
        """Kill the program as a crash would."""
        self.process.kill()

    def pause(self):
        """Freeze the program where it is."""
        self.process.signal(signal.SIGSTOP)

    def resume(self):
        """Let a frozen program go on."""
        self.process.signal(signal.SIGCONT)

    def restart(self):
        """Stop, and start with a configuration that is written anew."""
        self.stop()
        self.start()

    @property
    def is_running(self):
        """Say whether the program runs."""
        return self.process.is_alive

    def pids(self):
        """Return the pids of the program and of its children."""
        pid = self.process.pid
        return process.tree(pid) if pid else []

    def _setUp(self):
        self.addCleanup(self.stop)
        self.start()
