# SPDX-License-Identifier: Apache-2.0
"""Glance with several stores, and its Keystone, on a loopback port.

:mod:`tests.contracts.image_api_contract` holds it and the real Glance to the
same. A token is ``token-USER``; what a user may do is in ``roles``.
"""

import json
import re

from keystoneauth1 import service_token
from keystoneauth1 import session
from keystoneauth1 import token_endpoint

from tests.unit.glance import http_service

POOL = 'images'

_IMPORT = re.compile(r'POST /v2/images/([^/]+)/import')
_LOCATIONS = re.compile(r'GET /v2/images/([^/]+)/locations')
_IMAGE = re.compile(r'GET /v2/images/([^/]+)')


class KnownTokens:
    """What ``image_access.Access`` offers, with tokens known beforehand."""

    def __init__(self, url, user='user', services=('cinder',), seconds=30):
        self.base = url
        self.session = session.Session(timeout=seconds)
        self.names = user, services

    def url(self, _context):
        return self.base

    def user(self, _context):
        return self._token(self.names[0])

    def services(self):
        found = map(self._token, self.names[1])
        return [service_token.ServiceTokenAuthWrapper(auth, auth)
                for auth in found]

    @staticmethod
    def _token(name):
        return token_endpoint.Token('http://unused', f'token-{name}')


class Refusal(Exception):
    """An answer that is not the one that was hoped for."""

    def __init__(self, status, text=''):
        self.status = status
        super().__init__(text)


class FakeGlance(http_service.HTTPService):
    """Images in RBD stores.

    ``stores`` maps the name of a store to the FSID of its cluster. A copy
    ends when the image has been looked at ``looks`` times meanwhile; for an
    image in ``broken`` it fails. A task in ``dead`` is out of Glance's sight
    so long that another may take its place.
    """

    def _setUp(self):
        super()._setUp()
        self.stores = {'central': 'fsid-c', 'dcn0': 'fsid-0',
                       'dcn1': 'fsid-1'}
        self.roles = {'user': ['member', 'reader'], 'glance': ['service'],
                      'cinder': ['admin', 'service']}
        self.import_methods = ['web-download', 'copy-image']
        self.are_locations_shown = False
        self.is_direct_url_shown = True
        self.images = {}
        self.broken = set()
        self.dead = set()
        self.looks = 2
        self.accepted = []
        self._left = {}

    def add_image(self, image_id, *stores, **others):
        """Add an active raw image with copies in stores."""
        self.images[image_id] = dict(
            {'id': image_id, 'name': 'image', 'status': 'active', 'size': 9,
             'disk_format': 'raw', 'container_format': 'bare',
             'visibility': 'public', 'locations': [], 'min_ram': 0,
             'min_disk': 0, 'tags': [], 'protected': False}, **others)
        for store in stores:
            self.add_copy(image_id, store)

    def add_copy(self, image_id, store):
        """Let a store have an image."""
        self.images[image_id]['locations'].append({
            'url': f'rbd://{self.stores[store]}/{POOL}/{image_id}/snap',
            'metadata': {'store': store}})

    def copies_to(self, store):
        """Return for which images a copy to a store was taken on."""
        return [image_id for image_id, where in self.accepted
                if where == store]

    # What follows are Glance's checks in Glance's order.

    def _handle(self, handler):
        name = f'{handler.command} {handler.path}'
        length = int(handler.headers.get('Content-Length') or 0)
        body = handler.rfile.read(length).decode()
        self.requests.append((name, body, dict(handler.headers)))
        headers = {'Content-Type': 'application/json'}
        try:
            if name in self.answers:
                status, found = self.answers[name]
            elif name == 'POST /v3/auth/tokens':
                status, found, token = self._token(json.loads(body))
                headers['X-Subject-Token'] = token
            else:
                status, found = self._answer(
                    name, self._roles(handler, 'X-Auth-Token'),
                    self._roles(handler, 'X-Service-Token'),
                    json.loads(body) if body else None)
            text = json.dumps(found) if found is not None else ''
        except Refusal as exc:
            status, text = exc.status, f'<html>{exc}</html>'
            headers = {'Content-Type': 'text/html'}
        handler.send_response(status)
        for header, value in headers.items():
            handler.send_header(header, value)
        handler.send_header('Content-Length', str(len(text)))
        handler.end_headers()
        if handler.command != 'HEAD':
            handler.wfile.write(text.encode())

    def _token(self, body):
        user = body['auth']['identity']['password']['user']['name']
        if user not in self.roles:
            raise Refusal(401)
        self.add_keystone(self.url)
        _status, token = self.answers.pop('POST /v3/auth/tokens')
        return 201, token, f'token-{user}'

    def _roles(self, handler, header):
        token = handler.headers.get(header, '')
        return self.roles.get(token.removeprefix('token-'))

    def _answer(self, name, roles, service_roles, body):
        if name in ('GET /versions', 'GET /v2/schemas/image'):
            return 200, (_VERSIONS if name == 'GET /versions' else _SCHEMA)
        if roles is None:
            raise Refusal(401)
        if name == 'GET /v2/info/stores':
            return 200, {'stores': [
                *({'id': store} for store in self.stores),
                {'id': 'web', 'read-only': 'true'}]}
        for pattern, answer, more in (
                (_IMPORT, self._import, body),
                (_LOCATIONS, self._locations, service_roles),
                (_IMAGE, self._image, None)):
            found = pattern.fullmatch(name)
            if found:
                return answer(found.group(1), roles, more)
        raise Refusal(404)

    def _visible(self, image_id, roles):
        image = self.images.get(image_id)
        if image is None or ('admin' not in roles
                             and image['visibility'] != 'public'
                             and 'member' not in roles):
            raise Refusal(404, f'No image found with ID {image_id}')
        return image

    def _image(self, image_id, roles, _more):
        image = self._visible(image_id, roles)
        self._go_on(image)
        shown = {key: value for key, value in image.items()
                 if key != 'locations'}
        locations = image['locations']
        if locations:
            shown['stores'] = ','.join(
                location['metadata']['store'] for location in locations)
            if self.is_direct_url_shown:
                shown['direct_url'] = locations[0]['url']
        if self.are_locations_shown:
            shown['locations'] = locations
        return 200, shown

    def _locations(self, image_id, roles, service_roles):
        image = self._visible(image_id, roles)
        # As 2025.1; later ones ask for no more.
        if 'service' not in (service_roles or ()):
            raise Refusal(403)
        return 200, image['locations']

    def _import(self, image_id, roles, body):
        method, stores = body['method']['name'], body['stores']
        if method not in self.import_methods:
            raise Refusal(400, f"Unknown import method name '{method}'.")
        image = self._visible(image_id, roles)
        if image['status'] != 'active':
            raise Refusal(409, 'Only images with status active')
        if 'admin' not in roles:
            raise Refusal(403, 'You are not authorized to complete copy_image')
        if image.get('os_glance_import_task', 'dead') not in self.dead | {
                'dead'}:
            raise Refusal(409, 'Image has active task')
        for store in stores:
            if store not in self.stores:
                raise Refusal(409, f'Store for identifier {store} not found')
            if any(location['metadata']['store'] == store
                   for location in image['locations']):
                raise Refusal(400, f'Image is already present at {store}')
        self.begin(image_id, *stores)
        self.accepted += [(image_id, store) for store in stores]
        return 202, None

    def begin(self, image_id, *stores):
        """Begin a copy, as if somebody had asked for it."""
        self.images[image_id].update(
            os_glance_import_task='task',
            os_glance_importing_to_stores=','.join(stores),
            os_glance_failed_import='')
        self._left[image_id] = self.looks

    def _go_on(self, image):
        if self._left.get(image['id']) is None:
            return
        self._left[image['id']] -= 1
        if self._left[image['id']] > 0:
            return
        del self._left[image['id']], image['os_glance_import_task']
        stores = image['os_glance_importing_to_stores']
        image['os_glance_importing_to_stores'] = ''
        if image['id'] in self.broken:
            image['os_glance_failed_import'] = stores
            return
        for store in stores.split(','):
            self.add_copy(image['id'], store)


_VERSIONS = {'versions': [{'id': 'v2.17', 'status': 'CURRENT'}]}

# What Cinder's client wants to know: which properties are Glance's own.
_SCHEMA = {'name': 'image', 'additionalProperties': {'type': 'string'},
           'properties': {
               name: {'is_base': True} for name in (
                   'id', 'name', 'status', 'size', 'disk_format',
                   'container_format', 'visibility', 'locations', 'min_ram',
                   'min_disk', 'tags', 'protected', 'stores', 'direct_url',
                   'created_at', 'updated_at', 'virtual_size', 'checksum')}}
