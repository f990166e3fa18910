# SPDX-License-Identifier: Apache-2.0
"""Which image is in which store, wanted there, or on its way. Pure."""

import collections

from dcn_plugins.osc import site_facts
from dcn_plugins.placement import image as images
from dcn_plugins.placement import overview
from dcn_plugins.placement import policy as policies
from dcn_plugins.placement import verdict

#: Where no policy is known nothing is wanted and nothing forbidden.
NO_POLICY = policies.Policy('no policy', frozenset(), {}, (), (policies.Rule(
    policies.NO_RULE, 0, policies.NOWHERE, policies.EVERYWHERE),))


def states_of(image, policy, stores, entries, now):
    """Return the ``StoreState`` of each store, by its name.

    :param image: as Glance lists it.
    :param policy: ``None`` if none is known.
    :param stores: names of all stores.
    :param entries: jobs of the image.
    :param now: seconds since 1970.
    """
    placement = verdict.decide(images.image_of(image), policy or NO_POLICY,
                               frozenset(stores), now)
    return {state.store: state for state in overview.overview(
        placement, site_facts.stores_of(image), entries, now)}


def by_image(entries):
    """Return jobs by the id of their image."""
    found = collections.defaultdict(list)
    for entry in entries:
        found[entry.job.image_id].append(entry)
    return found


def is_settled(states):
    """Tell whether an image is everywhere it is wanted, and nowhere on it."""
    return all(state.course in (overview.Course.PRESENT,
                                overview.Course.ABSENT)
               for state in states.values())
