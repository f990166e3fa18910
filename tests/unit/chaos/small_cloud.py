# SPDX-License-Identifier: Apache-2.0
"""The small cloud of images in memory, with a placement that is right."""

import threading
import time
import types
import uuid

import openstack

from dcn_plugins import exceptions
from dcn_plugins.placement import policy_text
from tests.chaos import placement_checker

STORES = frozenset(['central', 'archive', 'dcn0', 'dcn1'])


class Service:
    """Whatever can be broken and mended."""

    def __init__(self, name, log):
        self.name = name
        self._log = log

    def _do(self, what=''):
        self._log.append((self.name, what))

    kill = start = launch = wait_ready = stop = _do


class Link(Service):
    """A line that counts."""

    def __init__(self, name, log):
        super().__init__(name, log)
        self.sent = 0

    def tell(self, order):
        self._do(order)
        return {'ab_bytes': self.sent}


class SmallCloud:
    """What ``PlacementCloud`` offers, for one process."""

    def __init__(self):
        self.broken = []
        self.places = {store: (store, 'images') for store in STORES}
        self.names_of_stores = STORES
        self.near, self.far = 'dcn0', 'dcn1'
        self.lab = types.SimpleNamespace(edges=[self.near, self.far])
        self.links = {edge: Link(edge, self.broken)
                      for edge in self.lab.edges}
        self.apis = [Service('api', self.broken)]
        self.members = [Service(f'etcd{n}', self.broken) for n in range(3)]
        self.pools = {store: {} for store in STORES}
        self.tombstones, self.gone = set(), set()
        self.left_jobs = []
        self._images, self._data = {}, {}
        self._policy = None
        self._lock = threading.RLock()

    def mend(self):
        self.broken.append(('all', 'mend'))

    def scrub(self):
        self.broken.append(('all', 'scrub'))

    # Users

    def write_policy(self, text):
        try:
            self._policy = policy_text.policy_of(text)
        except exceptions.InvalidPolicy:
            pass

    def upload(self, picture, store='central', id=None, **properties):
        image_id = id or str(uuid.uuid4())
        with self._lock:
            self._images[image_id] = {
                'id': image_id, 'status': 'active', **properties,
                'created_at': time.strftime('%Y-%m-%dT%H:%M:%SZ',
                                            time.gmtime())}
            if store in self._judged(image_id).forbidden:
                del self._images[image_id]
                raise openstack.exceptions.ForbiddenException(store)
            self.pools[store][image_id] = picture.hash_value
            self._data[image_id] = picture.data_bytes
            if store in self.links:
                self.links[store].sent += picture.size
        return image_id

    def change(self, image_id, name, value):
        with self._lock:
            if value is None:
                self._images[image_id].pop(name, None)
            else:
                self._images[image_id][name] = value
            return 200, dict(self._images[image_id])

    def copy(self, image_id, stores):
        with self._lock:
            for store in stores:
                if store in self._judged(image_id).forbidden:
                    return 403
                self.place(image_id, store)
        return 202

    def delete(self, image_id):
        with self._lock:
            if self._images.pop(image_id, None) is None:
                return 404
            for store in STORES:
                self.pools[store].pop(image_id, None)
            self.tombstones.add(image_id)
        return 204

    def delete_copy(self, image_id, store):
        with self._lock:
            if store not in self._present(image_id):
                return 404
            if self._present(image_id) == {store}:
                return 403
            del self.pools[store][image_id]
        return 204

    # Placement

    def place(self, image_id, store):
        if image_id in self.pools[store]:
            return
        self.pools[store][image_id] = next(
            pool[image_id] for pool in self.pools.values()
            if image_id in pool)
        if store in self.links:
            self.links[store].sent += self._data[image_id]

    def converge(self):
        """Do what placement promises."""
        for image_id in self._images:
            for store in self._judged(image_id).wanted:
                self.place(image_id, store)

    def _judged(self, image_id):
        return placement_checker.placement(self._images[image_id],
                                           self._policy, STORES, time.time())

    def _present(self, image_id):
        return {store for store in STORES if image_id in self.pools[store]}

    # Evidence

    def images(self):
        with self._lock:
            self.converge()
            return {image_id: {**image, 'stores': ','.join(
                sorted(self._present(image_id)))}
                for image_id, image in self._images.items()}

    def contents(self, images, known=()):
        return {(image_id, store): self.pools[store].get(image_id)
                for image_id, answer in images.items()
                for store in placement_checker.present(answer)
                if (image_id, store) not in known}

    def found(self, store):
        return list(self.pools[store])

    def jobs(self):
        return list(self.left_jobs)

    def buried(self):
        return set(self.tombstones)

    def requests(self, _image_id):
        return []

    def other_keys(self):
        return []

    leases = other_keys
