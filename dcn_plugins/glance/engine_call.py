# SPDX-License-Identifier: Apache-2.0
"""Run what blocks beside Glance, and have its callbacks here.

Under eventlet a call into librbd would stop all requests of glance-api, so it
goes to a thread of the operating system. The database of Glance, on the other
hand, may be used by green threads only. So what the thread wants to have
written is asked for through a queue, and done by whoever waits for the thread.
Without eventlet it is the same; there is one way, and it is tested in both
worlds.
"""

import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins import native

LOG = logging.getLogger(__name__)

# An eventlet hub knows no queue of native threads, so it is looked into.
LOOK_SECONDS = 0.02

#: How long what was told to stop may take for it: more than a call to a
#: cluster that is away.
STOP_SECONDS = 600.0


class EngineCall:
    """One call in a native thread, and what it asks for meanwhile.

    :param image_id: for messages.
    :param stop_seconds: how long the call may go on when it has been told to
        stop; then it is left alone, and all it asks for is refused.
    """

    def __init__(self, image_id, stop_seconds=STOP_SECONDS,
                 clock=time.monotonic):
        self._image_id = image_id
        self._stop_seconds = stop_seconds
        self._clock = clock
        self._threading = native.module('threading')
        self._asked = native.module('queue').SimpleQueue()
        self._is_left = self._threading.Event()
        self._reason = None

    def served(self, function):
        """Return what has ``function`` called by :meth:`run`, for the engine.

        It returns or raises what ``function`` does.
        """
        def ask(*args):
            answer = _Answer(self._threading.Event())
            self._asked.put((function, args, answer))
            while not answer.wait(1.0):
                if self._is_left.is_set():
                    raise exceptions.CopyCancelled(
                        self._image_id, 'nobody waits for it any more')
            return answer.get()

        return ask

    def check(self):
        """Raise why the engine has to stop, if it has to."""
        if self._reason is not None:
            raise self._reason

    def run(self, function, beat, beat_seconds):
        """Return what ``function()`` returns, called in a native thread.

        :param beat: called every so many seconds by this thread; what it
            raises makes :meth:`check` raise, and comes out of here.
        :raises CopyCancelled: if it was told to stop and did not.
        """
        outcome = _Answer(self._threading.Event())
        thread = self._threading.Thread(
            target=outcome.fill, args=(function,), name='dcn-copy',
            daemon=True)
        thread.start()
        try:
            self._serve(outcome, beat, beat_seconds)
        finally:
            self._is_left.set()
        # What has stopped the engine, not how it has said so.
        self.check()
        return outcome.get()

    def _serve(self, outcome, beat, beat_seconds):
        next_beat = self._clock() + beat_seconds
        give_up = None
        # Asked for before the end is looked at: nothing is left behind.
        while self._answer_all() or not outcome.wait(0):
            now = self._clock()
            if give_up is not None and now > give_up:
                LOG.error('The copy of image %s was told to stop %d s ago '
                          'and has not; it is left alone and can register '
                          'nothing', self._image_id, self._stop_seconds)
                raise self._reason
            if self._reason is None and now >= next_beat:
                next_beat = now + beat_seconds
                self._reason = _raised(beat)
                give_up = self._reason and now + self._stop_seconds
            time.sleep(LOOK_SECONDS)

    def _answer_all(self):
        """Do what is asked for; return whether there was anything."""
        is_any = False
        while not self._asked.empty():
            function, args, answer = self._asked.get()
            answer.fill(function, *args)
            is_any = True
        return is_any


class _Answer:
    """What a call returns or raises, once it has."""

    def __init__(self, event):
        self._event = event
        self._result = self._error = None

    def fill(self, function, *args):
        try:
            self._result = function(*args)
        # Carried to whoever has asked: no error is lost, whatever it is.
        except BaseException as exc:
            self._error = exc
        self._event.set()

    def wait(self, seconds):
        return self._event.wait(seconds)

    def get(self):
        if self._error is not None:
            raise self._error
        return self._result


def _raised(function):
    try:
        function()
    # Whatever ends the work of Glance ends that of the engine.
    except Exception as exc:
        return exc
    return None
