# SPDX-License-Identifier: Apache-2.0
"""What the APIs of the simulated cloud answer; see ``cloud``."""

import copy
import json
import re
import urllib.parse


class Answers:
    """The answers, made of the lists of :class:`tests.fakes.cloud.Cloud`."""

    def handle(self, handler):
        """Answer one request."""
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        length = int(handler.headers.get('Content-Length') or 0)
        body = handler.rfile.read(length)
        if handler.headers.get('Content-Type') != 'application/octet-stream':
            body = json.loads(body or b'null')
        query.update(store=handler.headers.get('X-Image-Meta-Store'))
        self.requests.append((handler.command, handler.path, body))
        if self._calls_hosts(url.path, handler.headers):
            status, answer = 500, {'error': {'message': 'a host is away'}}
        else:
            status, answer = self._answer(handler.command, url.path, query,
                                          body)
        data = b'' if answer is None else (
            answer if isinstance(answer, bytes)
            else json.dumps(answer).encode())
        handler.send_response(status)
        handler.send_header('X-Subject-Token', 'token')
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Content-Length', str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    @staticmethod
    def _calls_hosts(path, headers):
        """Tell whether Nova would ask each host for its uptime."""
        version = headers.get('OpenStack-API-Version', 'compute 2.1')
        return path.endswith('/os-hypervisors/detail') and int(
            version.rpartition('.')[2]) >= 88

    def _answer(self, method, path, query, body):
        for part, status in self.failures.items():
            if part in f'{method} {path}':
                return status, {'error': {'message': f'{part} fails'}}
        for wanted, pattern, answer in self._ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == wanted:
                return answer(self, *found.groups(), query=query, body=body)
        return 404, {'error': {'message': f'no {method} {path}'}}

    def _keystone(self, query, body):
        return 200, {'version': {
            'id': 'v3.14', 'status': 'stable', 'links': [
                {'rel': 'self', 'href': f'{self.url}/identity/v3/'}]}}

    def _token(self, query, body):
        kinds = {'compute': '/compute/v2.1', 'placement': '/placement',
                 'block-storage': '/volume/v3', 'image': '/image',
                 'identity': '/identity/v3'}
        return 201, {'token': {
            'methods': ['password'],
            'user': {'id': 'u', 'name': 'admin', 'domain': {
                'id': 'default', 'name': 'Default'}},
            'project': {'id': 'p', 'name': 'admin', 'domain': {
                'id': 'default', 'name': 'Default'}},
            'roles': [{'id': 'r', 'name': 'admin'}],
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'expires_at': '2126-01-01T00:00:00.000000Z',
            'catalog': [{'type': kind, 'name': kind, 'id': kind, 'endpoints': [
                {'interface': 'public', 'region': 'one', 'region_id': 'one',
                 'id': kind, 'url': self.url + path}]}
                for kind, path in kinds.items()]}}

    def _zones(self, query, body):
        """Zones of aggregates; Nova knows none without a host to ask."""
        takes = {found['host'] for found in self.computes
                 if (found['state'], found['status']) == ('up', 'enabled')}
        told = {}
        for found in self.aggregates:
            zone = found['metadata'].get('availability_zone')
            if zone and found['hosts']:
                told[zone] = told.get(zone, False) or not takes.isdisjoint(
                    found['hosts'])
        return 200, {'availabilityZoneInfo': [
            {'zoneName': zone, 'zoneState': {'available': is_available},
             'hosts': None} for zone, is_available in told.items()]}

    def _list_hypervisors(self, query, body):
        limit, marker = int(query.get('limit', 1000)), query.get('marker')
        ids = [found['id'] for found in self.hypervisors]
        start = ids.index(marker) + 1 if marker else 0
        return 200, {'hypervisors': self.hypervisors[start:start + limit]}

    def _candidates(self, query, body):
        wanted = set(query['member_of'].removeprefix('in:').split(','))
        off = {found['host'] for found in self.computes
               if found['status'] == 'disabled'}
        return 200, {'provider_summaries': {
            found['id']: {'resources': self.providers[found['id']],
                          'root_provider_uuid': found['id']}
            for found in self.hypervisors
            if found['service']['host'] not in off
            and self.mirrored[found['id']][0] & wanted
            and self._left(found['id']) > 0}}

    def _left(self, provider):
        memory = self.providers[provider]['MEMORY_MB']
        return memory['capacity'] - memory['used']

    def _list_images(self, query, body):
        statuses = query.get('status', '').removeprefix('in:')
        found = [image for image in self.images
                 if (not statuses or image['status'] in statuses.split(','))
                 and str(image['os_hidden']).lower() == query.get(
                     'os_hidden', 'false')
                 and query.get('name', image['name']) == image['name']
                 and query.get('dcn_probe') in (None, image.get('dcn_probe'))]
        return 200, {'images': found}

    def _image(self, image_id):
        return next((found for found in self.images
                     if found['id'] == image_id), None)

    def _get_image(self, image_id, query, body):
        found = self._image(image_id)
        return (404, {'message': 'no image'}) if found is None else (
            200, found)

    def _copy_image(self, image_id, query, body):
        found = self._image(image_id)
        stores = found['stores'].split(',')
        if set(stores) & set(body['stores']):
            return 400, {'message': 'it is present already'}
        found['stores'] = ','.join(stores + body['stores'])
        return 202, None

    def _aggregate(self, number):
        return next((found for found in self.aggregates
                     if str(found['id']) == number), None)

    def _create_aggregate(self, query, body):
        asked = body['aggregate']
        if any(found['name'] == asked['name'] for found in self.aggregates):
            return 409, {'conflictingRequest': {'message': 'it is there'}}
        zone = asked.get('availability_zone')
        made = self.add_aggregate(
            asked['name'], **({'availability_zone': zone} if zone else {}))
        return 200, {'aggregate': made}

    def _delete_aggregate(self, number, query, body):
        found = self._aggregate(number)
        if found is None:
            return 404, {'itemNotFound': {'message': 'none'}}
        if found['hosts']:
            return 400, {'badRequest': {'message': 'it is not empty'}}
        self.aggregates.remove(found)
        return 200, None

    def _act_on_aggregate(self, number, query, body):
        found = self._aggregate(number)
        (action, asked), = body.items()
        if action == 'set_metadata':
            for key, value in asked['metadata'].items():
                found['metadata'].pop(key, None)
                if key == 'availability_zone':
                    found['availability_zone'] = value
                if value is not None:
                    found['metadata'][key] = value
        elif action == 'add_host':
            if asked['host'] not in {one['host'] for one in self.computes}:
                return 404, {'itemNotFound': {'message': 'no such host'}}
            if asked['host'] in found['hosts']:
                return 409, {'conflictingRequest': {'message': 'there'}}
            found['hosts'].append(asked['host'])
            self.mirror(asked['host'], found)
        elif action == 'remove_host':
            if asked['host'] not in found['hosts']:
                return 404, {'itemNotFound': {'message': 'not there'}}
            found['hosts'].remove(asked['host'])
            self.mirror(asked['host'], found, False)
        return 200, {'aggregate': copy.deepcopy(found)}

    def _set_compute(self, number, query, body):
        found = next(one for one in self.computes if one['id'] == number)
        found.update(body)
        if body.get('status') == 'enabled':
            found['disabled_reason'] = None
        return 200, {'service': found}

    def _set_volume(self, action, query, body):
        found = next(one for one in self.volume_services
                     if one['host'] == body['host'])
        is_on = action == 'enable'
        found.update(status='enabled' if is_on else 'disabled',
                     disabled_reason=None if is_on
                     else body.get('disabled_reason'))
        return 200, {'service': found}

    def _set_cluster(self, action, query, body):
        for found in self.clusters:
            if found['name'] == body['name']:
                is_on = action == 'enable'
                found.update(status='enabled' if is_on else 'disabled',
                             disabled_reason=None if is_on
                             else body.get('disabled_reason'))
                return 200, {'cluster': found}
        return 404, {'itemNotFound': {'message': 'no cluster'}}

    def _provider(self, provider, query, body):
        if provider not in self.providers:
            return 404, {'errors': [{'detail': 'no provider'}]}
        inside = self.mirrored[provider]
        if body is not None:
            if body['resource_provider_generation'] != inside[1]:
                return 409, {'errors': [{'detail': 'it has changed'}]}
            inside[:] = set(body['aggregates']), inside[1] + 1
        return 200, {'aggregates': sorted(inside[0]),
                     'resource_provider_generation': inside[1]}

    def _server(self, number, query, body):
        found = self.servers.get(number)
        return (404, {'itemNotFound': {'message': 'none'}}) if (
            found is None) else (200, {'server': found})

    def _volume(self, number, query, body):
        found = self.volumes.get(number)
        return (404, {'itemNotFound': {'message': 'none'}}) if (
            found is None) else (200, {'volume': found})

    def _with_metadata(self, text):
        wanted = json.loads(text or '{}').items()
        return [found for found in self.volumes.values()
                if wanted <= found.get('metadata', {}).items()]

    def _create_volume(self, query, body):
        asked = body['volume']
        if asked['availability_zone'] not in {
                found['zone'] for found in self.volume_services}:
            return 400, {'badRequest': {'message': 'no such zone'}}
        return 202, {'volume': self.add_volume(
            f'{asked["availability_zone"]}-vol-0@ceph',
            asked['availability_zone'], status=self.new_volume_status,
            name=asked['name'], metadata=asked.get('metadata') or {})}

    def _delete_volume(self, number, query, body):
        del self.volumes[number]
        return 202, None

    def _create_image(self, query, body):
        made = self.add_image(body['name'], [], dcn_sites=body['dcn_sites'],
                              dcn_probe=body['dcn_probe'])
        made['status'] = 'queued'
        return 201, made

    def _put_data(self, image_id, query, body):
        if query['store'] not in {store['id'] for store in self.stores}:
            return 400, {'message': 'no such store'}
        self._image(image_id).update(status='active', stores=query['store'])
        self.image_data[image_id] = body
        return 204, None

    def _get_data(self, image_id, query, body):
        return 200, self.image_data[image_id]

    def _delete_image(self, image_id, query, body):
        self.images.remove(self._image(image_id))
        return 204, None

    def _page(self, items, key, links, query):
        ids = [found['id'] for found in items]
        start = ids.index(query['marker']) + 1 if 'marker' in query else 0
        found = items[start:start + self.page_size]
        return 200, {key: found, **(
            {links: [{'rel': 'next'}]} if len(found) == self.page_size
            else {})}

    def _providers(self, query, body):
        return 200, {'resource_providers': [
            {'uuid': found} for found in self.providers
            if query['member_of'] in self.mirrored[found][0]]}

    def _metrics(self, query, body):
        return 200, ('' if self.etcd_quota is None else (
            f'# TYPE x gauge\netcd_server_quota_backend_bytes '
            f'{self.etcd_quota}\n')).encode()

    def _store_details(self, query, body):
        return 200, {'stores': [
            {**store, 'properties': self.store_properties.get(
                store['id'], {})} for store in self.stores]}

    def _etcd_status(self, query, body):
        return 200, self.etcd_status

    def _etcd(self, path, query, body):
        # The namespace is in each key, so all sites may share one store.
        return 200, self.etcds['all'].call(path, body, 1)

    _ROUTES = (
        ('GET', r'/identity(?:/v3)?/?', _keystone),
        ('POST', r'/identity/v3/auth/tokens', _token),
        ('GET', r'/compute/v2\.1/os-aggregates',
         lambda self, **_: (200, {'aggregates': self.aggregates})),
        ('GET', r'/compute/v2\.1/os-availability-zone', _zones),
        ('POST', r'/compute/v2\.1/os-aggregates', _create_aggregate),
        ('DELETE', r'/compute/v2\.1/os-aggregates/(\d+)', _delete_aggregate),
        ('POST', r'/compute/v2\.1/os-aggregates/(\d+)/action',
         _act_on_aggregate),
        ('GET', r'/compute/v2\.1/os-services',
         lambda self, **_: (200, {'services': self.computes})),
        ('PUT', r'/compute/v2\.1/os-services/([-\w]+)', _set_compute),
        ('GET', r'/compute/v2\.1/os-hypervisors/detail', _list_hypervisors),
        ('GET', r'/compute/v2\.1/servers/detail',
         lambda self, query, body: self._page(
             list(self.servers.values()), 'servers', 'servers_links', query)),
        ('GET', r'/compute/v2\.1/servers/([-\w]+)', _server),
        ('GET', r'/compute/v2\.1/flavors/detail',
         lambda self, query, body: self._page(
             self.flavors, 'flavors', 'flavors_links', query)),
        ('GET', r'/placement/allocation_candidates', _candidates),
        ('GET', r'/placement/resource_providers', _providers),
        ('GET', r'/placement/resource_providers/([-\w]+)/aggregates',
         _provider),
        ('PUT', r'/placement/resource_providers/([-\w]+)/aggregates',
         _provider),
        ('GET', r'/volume/v3/os-services',
         lambda self, **_: (200, {'services': self.volume_services})),
        ('PUT', r'/volume/v3/os-services/(enable|disable|disable-log-reason)',
         _set_volume),
        ('PUT', r'/volume/v3/clusters/(enable|disable)', _set_cluster),
        ('GET', r'/volume/v3/clusters/detail',
         lambda self, **_: (200, {'clusters': self.clusters})),
        ('GET', r'/volume/v3/scheduler-stats/get_pools',
         lambda self, **_: (200, {'pools': self.pools})),
        ('GET', r'/volume/v3/volumes/detail',
         lambda self, query, body: self._page(
             self._with_metadata(query.get('metadata')), 'volumes',
             'volumes_links', query)),
        ('GET', r'/volume/v3/snapshots/detail',
         lambda self, query, body: self._page(
             self.snapshots, 'snapshots', 'snapshots_links', query)),
        ('POST', r'/volume/v3/volumes', _create_volume),
        ('DELETE', r'/volume/v3/volumes/([-\w]+)', _delete_volume),
        ('GET', r'/volume/v3/volumes/([-\w]+)', _volume),
        ('GET', r'/volume/v3/types',
         lambda self, query, body: self._page(
             self.volume_types, 'volume_types', 'volume_type_links', query)),
        ('GET', r'/image/v2/info/stores/detail', _store_details),
        ('GET', r'/image/v2/info/stores',
         lambda self, **_: (200, {'stores': self.stores})),
        ('GET', r'/image/v2/images', _list_images),
        ('POST', r'/image/v2/images', _create_image),
        ('PUT', r'/image/v2/images/([-\w]+)/file', _put_data),
        ('GET', r'/image/v2/images/([-\w]+)/file', _get_data),
        ('DELETE', r'/image/v2/images/([-\w]+)', _delete_image),
        ('GET', r'/image/v2/images/([-\w]+)', _get_image),
        ('POST', r'/image/v2/images/([-\w]+)/import', _copy_image),
        ('GET', r'/version',
         lambda self, **_: (200, {'etcdserver': '3.4.23'})),
        ('GET', r'/metrics', _metrics),
        ('POST', r'/v3/maintenance/status', _etcd_status),
        ('POST', r'/v3(/.*)', _etcd),
    )
