# SPDX-License-Identifier: Apache-2.0
"""Waits that end, and say what they waited for."""

import threading
import time


class LabError(Exception):
    """Report why the lab cannot go on, with the file to look at if any."""


class LabTimeout(LabError):
    """Report what did not happen in time."""

    def __init__(self, what, seconds, last=None):
        self.what = what
        self.seconds = seconds
        text = f'{what} did not happen within {seconds:g} s'
        super().__init__(f'{text}: {last}' if last else text)


_RARELY = 1.0

#: Set when a lab is being taken down: nobody waits or starts any more.
closing = threading.Event()


def check_open():
    """Raise when the lab is being taken down.

    :raises LabError: so that steps that still run end at once.
    """
    if closing.is_set():
        raise LabError('the lab is being taken down')


def wait(what, condition, seconds, interval=0.2, retry_on=(),
         is_exact=False):
    """Call ``condition`` until it is true and return what it returned.

    :param interval: how often at first, in seconds; what takes long is looked
        at less often, and seen a twentieth of that too late. Six tests that
        ask an API three times a second keep half a core busy.
    :param is_exact: somebody measures: look as often all the time.
    :param retry_on: exceptions that count as "not yet"; any other one, and
        ``LabError`` in any case, ends the wait at once.
    :raises LabTimeout: with the last exception, if there was one.
    """
    begun = time.monotonic()
    end = begun + seconds
    last = None
    while True:
        check_open()
        try:
            result = condition()
        except LabError:
            raise
        except retry_on as exc:
            last = repr(exc)[:300]
            result = None
        if result:
            return result
        now = time.monotonic()
        if now >= end:
            raise LabTimeout(what, seconds, last)
        time.sleep(interval if is_exact
                   else max(interval, min(_RARELY, (now - begun) / 20)))
