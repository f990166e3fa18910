# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a site in Cinder. Pure."""

from dcn_plugins.osc import compute_findings
from dcn_plugins.osc import finding
from dcn_plugins.osc import likely_name
from dcn_plugins.osc import site_services
from dcn_plugins import sites

_ZONES_SPEC = 'RESKEY:availability_zones'
# What the stock driver publishes, and ours after it.
_CEPH = 'ceph'


def findings(entry, answers):
    """Yield each :class:`~dcn_plugins.osc.finding.Finding`.

    :param entry: :class:`~dcn_plugins.osc.site_entry.SiteEntry`.
    :param answers: :class:`~dcn_plugins.osc.site_findings.Answers`.
    """
    if not answers.volume_services.is_known:
        return
    services = answers.volume_services.value
    zones = {service['zone'] for service in services}
    mine = answers.services.backends_of(entry)
    missing = [zone for zone in compute_findings.zones_of(entry)
               if zone not in zones]
    for zone in missing:
        yield finding.finding(
            'zone-missing-cinder', f'No cinder-volume is in the availability '
            f'zone {zone!r}{likely_name.hint(zone, zones)}', zone=zone)
    if mine:
        yield from _up(mine)
        yield from _enabled(entry, mine, answers.clusters)
        yield from _clusters(mine, services)
        yield from _locks(mine, answers.pools)
    elif not missing:
        yield finding.finding(
            'no-volume-service', 'Each cinder-volume of the availability '
            f'zone {", ".join(compute_findings.zones_of(entry))} names '
            'another site')
    for kind in answers.volume_types.value or ():
        yield from _type(kind, zones)


def _up(mine):
    down = [service for service in mine if not site_services.is_up(service)]
    if len(down) == len(mine):
        yield finding.finding(
            'no-volume-service-up', f'None of {len(mine)} cinder-volume is '
            f'up: {", ".join(sorted(one["host"] for one in mine))}')
        return
    for service in down:
        yield finding.finding(
            'volume-service-down', f'cinder-volume {service["host"]} is '
            f'{site_services.silence(service)}', host=service['host'])


def _enabled(entry, mine, clusters):
    if not clusters.is_known:
        return
    told = {found['name']: found for found in clusters.value}
    # Of one in a cluster the scheduler looks at nothing but that.
    units = {service.get('cluster') or service['host']:
             told.get(service.get('cluster'), service) for service in mine}
    off = {name: unit.get('disabled_reason') or 'without a reason'
           for name, unit in units.items()
           if unit.get('status') == 'disabled'}
    if len(off) == len(units):
        yield finding.finding(
            'no-volume-service-enabled', 'All cinder-volume are disabled: '
            + '; '.join(f'{name}, {why}' for name, why in sorted(
                off.items())), site=entry.name, name=', '.join(sorted(off)))
        return
    for name, why in sorted(off.items()):
        yield finding.finding(
            'volume-service-disabled', f'cinder-volume {name} is disabled: '
            f'{why}', site=entry.name, name=name)


def _clusters(mine, services):
    if len(mine) == 1:
        service, = mine
        yield finding.finding(
            'volume-service-alone', f'{service["host"]} is the only '
            f'cinder-volume{_of_cluster(service.get("cluster"))}')
    else:
        for service in mine:
            if not service.get('cluster'):
                yield finding.finding(
                    'volume-service-without-cluster', f'cinder-volume '
                    f'{service["host"]} is in no cluster',
                    host=service['host'])
    for name in sorted({service['cluster'] for service in mine
                        if service.get('cluster')}):
        members = [service for service in services
                   if service.get('cluster') == name]
        if len(members) == 1 and len(mine) > 1:
            yield finding.finding(
                'volume-service-alone', f'{members[0]["host"]} is the only '
                f'cinder-volume{_of_cluster(name)}')
        zones = sorted({service['zone'] for service in members})
        if len(zones) > 1:
            yield finding.finding(
                'cluster-in-two-zones', f'The cluster {name} is in the '
                f'availability zones {", ".join(map(repr, zones))}: '
                + ', '.join(f'{service["host"]} in {service["zone"]!r}'
                            for service in members))


def _locks(mine, pools):
    """Yield what excludes nobody, of backends that several work on."""
    clusters = {service['cluster'] for service in mine
                if service.get('cluster')}
    backends = {}
    for pool in pools.value or ():
        backend = pool['name'].partition('#')[0]
        if backend in clusters:
            backends.setdefault(backend, pool['capabilities'])
    for backend, told in sorted(backends.items()):
        if told.get('dcn_fence') == 'none':
            yield finding.finding(
                'volume-fence-none', f'The cinder-volumes of {backend} cut '
                'nobody off (dcn_fence is none)', backend=backend)
        elif 'dcn_fence' not in told and (
                told.get('storage_protocol') == _CEPH):
            yield finding.finding(
                'volume-driver-stock', f'The cinder-volumes of {backend} are '
                'on Ceph, and do not have our driver', backend=backend)


def _of_cluster(name):
    return f' of the cluster {name}' if name else ' of the site'


def _type(kind, zones):
    text = (kind.get('extra_specs') or {}).get(_ZONES_SPEC)
    for zone in sorted(sites.listed(text)):
        if zone not in zones:
            yield finding.finding(
                'volume-type-names-no-zone', f'The volume type '
                f'{kind["name"]} names the availability zone {zone!r}, in '
                f'which no cinder-volume is{likely_name.hint(zone, zones)}',
                type=kind['name'])
