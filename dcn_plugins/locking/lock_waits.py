# SPDX-License-Identifier: Apache-2.0
"""How long somebody waits: for others, and for an etcd that is away."""

import time

from oslo_log import log as logging

from dcn_plugins.locking import session

LOG = logging.getLogger(__name__)

# Between two tries while etcd is away.
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 1.0


def pauses():
    """Yield how long to wait before each further try."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, LAST_PAUSE_SECONDS)


class Patience:
    """The patience of one claim.

    :param wait_seconds: for others; ``None`` for as long as it takes.
    :param outage_seconds: for an etcd that is away.
    """

    def __init__(self, wait_seconds, outage_seconds):
        self._wait_seconds = wait_seconds
        self._deadline = None if wait_seconds is None else (
            session.clock() + wait_seconds)
        self._outage_seconds = outage_seconds
        self._away_since = None
        self._pauses = pauses()

    def left(self, most):
        """Return the seconds that are left, but no more than some."""
        if not self.is_limited:
            return most
        return max(0.0, min(most, self._deadline - session.clock()))

    @property
    def is_patient(self):
        """Whether there is any time to wait for others."""
        return self._wait_seconds != 0

    @property
    def is_limited(self):
        """Whether the time will be over once."""
        return self._deadline is not None

    @property
    def is_over(self):
        """Whether the time is over."""
        return self.is_limited and session.clock() >= self._deadline

    def answered(self):
        """Take note that etcd is there."""
        if self._away_since is not None:
            self._away_since = None
            self._pauses = pauses()

    def endure(self, error):
        """Wait a little for an etcd that is away, or raise the error."""
        now = session.clock()
        if self._away_since is None:
            self._away_since = now
            LOG.warning('A claim waits: %s', error)
        if self.is_over or now - self._away_since >= self._outage_seconds:
            raise error
        time.sleep(self.left(next(self._pauses)))
