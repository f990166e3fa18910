# SPDX-License-Identifier: Apache-2.0
"""Sites and their hosts, of aggregates. Pure."""

import collections
import dataclasses

from dcn_plugins import sites


@dataclasses.dataclass(frozen=True)
class SiteEntry:
    """One site: what the aggregates of all its hosts say.

    :param state: the strictest of those of its hosts.
    :param hosts: names, sorted.
    :param aggregates: those that name the site, as Nova lists them.
    """

    name: str
    state: sites.State
    zones: tuple
    stores: tuple
    groups: tuple
    projects: tuple
    priority: int
    hosts: tuple
    aggregates: tuple
    faults: tuple = ()


def entries_of(aggregates):
    """Return each :class:`SiteEntry`, by its name.

    Hosts whose aggregates contradict each other are in no site.

    :param aggregates: as Nova lists them.
    """
    told = collections.defaultdict(list)
    hosts = collections.defaultdict(list)
    for host, metadatas in sorted(_metadatas(aggregates).items()):
        site = sites.site_of_host(metadatas)
        if isinstance(site.name, str):
            told[site.name].append(site)
            hosts[site.name].append(host)
    for aggregate in aggregates:
        if not aggregate['hosts']:
            site = sites.site_of_host([aggregate['metadata']])
            if isinstance(site.name, str):
                told[site.name].append(site)
    return {name: _entry(name, found, hosts[name], aggregates)
            for name, found in sorted(told.items())}


def hosts_astray(aggregates):
    """Return hosts in two sites at once: ``{host: names}``."""
    found = {host: sites.site_of_host(metadatas).name
             for host, metadatas in _metadatas(aggregates).items()}
    return {host: name.names for host, name in sorted(found.items())
            if isinstance(name, sites.SeveralSites)}


def site_of_aggregate(aggregate):
    """Return the name of the site that an aggregate names, or ``None``."""
    name = sites.site_of_host([aggregate['metadata']]).name
    return name if isinstance(name, str) else None


def _metadatas(aggregates):
    found = collections.defaultdict(list)
    for aggregate in aggregates:
        for host in aggregate['hosts']:
            found[host].append(aggregate['metadata'])
    return found


def _entry(name, told, hosts, aggregates):
    def joined(field):
        return tuple(sorted({value for site in told
                             for value in getattr(site, field)}))

    return SiteEntry(
        name=name, state=max(site.state for site in told),
        zones=joined('zones'), stores=joined('stores'),
        groups=joined('groups'), projects=joined('projects'),
        priority=min(site.priority for site in told),
        hosts=tuple(hosts), faults=joined('faults'),
        aggregates=tuple(found for found in aggregates
                         if site_of_aggregate(found) == name))
