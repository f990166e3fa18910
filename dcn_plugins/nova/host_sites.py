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


def grouped(host_states):
    """Return ``[(Site, host_states)]``, hosts of equal aggregates together.

    One site may stand in several groups. The order is that of the first host
    of each.
    """
    # The keys keep the aggregates alive: Python gives the identity of a dead
    # object to a new one, and another thread may replace them at any time.
    groups = collections.defaultdict(list)
    for host_state in host_states:
        aggregates = host_state.aggregates
        # Most hosts are in one; to make a tuple of it costs half as much as
        # the rest of the loop.
        groups[aggregates[0] if len(aggregates) == 1
               else tuple(aggregates)].append(host_state)
    return [(_site(key), members) for key, members in groups.items()]


def _site(key):
    aggregates = key if isinstance(key, tuple) else (key,)
    return sites.site_of_host(
        aggregate.metadata for aggregate in aggregates)
