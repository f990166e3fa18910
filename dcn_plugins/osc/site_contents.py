# SPDX-License-Identifier: Apache-2.0
"""What lives at one site and nowhere else. Pure.

A server's disk and a volume are in the cluster of their site. No service
moves them to another site; an image can be copied.
"""

import dataclasses

from dcn_plugins.osc import site_facts

#: Of images that have data; a deactivated one is lost with its store, too.
STATUSES = ('active', 'deactivated')

_HOST = 'OS-EXT-SRV-ATTR:host'
_BACKEND = 'os-vol-host-attr:host'


@dataclasses.dataclass(frozen=True)
class Content:
    """One thing that is at a site.

    :param kind: ``server``, ``volume``, ``snapshot`` or ``image``.
    :param state: as its service has it.
    :param where: host, backend or stores.
    :param is_empty: whether it never got a place, and has no data.
    """

    kind: str
    id: str
    name: str
    project: str
    state: str
    where: str
    is_empty: bool = False

    @property
    def detail(self):
        """What it is, for people."""
        return (f'{self.name or "(no name)"}, {self.state}, project '
                f'{self.project}, {self.where}')


def servers(entry, told):
    """Return the servers on the hosts of a site.

    Those of a cell that is down have no host, and may be here as well.

    :param told: servers as Nova lists them with all details.
    """
    return [Content('server', one['id'], one.get('name') or '',
                    one['tenant_id'], one['status'],
                    one.get(_HOST, 'on a host that Nova does not tell'))
            for one in told
            if _HOST not in one or one[_HOST] in entry.hosts]


def volumes(entry, backends, told):
    """Return the volumes of a site's backends.

    One that no backend has yet, or that has failed before one had it, is in
    the zone that it was asked for.

    :param backends: services cinder-volume of the site.
    :param told: volumes as Cinder lists them with all details.
    """
    names = {service['host'] for service in backends}
    zones = entry.zones or (entry.name,)
    found = []
    for one in told:
        backend = (one.get(_BACKEND) or '').partition('#')[0]
        if backend in names or (
                not backend and one['availability_zone'] in zones):
            found.append(Content(
                'volume', one['id'], one['name'],
                one.get('os-vol-tenant-attr:tenant_id', ''), one['status'],
                backend or f'zone {one["availability_zone"]}',
                # A policy may hide where it is.
                is_empty=_BACKEND in one and not backend
                and one['status'] == 'error'))
    return found


def snapshots(of_volumes, told):
    """Return the snapshots of some volumes.

    :param of_volumes: each a :class:`Content`.
    :param told: snapshots as Cinder lists them with all details.
    """
    where = {volume.id: volume.where for volume in of_volumes}
    return [Content('snapshot', one['id'], one['name'],
                    one.get('os-extended-snapshot-attributes:project_id', ''),
                    one['status'], where[one['volume_id']])
            for one in told if one['volume_id'] in where]


def images(entry, told):
    """Return the images that have a copy at a site.

    :returns: two lists: those that no other store has, and the others.
    """
    alone, others = [], []
    for one in told:
        has = site_facts.stores_of(one)
        here = [store for store in entry.stores if store in has]
        if here:
            (others if set(has) - set(here) else alone).append(Content(
                'image', one['id'], one.get('name') or '',
                one.get('owner') or '', one['status'], ','.join(here)))
    return alone, others
