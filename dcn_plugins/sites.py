# SPDX-License-Identifier: Apache-2.0
"""Which site a host belongs to, and what its aggregates say about that site.

A site is what Nova already knows: the aggregates whose metadata name it with
``dcn:site``, or else with their availability zone. Everything else about it
is metadata of the same aggregates. Hosts that no aggregate puts into a site
are in no site (:attr:`Site.name` is ``None``), for instance those at the
centre.
"""

import dataclasses
import enum
import functools

PREFIX = 'dcn:'
SITE_KEY = 'dcn:site'
ZONE_KEY = 'availability_zone'
STATE_KEY = 'dcn:state'
STORE_KEY = 'dcn:store'
PRIORITY_KEY = 'dcn:priority'
PROJECTS_KEY = 'dcn:projects'
GROUP_KEY = 'dcn:group'


class State(enum.IntEnum):
    """What a site takes; of two states the greater is the stricter one.

    The values of ``dcn:state`` are the names in lower case.
    """

    ENABLED = 0
    DRAINING = 1
    DISABLED = 2
    DOWN = 3

    def __str__(self):
        return self.name.lower()


# What a state that nobody knows stands for. Whoever mistypes a state means to
# close the site, and a closed site loses no data.
UNKNOWN_STATE = State.DISABLED

# An empty set takes as much memory as one of four.
_NOTHING = frozenset()

# A scheduler meets the same sites in each request, and a map of all sites
# shares the objects. Of more than that many the cache begins anew, so that
# metadata that keeps changing does not fill the memory.
MAX_KNOWN_SITES = 16384
_known = {}

_STATES = {str(state): state for state in State}


@dataclasses.dataclass(frozen=True)
class SeveralSites:
    """The names, sorted, of sites that claim one and the same thing.

    It is a value and not an error: most hosts of a request are fine, and the
    request has to go on without the one that is not.
    """

    names: tuple[str, ...]

    def __str__(self):
        return ' and '.join(self.names)


# With slots, as a large cloud has many.
@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """What all aggregates of one host say about the site it is in.

    :param name: ``None`` for a host in no site, :class:`SeveralSites` for one
        whose aggregates contradict each other.
    :param zones: its availability zones, sorted; Nova allows one, placement
        any.
    :param stores: identifiers of the Glance stores at the site, sorted; its
        own name when ``dcn:store`` is not set. Mostly there is one, and a
        tuple of one takes a quarter of the memory of a set.
    :param priority: the site of the greatest number is filled first.
    :param projects: ids of the only projects that may use the site; empty
        when all may.
    :param groups: names of groups of sites that it belongs to.
    :param faults: what is wrong with the metadata, as sentences for the log;
        the verdict on each fault is in the other fields already.
    """

    name: str | None | SeveralSites = None
    zones: tuple[str, ...] = ()
    state: State = State.ENABLED
    stores: tuple[str, ...] = ()
    priority: int = 0
    projects: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()

    def __str__(self):
        if self.name is None:
            return 'no site'
        if isinstance(self.name, SeveralSites):
            return f'sites {self.name} at once'
        return f'site {self.name}'


NO_SITE = Site()


def site_of_host(metadatas):
    """Return the :class:`Site` of a host; never raises.

    ``dcn:site`` of any aggregate outranks the availability zones of all, so
    several sites may share one zone. An empty value counts as not set. Of
    contradictory states the strictest holds, of contradictory priorities the
    lowest; stores, projects and groups add up.

    :param metadatas: the metadata of each aggregate that the host is in.
    """
    told = []
    for metadata in metadatas:
        for key, value in metadata.items():
            if value and (key == ZONE_KEY or key.startswith(PREFIX)):
                told.append(key)
                told.append(value)
    # One text instead of tuples of pairs: a fifth of the memory, and hashed
    # once. A separator in a value could make one text of two clouds.
    text = '\0'.join(told)
    is_exact = text.count('\0') == max(0, len(told) - 1)
    site = _known.get(text) if is_exact else None
    if site is None:
        site = _site_told(list(zip(told[::2], told[1::2])))
        if len(_known) >= MAX_KNOWN_SITES:
            _known.clear()
        if is_exact:
            _known[text] = site
    return site


def _site_told(told):
    zones = tuple(sorted(_values(told, ZONE_KEY)))
    name = _one_of(_values(told, SITE_KEY) or zones)
    faults = []
    if isinstance(name, SeveralSites):
        faults.append(f'its aggregates name the sites {name}')
    stores = tuple(sorted(_names(told, STORE_KEY)))
    if not stores and isinstance(name, str):
        # Mostly the same tuple, of which there is one then.
        stores = zones if zones == (name,) else (name,)
    return Site(
        name=name, zones=zones, state=_state(told, faults),
        stores=stores, priority=_priority(told, faults),
        projects=_names(told, PROJECTS_KEY),
        groups=_names(told, GROUP_KEY), faults=tuple(faults))


def listed(text):
    """Return the names of a comma-separated list, without empty ones."""
    return frozenset(filter(None, map(str.strip, (text or '').split(','))))


def _values(told, key):
    return {value for name, value in told if name == key}


def _names(told, key):
    # Nova holds at most 255 characters in a value, seven projects. So further
    # ones may stand in dcn:projects1, dcn:projects2, as Nova itself does it
    # for filter_tenant_id.
    found = set().union(*(
        listed(value) for name, value in told
        if name.startswith(key) and name[len(key):].strip('0123456789')
        == ''))
    return frozenset(found) if found else _NOTHING


def _state(told, faults):
    values = _values(told, STATE_KEY)
    unknown = sorted(values - _STATES.keys())
    state = max((_STATES.get(value, UNKNOWN_STATE) for value in values),
                default=State.ENABLED)
    if unknown:
        faults.append(
            f'{STATE_KEY}={",".join(unknown)} is none of '
            f'{", ".join(_STATES)} and counts as {UNKNOWN_STATE}')
    elif len(values) > 1:
        faults.append(f'its aggregates say {STATE_KEY}='
                      f'{",".join(sorted(values))}, so that it is {state}')
    return state


def _priority(told, faults):
    numbers = set()
    for value in sorted(_values(told, PRIORITY_KEY)):
        number = _integer(value)
        if number is None:
            faults.append(f'{PRIORITY_KEY}={value} is no whole number and '
                          'counts as 0')
        numbers.add(number or 0)
    if len(numbers) > 1:
        faults.append(
            f'its aggregates say {PRIORITY_KEY}='
            f'{",".join(map(str, sorted(numbers)))}, so that the lowest holds')
    return min(numbers, default=0)


# Values come from operators and are few; a request meets them again and again.
@functools.lru_cache(maxsize=256)
def _integer(text):
    try:
        return int(text)
    except ValueError:
        return None


def _one_of(names):
    if not names:
        return None
    return next(iter(names)) if len(names) == 1 else SeveralSites(
        tuple(sorted(names)))
