# SPDX-License-Identifier: Apache-2.0
"""The Glance stores that hold an image, asked once for many requests."""

import threading
import time

from dcn_plugins import sites

# Beyond this many images the oldest answers are forgotten.
MAX_IMAGES = 4096

# How long one request waits for the answer that another one is fetching. The
# [glance] options of the service bound the fetching itself.
WAIT_SECONDS = 60.0


class _Answer:
    def __init__(self):
        self.is_there = threading.Event()
        self.asked_at = time.monotonic()
        self.stores = None
        self.error = None


class ImageStores:
    """The stores of images, each asked for once at a time and kept a while.

    Thread-safe. The answer that one user was given serves others as well: it
    only steers where a server or a volume goes whose image Nova or Cinder has
    let them use.

    :param keep_seconds: how long an answer is used. A failure is never kept.
    :param fetch: function of a request context and the id of an image that
        returns the names of its stores, comma-separated, or ``None``.
    """

    def __init__(self, keep_seconds, fetch):
        self._keep_seconds = keep_seconds
        self._fetch = fetch
        self._lock = threading.Lock()
        self._answers = {}

    def get(self, context, image_id):
        """Return the names of the stores as a frozenset.

        Asked with the token of the request, so that a move that an
        administrator makes of a private image may be refused by Glance.

        :raises Exception: that of Glance or its client; TimeoutError if
            another request's question is not answered in time.
        """
        answer, is_ours = self._answer(image_id)
        if is_ours:
            try:
                # Split, as a store's name may be part of another's.
                answer.stores = sites.listed(self._fetch(context, image_id))
            except BaseException as exc:
                # What ends this thread is no news for those that wait.
                answer.error = exc if isinstance(exc, Exception) else (
                    RuntimeError(f'asking for the stores of image {image_id} '
                                 'was ended'))
                self._forget(image_id, answer)
                raise
            finally:
                answer.is_there.set()
        elif not answer.is_there.wait(WAIT_SECONDS):
            raise TimeoutError(f'the stores of image {image_id} were not '
                               f'known after {WAIT_SECONDS:g} s')
        if answer.error:
            raise answer.error
        return answer.stores

    def _answer(self, image_id):
        with self._lock:
            found = self._answers.get(image_id)
            # A question that is still open is not asked again, however short
            # an answer is kept; but one that hangs must not stay for ever.
            if found and time.monotonic() - found.asked_at < (
                    self._keep_seconds if found.is_there.is_set()
                    else WAIT_SECONDS):
                return found, False
            self._answers.pop(image_id, None)
            while len(self._answers) >= MAX_IMAGES:
                del self._answers[next(iter(self._answers))]
            answer = self._answers[image_id] = _Answer()
            return answer, True

    def _forget(self, image_id, answer):
        with self._lock:
            if self._answers.get(image_id) is answer:
                del self._answers[image_id]
