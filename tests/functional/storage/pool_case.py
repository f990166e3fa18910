# SPDX-License-Identifier: Apache-2.0
"""A test whose images in a pool of a real Ceph are told by their names."""

import contextlib
import secrets

from dcn_plugins.ceph import bindings
from tests.contracts import stock_pool
from tests.functional.storage import rados_case


class PoolTestCase(stock_pool.StockPool, rados_case.RadosTestCase):
    """Images of one test, all of which are removed after it.

    Others may use the pool at the same time.
    """

    # What makes clone v2: a snapshot may be removed before its clones.
    options = {}

    def setUp(self):
        super().setUp()
        self.rbd = bindings.rbd()
        self.client_ = self.client(**self.options)
        self.ioctx = self.client_.open_ioctx(self.rig.pool)
        self.addCleanup(self.ioctx.close)
        own = secrets.token_hex(4)
        self.template = f'volume-{own}-%s'
        self.prefix = f'other-{own}-'
        self.addCleanup(self.remove_all)

    def remove_all(self):
        """Remove the images, clones before what they are clones of."""
        for name in self.left()[0]:
            with contextlib.suppress(self.rbd.ImageNotFound):
                self.rbd.RBD().trash_move(self.ioctx, name, 0)
        entries = self.trashed()
        for _round in range(len(entries)):
            for entry in entries:
                with contextlib.suppress(self.rbd.Error):
                    self.empty(entry['id'])
                    self.rbd.RBD().trash_remove(self.ioctx, entry['id'],
                                                True)
            entries = self.trashed()
        self.assertEqual([], entries)

    def trashed(self):
        mine = self.left()[1]
        return [entry for entry in self.rbd.RBD().trash_list(self.ioctx)
                if entry['name'] in mine]

    def empty(self, image_id):
        with self.rbd.Image(self.ioctx, image_id=image_id) as image:
            for snapshot in list(image.list_snaps()):
                if image.is_protected_snap(snapshot['name']):
                    image.unprotect_snap(snapshot['name'])
                image.remove_snap(snapshot['name'])
