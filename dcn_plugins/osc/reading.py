# SPDX-License-Identifier: Apache-2.0
"""Many readers at a time, each with its deadline.

A reader that hangs holds up nobody: when its time is over its fact is not
known, whatever becomes of its thread. That ends with the process.
"""

import threading
import time

from dcn_plugins import exceptions
from dcn_plugins.osc import fact as facts

#: What a reader gets above its own deadline, for its own error to arrive: it
#: says more than that there was none.
GRACE_SECONDS = 0.2


class Reading:
    """A reader in a thread of its own.

    :param read: called with the seconds that it may take; what it returns is
        the value. Errors below ``DCNError`` become the problem of the fact.
    """

    def __init__(self, read, seconds, clock=time.time):
        self._read = read
        self._seconds = seconds
        self._clock = clock
        self._is_done = threading.Event()
        self._fact = None
        self._error = None
        self._ends_at = time.monotonic() + seconds + GRACE_SECONDS
        threading.Thread(target=self._run, name='dcn-read',
                         daemon=True).start()

    def fact(self):
        """Wait for the fact, to the deadline at most, and return it.

        :raises Exception: that is no error of ours, but a fault of the
            reader.
        """
        if not self._is_done.wait(
                max(0.0, self._ends_at - time.monotonic())):
            return facts.Fact(
                problem=f'it does not answer within {self._seconds:g} s')
        if self._error is not None:
            raise self._error
        return self._fact

    def _run(self):
        try:
            value = self._read(self._seconds)
            self._fact = (value if isinstance(value, facts.Fact)
                          else facts.Fact(value, self._clock()))
        except exceptions.DCNError as exc:
            self._fact = facts.Fact(problem=str(exc))
        except Exception as exc:
            self._error = exc
        finally:
            self._is_done.set()


def read_all(readers, seconds, clock=time.time):
    """Return the fact of each reader; all of them run at the same time.

    :param readers: functions by any key, see :class:`Reading`.
    """
    begun = {key: Reading(read, seconds, clock)
             for key, read in readers.items()}
    return {key: reading.fact() for key, reading in begun.items()}
