# SPDX-License-Identifier: Apache-2.0
"""Copy one image from one Ceph cluster to several others."""

import contextlib
import dataclasses
import logging
import os
import time

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import controls
from dcn_plugins.imagecopy import heap
from dcn_plugins.imagecopy import protocol
from dcn_plugins.imagecopy import request as requests
from dcn_plugins import native

LOG = logging.getLogger(__name__)

#: Rates, pauses and priorities of all copies of this process.
CONTROLS = controls.Controls()

_MODULE = 'dcn_plugins.imagecopy.worker'
_CHECK_SECONDS = 1.0
# The process says something every second, and ends soon when it is told to.
_SILENT_SECONDS = 300.0
_END_SECONDS = 60.0


def copy(request, on_result, on_progress=None, check=None, log=LOG.log):
    """Copy an image to all targets of a request; return their results.

    A target that fails or is slow neither ends nor slows the others. It
    blocks, in a native thread or not, and may be called by several at once.

    :param request: :class:`~dcn_plugins.imagecopy.request.CopyRequest`.
    :param on_result: called with a
        :class:`~dcn_plugins.imagecopy.request.Result` as soon as a target is
        whole, verified and readable, or has failed: the caller registers it
        at once. If it raises, the image is removed from that target again.
    :param on_progress: called about once a second with a
        :class:`~dcn_plugins.imagecopy.request.Progress` of a target.
    :param check: called about once a second; if it raises, all that has not
        ended is cancelled (what is partial stays, for a later copy), and its
        exception comes out of here.
    :param log: called with a level, a text and what belongs into it, by
        threads of our own. Under eventlet these may not log by themselves:
        each message asks which thread it is of, under a lock that only one
        thread can wait for.
    :returns: ``{store: Result}``.
    :raises CopyError: if there is nothing to copy from: no source answers, or
        none has the image.
    """
    with _Copy(request, on_result, on_progress, check, log) as running:
        key = CONTROLS.enter(request, running.order)
        try:
            return running.run()
        finally:
            CONTROLS.leave(key)


class _Copy:
    """One process that copies, and what it has said."""

    def __init__(self, request, on_result, on_progress, check, log=LOG.log):
        self._request = request
        self._on_result = on_result
        self._on_progress = on_progress or (lambda progress: None)
        self._check = check or (lambda: None)
        self._heard = native.module('queue').Queue()
        # Written by a thread of its own: whoever has something to say may be
        # the one thread of the service, and a process that is stuck does not
        # read.
        self._to_say = native.module('queue').SimpleQueue()
        self._results = {}
        self._reason = None
        self._last_words = ''
        self._log = log

    def __enter__(self):
        subprocess = native.module('subprocess')
        # Nothing of a request is in the command.
        self._process = subprocess.Popen(  # nosec B603
            [native.interpreter(), '-m', _MODULE, str(os.getpid())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0,
            env={**heap.SETTINGS, **os.environ})
        for name, run in (('answers', self._listen), ('log', self._overhear),
                          ('orders', self._speak)):
            native.module('threading').Thread(
                target=run, name=f'dcn-copy-{name}', daemon=True).start()
        self._say(protocol.REQUEST, request=protocol.packed(self._request))
        return self

    def __exit__(self, *_exc):
        self._to_say.put(None)
        try:
            self._process.wait(_END_SECONDS)
        except native.module('subprocess').TimeoutExpired:
            self._tell(logging.WARNING, 'The process that copied image %s '
                       'does not end and is killed', self._request.image_id)
        self._process.kill()
        self._process.wait()

    def order(self, order):
        """Have the process pause, go on, or change its rates.

        It waits for nothing: it is called with the lock of all copies, that
        also the service itself takes.
        """
        self._say(protocol.RATES, total=order.total, stores=order.stores)
        self._say(protocol.PAUSE if order.is_paused else protocol.RESUME)

    def run(self):
        """Return the results; raises as :func:`copy`."""
        raised = None
        checked_at = heard_at = time.monotonic()
        while True:
            found = self._next()
            now = time.monotonic()
            if found is not None:
                heard_at = now
                kind, content = found
                if kind is None:
                    break
                self._handle(kind, content)
            elif now - heard_at > _SILENT_SECONDS or (
                    raised and now - checked_at > _END_SECONDS):
                self._process.kill()
            if raised is None and now - checked_at >= _CHECK_SECONDS:
                checked_at = now
                raised = self._checked()
        if raised is not None:
            raise raised
        return self._ended()

    def _next(self):
        try:
            return self._heard.get(timeout=0.2)
        except native.module('queue').Empty:
            return None

    def _checked(self):
        """Ask whether to go on; return what says that we should not."""
        try:
            self._check()
        except Exception as exc:
            self._say(protocol.CANCEL)
            return exc
        return None

    def _handle(self, kind, content):
        if kind == protocol.PROGRESS:
            self._on_progress(protocol.progress(content['progress']))
        elif kind == protocol.RESULT:
            self._note(protocol.result(content['result']))
        elif kind == protocol.FAILED:
            self._reason = protocol.error(content['error'])

    def _note(self, result):
        reply = protocol.KEEP
        try:
            self._on_result(result)
        except Exception as exc:
            self._tell(logging.WARNING, 'Image %s is removed from store %s '
                       'again: %s', self._request.image_id, result.store, exc)
            if result.location:
                reply = protocol.DISCARD
                result = dataclasses.replace(
                    result, outcome=requests.Outcome.FAILED, location=None,
                    error=exc)
        self._results[result.store] = result
        self._say(reply, store=result.store)

    def _ended(self):
        """Return all results; those that nobody told are failures."""
        if self._reason is not None:
            raise self._reason
        for target in self._request.targets:
            if target.store not in self._results:
                code = self._process.wait(_END_SECONDS)
                self._note(requests.Result(
                    target.store, requests.Outcome.FAILED,
                    error=exceptions.CopyInterrupted(
                        self._request.image_id,
                        f'the process that copied has ended with {code}: '
                        f'{self._last_words or "it has said nothing"}')))
        return self._results

    def _say(self, kind, **content):
        self._to_say.put(protocol.line(kind, **content))

    def _speak(self):
        try:
            with self._process.stdin as stdin:
                while (line := self._to_say.get()) is not None:
                    stdin.write(line)
        # Its end is heard elsewhere.
        except OSError as exc:
            self._tell(logging.DEBUG, 'The process that copies does not '
                       'listen: %s', exc)

    def _listen(self):
        for text in self._process.stdout:
            self._heard.put(protocol.message(text))
        self._heard.put((None, None))

    def _overhear(self):
        for text in self._process.stderr:
            self._last_words = text.decode(errors='replace').strip()
            self._tell(logging.INFO, 'copy of image %s: %s',
                       self._request.image_id, self._last_words)

    def _tell(self, level, text, *args):
        # Whoever has asked for the copy may have left.
        with contextlib.suppress(exceptions.CopyCancelled):
            self._log(level, text, *args)
