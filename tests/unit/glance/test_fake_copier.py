# SPDX-License-Identifier: Apache-2.0

import unittest

from dcn_plugins.imagecopy import request
from tests.contracts import copier_contract
from tests.fakes import copier
from tests.fakes import rbd


class FakeCopierTest(copier_contract.CopierContract, unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.clusters = {store: copier.Cluster(f'fsid-{store}')
                         for store in ('central', 'dcn0', 'dcn1')}
        self.copier = copier.Copier(self.clusters)
        self.copy = self.copier.copy

    def place(self, store):
        return request.Place(store, store, 'openstack', 'images')

    def pool(self, store):
        return self.clusters[store].pool('images')

    def add(self, store, image_id, data):
        pool = self.pool(store)
        rbd.RBD().create(pool, image_id, len(data))
        with rbd.Image(pool, image_id) as image:
            image.write(data, 0)
            image.create_snap('snap')
            image.protect_snap('snap')

    def data(self, store, image_id):
        with rbd.Image(self.pool(store), image_id, snapshot='snap') as image:
            return image.read(0, image.size())

    def names(self, store):
        return rbd.RBD().list(self.pool(store))

    def slow(self, store):
        self.copier.before[store] = lambda: True
