# SPDX-License-Identifier: Apache-2.0
"""The one thread of a process that asks for copies."""

import threading
import time

from oslo_log import log as logging

from dcn_plugins.glance import copy_request
from dcn_plugins.glance import lazy_thread
from dcn_plugins.glance import wait_list

LOG = logging.getLogger(__name__)


class CopyWorker:
    """Look after images in the background, one request to Glance at a time.

    The thread starts with the first image and is a daemon: what still waits
    when the process ends is lost.

    :param image_api: an ``ImageAPI``.
    :param size: how many images may wait.
    :param retry_seconds: how long each of them is tried.
    """

    def __init__(self, image_api, size, retry_seconds, clock=time.monotonic):
        self._image_api = image_api
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._list = wait_list.WaitList(size)
        self._changed = threading.Condition()
        self._thread = lazy_thread.LazyThread('dcn_copy', self._run)
        self._is_stopped = False

    def add(self, image_id):
        """Have an image looked after soon; return False when the list is full.

        Does not wait for anything but a short internal lock.
        """
        now = self._clock()
        request = copy_request.CopyRequest(
            image_id, now, self._retry_seconds)
        with self._changed:
            is_added = self._list.add(
                request, now + copy_request.FIRST_LOOK_SECONDS)
            self._thread.begin()
            self._changed.notify()
        return is_added

    def drop(self, image_id):
        """Forget an image that has been deleted."""
        with self._changed:
            self._list.drop(image_id)

    def stop(self, timeout_seconds=None):
        """End the thread after the look under way; return whether it did."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        return self._thread.join(timeout_seconds)

    def _run(self):
        while True:
            request = self._next()
            if request is None:
                return
            due = self._advance(request)
            with self._changed:
                if due is None:
                    self._list.finish(request)
                else:
                    self._list.put_back(request, due)

    def _next(self):
        with self._changed:
            while not self._is_stopped:
                now = self._clock()
                request = self._list.take(now)
                if request is not None:
                    return request
                due = self._list.next_due()
                self._changed.wait(None if due is None else due - now)
        return None

    def _advance(self, request):
        try:
            return request.advance(self._image_api, self._clock)
        except Exception:
            # The top of a thread: one image that cannot be dealt with must
            # not end the copies of all others.
            LOG.exception('The copies of image %s were given up',
                          request.image_id)
            return None
