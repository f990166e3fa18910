# SPDX-License-Identifier: Apache-2.0
"""How long a lease can be relied on, as its holder can prove it. Pure.

etcd counts a lease from the moment at which it works on a request, the holder
from the moment before he has sent it. So his end of the lease is never later
than etcd's, whatever the network and the scheduler of the machine do.

Time is an argument: seconds of a clock that also runs while the machine is
suspended.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Lease:
    """A claim that ends, unless it is renewed in time.

    :param id: etcd's number of it.
    :param ttl_seconds: what etcd has granted.
    :param ends_at: when it ends at the earliest.
    """

    id: int
    ttl_seconds: float
    ends_at: float

    @classmethod
    def granted(cls, lease_id, ttl_seconds, sent_at):
        """Return the lease of a grant that was asked for at ``sent_at``."""
        return cls(lease_id, ttl_seconds, sent_at + ttl_seconds)

    def renewed(self, ttl_seconds, sent_at):
        """Return the lease after a renewal, or ``None`` if etcd has ended it.

        :param ttl_seconds: of etcd's answer; 0 or less means ended.
        :param sent_at: when the renewal was sent.
        """
        if ttl_seconds <= 0:
            return None
        # Answers may overtake each other; what was proven stays proven.
        return dataclasses.replace(self, ends_at=max(
            self.ends_at, sent_at + ttl_seconds))

    def left(self, now):
        """Return the seconds for which it is provably valid, at least 0."""
        return max(0.0, self.ends_at - now)

    def is_valid(self, now, margin_seconds=0.0):
        """Tell whether it is provably valid, and stays so for a margin."""
        return self.ends_at - now > margin_seconds


def renewal_seconds(ttl_seconds):
    """Return after how long a lease is renewed: two tries may fail."""
    return ttl_seconds / 3


def attempt_seconds(ttl_seconds, endpoints):
    """Return how long one endpoint may take to renew a lease.

    So long that all of them can be tried, twice, in what is left of a lease
    when its renewal is due.

    :param endpoints: their number.
    """
    return ttl_seconds * 2 / 3 / (2 * max(1, endpoints))
