# SPDX-License-Identifier: Apache-2.0
"""What copies of images need, and nothing else: a part of the lab.

Keystone, MariaDB, a Ceph cluster per site behind a line, and two glance-api:
that of the central site and that of the nearer edge.
"""

import concurrent.futures
import hashlib
import os
import random

from keystoneauth1 import exceptions as keystone_exceptions
import openstack

from tests.lab import catalogue
from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab.services import ceph
from tests.lab.services import glance
from tests.lab.services import keystone
from tests.lab.services import mariadb
from tests.lab import wan

POOL = 'images'
_MIB = 1 << 20
_WAIT_SECONDS = 180


class Picture:
    """A raw image in a file, and what it is.

    :param data_bytes: of it that are not zero.
    """

    def __init__(self, path, data_bytes):
        self.path = path
        self.size = path.stat().st_size
        self.data_bytes = data_bytes
        with path.open('rb') as file:
            self.hash_value = hashlib.file_digest(file, 'sha512').hexdigest()


def scattered(path, size, data_bytes, seed, place_bytes=_MIB):
    """Return a Picture with random data in some places, and holes.

    :param size: in bytes; ``data_bytes`` of it are random.
    :param place_bytes: how large each place is. Of an upload Glance leaves
        out chunks of 8 MiB without data; smaller holes it stores as zeros.
    """
    places = random.Random(seed).sample(range(size // place_bytes),
                                        data_bytes // place_bytes)
    with path.open('wb') as file:
        file.truncate(size)
        for place in places:
            file.seek(place * place_bytes)
            file.write(os.urandom(place_bytes))
    return Picture(path, data_bytes)


class ImageCloud:
    """The services, and what a user does to images.

    :param lab: :class:`~tests.lab.layout.Layout` with two edges.
    :param dcn: options of ``[dcn]`` for each glance-api. Image placement is
        off unless they have it.
    """

    def __init__(self, lab, dcn):
        self.lab = lab
        self.near, self.far = lab.edges
        self.clusters = {site: ceph.Cluster(lab, site) for site in lab.sites}
        self.links = {edge: wan.Link(lab, edge)
                      for edge in lab.edges if lab.wan}
        self.apis = [glance.Glance(lab, site)
                     for site in (layouts.CENTRAL, self.near)]
        for api in self.apis:
            # With dcn_copy, which clears up what a killed one leaves; it asks
            # for no copies, as no image names a site.
            api.override = {'dcn': {'placement_policy_file': None,
                                    'placement_jobs_url': None, **dcn}}
        #: What else is to be there before glance-api.
        self.others = []
        self._mariadb = mariadb.MariaDB(lab)
        self._keystone = keystone.Keystone(lab)
        self._cloud = None

    def start(self):
        """Start everything; the calling thread is at the centre from then on.

        :raises deadline.LabError: of what does not start.
        """
        if self.lab.wan:
            wan.up(self.lab)
            wan.enter(self.lab)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            clusters = [pool.submit(service.start) for service in
                        (*self.clusters.values(), *self.others)]
            self._mariadb.start()
            tables = pool.submit(self.apis[0].install)
            self._keystone.install()
            self._keystone.start()
            catalogue.register(self.lab)
            for each in [tables, *clusters]:
                each.result()
        for api in self.apis:
            api.start()
        self._cloud = catalogue.connect(self.lab)

    def ask(self, method, path, site=layouts.CENTRAL, **options):
        """Send a request to the glance-api of a site, and return the answer.

        :raises openstack.exceptions.SDKException: if there is none.
        """
        # The SDK lets through what the library below it raises.
        try:
            return getattr(self._cloud.image, method)(
                self.lab.url('glance', site) + '/v2' + path, **options)
        except keystone_exceptions.ClientException as exc:
            raise openstack.exceptions.SDKException(
                f'{type(exc).__name__}: {exc}') from exc

    def upload(self, picture, store=layouts.CENTRAL, **properties):
        """Make an image that one store has; return its id."""
        answer = self.ask('post', '/images', json={
            'name': picture.path.name, 'disk_format': 'raw',
            'container_format': 'bare', **properties})
        openstack.exceptions.raise_from_response(answer)
        image_id = answer.json()['id']
        with picture.path.open('rb') as file:
            answer = self.ask(
                'put', f'/images/{image_id}/file', data=file, headers={
                    'Content-Type': 'application/octet-stream',
                    'X-Image-Meta-Store': store},
                # The SDK would send what is left of the file.
                status_code_retries=0, connect_retries=0,
                timeout=_WAIT_SECONDS)
        openstack.exceptions.raise_from_response(answer)
        return image_id

    def image(self, image_id):
        """Return an image as the API shows it; ``None`` if it is gone."""
        answer = self.ask('get', f'/images/{image_id}')
        if answer.status_code == 404:
            return None
        openstack.exceptions.raise_from_response(answer)
        return answer.json()

    def stores(self, image_id):
        """Return the stores that Glance names, as a set."""
        found = self.image(image_id) or {}
        return {name for name in found.get('stores', '').split(',') if name}

    def copy(self, image_id, stores, site=layouts.CENTRAL):
        """Ask for copies; return the status code."""
        return self.ask('post', f'/images/{image_id}/import', site, json={
            'method': {'name': 'copy-image'}, 'stores': list(stores),
            'all_stores_must_succeed': True}).status_code

    def tasks(self, image_id):
        """Return the tasks of an image, the newest first."""
        answer = self.ask('get', f'/images/{image_id}/tasks')
        openstack.exceptions.raise_from_response(answer)
        return sorted(answer.json()['tasks'],
                      key=lambda task: task['created_at'], reverse=True)

    def delete(self, image_id):
        """Delete an image; return the status code."""
        return self.ask('delete', f'/images/{image_id}').status_code

    def delete_copy(self, image_id, store):
        """Delete the copy in a store; return the status code."""
        return self.ask('delete', f'/stores/{store}/{image_id}').status_code

    def content(self, store, image_id):
        """Return the SHA-512 of a copy, by ``rbd export``, or ``None``."""
        return self.exported(store, store, f'{POOL}/{image_id}')

    def exported(self, name, site, image):
        """Return the SHA-512 of an RBD image of a site, or ``None``.

        :param name: of nothing else that is exported at the same time.
        """
        scratch = self.lab.path(
            'state', f'export-{name}-{image.replace("/", "-")}')
        try:
            ceph.rbd(self.lab, site, 'export', '--no-progress',
                     f'{image}@snap', str(scratch))
            with scratch.open('rb') as file:
                return hashlib.file_digest(file, 'sha512').hexdigest()
        except deadline.LabError:
            return None
        finally:
            scratch.unlink(missing_ok=True)

    def names(self, store, image_id):
        """Return what a pool has that belongs to an image, trash included."""
        found = ceph.rbd(self.lab, store, 'ls', POOL).split()
        trash = ceph.rbd(self.lab, store, 'trash', 'ls', POOL).splitlines()
        return [name for name in (*found, *trash) if image_id in name]
