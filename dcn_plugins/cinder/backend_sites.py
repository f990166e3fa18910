# SPDX-License-Identifier: Apache-2.0
"""The site that a backend is in.

Aggregates hold hosts and not backends. A backend is in the site that it names
itself, or else in that of its availability zone. The hosts of one site may
say different things about it, for instance that some are being drained: the
site then takes a volume if any of them would take a server.
"""

import collections

from dcn_plugins import sites

CAPABILITY = 'dcn_site'

# What Nova, unless told otherwise, calls the zone of hosts in no zone, and
# Cinder that of backends in none: it is no site.
NO_ZONE = 'nova'


class BackendSites:
    """What is known about the site of each backend; immutable.

    :param site_map: :class:`~dcn_plugins.site_map.SiteMap`, or ``None`` when
        nothing is known about sites.
    """

    def __init__(self, site_map):
        self.site_map = site_map
        by_name = collections.defaultdict(dict)
        by_zone = collections.defaultdict(dict)
        # Dictionaries as sets that keep their order.
        for place in site_map.places if site_map else ():
            by_name[place.site.name][place.site] = None
            for zone in place.site.zones:
                by_zone[zone][place.site] = None
        self._by_name = {name: tuple(found)
                         for name, found in by_name.items()}
        self._by_zone = {zone: _consistent(found)
                         for zone, found in by_zone.items()}
        # The map does not have hosts that are in no aggregate.
        self._nowhere = tuple({**by_name.get(None, {}), sites.NO_SITE: None})

    def of(self, backend_state):
        """Return what the hosts of the backend's site say about it.

        Never empty, and never raises. A zone of several sites without a name
        of its own site stands for all of them: they share the storage.

        :returns: tuple of :class:`~dcn_plugins.sites.Site`.
        """
        label, zone = label_of(backend_state), zone_of(backend_state)
        if label and label != zone:
            return self._by_name.get(label) or (
                sites.Site(name=label, stores=(label,)),)
        return self.in_zone(zone)

    def is_unheard_of(self, backend_state):
        """Tell whether a backend names a site that Nova does not know."""
        label = label_of(backend_state)
        return bool(label and self.site_map is not None
                    and label != zone_of(backend_state)
                    and label not in self._by_name)

    def in_zone(self, zone):
        """Return the same of a backend that names no site of its own."""
        if self.site_map is not None:
            return (self._by_zone.get(zone)
                    or zone and self._by_name.get(zone) or self._nowhere)
        if not zone or zone == NO_ZONE:
            return (sites.NO_SITE,)
        return (sites.Site(name=zone, zones=(zone,), stores=(zone,)),)


def label_of(backend_state):
    """Return the site that a backend names in its statistics, or ``None``."""
    label = (backend_state.capabilities or {}).get(CAPABILITY)
    # Of extra_capabilities it may be anything that JSON can say.
    return None if label is None else str(label).strip() or None


def zone_of(backend_state):
    """Return the availability zone of a backend's service, or ``None``."""
    return (backend_state.service or {}).get('availability_zone') or None


def names_of(found):
    """Return the names of sites as a frozenset; ``None`` for no site."""
    return frozenset(site.name for site in found)


def text_of(names):
    """Return the names of sites as text for the log."""
    return ' or '.join(sorted('no site' if name is None else f'site {name}'
                              for name in names))


def _consistent(found):
    # Hosts whose aggregates contradict each other are of no use for a zone,
    # unless there are no others.
    return tuple(site for site in found
                 if isinstance(site.name, str)) or tuple(found)
