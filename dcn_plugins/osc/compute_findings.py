# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a site in Nova and in placement. Pure."""

import collections
import re

from dcn_plugins.osc import finding
from dcn_plugins.osc import likely_name
from dcn_plugins.osc import site_entry
from dcn_plugins.osc import site_services
from dcn_plugins import sites

_GROUP = 'group:'


def findings(entry, entries, answers):
    """Yield each :class:`~dcn_plugins.osc.finding.Finding`.

    :param entry: :class:`~dcn_plugins.osc.site_entry.SiteEntry`.
    :param entries: those of all sites, by their names.
    :param answers: :class:`~dcn_plugins.osc.site_findings.Answers`.
    """
    yield from _zones(entry, answers)
    yield from _aggregates(entry, answers.aggregates)
    yield from _hosts(entry, answers)
    yield from _mirrors(entry, answers)
    groups = {group for one in entries.values() for group in one.groups}
    for flavor in answers.flavors.value or ():
        yield from _flavor(flavor, entries, groups)


def zones_of(entry):
    """Return the availability zones that a site ought to have."""
    return entry.zones or (entry.name,)


def _zones(entry, answers):
    known = {found['metadata'].get(sites.ZONE_KEY)
             for found in answers.aggregates if found['hosts']}
    known.update(service.get('zone')
                 for service in answers.computes.value or ())
    known = set(filter(None, known))
    for zone in zones_of(entry):
        # Of a site without hosts that is what is to be said.
        if zone not in known and entry.hosts:
            yield finding.finding(
                'zone-missing-nova', f'Nova has no availability zone {zone!r}'
                + likely_name.hint(zone, known), zone=zone)


def _aggregates(entry, aggregates):
    if not entry.hosts:
        yield finding.finding(
            'site-without-hosts', f'No host is in {entry.name} alone',
            site=entry.name)
    for host, names in site_entry.hosts_astray(aggregates).items():
        if entry.name in names:
            yield finding.finding(
                'host-in-two-sites',
                f'{host} is in the sites {" and ".join(names)} at once',
                host=host)


def _hosts(entry, answers):
    if not answers.computes.is_known:
        return
    mine = answers.services.computes_of(entry)
    known = {service['host'] for service in mine}
    for host in sorted(set(entry.hosts) - known):
        yield finding.finding(
            'host-unknown', f'{host} is in an aggregate of {entry.name}, and '
            'Nova has no nova-compute of this name'
            + likely_name.hint(host, (
                service['host'] for service in answers.computes.value)),
            host=host, site=entry.name)
    for service in mine:
        yield from _host(service)
    if entry.hosts and not any(
            site_services.is_up(service) and not _is_off(service)
            for service in mine):
        yield finding.finding(
            'no-compute-enabled', f'None of {len(entry.hosts)} hosts is up '
            f'and enabled: {", ".join(entry.hosts)}', site=entry.name)
    grouped = {host for found in answers.aggregates
               for host in found['hosts']}
    for service in answers.computes.value:
        if service['host'] not in grouped and _has_word(
                service['host'], entry.name):
            yield finding.finding(
                'host-in-no-aggregate', f'{service["host"]} is in no '
                f'aggregate, and has {entry.name} in its name',
                host=service['host'], site=entry.name)


def _host(service):
    host = service['host']
    if not site_services.is_up(service):
        yield finding.finding(
            'host-down', f'nova-compute on {host} is '
            f'{site_services.silence(service)}', host=host)
    if _is_off(service):
        yield finding.finding(
            'host-disabled', f'nova-compute on {host} is disabled: '
            f'{service.get("disabled_reason") or "without a reason"}',
            host=host)


def _is_off(service):
    return service.get('status') == 'disabled'


def _has_word(host, name):
    """Tell whether the name of a host has that of a site in it.

    Nobody else tells where a host stands that is in no aggregate.
    """
    # "dcn1" is not in "dcn10-compute-0".
    return re.search(rf'(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])',
                     host.lower()) is not None


def _mirrors(entry, answers):
    if not answers.hypervisors.is_known:
        return
    providers = collections.defaultdict(set)
    for found in answers.hypervisors.value:
        providers[(found.get('service') or {}).get('host')].add(found['id'])
    for host in entry.hosts:
        if host not in providers:
            yield finding.finding(
                'host-without-provider', f'{host} has no hypervisor in Nova, '
                'and so no provider in placement', host=host)
    hosts = {number: host for host, numbers in providers.items()
             for number in numbers}
    for aggregate in entry.aggregates:
        mirror = answers.mirrors.get(aggregate['uuid'])
        if mirror is None or not mirror.is_known:
            continue
        for host in aggregate['hosts']:
            if host in providers and not providers[host] & mirror.value:
                yield finding.finding(
                    'host-not-mirrored', f'{host} is in the aggregate '
                    f'{aggregate["name"]} in Nova, and not in placement',
                    site=entry.name)
        left = {hosts[number] for number in mirror.value if number in hosts}
        for host in sorted(left - set(aggregate['hosts'])):
            yield finding.finding(
                'provider-left-behind', f'{host} is in the aggregate '
                f'{aggregate["name"]} in placement, and not in Nova')


def _flavor(flavor, entries, groups):
    text = (flavor.get('extra_specs') or {}).get(sites.SITE_KEY)
    for word in sorted(sites.listed(text)):
        is_group = word.startswith(_GROUP)
        name, known = ((word[len(_GROUP):], groups) if is_group
                       else (word, entries))
        if name not in known:
            yield finding.finding(
                'flavor-names-no-site', f'The flavor {flavor["name"]} names '
                f'the {"group" if is_group else "site"} {name!r}, which is '
                f'none{likely_name.hint(name, known)}',
                flavor=flavor['name'])
