# SPDX-License-Identifier: Apache-2.0
"""All sites of a cloud at one moment, and how to say a choice of them.

Placement knows aggregates and no sites. A choice of sites therefore has to be
said as aggregates that a host must be in, or must not be in, and there is
room for few of them in one query.
"""

import collections
import dataclasses
import functools
import heapq

from dcn_plugins import sites


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The hosts that are in the same aggregates, and so in the same site."""

    site: sites.Site
    aggregates: tuple[str, ...]
    host_count: int


@dataclasses.dataclass(frozen=True)
class Demand:
    """Aggregates that say which hosts a request may use.

    :param required: a host must be in one of these; ``None`` for no demand.
    :param forbidden: a host must be in none of these.
    """

    required: tuple[str, ...] | None = None
    forbidden: tuple[str, ...] = ()

    def __len__(self):
        return len(self.required or ()) + len(self.forbidden)


class SiteMap:
    """The sites of all hosts that are in an aggregate.

    Immutable. It keeps places and not hosts, so that it stays small in a
    large cloud. Hosts in no aggregate are not in it, as nobody lists them:
    :data:`sites.NO_SITE` stands for them.

    :param aggregates: ``(uuid, metadata, hosts)`` of every aggregate.
    """

    def __init__(self, aggregates):
        aggregates = list(aggregates)
        members = collections.defaultdict(list)
        for index, (_uuid, _metadata, hosts) in enumerate(aggregates):
            for host in hosts:
                members[host].append(index)
        counts = collections.Counter(
            tuple(sorted(set(indexes))) for indexes in members.values())
        self.places = tuple(
            Place(sites.site_of_host(aggregates[i][1] for i in indexes),
                  tuple(aggregates[i][0] for i in indexes), count)
            for indexes, count in counts.items())
        # Also of aggregates without hosts: they are known, if not alive. Of
        # others only what their hosts make of it, which may be no site.
        alone = [sites.site_of_host([metadata])
                 for _uuid, metadata, hosts in aggregates if not hosts]
        alone += [place.site for place in self.places]
        self._homes = collections.defaultdict(set)
        for site in alone:
            if isinstance(site.name, str):
                for project in site.projects:
                    self._homes[project].add(site.name)
        self.names = frozenset(
            site.name for site in alone if isinstance(site.name, str))
        zones = frozenset().union(*(site.zones for site in alone))
        # Mostly each site is a zone: one set for both then.
        self.zones = self.names if zones == self.names else zones

    def sites_of_project(self, project):
        """Return the sites that list a project, or ``None`` if none does."""
        return frozenset(self._homes[project]) if (
            project in self._homes) else None

    def sites_of_zone(self, zone):
        """Return the names of the sites that have hosts in a zone.

        ``None`` is among them when hosts of the zone are in no site.
        """
        return frozenset(
            name for place in self.places if zone in place.site.zones
            for name in _names(place.site.name))

    def sites_of_group(self, group):
        """Return the names of the sites of a group."""
        return frozenset(
            place.site.name for place in self.places
            if group in place.site.groups
            and isinstance(place.site.name, str))

    @functools.cached_property
    def host_counts(self):
        """How many hosts each site has, by its name."""
        counts = collections.Counter()
        for place in self.places:
            counts[place.site.name] += place.host_count
        return dict(counts)

    @functools.cached_property
    def faults(self):
        """What is wrong with the sites: sorted ``(site, sentence)``."""
        found = {(str(place.site), fault) for place in self.places
                 for fault in place.site.faults}
        states = collections.defaultdict(set)
        for place in self.places:
            states[place.site.name].add(place.site.state)
        for name, values in states.items():
            if isinstance(name, str) and len(values) > 1:
                found.add((f'site {name}',
                           'its hosts are in different states: '
                           + ', '.join(map(str, sorted(values)))))
        return tuple(sorted(found))

    def demand(self, is_accepted, max_aggregates):
        """Say a choice of sites as aggregates, exactly or more loosely.

        The answer excludes no host of an accepted site. It lets hosts of
        other sites through when aggregates overlap in a way that cannot be
        said, or when it would take more aggregates than allowed.

        :param is_accepted: function from :class:`sites.Site` to a boolean.
        :param max_aggregates: the number of aggregates in the answer.
        :returns: :class:`Demand`; empty when there is nothing to say.
        """
        accepted, refused = [], []
        for place in self.places:
            (accepted if is_accepted(place.site) else refused).append(place)
        if not refused and is_accepted(sites.NO_SITE):
            return Demand()
        barred = frozenset().union(
            *(place.aggregates for place in refused)).difference(
            *(place.aggregates for place in accepted))
        required = None
        if accepted and not is_accepted(sites.NO_SITE):
            required = _cover(accepted, self._pure(accepted, refused))
            if len(required) > max_aggregates:
                required = None
        leaking = refused if required is None else [
            place for place in refused
            if not set(required).isdisjoint(place.aggregates)]
        room = max_aggregates - len(required or ())
        return Demand(required, _cover(leaking, barred)[:room])

    @staticmethod
    def _pure(accepted, refused):
        """Return the aggregates to prefer, those without a refused host.

        If they leave an accepted place out all others are usable, too.
        """
        mixed = frozenset().union(*(place.aggregates for place in refused))
        usable = frozenset().union(
            *(place.aggregates for place in accepted))
        pure = usable - mixed
        if not any(pure.isdisjoint(place.aggregates) for place in accepted):
            return pure
        return usable


def _cover(places, usable):
    """Return few of the usable aggregates that hold all places they can.

    The one that adds most hosts first, so that a cut-off list is of most use.
    """
    held = collections.defaultdict(set)
    for index, place in enumerate(places):
        for uuid in usable.intersection(place.aggregates):
            held[uuid].add(index)

    def hosts_of(indexes):
        return sum(places[index].host_count for index in indexes)

    # Sizes only shrink as others are chosen: the greatest is counted again
    # before it is taken, which is much cheaper than counting all each time.
    queue = [(-hosts_of(indexes), uuid) for uuid, indexes in held.items()]
    heapq.heapify(queue)
    chosen = []
    left = set().union(*held.values())
    while left and queue:
        uuid = heapq.heappop(queue)[1]
        fresh = hosts_of(held[uuid] & left)
        if queue and fresh < -queue[0][0]:
            heapq.heappush(queue, (-fresh, uuid))
        elif fresh:
            chosen.append(uuid)
            left -= held[uuid]
    return tuple(chosen)


def _names(name):
    return name.names if isinstance(name, sites.SeveralSites) else (name,)
