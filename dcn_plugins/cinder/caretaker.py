# SPDX-License-Identifier: Apache-2.0
"""What one cinder-volume of a cluster does for all of them.

Each process has a caretaker; the one that holds a lock of the cluster works.
When it dies its lock ends with its lease, and the next one in the queue goes
on. Should two work at the same time it does no harm: what they do is under
the locks of what they do it to.
"""

import dataclasses
import threading
import time
import typing

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: Between two looks at what is due.
TURN_SECONDS = 1.0

# How long a caretaker queues before it looks whether it is still wanted.
QUEUE_SECONDS = 5.0


@dataclasses.dataclass
class Task:
    """Something that is done again and again.

    :param run: takes nothing; what it raises is logged, once for each text.
    :param seconds: between two runs.
    """

    name: str
    run: typing.Callable
    seconds: float
    due_at: float = 0.0
    failure: str = ''


class Caretaker:
    """Run tasks for as long as this process is the one that does.

    :param get_lock: returns the lock of the cluster, as tooz defines it.
    :param tasks: of :class:`Task`.
    :param announce: called at each turn, whoever is elected.
    """

    def __init__(self, get_lock, tasks, announce=lambda: None,
                 clock=time.monotonic):
        self._get_lock = get_lock
        self._tasks = list(tasks)
        self._announce = announce
        self._clock = clock
        self._lock = None
        self._stop = threading.Event()
        self._thread = None

    def start(self):
        """Begin to queue for the lock, in a thread of its own."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name='dcn-caretaker', daemon=True)
            self._thread.start()

    def stop(self):
        """Do nothing more, soon."""
        self._stop.set()

    def turn(self):
        """Run what is due, if it is for this process to do so.

        :raises Exception: of the lock service.
        """
        self._announce()
        if not self._is_elected():
            return
        for task in self._tasks:
            if task.due_at <= self._clock() and not self._stop.is_set():
                self._attempt(task)
                task.due_at = self._clock() + task.seconds

    def _attempt(self, task):
        try:
            task.run()
            task.failure = ''
        # One task must not keep the others from their turn, for ever.
        except Exception as exc:
            failure = f'{type(exc).__name__}: {exc}'
            if failure != task.failure:
                LOG.warning('%s has failed and is tried again: %s',
                            task.name, failure)
            task.failure = failure

    def _is_elected(self):
        if self._lock is not None and self._lock.acquired:
            return True
        if self._lock is not None:
            # Lost: another one has it by now.
            lost, self._lock = self._lock, None
            lost.release()
        lock = self._get_lock()
        if lock.acquire(blocking=QUEUE_SECONDS):
            self._lock = lock
        return self._lock is not None

    def _run(self):
        failure = ''
        while not self._stop.is_set():
            try:
                self.turn()
                failure = ''
            # A thread that has ended would be missed by nobody.
            except Exception as exc:
                if str(exc) != failure:
                    LOG.warning('The caretaker of this backend waits: %s',
                                exc)
                failure = str(exc)
            self._stop.wait(TURN_SECONDS)
        self._retire()

    def _retire(self):
        """Let another one work, without waiting for the end of a lease."""
        lock, self._lock = self._lock, None
        try:
            if lock is not None:
                lock.release()
        # The coordinator may have been stopped first: its lease ends then.
        except Exception as exc:
            LOG.debug('The lock of the caretaker is left to its lease: %s',
                      exc)
