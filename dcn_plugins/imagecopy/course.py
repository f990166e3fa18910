# SPDX-License-Identifier: Apache-2.0
"""One target of a copy, from the first connection to its result."""

import threading

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import progress
from dcn_plugins.imagecopy import request as requests

WAITS, PLAN, PUMP, VERIFY, PUBLISH = (
    'waits', 'plan', 'pump', 'verify', 'publish')


class Course:
    """Where a target is, and what it waits for.

    What blocks runs in a thread for it, one thing at a time, and ends as an
    event. Everything else runs in the thread of the engine.
    """

    def __init__(self, place, image_id, events, throttle):
        self.place = place
        self.throttle = throttle
        self.step = WAITS
        self.client = self.target = self.found = self.lane = None
        self.is_frozen = self.is_explained = False
        self.error = self.failed_at = None
        self.result = None
        self.rate = progress.Rate()
        self._image_id = image_id
        self._events = events
        self._is_working = False

    @property
    def is_working(self):
        """Whether something runs in a thread for it."""
        return self._is_working

    def work(self, function, ended):
        """Run something that blocks; ``ended`` gets what it returns.

        What it raises becomes the error of this target.
        """
        self._is_working = True

        def run():
            try:
                found, error = function(), None
            except exceptions.DCNError as exc:
                found, error = None, exc
            # Nothing else may end in silence, and the other targets go on.
            except Exception as exc:
                found, error = None, exceptions.CopyInterrupted(
                    self._image_id, f'{type(exc).__name__}: {exc}')
            self._events.put((self._worked, (found, error, ended)))

        threading.Thread(target=run, name=f'dcn-{self.place.store}',
                         daemon=True).start()

    def _worked(self, found, error, ended):
        self._is_working = False
        if error is not None:
            self.error = self.error or error
        elif ended:
            ended(found)

    def end(self, outcome, seconds, size=0, value=None):
        """Note the result."""
        is_there = outcome in (requests.Outcome.COPIED,
                               requests.Outcome.PRESENT)
        self.result = requests.Result(
            self.place.store, outcome,
            location=self.target.location if is_there else None,
            size_bytes=size,
            sent_bytes=self.lane.sent_bytes if self.lane else 0,
            saved_bytes=self.lane.saved_bytes if self.lane else 0,
            seconds=seconds, hash_value=value,
            error=self.error if outcome is requests.Outcome.FAILED else None)
