# SPDX-License-Identifier: Apache-2.0
"""What images a pool has, whose they are, and what of them can be set right.

It works with the modules ``rados`` and ``rbd``, as it moves no data. Images
are opened read only, one after the other, and closed at once; what vanishes
meanwhile is left out. ``ioctx`` is an I/O context of the module ``rados``.
"""

import datetime

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import errors
from dcn_plugins.ceph import half_renamed
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import partials
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import stored_image


def names(ioctx):
    """Return the names of all images of a pool; raises CephError."""
    rbd = bindings.rbd()
    with _translated('listing images'):
        return frozenset(rbd.RBD().list(ioctx))


def read(ioctx, name):
    """Return a :class:`~stored_image.StoredImage`, or ``None`` without one.

    :raises CephError: if it cannot be read, though it may be there.
    """
    rbd = bindings.rbd()
    with _translated(f'reading image {name}'):
        try:
            with rbd.Image(ioctx, name, read_only=True) as image:
                return _image(rbd, ioctx, name, image)
        except rbd.ImageNotFound:
            return None


def _image(rbd, ioctx, name, image):
    image_id = image.id()
    found = [snapshot['name'] for snapshot in list(image.list_snaps())]
    kept = record.Record.from_text(_attribute(ioctx, image_id, record.KEY))
    proof = manifest.Proof.from_text(
        _attribute(ioctx, image_id, record.PROOF_KEY))
    return stored_image.StoredImage(
        name, image_id, image.size(),
        max(_seconds(image.create_timestamp()),
            _seconds(image.modify_timestamp())),
        _snapshot(image) if requests.SNAPSHOT in found else None,
        tuple(other for other in found if other != requests.SNAPSHOT),
        # Whoever only reads does not watch.
        len(list(image.watchers_list())), kept, proof)


def _snapshot(image):
    is_protected = bool(image.is_protected_snap(requests.SNAPSHOT))
    image.set_snap(requests.SNAPSHOT)
    try:
        return stored_image.Snapshot(
            image.size(), is_protected, len(list(image.list_children2())))
    finally:
        image.set_snap(None)


def _attribute(ioctx, image_id, key):
    rados = bindings.rados()
    try:
        return ioctx.get_xattr(f'rbd_header.{image_id}', key).decode(
            errors='replace')
    except (rados.NoData, rados.ObjectNotFound):
        return None


def _seconds(moment):
    # It is in UTC, whether it says so, as that of newer ones, or not.
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def freeze(ioctx, found):
    """Take the snapshot of an image and protect it, unless that is done.

    :param found: :class:`~stored_image.StoredImage` that it was.
    :raises CephError: if it is another image by now, was written or is open
        for writing: then the snapshot, if it is new, is taken away again.
    """
    rbd = bindings.rbd()
    with _translated(f'freezing image {found.name}'):
        with rbd.Image(ioctx, found.name) as image:
            _demand_same(image, found)
            is_new = not _has_snapshot(image)
            if is_new:
                image.create_snap(requests.SNAPSHOT)
                try:
                    # Whoever came between has been seen by now, or later
                    # than the snapshot.
                    _demand_same(image, found)
                except exceptions.CephRefused:
                    image.remove_snap(requests.SNAPSHOT)
                    raise
            if not image.is_protected_snap(requests.SNAPSHOT):
                image.protect_snap(requests.SNAPSHOT)


def set_aside(ioctx, found):
    """Give an image a name by which nobody finds it; raises CephError.

    It is refused if the image is another one by now, or is in use.
    """
    rbd = bindings.rbd()
    with _translated(f'setting image {found.name} aside'):
        with rbd.Image(ioctx, found.name, read_only=True) as image:
            _demand_same(image, found, most_watchers=0)
        rbd.RBD().rename(ioctx, found.name, found.name + stored_image.ASIDE)


def rename(ioctx, name, new_name):
    """Rename an image; raises CephError."""
    with _translated(f'renaming image {name}'):
        bindings.rbd().RBD().rename(ioctx, name, new_name)


def finish_name(ioctx, found):
    """Give a partial copy its name whose copier died while it did.

    :return: the :class:`~stored_image.StoredImage` that it is now, or ``None``
        if it is not such a one.
    :raises CephError: if Ceph does not let us.
    """
    name = found.name.removesuffix(record.SUFFIX)
    with _translated(f'naming image {name}'):
        if not half_renamed.finish(ioctx, found.name, name):
            return None
    named = read(ioctx, name)
    return named if named and named.id == found.id else None


def remove(ioctx, found):
    """Remove an image and its snapshot; return whether it is gone.

    It stays if it is another one by now, has other snapshots, or is in use.

    :raises CephError: if Ceph does not let us.
    """
    now = read(ioctx, found.name)
    if now is None:
        return True
    if now.id != found.id or now.obstacle:
        return False
    return partials.remove(ioctx, partials.Partial(
        found.name, None, 0.0, False))


def remove_headless(ioctx, name):
    """Take the name away from an image that has no header.

    :return: whether it is gone; it stays if it has a header by now.
    :raises CephError: if Ceph does not let us.
    """
    rbd = bindings.rbd()
    with _translated(f'removing what is left of image {name}'):
        try:
            with rbd.Image(ioctx, name, read_only=True):
                return False
        except rbd.ImageNotFound:
            pass
        try:
            # As librbd ends a creation or a removal that was interrupted.
            rbd.RBD().remove(ioctx, name)
        except rbd.ImageNotFound:
            pass
    return True


def _demand_same(image, found, most_watchers=1):
    """Refuse an image that is another one, or that somebody writes to."""
    changed = max(_seconds(image.create_timestamp()),
                  _seconds(image.modify_timestamp()))
    if (image.id(), image.size(), changed) != (
            found.id, found.size, found.changed):
        raise exceptions.CephRefused(
            f'changing {found.name}', 'it has changed meanwhile')
    # We are one of them if it is open for writing.
    if len(list(image.watchers_list())) > most_watchers:
        raise exceptions.CephRefused(
            f'changing {found.name}', 'a client has it open')


def _has_snapshot(image):
    return requests.SNAPSHOT in [snapshot['name'] for snapshot
                                 in list(image.list_snaps())]


def _translated(doing):
    return errors.translated([bindings.rados(), bindings.rbd()], doing)
