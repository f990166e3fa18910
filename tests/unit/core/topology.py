# SPDX-License-Identifier: Apache-2.0
"""Clouds and requests of every kind, and placement as it is documented."""

import dataclasses

from hypothesis import strategies

from dcn_plugins import admission
from dcn_plugins import site_map
from dcn_plugins import sites

HOSTS = [f'h{number}' for number in range(7)]

# A host that no operator has put into any aggregate.
ALONE = 'alone'

_NAMES = strategies.sampled_from(['dcn1', 'dcn2', 'dcn3', 'metro'])
_ZONES = strategies.sampled_from(['dcn1', 'dcn2', 'metro', 'north', 'nova'])
_STATES = strategies.sampled_from(
    ['', 'enabled', 'draining', 'disabled', 'down', 'Down', 'maintenance'])
_PROJECTS = strategies.sampled_from(['p1', 'p2'])
_STORES = strategies.sampled_from(['dcn1', 'dcn10', 'dcn2', 'central'])

# An empty value counts as not set.
METADATA = strategies.fixed_dictionaries({
    sites.SITE_KEY: _NAMES | strategies.just(''),
    sites.ZONE_KEY: _ZONES | strategies.just('')}, optional={
    sites.STATE_KEY: _STATES,
    sites.STORE_KEY: strategies.lists(_STORES, max_size=2).map(','.join),
    sites.PROJECTS_KEY: strategies.lists(_PROJECTS, max_size=2).map(','.join),
    f'{sites.PROJECTS_KEY}1': _PROJECTS,
    sites.GROUP_KEY: strategies.sampled_from(['gpu', 'gpu,far']),
    sites.PRIORITY_KEY: strategies.sampled_from(['5', 'high'])})


@dataclasses.dataclass(frozen=True)
class Cloud:
    """The aggregates of a cloud, ``(uuid, metadata, hosts)``, and its hosts.

    Unlike a site map it goes from the host to its aggregates.
    """

    aggregates: list

    @property
    def hosts(self):
        return [*HOSTS, ALONE]

    def site_map(self):
        return site_map.SiteMap(self.aggregates)

    def aggregates_of(self, host):
        return {uuid for uuid, _metadata, hosts in self.aggregates
                if host in hosts}

    def site_of(self, host):
        return sites.site_of_host(
            [metadata for _uuid, metadata, hosts in self.aggregates
             if host in hosts])

    def placed(self, demand):
        """Return the hosts that placement offers, as its API says.

        ``member_of=in:a,b`` wants any of them, ``member_of=!in:c,d`` none.
        """
        return [
            host for host in self.hosts
            if (demand.required is None
                or self.aggregates_of(host) & set(demand.required))
            and not self.aggregates_of(host) & set(demand.forbidden)]


def site(name='dcn1', **fields):
    """Return a site whose zone and store have its name."""
    fields.setdefault('zones', frozenset({name} if name else ()))
    fields.setdefault('stores', frozenset({name} if name else ()))
    return sites.Site(name, **fields)


def request(operation=admission.Operation.CREATE, **fields):
    """Return a request of project p1, for a server in dcn1."""
    return admission.Request(
        operation=operation, project='p1', home='dcn1', **{
            key: frozenset(value) if isinstance(value, (set, list)) else value
            for key, value in fields.items()})


def rule_of(asked, found):
    """Return the rule by which a site is refused, or ``None``."""
    refusal = admission.refusal(asked, found)
    return refusal and refusal.rule


def _cloud(metadatas, indexes_of):
    """Return a cloud in which each host is in the aggregates of its indexes.

    Those that there are not are left out.
    """
    return Cloud([
        (f'a{number}', metadata, [
            host for host, indexes in zip(HOSTS, indexes_of)
            if number in indexes])
        for number, metadata in enumerate(metadatas)])


def _clouds(max_aggregates_of_a_host):
    indexes = strategies.integers(0, 6)
    return strategies.builds(
        _cloud, strategies.lists(METADATA, min_size=1, max_size=7),
        strategies.lists(
            strategies.sets(indexes, max_size=max_aggregates_of_a_host),
            min_size=len(HOSTS), max_size=len(HOSTS)))


CLOUDS = _clouds(3)

# No host is in two aggregates; some are in none.
CLOUDS_WITHOUT_OVERLAP = _clouds(1)


def _choices(names):
    # Mostly none: a request that demands everything is refused everywhere.
    return strategies.one_of(
        strategies.none(), strategies.none(), strategies.none(),
        strategies.frozensets(names, max_size=3))


def _mostly(value, *others):
    return strategies.sampled_from([value] * len(others) + list(others))


REQUESTS = strategies.builds(
    admission.Request,
    operation=_mostly(admission.Operation.CREATE, *admission.Operation),
    project=_PROJECTS,
    home=_NAMES | strategies.none(),
    zone=_mostly(None, 'dcn1', 'metro', 'north', 'nova', 'gone'),
    default_zone=_mostly('nova', 'dcn1'),
    move_policy=strategies.sampled_from(admission.MOVE_POLICIES),
    may_cross=strategies.booleans(),
    hinted=_choices(_NAMES),
    flavored=_choices(_NAMES),
    residence=_choices(_NAMES),
    image_locality=strategies.sampled_from(admission.LOCALITIES),
    stores=_choices(_STORES),
    volume_locality=strategies.sampled_from(admission.LOCALITIES),
    volume_sites=_choices(strategies.none() | _NAMES))

# Numbers of aggregates in one query: few matter, as these clouds are small.
LIMITS = [1, 2, 3, 5, 8, 50]
