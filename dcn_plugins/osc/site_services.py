# SPDX-License-Identifier: Apache-2.0
"""The services of Nova and Cinder, found by their sites. Pure."""

import collections
import dataclasses
import functools

from dcn_plugins.osc import fact as facts


@dataclasses.dataclass(frozen=True)
class Services:
    """All services of all sites; each site looks for its own.

    :param computes: the fact of all nova-compute.
    :param volume_services: that of all cinder-volume.
    :param pools: that of all pools, which may name the site of a backend.
    """

    computes: facts.Fact
    volume_services: facts.Fact
    pools: facts.Fact

    def computes_of(self, entry):
        """Return the services nova-compute of a site."""
        return [self._computes_by_host[host] for host in entry.hosts
                if host in self._computes_by_host]

    def backends_of(self, entry):
        """Return the services cinder-volume of a site.

        A backend is in the site that it names itself, or else in that of its
        zone.
        """
        found = list(self._backends.get(entry.name, ()))
        for zone in entry.zones or (entry.name,):
            found += self._backends.get((zone,), ())
        return found

    @functools.cached_property
    def _computes_by_host(self):
        return {service['host']: service
                for service in self.computes.value or ()}

    @functools.cached_property
    def _backends(self):
        """By the site that they name, or by ``(zone,)``."""
        labels = {pool['name'].partition('#')[0]:
                  str(pool['capabilities']['dcn_site']).strip()
                  for pool in self.pools.value or ()
                  if pool['capabilities'].get('dcn_site')}
        found = collections.defaultdict(list)
        for service in self.volume_services.value or ():
            label = labels.get(service.get('cluster') or service['host'])
            zone = service.get('zone')
            # DCNRBDDriver names the zone unless it is told otherwise.
            found[label if label and label != zone else (zone,)].append(
                service)
        return dict(found)


def is_up(service):
    """Tell whether a service is up."""
    return service.get('state') == 'up'


def at(service):
    """Return when a service gave its last sign of life, or ``None``."""
    return facts.seconds_of(service.get('updated_at'))


def silence(service):
    """Return since when a service that is down is silent, for people."""
    heard = service.get('updated_at')
    return f'down since {heard}' if heard else 'down, and never was up'


def heard_at(services):
    """Return the last sign of life of any of some services, or ``None``."""
    return max(filter(None, map(at, services)), default=None)


def silent_since(services):
    """Return the last sign of life of the one that is silent for longest."""
    return min(filter(None, map(at, services)), default=None)


def disabled(services):
    """Return the hosts of services that are disabled."""
    return sorted(service['host'] for service in services
                  if service.get('status') == 'disabled')


def reasons(services):
    """Return why services are disabled, each reason once."""
    return sorted({service.get('disabled_reason') or 'without a reason'
                   for service in services
                   if service.get('status') == 'disabled'})
