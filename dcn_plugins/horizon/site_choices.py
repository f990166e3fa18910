# SPDX-License-Identifier: Apache-2.0
"""Which sites somebody can choose for a new server. Pure.

To choose a site is to choose its availability zone, as anywhere in Nova. Of
several sites in one zone the hint ``dcn_site`` names the one.
"""

import collections

from dcn_plugins.osc import site_entry
from dcn_plugins import sites

_NO_ROOM = 'no host there takes servers'


def answer(aggregates, zones, project_id, groups):
    """Return ``items``, ``is_grouped`` and ``problem``, for JSON.

    Each item has ``name``, ``zone``, ``hint`` (a name, or empty), ``groups``,
    and ``why`` it cannot be chosen, which is empty if it can.

    :param aggregates: the fact which ones there are; its value is ``None``
        for a user who may not know them. Then each zone is a site.
    :param zones: the fact which availability zones there are.
    :param project_id: of the user.
    :param groups: names of zones by their group, for such a user.
    """
    problems = [fact.problem for fact in (aggregates, zones)
                if not fact.is_known]
    is_available = (
        {zone['zoneName']: zone['zoneState']['available']
         for zone in zones.value} if zones.is_known else None)
    if aggregates.value is not None:
        items = _of_sites(site_entry.entries_of(aggregates.value),
                          is_available, project_id)
    else:
        items = _of_zones(is_available or {}, groups)
    return {'items': items, 'problem': '; '.join(problems),
            'is_grouped': any(item['groups'] for item in items)}


def _of_sites(entries, is_available, project_id):
    used = collections.Counter(zone for entry in entries.values()
                               for zone in entry.zones)
    found = []
    for entry in entries.values():
        zone = entry.zones[0] if entry.zones else ''
        found.append({
            'name': entry.name, 'zone': zone, 'groups': list(entry.groups),
            'hint': entry.name if used[zone] != 1 else '',
            'why': _why(entry, zone, is_available, project_id)})
    return found


def _why(entry, zone, is_available, project_id):
    if entry.state is not sites.State.ENABLED:
        return str(entry.state)
    if entry.projects and project_id not in entry.projects:
        return 'of other projects'
    if zone and is_available is not None and not is_available.get(zone):
        return _NO_ROOM
    return ''


def _of_zones(is_available, groups):
    return [{'name': zone, 'zone': zone, 'hint': '',
             'groups': sorted(group for group, names in groups.items()
                              if zone in names),
             'why': '' if is_available[zone] else _NO_ROOM}
            for zone in sorted(is_available)]
