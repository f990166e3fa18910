# SPDX-License-Identifier: Apache-2.0
"""What is left of copies that nobody goes on with.

For whoever knows which images there are. It works with the modules ``rados``
and ``rbd``, as it moves no data.
"""

import dataclasses
import time

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import errors
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests


@dataclasses.dataclass(frozen=True)
class Partial:
    """A partial copy.

    :param name: of the image, with its suffix.
    :param image_id: of Glance; ``None`` if its copier died before it could
        say so.
    :param age_seconds: since it was made.
    :param is_in_use: whether somebody has it open.
    """

    name: str
    image_id: str | None
    age_seconds: float
    is_in_use: bool


def found(ioctx, clock=time.time):
    """Return each :class:`Partial` of a pool; raises CephError.

    :param ioctx: an I/O context of the module ``rados``.
    """
    rbd = bindings.rbd()
    with errors.translated([bindings.rados(), rbd], 'looking for partials'):
        names = [name for name in rbd.RBD().list(ioctx)
                 if name.endswith(record.SUFFIX)]
        return [partial for partial in (
            _partial(rbd, ioctx, name, clock) for name in names) if partial]


def _partial(rbd, ioctx, name, clock):
    try:
        with rbd.Image(ioctx, name, read_only=True) as image:
            kept = _record(ioctx, image.id())
            begun_at = (kept.begun_at if kept
                        else image.create_timestamp().timestamp())
            # Whoever only reads does not watch.
            others = bool(list(image.watchers_list()))
    except rbd.ImageNotFound:
        # It ended meanwhile, or has a name and no more.
        return None
    return Partial(name, kept and kept.image_id,
                   max(0.0, clock() - begun_at), others)


def _record(ioctx, image_id):
    rados = bindings.rados()
    try:
        text = ioctx.get_xattr(f'rbd_header.{image_id}', record.KEY)
    except (rados.NoData, rados.ObjectNotFound):
        return None
    return record.Record.from_text(text.decode(errors='replace'))


def remove(ioctx, partial):
    """Remove a partial copy, and say whether it is gone; raises CephError.

    It stays if somebody has it open: librbd asks that, too. An image that has
    got its name when we have its lock is no partial copy any more.
    """
    rbd = bindings.rbd()
    with errors.translated([bindings.rados(), rbd],
                           f'removing {partial.name}'):
        try:
            with rbd.Image(ioctx, partial.name) as image:
                # We are one of them.
                if len(list(image.watchers_list())) > 1:
                    return False
                _lock(rbd, image)
                if _id_of(ioctx, partial.name) != image.id():
                    return True
                final = partial.name.removesuffix(record.SUFFIX)
                if final != partial.name and (
                        _id_of(ioctx, final) == image.id()):
                    # Whoever was giving it has died; the next copy goes on.
                    return False
                for snapshot in list(image.list_snaps()):
                    if snapshot['name'] != requests.SNAPSHOT:
                        return False
                    if image.is_protected_snap(snapshot['name']):
                        image.unprotect_snap(snapshot['name'])
                    image.remove_snap(snapshot['name'])
            rbd.RBD().remove(ioctx, partial.name)
        except rbd.ImageNotFound:
            return True
        except (rbd.ImageBusy, rbd.ReadOnlyImage):
            # The latter has a lock that is somebody else's.
            return False
    return True


def _lock(rbd, image):
    """Let nobody else change an image; one of a copier has such a lock."""
    try:
        image.lock_acquire(rbd.RBD_LOCK_MODE_EXCLUSIVE)
    except rbd.InvalidArgument:
        # It was not made by a copier, and has not this feature.
        pass


def _id_of(ioctx, name):
    """Return what has a name: a text with its length before it."""
    try:
        return ioctx.read(f'rbd_id.{name}')[4:].decode()
    except bindings.rados().ObjectNotFound:
        return ''
