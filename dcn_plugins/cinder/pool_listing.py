# SPDX-License-Identifier: Apache-2.0
"""Read what is in a pool: images, snapshots, clones, trash.

Images are opened read only, one after the other, and closed at once; only
those that bear Cinder's names are opened at all. Whatever vanishes meanwhile
is left out.
"""

import datetime

from oslo_log import log as logging

from dcn_plugins.cinder import pool_contents

LOG = logging.getLogger(__name__)

# The namespace of snapshots that people and Cinder make.
_USER = 0

_MIRRORED = 1


def read(rbd, ioctx, pool, names, progress=None):
    """Return a :class:`~dcn_plugins.cinder.pool_contents.Listing` of a pool.

    :param rbd: the module, or what stands in for it.
    :param names: :class:`~dcn_plugins.cinder.volume_names.VolumeNames`.
    :param progress: called with how many images of how many are read.
    :raises rbd.Error: if Ceph does not tell. Images of which it does not are
        in ``unreadable``.
    """
    found = rbd.RBD().list(ioctx)
    ours = [name for name in found if names.owner(name)]
    images, vanished, unreadable = {}, [], {}
    for number, name in enumerate(ours, 1):
        try:
            images[name] = read_image(rbd, ioctx, name)
        except rbd.ImageNotFound:
            vanished.append(name)
        except rbd.Error as exc:
            unreadable[name] = str(exc)
        if progress is not None:
            progress(number, len(ours))
    if vanished:
        # What is still there without a header is half made or half removed.
        listed = set(rbd.RBD().list(ioctx))
        unreadable.update((name, 'it has no header') for name in vanished
                          if name in listed)
    trash, foreign_trash = read_trash(rbd, ioctx, names)
    return pool_contents.Listing(
        pool, images, trash, unreadable=unreadable,
        foreign_images=len(found) - len(ours), foreign_trash=foreign_trash)


def read_image(rbd, ioctx, name):
    """Return a :class:`~dcn_plugins.cinder.pool_contents.Image`.

    :raises rbd.ImageNotFound: if it is not there.
    :raises rbd.Error: if Ceph does not tell.
    """
    image = rbd.Image(ioctx, name, read_only=True)
    try:
        snapshots = tuple(_snapshot(rbd, image, found)
                          for found in list(image.list_snaps()))
        return pool_contents.Image(
            name, image.id(), image.size(), snapshots, _parent(rbd, image),
            len(list(image.watchers_list())),
            max(seconds(image.create_timestamp()),
                seconds(image.modify_timestamp())),
            _is_secondary(image))
    finally:
        image.close()


def read_one(rbd, ioctx, pool, names, name):
    """Return the listing of a pool of which one image only is read.

    :param name: of the image; it need not be there.
    :raises rbd.Error: if Ceph does not tell.
    """
    others = {found for found in rbd.RBD().list(ioctx)
              if names.owner(found)} - {name}
    images = {}
    try:
        images[name] = read_image(rbd, ioctx, name)
    except rbd.ImageNotFound:
        LOG.debug('%s is gone', name)
    trash, _foreign = read_trash(rbd, ioctx, names, has_sizes=False)
    return pool_contents.Listing(pool, images, trash,
                                 unread=frozenset(others))


def read_trash(rbd, ioctx, names, has_sizes=True):
    """Return Cinder's entries of the trash, and the number of others."""
    entries, foreign = [], 0
    for entry in list(rbd.RBD().trash_list(ioctx)):
        if names.owner(entry['name']):
            entries.append(pool_contents.TrashEntry(
                entry['id'], entry['name'], entry['source'],
                seconds(entry['deferment_end_time']),
                _trashed_size(rbd, ioctx, entry['id']) if has_sizes else 0))
        else:
            foreign += 1
    return tuple(entries), foreign


def measured(rbd, ioctx, image_name, snapshot_name=None):
    """Return about how many bytes an image or a snapshot of it holds.

    Of an image, what is in use; of a snapshot, what was written since. That
    is quick with the feature fast-diff; without it this is ``None``.
    """
    try:
        image = rbd.Image(ioctx, image_name, read_only=True)
    except rbd.ImageNotFound:
        return None
    try:
        if not _is_quick(rbd, image):
            return None
        total = 0

        def add(_offset, length, is_there):
            nonlocal total
            total += length if is_there or snapshot_name else 0

        image.diff_iterate(0, image.size(), snapshot_name, add,
                           include_parent=False, whole_object=True)
        return total
    except rbd.Error as exc:
        LOG.debug('%s was not measured: %s', image_name, exc)
        return None
    finally:
        image.close()


def _is_quick(rbd, image):
    return (image.features() & rbd.RBD_FEATURE_FAST_DIFF
            and not image.flags() & (rbd.RBD_FLAG_FAST_DIFF_INVALID
                                     | rbd.RBD_FLAG_OBJECT_MAP_INVALID))


def _snapshot(rbd, image, found):
    is_users = found.get('namespace', _USER) == _USER
    # Such a one has no name; it was removed and lives on for its clones.
    original = found.get('trash', {}).get('original_name')
    return pool_contents.Snapshot(
        original or found['name'],
        seconds(image.get_snap_timestamp(found['id'])),
        _children(rbd, image, found['id']),
        is_users and bool(image.is_protected_snap(found['name'])),
        not is_users)


def _children(rbd, image, snapshot_id):
    """Return the clones of a snapshot, or ``None`` if Ceph does not tell."""
    try:
        image.set_snap_by_id(snapshot_id)
        try:
            found = list(image.list_children2())
        finally:
            image.set_snap_by_id(None)
    except rbd.Error as exc:
        # For instance of a pool that we may not read.
        LOG.debug('The clones of a snapshot cannot be listed: %s', exc)
        return None
    return tuple(
        pool_contents.Child(child['pool'], child['image'], child['id'],
                            bool(child['trash'])) for child in found)


def _parent(rbd, image):
    try:
        return tuple(image.parent_info())
    except rbd.ImageNotFound:
        return None


def _is_secondary(image):
    mirror = image.mirror_image_get_info()
    return mirror['state'] == _MIRRORED and not mirror['primary']


def _trashed_size(rbd, ioctx, image_id):
    try:
        image = rbd.Image(ioctx, image_id=image_id, read_only=True)
    except rbd.Error:
        return 0
    try:
        return image.size()
    finally:
        image.close()


def seconds(moment):
    """Return a time of librbd as seconds since the epoch."""
    # It is in UTC, whether it says so, as that of newer ones, or not.
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()
