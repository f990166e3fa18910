# SPDX-License-Identifier: Apache-2.0
"""How far the clock of somebody who has answered is ahead of ours. Pure.

The header Date of HTTP has whole seconds, and nobody knows when between the
question and the answer it was made. So there is a doubt in each of them.
"""

import dataclasses
import email.utils


@dataclasses.dataclass(frozen=True)
class Clock:
    """A clock, compared with ours.

    :param ahead_seconds: below 0 if it is behind.
    :param doubt_seconds: by how much that may be wrong, either way.
    """

    ahead_seconds: float
    doubt_seconds: float

    def is_off(self, seconds):
        """Tell whether it differs by more than that beyond all doubt."""
        return abs(self.ahead_seconds) - self.doubt_seconds > seconds


def clock_of(date, sent_at, heard_at):
    """Return the :class:`Clock` of an answer, ``None`` if it tells no time.

    :param date: the header.
    :param sent_at: when it was asked for by our clock, since 1970.
    """
    try:
        told = email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return Clock(told + 0.5 - (sent_at + heard_at) / 2,
                 0.5 + max(0.0, heard_at - sent_at) / 2)


def surer(one, other):
    """Return which of two has less doubt; each may be ``None``."""
    found = [clock for clock in (one, other) if clock is not None]
    return min(found, key=lambda clock: clock.doubt_seconds, default=None)
