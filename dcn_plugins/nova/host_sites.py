# SPDX-License-Identifier: Apache-2.0
"""The sites of the candidates of one request.

Candidates come by the thousand, and the hosts of a site share the same
aggregate objects. So hosts are put together by the identity of their
aggregates first, and a site is worked out once for all of them. Identities,
because reading the id of a Nova object costs more than all the rest; a Nova
object is hashed by identity, without any code of Python's.
"""

import collections

from dcn_plugins import sites


def keys(host_states):
    """Return for each host what only hosts of equal aggregates share.

    A key is hashable and good for :func:`site`. It keeps the aggregates alive:
    Python gives the identity of a dead object to a new one, and another
    thread may replace them at any time.
    """
    # Two steps: the processor fetches the next hosts while it waits for one,
    # which it cannot do across both; half the time at 10,000 hosts.
    lists = [host_state.aggregates for host_state in host_states]
    # Most hosts are in one, and a tuple of it would have to be hashed.
    return [aggregates[0] if len(aggregates) == 1 else tuple(aggregates)
            for aggregates in lists]


def site(key):
    """Return the :class:`~dcn_plugins.sites.Site` of all hosts of a key."""
    aggregates = key if isinstance(key, tuple) else (key,)
    return sites.site_of_host(
        aggregate.metadata for aggregate in aggregates)


def grouped(host_states):
    """Return ``[(Site, host_states)]``, hosts of equal aggregates together.

    One site may stand in several groups. The order is that of the first host
    of each.
    """
    host_states = list(host_states)
    groups = collections.defaultdict(list)
    for key, host_state in zip(keys(host_states), host_states):
        groups[key].append(host_state)
    return [(site(key), members) for key, members in groups.items()]
