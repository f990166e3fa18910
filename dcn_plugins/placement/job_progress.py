# SPDX-License-Identifier: Apache-2.0
"""How far the copy of a job is, as whoever copies has told. Pure."""

import dataclasses
import json
import math

from dcn_plugins import json_fields


@dataclasses.dataclass(frozen=True)
class Progress:
    """What was known of a copy at a moment.

    :param at: that moment, seconds since 1970, of the clock of the host that
        copies.
    :param step: what it is at, one word.
    :param total_bytes: of data that are to be there at its end, as far as
        that is known by then.
    """

    at: float
    step: str
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: float = 0.0

    @property
    def eta_seconds(self):
        """How long the rest takes at this rate; ``None`` if nobody can say."""
        if self.bytes_per_second <= 0 or not self.total_bytes:
            return None
        return (max(0, self.total_bytes - self.done_bytes)
                / self.bytes_per_second)

    def age_seconds(self, now):
        """Return how old these numbers are; a clock may be ahead of ours."""
        return max(0.0, now - self.at)


def text_of(progress):
    """Return a progress as a text of one line."""
    return json_fields.text_of(progress)


def progress_of(text):
    """Return the :class:`Progress` of a text; ``None`` if it is none."""
    try:
        values = json.loads(text)
        found = Progress(
            at=float(values['at']), step=str(values['step'])[:20],
            done_bytes=int(values['done_bytes']),
            total_bytes=int(values['total_bytes']),
            bytes_per_second=float(values['bytes_per_second']))
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    return found if math.isfinite(found.at) and math.isfinite(
        found.bytes_per_second) else None
