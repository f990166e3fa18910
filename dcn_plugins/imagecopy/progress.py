# SPDX-License-Identifier: Apache-2.0
"""How fast something goes, and how long it takes yet. Pure."""

import collections

_SECONDS = 5.0


class Rate:
    """Bytes a second, over the last seconds."""

    def __init__(self):
        self._points = collections.deque()

    def note(self, now, done_bytes):
        """Note how far it is, and return the rate."""
        self._points.append((now, done_bytes))
        while len(self._points) > 2 and now - self._points[1][0] > _SECONDS:
            self._points.popleft()
        begin, before = self._points[0]
        return (done_bytes - before) / (now - begin) if now > begin else 0.0


def seconds_left(done_bytes, total_bytes, rate):
    """Return how long the rest takes; ``None`` if nobody can tell."""
    if rate <= 0:
        return None
    return max(0.0, (total_bytes - done_bytes) / rate)
