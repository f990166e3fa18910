# SPDX-License-Identifier: Apache-2.0
"""How many bytes are under way to one target at one time. Pure.

As many as a link holds, and as many again: with less it is idle while an
answer is on its way; with more they only wait in some queue, in front of the
disks of guests. Nobody has to know the link: it is seen from what comes back.
"""

LEAST_BYTES = 16 << 20
MOST_BYTES = 48 << 20

# What is smaller arrives without what a part of the usual size waits for: its
# own bytes on the link, and the disk behind it.
_LARGE_BYTES = 1 << 20

# How long a measurement counts: a rate for some seconds, a round trip for a
# minute, as it is seen only while no queue is full.
_ROUND_SECONDS = 1.0
_ROUNDS, _RATE_ROUNDS = 60, 10
# Round trip times rise when queues fill; twice what the link holds is enough.
_GAIN = 2.0


class Window:
    """Grows up to what keeps the link busy; shrinks when it is not needed.

    :param most_bytes: that it may ever be.
    """

    def __init__(self, most_bytes=MOST_BYTES):
        self._most_bytes = most_bytes
        self._wanted_bytes = LEAST_BYTES
        self._rounds = []
        self._begun_at = None
        self._bytes = 0
        self._least = None

    @property
    def size_bytes(self):
        """How much may be under way now."""
        return min(self._most_bytes, self._wanted_bytes)

    def limit(self, most_bytes):
        """Change what it may be at most."""
        self._most_bytes = most_bytes

    def acknowledge(self, now, length, seconds):
        """Note that so many bytes took so long, and now is that."""
        if self._begun_at is None:
            self._begun_at = now
        self._bytes += length
        delay = length < _LARGE_BYTES, seconds
        if self._least is None or delay < self._least:
            self._least = delay
        elapsed = now - self._begun_at
        if elapsed < _ROUND_SECONDS:
            return
        self._rounds = self._rounds[1 - _ROUNDS:] + [
            (self._bytes / elapsed, self._least)]
        self._begun_at, self._bytes, self._least = now, 0, None
        self._resize()

    def _resize(self):
        rate = max(rate for rate, _delay in self._rounds[-_RATE_ROUNDS:])
        _is_small, seconds = min(delay for _rate, delay in self._rounds)
        held = int(_GAIN * rate * seconds)
        # What is measured cannot exceed what is allowed: to see whether there
        # is more, more has to be allowed.
        grown = self.size_bytes * 2 if held > self.size_bytes else held
        self._wanted_bytes = max(LEAST_BYTES, min(grown, MOST_BYTES))
