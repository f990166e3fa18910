# SPDX-License-Identifier: Apache-2.0
"""The sites of the candidates of one request.

Candidates come by the thousand, and the hosts of a site share the same
aggregate objects. So hosts are put together by the identity of their
aggregates first, and a site is worked out once for all of them. Identities,
because reading the id of a Nova object costs more than all the rest.
"""

from dcn_plugins import sites


def grouped(host_states):
    """Return ``[(Site, host_states)]``, hosts of equal aggregates together.

    One site may stand in several groups. The order is that of the first host
    of each.
    """
    groups = {}
    # Python gives the identity of a dead object to a new one, and another
    # thread may replace the aggregates of a host at any time.
    kept = []
    for host_state in host_states:
        aggregates = host_state.aggregates
        key = tuple(map(id, aggregates))
        try:
            groups[key].append(host_state)
        except KeyError:
            groups[key] = [host_state]
            kept.append(tuple(aggregates))
    return [
        (sites.site_of_host(aggregate.metadata for aggregate in aggregates),
         members)
        for aggregates, members in zip(kept, groups.values(), strict=True)]
