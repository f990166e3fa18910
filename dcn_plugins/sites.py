# SPDX-License-Identifier: Apache-2.0
"""Which site a host belongs to, and which host a server may go to.

A site is what Nova already knows: the aggregates whose metadata name it with
``dcn:site``, or else with their availability zone. A site is a plain string;
``None`` stands for the hosts that are in no site, for instance at the centre;
:class:`SeveralSites` stands for a host whose aggregates contradict each other.
"""

import dataclasses

SITE_KEY = 'dcn:site'
ZONE_KEY = 'availability_zone'


@dataclasses.dataclass(frozen=True)
class SeveralSites:
    """The names, sorted, of sites that claim one and the same thing.

    It is a value and not an error: most hosts of a request are fine, and the
    request has to go on without the one that is not.
    """

    names: tuple[str, ...]

    def __str__(self):
        return ' and '.join(self.names)


def site_of_host(metadatas):
    """Return the site of a host: a name, ``None`` or :class:`SeveralSites`.

    ``dcn:site`` of any aggregate outranks the availability zones of all, so
    several sites may share one zone. An empty value counts as not set.

    :param metadatas: the metadata of each aggregate that the host is in.
    """
    metadatas = list(metadatas)
    for key in (SITE_KEY, ZONE_KEY):
        names = {metadata[key] for metadata in metadatas if metadata.get(key)}
        if names:
            return _one_of(names)
    return None


def site_of_zone(zone, hosts, labelled):
    """Return the site of all hosts of an availability zone.

    A zone is a hint about the site and no more: the answer is
    :class:`SeveralSites` when its hosts are in different sites, and ``None``
    when it has no host, so that nothing is known.

    :param zone: the name of the availability zone.
    :param hosts: the hosts of the aggregates that carry it.
    :param labelled: ``(metadata, hosts)`` of the aggregates with a
        ``dcn:site`` that hold any of these hosts.
    """
    metadatas = {host: [{ZONE_KEY: zone}] for host in hosts}
    for metadata, labelled_hosts in labelled:
        for host in metadatas.keys() & set(labelled_hosts):
            metadatas[host].append(metadata)
    names = set()
    for site in map(site_of_host, metadatas.values()):
        names.update(site.names if isinstance(site, SeveralSites) else [site])
    return _one_of(names) if names else None


def may_go(site, host_site):
    """Tell whether a server of ``site`` may go to a host of ``host_site``.

    A server stays in its site, and one that is in no site stays among the
    hosts in no site. A contradictory host is never right: it may have the
    disks of either site.
    """
    if isinstance(host_site, SeveralSites):
        return False
    return site == host_site


def _one_of(names):
    return next(iter(names)) if len(names) == 1 else SeveralSites(
        tuple(sorted(names)))
