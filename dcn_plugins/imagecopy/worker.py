# SPDX-License-Identifier: Apache-2.0
"""The process that copies: ``python -m dcn_plugins.imagecopy.worker``.

It reads a request and later orders from its standard input, and writes
results and progress to its standard output. It ends when its caller ends.
"""

import ctypes
import logging
import os
import queue
import signal
import sys
import threading

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import engine as engines
from dcn_plugins.imagecopy import heap
from dcn_plugins.imagecopy import places
from dcn_plugins.imagecopy import protocol

# From <sys/prctl.h>.
_SET_DEATH_SIGNAL = 1
_CLOSE_SECONDS = 15.0
# The libraries of Ceph, the buffers of the engine, and what librados has read.
# It is more than that for a moment, and shall stay below 160 MiB.
_RESIDENT_BYTES = 136 << 20


class Worker:
    """One copy, told by lines.

    :param orders: binary file to read from; ``answers``: to write to.
    :param step: called with the name of what was done, for tests.
    """

    def __init__(self, orders, answers, step=lambda name: None):
        self._orders = orders
        self._answers = answers
        self._step = step
        self._engine = None
        self._replies = queue.SimpleQueue()
        self._asked = 0

    def run(self):
        """Copy, and return when the caller has replied to all results."""
        kind, content = protocol.message(self._orders.readline())
        if kind != protocol.REQUEST:
            raise ValueError(f'{kind} before any request')
        request = protocol.request(content['request'])
        self._engine = engines.Engine(
            request, places.Places(request, self._step), self._result,
            self._progress)
        threading.Thread(target=self._listen, name='dcn-orders',
                         daemon=True).start()
        try:
            self._engine.run()
        except exceptions.DCNError as exc:
            self._say(protocol.FAILED, error=protocol.packed_error(exc))
        replies = [self._replies.get() for _number in range(self._asked)]
        self._engine.settle(_CLOSE_SECONDS)
        for store, is_kept in replies:
            if not is_kept:
                self._engine.discard(store)
        self._engine.settle(_CLOSE_SECONDS)
        self._engine.close()

    def _listen(self):
        for text in self._orders:
            kind, content = protocol.message(text)
            if kind in (protocol.KEEP, protocol.DISCARD):
                self._replies.put((content['store'], kind == protocol.KEEP))
                continue
            call = {
                protocol.PAUSE: lambda: self._engine.pause(True),
                protocol.RESUME: lambda: self._engine.pause(False),
                protocol.CANCEL: self._engine.cancel,
                protocol.RATES: lambda content=content: (
                    self._engine.set_rates(content['total'],
                                           content['stores'])),
            }[kind]
            self._engine.events.put((call, ()))
        # The caller is gone, and with it whoever would use what we make.
        os._exit(1)

    def _result(self, result):
        self._asked += 1
        self._say(protocol.RESULT, result=protocol.packed(result))

    def _progress(self, progress):
        self._say(protocol.PROGRESS, progress=protocol.packed(progress))

    def _say(self, kind, **content):
        self._answers.write(protocol.line(kind, **content))
        self._answers.flush()


def die_with(parent):
    """Have this process killed when the one that started it ends."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main(step=lambda name: None):
    """Copy for the process whose id is the argument."""
    die_with(int(sys.argv[1]))
    # It is its caller's to decide: a terminal tells all its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr,
                        format='%(levelname)s %(name)s %(message)s')
    heap.Heap(_RESIDENT_BYTES).watch()
    code = 1
    try:
        Worker(sys.stdin.buffer, sys.stdout.buffer, step).run()
        code = 0
    except BaseException:
        logging.exception('The copy has ended')
    # Threads of Ceph may still wait for what does not come.
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    main()
