# SPDX-License-Identifier: Apache-2.0
"""Lines of the table of sites. Pure.

What is not known is marked as bad and says why: it is never shown as if all
were well.
"""

import dataclasses

from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import fact_texts
from dcn_plugins import sites

#: What is told of each site, and its heading.
COLUMNS = (('hosts', 'Hosts'), ('room', 'Free'), ('volumes', 'cinder-volume'),
           ('locks', 'etcd'), ('store', 'Stores'), ('images', 'Images'),
           ('backlog', 'Backlog'))
HEADINGS = tuple(heading for _name, heading in COLUMNS)

# Classes of labels of Bootstrap.
GOOD, POOR, BAD, PLAIN = 'success', 'warning', 'danger', 'default'

_STATES = {sites.State.ENABLED: GOOD, sites.State.DRAINING: POOR}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One fact, for people.

    :param mark: how well that is.
    :param reason: why it is not known, or not asked for.
    """

    text: str
    mark: str = ''
    reason: str = ''


@dataclasses.dataclass(frozen=True)
class Row:
    """One site.

    :param cells: below ``HEADINGS``.
    :param age: of the oldest fact.
    :param can_cordon: whether anything is enabled there, as far as is known.
    :param can_uncordon: whether anything is disabled there.
    """

    name: str
    state: Cell
    health: Cell
    zones: str
    groups: str
    cells: tuple
    age: str
    can_cordon: bool
    can_uncordon: bool


def row_of(site, now):
    """Return the :class:`Row` of a site.

    :param site: :class:`~dcn_plugins.osc.site_facts.SiteFacts`.
    :param now: seconds since 1970.
    """
    entry = site.entry
    oldest = facts.oldest(site.facts.values())
    is_open, is_closed = _openness(site)
    return Row(
        name=entry.name,
        state=Cell(str(entry.state), _STATES.get(entry.state, BAD)),
        health=_health(site.health, now), zones=', '.join(entry.zones),
        groups=', '.join(entry.groups),
        cells=tuple(_cell(site.facts[name], now, fact_texts.TEXTS[name])
                    for name, _heading in COLUMNS),
        age='-' if oldest is None else facts.duration(max(0.0, now - oldest)),
        can_cordon=is_open, can_uncordon=is_closed)


def _cell(fact, now, told):
    if fact.is_known:
        return Cell(fact.text(now, told))
    return Cell(fact.text(now), BAD if fact.is_asked else '', fact.problem)


def _health(fact, now):
    if not fact.is_known:
        return Cell(fact.text(now), BAD, fact.problem)
    if fact.value == 'empty':
        return Cell('empty', PLAIN)
    age = fact.age_seconds(now)
    is_old = age is not None and age > facts.OLD_SECONDS
    if fact.value == 'ok':
        return Cell(fact.text(now), POOR if is_old else GOOD)
    return Cell('not well', POOR, fact.text(now))


def _openness(site):
    """Tell whether anything is enabled there, and whether disabled.

    What is not known may be both.
    """
    units = _units(site.hosts)
    # Of a cinder-volume in a cluster only the cluster counts.
    clusters = (site.volumes.value or {}).get('clusters')
    if clusters:
        units |= {found['status'] != 'disabled' for found in clusters}
    else:
        units |= _units(site.volumes)
    return True in units, False in units


def _units(fact):
    """Return whether services are enabled, of each kind that there is."""
    if not fact.is_known:
        return {True, False}
    off = len(fact.value['disabled'])
    return {is_on for is_on, number in (
        (True, fact.value['total'] - off), (False, off)) if number}
