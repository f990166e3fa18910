# SPDX-License-Identifier: Apache-2.0
"""Glance with RBD stores on pools in memory, and an engine on the same.

glance_store's own RBD driver works on them.
"""

import contextlib
import os
import types

import fixtures
from glance_store._drivers import rbd as rbd_driver
from oslo_config import cfg

from dcn_plugins.conf import imagecopy
from dcn_plugins.glance import data_path
from tests.fakes import copier
from tests.fakes import rbd
from tests.functional.glance import glance_api

CONF = cfg.CONF
POOL = 'images'
STORES = ('central', 'dcn0', 'dcn1')
DATA = b'IMAGEDATA' * 1000


class _Image(rbd.Image):

    def stat(self):
        return {'size': self.size()}


class _NoSpace(rbd.OSError):
    pass


class _IncompleteWriteError(rbd.OSError):
    pass


class RBDStoresCase(glance_api.GlanceTestCase):
    """central (the default), dcn0 and dcn1 in RBD; store1 to store3 in files.

    :cvar data_path: ``[dcn] copy_data_path``.
    """

    data_path = 'dcn'

    def config(self, **options):
        if 'enabled_backends' in options:
            options['enabled_backends'].update(dict.fromkeys(STORES, 'rbd'))
        super().config(**options)
        if 'default_backend' in options:
            for store in STORES:
                super().config(
                    group=store, rbd_store_ceph_conf=self.ceph_conf(store),
                    rbd_store_user='glance', rbd_store_pool=POOL,
                    rados_connect_timeout=5)

    def setUp(self):
        self.clusters = {self.ceph_conf(store): copier.Cluster(f'fsid-{store}')
                         for store in STORES}
        self.copier = copier.Copier(self.clusters)
        for name, fake in (
                ('rados', types.SimpleNamespace(
                    Rados=self._connection, Error=ConnectionError,
                    ObjectNotFound=FileNotFoundError)),
                ('rbd', types.SimpleNamespace(
                    **{**vars(rbd), 'Image': _Image, 'NoSpace': _NoSpace,
                       'IncompleteWriteError': _IncompleteWriteError}))):
            self.useFixture(fixtures.MonkeyPatch(
                f'glance_store._drivers.rbd.{name}', fake))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.imagecopy.service.copy', self._copy))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_watch.BEAT_SECONDS', 0.1))
        super().setUp()
        super().config(group='glance_store', default_backend='central')
        imagecopy.register_opts(CONF)
        super().config(group='dcn', copy_data_path=self.data_path)
        data_path._is_fit.cache_clear()
        self.assertIsNotNone(rbd_driver.rbd)

    def _copy(self, *args, **kwargs):
        return self.copier.copy(*args, **kwargs)

    def _connection(self, conffile, rados_id):
        cluster = self.clusters[conffile]

        def connect():
            if not cluster.is_up:
                raise ConnectionError(f'{conffile} does not answer')

        return types.SimpleNamespace(
            connect=connect, shutdown=lambda: None,
            conf_set=lambda name, value: None, conf_get=lambda name: '61',
            get_fsid=lambda: cluster.fsid,
            open_ioctx=lambda pool: contextlib.nullcontext(
                cluster.pool(pool)))

    @staticmethod
    def ceph_conf(store):
        return f'/etc/ceph/{store}.conf'

    def cluster(self, store):
        return self.clusters[self.ceph_conf(store)]

    def pool(self, store):
        return self.cluster(store).pool(POOL)

    def images_in(self, store):
        return sorted(self.pool(store).images)

    def content(self, store, image_id):
        pool = self.pool(store)
        found = pool.content(pool.header(image_id))
        return b''.join(data for _offset, data in sorted(found.items()))

    def staged(self):
        """Return the names of all staged files."""
        path = self._store_dir('staging')
        return os.listdir(path) if os.path.isdir(path) else []

    def upload_to(self, store, data=DATA, **properties):
        """Create an image in one store and return its id."""
        image_id = self.create(**properties)
        response = self.api_put(
            f'/v2/images/{image_id}/file', data=data,
            headers={'Content-Type': 'application/octet-stream',
                     'X-Image-Meta-Store': store})
        self.assertEqual(204, response.status_code, response.text)
        return image_id

    def ask(self, image_id, *stores, **options):
        """Ask for copies; returns the id of the task."""
        response = self.api_post(f'/v2/images/{image_id}/import', json=dict(
            {'method': {'name': 'copy-image'}, 'stores': list(stores)},
            **options))
        self.assertEqual(202, response.status_code, response.text)
        return self.tasks(image_id)[-1]['id']

    def tasks(self, image_id):
        return sorted(self.api_get(f'/v2/images/{image_id}/tasks').json[
            'tasks'], key=lambda task: task['created_at'])

    def copied(self, image_id, *stores, **options):
        """Ask for copies and return the task at its end."""
        self.ask(image_id, *stores, **options)
        return self.ended(image_id)

    def ended(self, image_id):
        self.wait_for(lambda: self.tasks(image_id)[-1]['status'] in (
            'success', 'failure'), 'the end of the task')
        self.wait_for_import(image_id)
        return self.tasks(image_id)[-1]

    def image(self, image_id):
        return self.api_get(f'/v2/images/{image_id}').json

    def bookkeeping(self, image_id):
        image = self.image(image_id)
        return (image.get('os_glance_importing_to_stores', ''),
                image.get('os_glance_failed_import', ''))
