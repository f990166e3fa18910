# SPDX-License-Identifier: Apache-2.0
"""Glance with RBD stores on pools in memory, and an engine on the same.

glance_store's own RBD driver works on them.
"""

import contextlib
import json
import os
import types

import fixtures
from glance.db.sqlalchemy import api as db_api
import glance_store
from oslo_config import cfg
import sqlalchemy

from dcn_plugins.conf import imagecopy
from dcn_plugins.glance import data_path
from tests.fakes import copier
from tests.fakes import rbd
from tests.functional.glance import glance_api

CONF = cfg.CONF
POOL = 'images'
STORES = ('central', 'dcn0', 'dcn1')
RESERVED = {'os_glance_staging_store': 'file',
            'os_glance_tasks_store': 'file'}
DATA = b'IMAGEDATA' * 1000


class _Image(rbd.Image):

    def stat(self):
        return {'size': self.size()}


class _NoSpace(rbd.OSError):
    pass


class _IncompleteWriteError(rbd.OSError):
    pass


class Clusters(fixtures.Fixture):
    """A cluster for each store, for glance_store and for an engine."""

    def __init__(self, stores):
        super().__init__()
        self.rates = []
        self.by_conf = {ceph_conf(store): copier.Cluster(f'fsid-{store}')
                        for store in stores}
        self.copier = copier.Copier(self.by_conf)

    def _setUp(self):
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
            'dcn_plugins.imagecopy.service.CONTROLS', types.SimpleNamespace(
                set_rates=lambda **rates: self.rates.append(rates))))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_watch.BEAT_SECONDS', 0.4))

    def _copy(self, *args, **kwargs):
        return self.copier.copy(*args, **kwargs)

    def _connection(self, conffile, rados_id):
        cluster = self.by_conf[conffile]

        def connect():
            if not cluster.is_up:
                raise ConnectionError(f'{conffile} does not answer')

        return types.SimpleNamespace(
            connect=connect, shutdown=lambda: None,
            conf_set=lambda name, value: None, conf_get=lambda name: '61',
            get_fsid=lambda: cluster.fsid,
            open_ioctx=lambda pool: contextlib.nullcontext(
                cluster.pool(pool)))


def ceph_conf(store):
    """Return the path that names the cluster of a store."""
    return f'/etc/ceph/{store}.conf'


def options(store):
    """Return the options of a store."""
    return {'rbd_store_ceph_conf': ceph_conf(store),
            'rbd_store_user': 'glance', 'rbd_store_pool': POOL,
            'rados_connect_timeout': 5}


def give_to_upstream():
    """Have all tests of Glance find store1 to store3 in RBD."""
    stores = ('store1', 'store2', 'store3')

    def setup_stores(case):
        case.useFixture(Clusters(stores))
        case.config(enabled_backends=dict.fromkeys(stores, 'rbd'))
        glance_store.register_store_opts(
            CONF, reserved_stores=dict(RESERVED))
        case.config(group='glance_store', default_backend='store1')
        for store in stores:
            case.config(group=store, **options(store))
        for name in ('staging', 'tasks'):
            case.config(group=f'os_glance_{name}_store',
                        filesystem_store_datadir=case._store_dir(name))
        glance_store.create_multi_stores(
            CONF, reserved_stores=dict(RESERVED))
        glance_store.verify_store()

    glance_api.functional.SynchronousAPIBase.setup_stores = setup_stores


class RBDStoresCase(glance_api.GlanceTestCase):
    """central (the default), dcn0 and dcn1 in RBD; store1 to store3 in files.

    :cvar data_path: ``[dcn] copy_data_path``.
    """

    data_path = 'dcn'

    def config(self, **given):
        if 'enabled_backends' in given:
            given['enabled_backends'].update(dict.fromkeys(STORES, 'rbd'))
        super().config(**given)
        if 'default_backend' in given:
            for store in STORES:
                super().config(group=store, **options(store))

    def setUp(self):
        self._made = Clusters(STORES)
        self.useFixture(self._made)
        self.copier, self.rates = self._made.copier, self._made.rates
        super().setUp()
        super().config(group='glance_store', default_backend='central')
        imagecopy.register_opts(CONF)
        super().config(group='dcn', copy_data_path=self.data_path)
        data_path._is_fit.cache_clear()

    def cluster(self, store):
        return self._made.by_conf[ceph_conf(store)]

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
        """Ask for copies."""
        response = self.api_post(f'/v2/images/{image_id}/import', json=dict(
            {'method': {'name': 'copy-image'}, 'stores': list(stores)},
            **options))
        self.assertEqual(202, response.status_code, response.text)

    def task(self, image_id):
        """Return the newest task of an image.

        Not from the API: it deletes old tasks each time, and SQLite has one
        writer only.
        """
        with db_api.get_engine().connect() as connection:
            row = connection.execute(sqlalchemy.text(
                'SELECT tasks.id, status, tasks.updated_at, message, input, '
                'result FROM tasks JOIN task_info ON task_id = tasks.id '
                'WHERE image_id = :image ORDER BY tasks.created_at DESC'),
                {'image': image_id}).mappings().first()
        return {**row, 'input': json.loads(row['input']),
                'result': json.loads(row['result'] or 'null')}

    def copied(self, image_id, *stores, **options):
        """Ask for copies and return the task at its end."""
        self.ask(image_id, *stores, **options)
        return self.ended(image_id)

    def ended(self, image_id):
        """Return the newest task of an image at its end."""
        self.wait_for(lambda: self.task(image_id)['status'] in (
            'success', 'failure'), 'the end of the task')
        self.wait_for_import(image_id)
        return self.task(image_id)

    def image(self, image_id):
        return self.api_get(f'/v2/images/{image_id}').json

    def bookkeeping(self, image_id):
        image = self.image(image_id)
        return (image.get('os_glance_importing_to_stores', ''),
                image.get('os_glance_failed_import', ''))
