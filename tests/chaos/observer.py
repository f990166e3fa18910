# SPDX-License-Identifier: Apache-2.0
"""Look at what there is in Ceph and etcd, and play the guest.

Through clients of its own that nothing is done to, with the administrator's
rights. It waits for as long as Ceph does.
"""

import base64
import contextlib
import threading

import rados
import rbd

from tests.chaos import inventory

COUNTER = 'chaos-counter'
MARKERS = 'dcn_operations'

_GIB = 1 << 30
_LABEL_BYTES = 128
# An image that is in the list and cannot be opened.
_TORN = inventory.Image(0, 'cannot be opened')
# A chain of clones needs as many as it has images.
_ROUNDS = 10
_TRASH_NAMESPACE = rbd.RBD_SNAP_NAMESPACE_TYPE_TRASH


class Observer:
    """One who looks, and writes as guests do.

    :param site: :class:`~tests.chaos.site.Site`, running.
    :param pool: of the volumes.
    """

    def __init__(self, site, pool):
        self._site = site
        self._lock = threading.Lock()
        self._cluster = rados.Rados(conffile=str(site.ceph.conf),
                                    rados_id='admin')
        self._cluster.connect()
        self._ioctx = self._cluster.open_ioctx(pool)
        self._rbd = rbd.RBD()

    def close(self):
        """Disconnect."""
        self._ioctx.close()
        self._cluster.shutdown()

    def make_counter(self):
        """Make the image that increments write to.

        Without exclusive-lock, as Cinder makes those of volumes that may be
        attached twice: nothing but the locks keeps writers apart.
        """
        self._rbd.create(self._ioctx, COUNTER, 4 << 20, old_format=False,
                         features=rbd.RBD_FEATURE_LAYERING)

    def write(self, image, content):
        """Write something to the beginning of a volume, as a guest does."""
        with self._lock, rbd.Image(self._ioctx, image) as opened:
            opened.write(content.encode().ljust(_LABEL_BYTES, b'\0'), 0)
            opened.flush()

    def inventory(self):
        """Return what there is now."""
        with self._lock:
            return inventory.Inventory(
                self._images(), self._counter(), self.keys(), self.leases(),
                self._markers())

    def sweep(self):
        """Remove all that a run has left, that the next one begins anew."""
        with self._lock:
            for _round in range(_ROUNDS):
                names = self._rbd.list(self._ioctx)
                trash = [one['id'] for one in
                         self._rbd.trash_list(self._ioctx)]
                if not names and not trash:
                    break
                self._sweep(names, trash)
            else:
                # What librbd cannot remove any more.
                for found in list(self._ioctx.list_objects()):
                    found.remove()
            with contextlib.suppress(rados.ObjectNotFound):
                self._ioctx.remove_object(MARKERS)
        self._member().ask('/kv/deleterange', {
            'key': 'AA==', 'range_end': 'AA=='}, 10)
        for lease in self.leases():
            self._member().ask('/kv/lease/revoke', {'ID': lease}, 10)

    def _sweep(self, names, trash):
        for name in names:
            # A child keeps its parent; it goes in an earlier round.
            with contextlib.suppress(rbd.Error):
                with rbd.Image(self._ioctx, name) as image:
                    _remove_snapshots(image)
                self._rbd.remove(self._ioctx, name)
        for one in trash:
            with contextlib.suppress(rbd.Error):
                with rbd.Image(self._ioctx, image_id=one) as image:
                    _remove_snapshots(image)
                self._rbd.trash_remove(self._ioctx, one, True)

    def keys(self):
        """Return the keys of etcd, less those that say who is there."""
        told = self._member().ask('/kv/range', {
            'key': 'AA==', 'range_end': 'AA==', 'keys_only': True}, 10)
        names = (base64.b64decode(item['key']).decode(errors='replace')
                 for item in told.get('kvs', ()))
        return tuple(name for name in names if '/groups/' not in name)

    def leases(self):
        """Return the numbers of the leases of etcd."""
        told = self._member().ask('/kv/lease/leases', {}, 10)
        return tuple(item['ID'] for item in told.get('leases', ()))

    def _member(self):
        return self._site.leader()

    def _counter(self):
        try:
            with rbd.Image(self._ioctx, COUNTER, read_only=True) as image:
                return int(_label(image) or 0)
        except rbd.ImageNotFound:
            return None

    def _markers(self):
        try:
            with rados.ReadOpCtx() as operation:
                found, _code = self._ioctx.get_omap_keys(operation, '', 1000)
                self._ioctx.operate_read_op(operation, MARKERS)
                return tuple(name for name, _value in found)
        except rados.ObjectNotFound:
            return ()

    def _images(self):
        trash = [one['id'] for one in self._rbd.trash_list(self._ioctx)]
        images = {}
        for name in self._rbd.list(self._ioctx):
            if name != COUNTER:
                images[name] = self._opened(trash, name)
        for one in trash:
            images[inventory.TRASH + one] = self._opened(trash, image_id=one)
        # Removed while it was looked at, or really there without a header.
        gone = [name for name, image in images.items() if image == _TORN]
        there = set(self._rbd.list(self._ioctx)) if gone else set()
        return {name: image for name, image in images.items()
                if image != _TORN or name in there}

    def _opened(self, trash, *name, **image_id):
        try:
            with rbd.Image(self._ioctx, *name, **image_id,
                           read_only=True) as image:
                return self._image(image, trash)
        except rbd.ImageNotFound:
            return _TORN

    def _image(self, image, trash):
        content = _label(image)
        size = image.size() / _GIB
        parent = _parent(image, trash)
        snapshots = {}
        for found in image.list_snaps():
            image.set_snap_by_id(found['id'])
            snapshots[found['name']] = inventory.Snapshot(
                _label(image), found['namespace'] == _TRASH_NAMESPACE)
        return inventory.Image(size, content, parent, snapshots)


def _label(image):
    size = min(_LABEL_BYTES, image.size())
    return image.read(0, size).rstrip(b'\0').decode(errors='replace')


def _parent(image, trash):
    try:
        one = image.parent_id()
        _pool, name, snapshot = image.parent_info()
    except rbd.ImageNotFound:
        return None
    return inventory.TRASH + one if one in trash else name, snapshot


def _remove_snapshots(image):
    for found in list(image.list_snaps()):
        with contextlib.suppress(rbd.Error):
            if found['namespace'] == _TRASH_NAMESPACE:
                image.remove_snap_by_id(found['id'])
                continue
            if image.is_protected_snap(found['name']):
                image.unprotect_snap(found['name'])
            image.remove_snap(found['name'])
