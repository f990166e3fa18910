# SPDX-License-Identifier: Apache-2.0
"""Imports to several stores by our engine, inside Glance."""

import fixtures
import glance.location
from oslo_config import cfg

from dcn_plugins import exceptions
from tests.functional.glance import rbd_stores

CONF = cfg.CONF
_set_data = glance.location.ImageProxy.set_data


class FanOutCase(rbd_stores.RBDStoresCase):

    plugins = ('no_op', 'dcn_fan_out')

    def setUp(self):
        super().setUp()
        self.config(group='image_import_opts',
                    image_import_plugins=list(self.plugins))
        self.written = []
        self.broken = []

        def set_data(proxy, data, size=None, backend=None, set_active=True):
            self.written.append(backend)
            if backend in self.broken:
                raise OSError('the store is broken')
            return _set_data(proxy, data, size=size, backend=backend,
                             set_active=set_active)

        self.useFixture(fixtures.MonkeyPatch(
            'glance.location.ImageProxy.set_data', set_data))
        self.start_server()

    def imported(self, *stores, **options):
        """Stage an image, import it, and return its id and its task."""
        image_id = self.create()
        response = self.api_put(
            f'/v2/images/{image_id}/stage', data=rbd_stores.DATA,
            headers={'Content-Type': 'application/octet-stream'})
        self.assertEqual(204, response.status_code, response.text)
        response = self.api_post(f'/v2/images/{image_id}/import', json=dict(
            {'method': {'name': 'glance-direct'}, 'stores': list(stores)},
            **options))
        self.assertEqual(202, response.status_code, response.text)
        return image_id, self.ended(image_id)

    def break_copy(self, store):
        def fail():
            raise exceptions.ClusterUnreachable('writing', 'test')

        self.copier.before[store] = fail

    def asked_targets(self):
        return [target.store for asked in self.copier.asked
                for target in asked.targets]


class FanOutTest(FanOutCase):

    def test_glance_writes_to_one_store_only(self):
        image_id, task = self.imported('dcn0', 'central', 'dcn1')
        self.assertEqual('success', task['status'], self.log.output)
        self.assertEqual(['dcn0'], self.written)
        self.assertEqual(['central', 'dcn1'], self.asked_targets())
        self.assertEqual({'central', 'dcn0', 'dcn1'},
                         self.stores_of(image_id))
        for store in rbd_stores.STORES:
            self.assertEqual(rbd_stores.DATA, self.content(store, image_id))
        image = self.image(image_id)
        self.assertEqual('active', image['status'])
        self.assertEqual(image['os_hash_value'],
                         self.copier.asked[0].hash_value)
        self.assertEqual(('', ''), self.bookkeeping(image_id))
        self.assertEqual(['dcn0', 'central', 'dcn1'],
                         task['input']['backend'])
        self.assertEqual([], self.staged())

    def test_stores_of_another_kind_are_written_by_glance(self):
        for parallel in (1, 2):
            if 'max_parallel_stores' in CONF.image_import_opts:
                self.config(group='image_import_opts',
                            max_parallel_stores=parallel)
            image_id, task = self.imported('store2', 'dcn0', 'dcn1', 'store3')
            self.assertEqual('success', task['status'], self.log.output)
            self.assertEqual({'store2', 'store3', 'dcn0', 'dcn1'},
                             self.stores_of(image_id))
            self.assertEqual('active', self.image(image_id)['status'])
            self.assertEqual('dcn1', self.asked_targets()[-1])
            self.assertEqual(('', ''), self.bookkeeping(image_id))
            self.assertEqual([], self.staged())

    def test_one_rbd_store_is_written_by_glance(self):
        image_id, task = self.imported('dcn0', 'store2')
        self.assertEqual('success', task['status'])
        self.assertEqual({'dcn0', 'store2'}, self.stores_of(image_id))
        self.assertEqual([], self.copier.asked)
        self.assertEqual('active', self.image(image_id)['status'])

    def test_a_copy_fails(self):
        self.break_copy('dcn1')
        image_id, task = self.imported('central', 'dcn0', 'dcn1')
        self.assertEqual('failure', task['status'])
        self.assertIn('dcn1: writing: Ceph does not answer: test',
                      task['message'])
        # As it is in Glance: all or nothing.
        self.assertEqual({''}, self.stores_of(image_id))
        for store in rbd_stores.STORES:
            self.assertEqual([], self.images_in(store))
        self.assertEqual(('', 'dcn1'), self.bookkeeping(image_id))
        self.assertIsNone(self.image(image_id)['os_hash_value'])

    def test_a_copy_fails_and_may(self):
        self.break_copy('dcn1')
        image_id, task = self.imported('central', 'dcn0', 'dcn1',
                                       all_stores_must_succeed=False)
        self.assertEqual('success', task['status'])
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))
        self.assertEqual('active', self.image(image_id)['status'])
        self.assertEqual(('', 'dcn1'), self.bookkeeping(image_id))

    def test_the_first_store_fails(self):
        self.broken.append('central')
        image_id, task = self.imported('central', 'dcn0', 'dcn1')
        self.assertEqual('failure', task['status'])
        self.assertEqual({''}, self.stores_of(image_id))
        self.assertEqual([], self.copier.asked)
        self.assertEqual(('', 'central'), self.bookkeeping(image_id))

    def test_the_first_store_fails_and_may(self):
        self.broken.append('central')
        image_id, task = self.imported('central', 'dcn0', 'dcn1',
                                       all_stores_must_succeed=False)
        self.assertEqual('success', task['status'], self.log.output)
        self.assertEqual(['central', 'dcn0'], self.written)
        self.assertEqual(['dcn1'], self.asked_targets())
        self.assertEqual({'dcn0', 'dcn1'}, self.stores_of(image_id))
        self.assertEqual('active', self.image(image_id)['status'])
        self.assertEqual(('', 'central'), self.bookkeeping(image_id))

    def test_a_store_of_glance_fails_after_ours(self):
        self.broken.append('store2')
        image_id, task = self.imported('central', 'dcn0', 'store2')
        self.assertEqual('failure', task['status'])
        self.assertEqual({''}, self.stores_of(image_id))
        for store in rbd_stores.STORES:
            self.assertEqual([], self.images_in(store))


class StockTest(FanOutCase):

    data_path = 'stock'

    def test_glance_writes_to_all(self):
        image_id, task = self.imported('dcn0', 'central', 'store2')
        self.assertEqual('success', task['status'])
        self.assertEqual(['dcn0', 'central', 'store2'], self.written)
        self.assertEqual({'dcn0', 'central', 'store2'},
                         self.stores_of(image_id))
        self.assertEqual([], self.copier.asked)


class NotInTheListTest(FanOutCase):

    plugins = ('no_op',)

    def test_glance_writes_to_all(self):
        image_id, task = self.imported('dcn0', 'central')
        self.assertEqual('success', task['status'])
        self.assertEqual(['dcn0', 'central'], self.written)
        self.assertEqual({'dcn0', 'central'}, self.stores_of(image_id))
        self.assertEqual([], self.copier.asked)
