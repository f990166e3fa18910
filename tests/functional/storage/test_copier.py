# SPDX-License-Identifier: Apache-2.0
"""The engine does on Ceph what Glance's data path relies on."""

from dcn_plugins.ceph import bindings
from dcn_plugins.imagecopy import request
from dcn_plugins.imagecopy import service
from tests.contracts import copier_contract
from tests.functional.storage import rados_case

# Pools of one cluster stand for three stores.
POOLS = {'central': 'images', 'dcn0': 'volumes', 'dcn1': 'vms'}


class CopierTest(copier_contract.CopierContract, rados_case.RadosTestCase):

    def setUp(self):
        super().setUp()
        self.rbd = bindings.rbd()
        client = self.client()
        self.ioctxs = {}
        for store, pool in POOLS.items():
            self.ioctxs[store] = client.open_ioctx(pool)
            self.addCleanup(self.ioctxs[store].close)
        self.addCleanup(self.remove_all)
        self.addCleanup(service.CONTROLS.set_rates)

    def copy(self, *args, **kwargs):
        return service.copy(*args, **kwargs)

    def place(self, store):
        return request.Place(store, self.rig.conf, self.rig.user,
                             POOLS[store], 10.0)

    def add(self, store, image_id, data):
        ioctx = self.ioctxs[store]
        self.rbd.RBD().create(ioctx, image_id, len(data), old_format=False)
        with self.rbd.Image(ioctx, image_id) as image:
            image.write(data, 0)
            image.create_snap(request.SNAPSHOT)
            image.protect_snap(request.SNAPSHOT)

    def data(self, store, image_id):
        with self.rbd.Image(self.ioctxs[store], image_id,
                            snapshot=request.SNAPSHOT,
                            read_only=True) as image:
            self.assertTrue(image.is_protected_snap(request.SNAPSHOT))
            return image.read(0, image.size())

    def names(self, store):
        return self.rbd.RBD().list(self.ioctxs[store])

    def slow(self, store):
        # Not at all: it would be over before it is looked at.
        service.CONTROLS.pause(self.image_id)
        self.addCleanup(service.CONTROLS.resume, self.image_id)

    def remove_all(self):
        for store, ioctx in self.ioctxs.items():
            for name in self.names(store):
                if name.startswith(self.image_id):
                    self.remove(ioctx, name)

    def remove(self, ioctx, name):
        with self.rbd.Image(ioctx, name) as image:
            for snapshot in list(image.list_snaps()):
                if image.is_protected_snap(snapshot['name']):
                    image.unprotect_snap(snapshot['name'])
                image.remove_snap(snapshot['name'])
        self.rbd.RBD().remove(ioctx, name)
