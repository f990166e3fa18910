# SPDX-License-Identifier: Apache-2.0
"""Parts of each day, in whatever local time. Pure."""

import dataclasses
import re

_TIME = '([01][0-9]|2[0-3]):([0-5][0-9])'
_TEXT = re.compile(f'{_TIME}-{_TIME}', re.ASCII)


@dataclasses.dataclass(frozen=True)
class DayPart:
    """A part of each day.

    :param begin: minute of the day, 0 to 1439; ``end`` is after it, past
        midnight if it is smaller.
    """

    begin: int
    end: int

    @classmethod
    def from_text(cls, text):
        """Return the part of a text like ``22:00-06:00``.

        :raises ValueError: if it is none, or of no length.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f'{text!r} is no part of a day')
        hour, minute, last_hour, last_minute = map(int, found.groups())
        begin, end = 60 * hour + minute, 60 * last_hour + last_minute
        if begin == end:
            raise ValueError(f'{text!r} has no length')
        return cls(begin, end)

    def covers(self, minute):
        """Say whether a minute of the day is in it."""
        if self.begin <= self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end
