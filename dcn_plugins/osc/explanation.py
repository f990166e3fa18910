# SPDX-License-Identifier: Apache-2.0
"""Why a server, a volume or an image is where it is, and not elsewhere. Pure.

The verdicts on sites are those of :mod:`dcn_plugins.admission`, which the
schedulers ask, too.
"""

from dcn_plugins import admission
from dcn_plugins.osc import site_services
from dcn_plugins import sites

_SITE_HINT, _SITE_SPEC = 'dcn_site', 'dcn:site'
_IMAGE_SPEC, _VOLUME_SPEC = 'dcn:image_locality', 'dcn:volume_locality'
_GROUP = 'group:'


def site_of_host(entries, host):
    """Return the name of the site that a host is in, or ``None``."""
    return next((entry.name for entry in entries.values()
                 if host in entry.hosts), None)


def sites_of_zone(entries, zone):
    """Return the names of the sites of an availability zone."""
    return frozenset(entry.name for entry in entries.values()
                     if zone in entry.zones)


def request_of_server(server, entries, stores, volume_zones):
    """Return the ``Request`` of a server as it would be asked for now.

    That of a server that has a host is a migration.

    :param stores: that have its image, ``None`` if it has none.
    :param volume_zones: availability zones of its volumes.
    """
    specs = (server.get('flavor') or {}).get('extra_specs') or {}
    host = server.get('OS-EXT-SRV-ATTR:host')
    hints = server.get('scheduler_hints') or {}
    volume_sites = frozenset().union(*(
        sites_of_zone(entries, zone) for zone in volume_zones))
    return admission.Request(
        operation=(admission.Operation.MIGRATE if host
                   else admission.Operation.CREATE),
        project=server.get('tenant_id'),
        home=site_of_host(entries, host),
        zone=server.get('pinned_availability_zone') or None,
        hinted=_named(entries, hints.get(_SITE_HINT)),
        flavored=_named(entries, specs.get(_SITE_SPEC)),
        residence=residence(entries, server.get('tenant_id')),
        image_locality=specs.get(_IMAGE_SPEC, admission.IGNORE),
        stores=None if stores is None else frozenset(stores),
        volume_locality=specs.get(_VOLUME_SPEC, admission.IGNORE),
        volume_sites=volume_sites or None)


def request_of_volume(volume, entries):
    """Return the ``Request`` of a volume as it was asked for."""
    project = volume.get('os-vol-tenant-attr:tenant_id')
    return admission.Request(
        project=project, zone=volume.get('availability_zone'),
        residence=residence(entries, project))


def residence(entries, project):
    """Return the sites that name a project, ``None`` if none does."""
    return frozenset(entry.name for entry in entries.values()
                     if project in entry.projects) or None


def closed(entries, services, clusters=None):
    """Return why nothing new comes to sites that the rules accept, by site.

    Only of those of which all services are disabled.

    :param services: :class:`~dcn_plugins.osc.site_services.Services`.
    :param clusters: of cinder-volume, of which the scheduler looks at nothing
        else; ``None`` if it is about nova-compute.
    """
    units = {found['name']: found for found in clusters or ()}
    found = {}
    for name, entry in entries.items():
        found[name] = (
            _disabled('nova-compute', services.computes_of(entry))
            if clusters is None else
            _disabled('cinder-volume', [
                units.get(one.get('cluster'), one)
                for one in services.backends_of(entry)]))
    return found


def _disabled(noun, services):
    if not services or any(one.get('status') != 'disabled'
                           for one in services):
        return None
    return (f'all of its {noun} are disabled '
            f'({"; ".join(site_services.reasons(services))})')


def verdicts(request, entries, closed_sites):
    """Return ``{'accepted': bool, ...}`` of each site, by its name.

    :param closed_sites: as of :func:`closed`.
    """
    found = {}
    for name, entry in entries.items():
        refusal = admission.refusal(request, _site(entry))
        found[name] = {
            'accepted': refusal is None,
            'rule': refusal and refusal.rule.value,
            'reason': refusal and refusal.text,
            'remedy': refusal and refusal.remedy,
            'closed': closed_sites.get(name)}
    return found


def text_of(found):
    """Return verdicts as lines for people."""
    return '\n'.join(_line(name, told) for name, told in found.items())


def _line(name, told):
    if not told['accepted']:
        return (f'{name}: refused ({told["rule"]}): {told["reason"]}; '
                f'{told["remedy"]}')
    return f'{name}: accepted' + (
        f' by the rules, but {told["closed"]}' if told['closed'] else '')


def _site(entry):
    return sites.Site(
        name=entry.name, zones=entry.zones, state=entry.state,
        stores=entry.stores, priority=entry.priority,
        projects=frozenset(entry.projects), groups=frozenset(entry.groups))


def _named(entries, value):
    """Return the sites that a hint or an extra spec names, or ``None``."""
    if not value:
        return None
    words = value if isinstance(value, list) else sites.listed(value)
    found = set()
    for word in words:
        if word.startswith(_GROUP):
            found.update(entry.name for entry in entries.values()
                         if word[len(_GROUP):] in entry.groups)
        else:
            found.add(word)
    return frozenset(found)
