# SPDX-License-Identifier: Apache-2.0
"""So many bytes a second, also while that changes. Pure."""

import dataclasses

from dcn_plugins import day_part

# What may be sent at once after a pause, and the longest single write.
_BURST_SECONDS = 0.1
_LEAST_PART_BYTES = 64 << 10
# What no clock is exact to is no reason to ask again.
_LEAST_SECONDS = 0.001


class Throttle:
    """Says when the next bytes may go.

    :param rate: bytes a second; ``None`` for as many as there are, 0 for
        none.
    """

    def __init__(self, rate=None):
        self._rate = rate
        self._allowed = 0.0
        self._at = None

    def set_rate(self, now, rate):
        """Change the rate; what was saved up or owed counts on."""
        self._settle(now)
        self._rate = rate

    @property
    def part_bytes(self):
        """The longest part to send at once; ``None`` for any."""
        if self._rate is None:
            return None
        return max(_LEAST_PART_BYTES, int(self._rate * _BURST_SECONDS))

    def delay(self, now):
        """Return the seconds until something may be sent; 0 for now."""
        self._settle(now)
        if self._rate is None or self._allowed >= 0:
            return 0.0 if self._rate != 0 else 1.0
        if not self._rate:
            return 1.0
        return max(_LEAST_SECONDS, min(1.0, -self._allowed / self._rate))

    def spend(self, length):
        """Note that so many bytes were sent."""
        if self._rate is not None:
            self._allowed -= length

    def _settle(self, now):
        if self._rate is not None and self._at is not None:
            most = self._rate * _BURST_SECONDS
            self._allowed = min(
                most, self._allowed + (now - self._at) * self._rate)
        self._at = now


@dataclasses.dataclass(frozen=True)
class TimeWindow(day_part.DayPart):
    """A rate for a part of each day.

    :param rate: bytes a second; ``None`` for as many as there are.
    """

    rate: int | None

    @classmethod
    def from_text(cls, text):
        """Return the window of a text like ``08:00-18:00=25000000``.

        :raises ValueError: if it is none.
        """
        times, rate = text.split('=')
        begin, end = (int(hours) * 60 + int(minutes) for hours, minutes in (
            part.split(':') for part in times.split('-')))
        return cls(begin, end, int(rate) or None)


def rate_at(windows, minute, otherwise=None):
    """Return the rate of the first window that covers a minute of the day."""
    for window in windows:
        if window.covers(minute):
            return window.rate
    return otherwise
