# SPDX-License-Identifier: Apache-2.0
"""The questions to Nova, placement, Cinder and Glance.

Each method returns what the API says, as dictionaries, and raises
``ServiceError`` if that is nothing. ``seconds`` is how long one request may
take.
"""

import json
import re
import urllib.parse
import uuid

from dcn_plugins import exceptions
from dcn_plugins.osc import service

#: Of one page.
_PAGE = 1000

#: Of Nova. From 2.88 on it calls each host for its uptime, one after the
#: other, also those that do not answer; from 2.75 on it lists all servers.
_NO_CALLS = '2.53'

#: Of Nova; it tells scheduler hints and the zone that a server is pinned to.
_HINTS = '2.100'

#: Aggregates of one query of placement, 37 bytes each; see
#: ``[dcn] max_pushed_aggregates``.
MOST_AGGREGATES = 50


class Cloud:
    """The APIs of one cloud, as one user sees them.

    :param session: of keystoneauth.
    """

    def __init__(self, session, interface=None, region=None):
        def api(kind, name, version=None):
            return service.Service(session, kind, name, version, interface,
                                   region)

        # 1.29: summaries of trees. 3.7: clusters.
        self.compute = api('compute', 'Nova', '2.88')
        self.placement = api('placement', 'placement', '1.29')
        self.volume = api('block-storage', 'Cinder', '3.70')
        self.image = api('image', 'Glance')

    @property
    def clocks(self):
        """The clock of each API that has answered yet, by its name."""
        return {api.name: api.clock for api in (
            self.compute, self.placement, self.volume, self.image)
            if api.clock is not None}

    # Nova

    def aggregates(self, seconds):
        """Return all aggregates."""
        return self.compute.get('/os-aggregates', seconds)['aggregates']

    def zones(self, seconds):
        """Return the availability zones; whoever has a token may ask."""
        return self.compute.get('/os-availability-zone',
                                seconds)['availabilityZoneInfo']

    def computes(self, seconds):
        """Return the services nova-compute."""
        return self.compute.get('/os-services?binary=nova-compute',
                                seconds)['services']

    def hypervisors(self, seconds):
        """Return all hypervisors; their ids are those of providers."""
        found, marker = [], ''
        while True:
            page = self.compute.get(
                f'/os-hypervisors/detail?limit={_PAGE}{marker}',
                seconds, _NO_CALLS)['hypervisors']
            found += page
            if len(page) < _PAGE:
                return found
            marker = f'&marker={page[-1]["id"]}'

    def flavors(self, seconds):
        """Return all flavors with their extra specs, private ones too."""
        return _pages(self.compute, '/flavors/detail', 'flavors',
                      'flavors_links', seconds)

    def create_aggregate(self, name, zone, seconds):
        """Create an aggregate; return it."""
        return self.compute.call('POST', '/os-aggregates', seconds, {
            'aggregate': {'name': name, 'availability_zone': zone}})[
                'aggregate']

    def delete_aggregate(self, number, seconds):
        """Delete an aggregate that has no hosts."""
        self.compute.call('DELETE', f'/os-aggregates/{number}', seconds)

    def act_on_aggregate(self, number, action, values, seconds):
        """``set_metadata``, ``add_host`` or ``remove_host``."""
        self.compute.call('POST', f'/os-aggregates/{number}/action', seconds,
                          {action: values})

    def set_compute(self, number, values, seconds):
        """Change a service nova-compute."""
        self.compute.call('PUT', f'/os-services/{number}', seconds, values)

    def server(self, server_id, seconds):
        """Return a server with its pinned zone and its scheduler hints."""
        return self.compute.get(f'/servers/{server_id}', seconds,
                                _HINTS)['server']

    def servers(self, seconds):
        """Return all servers of all projects."""
        return _pages(self.compute, '/servers/detail', 'servers',
                      'servers_links', seconds, 'all_tenants=1')

    def servers_called(self, name, seconds):
        """Return the servers of all projects that have a name."""
        # Nova takes it for a pattern that is somewhere in the name.
        query = urllib.parse.urlencode(
            {'all_tenants': 1, 'name': f'^{re.escape(name)}$'})
        return [found for found in _pages(
            self.compute, '/servers/detail', 'servers', 'servers_links',
            seconds, query) if found['name'] == name]

    # Placement

    def provider_aggregates(self, provider, seconds):
        """Return the aggregates of a provider, with its generation."""
        return self.placement.get(
            f'/resource_providers/{provider}/aggregates', seconds)

    def set_provider_aggregates(self, provider, told, seconds):
        """Change the aggregates of a provider that has not changed since."""
        self.placement.call(
            'PUT', f'/resource_providers/{provider}/aggregates', seconds, told)

    def providers_in(self, aggregate, seconds):
        """Return the UUIDs of the providers in an aggregate of placement."""
        return frozenset(found['uuid'] for found in self.placement.get(
            f'/resource_providers?member_of={aggregate}', seconds)[
                'resource_providers'])

    def room(self, aggregates, seconds):
        """Return the resources of all providers with any memory left.

        One request has those of many hosts, and one that is full or disabled
        has no room: it is not among them.

        :param aggregates: their UUIDs; a host is in one of them.
        :returns: dictionaries with ``capacity`` and ``used`` by class, by the
            UUID of the root provider.
        """
        query = urllib.parse.urlencode([
            ('resources', 'MEMORY_MB:1'),
            ('required', '!COMPUTE_STATUS_DISABLED'),
            ('member_of', f'in:{",".join(aggregates)}')])
        answer = self.placement.get(f'/allocation_candidates?{query}',
                                    seconds)
        return {uuid: told['resources']
                for uuid, told in answer['provider_summaries'].items()
                if told.get('root_provider_uuid', uuid) == uuid}

    # Cinder

    def volume_services(self, seconds):
        """Return the services cinder-volume."""
        return self.volume.get('/os-services?binary=cinder-volume',
                               seconds)['services']

    def clusters(self, seconds):
        """Return the clusters of cinder-volume."""
        return self.volume.get('/clusters/detail?binary=cinder-volume',
                               seconds)['clusters']

    def pools(self, seconds):
        """Return the pools of all backends, as cinder-scheduler has them."""
        return self.volume.get('/scheduler-stats/get_pools?detail=True',
                               seconds)['pools']

    def volume_types(self, seconds):
        """Return all volume types with their extra specs."""
        return _pages(self.volume, '/types', 'volume_types',
                      'volume_type_links', seconds)

    def set_cluster(self, name, is_enabled, reason, seconds):
        """Enable or disable a cluster of cinder-volume.

        Of one that is in a cluster the scheduler looks at nothing else.
        """
        self.volume.call(
            'PUT', f'/clusters/{"enable" if is_enabled else "disable"}',
            seconds, {'name': name, 'binary': 'cinder-volume', **(
                {} if is_enabled else {'disabled_reason': reason})})

    def set_volume_service(self, host, is_enabled, reason, seconds):
        """Enable or disable a cinder-volume that is in no cluster."""
        action = 'enable' if is_enabled else 'disable-log-reason'
        self.volume.call(
            'PUT', f'/os-services/{action}', seconds,
            {'host': host, 'binary': 'cinder-volume', **(
                {} if is_enabled else {'disabled_reason': reason})})

    def get_volume(self, volume_id, seconds):
        """Return a volume."""
        return self.volume.get(f'/volumes/{volume_id}', seconds)['volume']

    def volumes_called(self, name, seconds):
        """Return the volumes of all projects that have a name."""
        query = urllib.parse.urlencode({'all_tenants': 1, 'name': name})
        return [found for found in _pages(
            self.volume, '/volumes/detail', 'volumes', 'volumes_links',
            seconds, query) if found['name'] == name]

    def volumes_with(self, key, value, seconds):
        """Return the volumes of our project whose metadata say something."""
        query = urllib.parse.urlencode(
            {'metadata': json.dumps({key: value})})
        return _pages(self.volume, '/volumes/detail', 'volumes',
                      'volumes_links', seconds, query)

    def create_volume(self, values, seconds):
        """Ask for a volume; return it as it is at once."""
        return self.volume.call('POST', '/volumes', seconds,
                                {'volume': values})['volume']

    def delete_volume(self, volume_id, seconds):
        """Have a volume deleted."""
        self.volume.call('DELETE', f'/volumes/{volume_id}', seconds)

    def volumes(self, seconds):
        """Return all volumes of all projects."""
        return _pages(self.volume, '/volumes/detail', 'volumes',
                      'volumes_links', seconds, 'all_tenants=1')

    def snapshots(self, seconds):
        """Return all snapshots of volumes of all projects."""
        return _pages(self.volume, '/snapshots/detail', 'snapshots',
                      'snapshots_links', seconds, 'all_tenants=1')

    # Glance

    def stores(self, seconds):
        """Return all stores of Glance."""
        return self.image.get(f'{self._v2()}/info/stores',
                              seconds)['stores']

    def store_details(self, seconds):
        """Return all stores with what only administrators may see."""
        return self.image.get(f'{self._v2()}/info/stores/detail',
                              seconds)['stores']

    def images(self, seconds, statuses=('active',)):
        """Return all active images of all projects, hidden ones too.

        :param statuses: of others, with data as well.
        """
        found = []
        wanted = ('in:' if len(statuses) > 1 else '') + ','.join(statuses)
        for is_hidden in ('false', 'true'):
            path = (f'/images?status={wanted}&visibility=all&limit={_PAGE}'
                    f'&os_hidden={is_hidden}')
            while path:
                answer = self.image.get(self._v2() + path, seconds)
                found += answer['images']
                # It begins with the version, as seen by Glance.
                path = (answer.get('next') or '').partition('/v2')[2]
        return found

    def image_by(self, name_or_id, seconds):
        """Return the images of an id, or else of a name: mostly one."""
        try:
            return [self.get_image(str(uuid.UUID(name_or_id)), seconds)]
        except ValueError:
            # No id.
            pass
        except exceptions.ServiceError as exc:
            if exc.status != 404:
                raise
        name = urllib.parse.quote(name_or_id, safe='')
        for is_hidden in ('false', 'true'):
            found = self.image.get(
                f'{self._v2()}/images?visibility=all&name={name}'
                f'&os_hidden={is_hidden}', seconds)['images']
            if found:
                return found
        return []

    def get_image(self, image_id, seconds):
        """Return an image."""
        return self.image.get(f'{self._v2()}/images/{image_id}', seconds)

    def copy_image(self, image_id, stores, seconds):
        """Ask Glance to copy an image; one store that fails spares others."""
        self.image.call(
            'POST', f'{self._v2()}/images/{image_id}/import', seconds,
            {'method': {'name': 'copy-image'}, 'stores': list(stores),
             # The default, true, takes away what has been copied already.
             'all_stores_must_succeed': False})

    def image_tasks(self, image_id, seconds):
        """Return the tasks of an image that Glance still knows."""
        return self.image.get(f'{self._v2()}/images/{image_id}/tasks',
                              seconds)['tasks']

    def images_with(self, key, value, seconds):
        """Return images with a property, the first page of them."""
        query = urllib.parse.urlencode({key: value, 'visibility': 'all'})
        return self.image.get(f'{self._v2()}/images?{query}',
                              seconds)['images']

    def create_image(self, values, seconds):
        """Make an image without data; return it."""
        return self.image.call('POST', f'{self._v2()}/images', seconds,
                               values)

    def upload_image(self, image_id, store, data, seconds):
        """Give an image its data, in a store."""
        self.image.put_bytes(f'{self._v2()}/images/{image_id}/file', seconds,
                             data, {'X-Image-Meta-Store': store})

    def image_data(self, image_id, seconds):
        """Return the data of an image."""
        return self.image.get_bytes(f'{self._v2()}/images/{image_id}/file',
                                    seconds)

    def delete_image(self, image_id, seconds):
        """Delete an image."""
        self.image.call('DELETE', f'{self._v2()}/images/{image_id}', seconds)

    def _v2(self):
        return self.image.version_prefix('v2')


def _pages(api, path, key, links, seconds, query='is_public=None'):
    """Return what is on all pages of a list, whatever fits on one."""
    found, marker = [], ''
    while True:
        answer = api.get(f'{path}?{query}{marker}', seconds)
        found += answer[key]
        if not answer[key] or not answer.get(links):
            return found
        marker = f'&marker={answer[key][-1]["id"]}'
