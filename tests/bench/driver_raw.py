# SPDX-License-Identifier: Apache-2.0
"""The least that each operation takes: librbd alone, and nothing around it.

No driver can be faster: one connection that is always there, the calls that
change something, no locks, no look at what is there, no way back.
"""

import rados
import rbd

_GIB = 1 << 30


class RawService:
    """It has what the driver's service has, for what is measured.

    :param rig: with ``conf``, ``user`` and ``pool``.
    """

    def __init__(self, rig):
        self._cluster = rados.Rados(conffile=rig.conf, rados_id=rig.user)
        self._cluster.connect(timeout=10)
        self._ioctx = self._cluster.open_ioctx(rig.pool)
        self._rbd = rbd.RBD()
        self._snapshots = {}

    def close(self):
        """Disconnect."""
        self._ioctx.close()
        self._cluster.shutdown()

    def _image(self, volume):
        return rbd.Image(self._ioctx, volume.name)

    def create(self, made):
        self._rbd.create(self._ioctx, made.name, made.size * _GIB)

    def extend(self, grown, size=2):
        with self._image(grown) as image:
            image.resize(size * _GIB)

    def snapshot(self, made):
        with self._image(made.volume) as image:
            image.create_snap(made.name)
            image.protect_snap(made.name)

    def create_from_snapshot(self, made, source):
        self._rbd.clone(self._ioctx, source.volume_name, source.name,
                        self._ioctx, made.name)

    def clone(self, made, source):
        name = f'{made.name}.clone_snap'
        with self._image(source) as image:
            image.create_snap(name)
            image.protect_snap(name)
            self._rbd.clone(self._ioctx, source.name, name, self._ioctx,
                            made.name)
        self._snapshots[made.name] = source, name

    def delete(self, gone):
        self._rbd.remove(self._ioctx, gone.name)
        if gone.name in self._snapshots:
            source, name = self._snapshots.pop(gone.name)
            self._remove_snapshot(source, name)

    def delete_snapshot(self, gone):
        self._remove_snapshot(gone.volume, gone.name)

    def _remove_snapshot(self, volume, name):
        with self._image(volume) as image:
            image.unprotect_snap(name)
            image.remove_snap(name)
