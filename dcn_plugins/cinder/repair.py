# SPDX-License-Identifier: Apache-2.0
"""Undo or finish what an operation has left half done in Ceph.

What nobody was told of is undone: an image, a clone, a snapshot that was
being made. What was promised is finished: a deletion, a revert. All of it can
be repeated, and starts from what is there.
"""

import contextlib
import time
import types

from cinder import exception
from oslo_log import log as logging

from dcn_plugins.ceph import dead_locks
from dcn_plugins.cinder import backend as backends
from dcn_plugins.cinder import lock_table
from dcn_plugins import exceptions

LOG = logging.getLogger(__name__)

# An image that is in use is tried so often: a client that was cut off is not
# forgotten at once.
TRIES = 25
PAUSE_SECONDS = 0.1

# Metadata of an image whose complete copy is elsewhere: which migration has
# made it. A note that another one has left says nothing.
_COPIED = 'dcn_copied'


def undo(backend, operation):
    """Remove what an operation of ours has made before it failed.

    :raises Exception: of librbd, if something could not be removed.
    """
    intent = operation.touched.intents[0]
    step = _ENDED.get(operation.name)
    if any(kind == step for kind, *_name in operation.made):
        end(backend, operation, intent)
        return
    if intent.get('is_overwritten'):
        return
    site = _Site(backend, operation)
    _drop_ancestors(site, intent)
    # An image before the snapshot that it is a clone of.
    for kind, pool, *name in sorted(operation.made, key=str):
        if kind == 'image':
            site.remove_image(pool, *name)
        elif kind == 'snapshot':
            site.remove_snapshot(*name)


def is_half_done(backend, operation):
    """Tell whether a deletion of ours that has failed must be finished.

    Nobody could use what it has left, nor does its own client find out how
    much that is as long as Ceph does not answer.
    """
    intent, pool = operation.touched.intents[0], backend.pool
    if operation.name == 'delete_volume':
        return operation.may_have_removed(pool, intent['image'])
    return operation.name == 'delete_snapshot' and operation.may_have_removed(
        pool, intent['source'], intent['snapshot'])


def end(backend, operation, intent):
    """End an operation of somebody else who had begun it.

    :param operation: ours, which has its locks.
    :returns: images of deleted volumes that have lost a clone.
    :raises Exception: of librbd, if it could not be done.
    """
    name = intent['operation']
    if name in _WHOLE or 'images' in intent:
        return []
    if name not in _ENDS:
        # Of a later version: to end it is for a node that knows it.
        raise exceptions.RepairFailed(
            name, min(operation.touched.wishes),
            'this version of dcn_plugins does not know it')
    return _ENDS[name](_Site(backend, operation), intent) or []


def unlock(backend, operation, intent, cut_off):
    """Take librbd's locks of images from those who were cut off.

    Else librbd has them cut off once more, for each image, which takes the
    monitors a second. Nothing depends on it: what could not be done, librbd
    does in its way.

    :param cut_off: addresses of clients in Ceph's blocklist.
    """
    if not cut_off:
        return
    site = _Site(backend, operation)
    source = intent.get('source')
    names = [intent.get('image'), source, source and f'{source}.deleted',
             *(image for image, _snapshot in intent.get('ancestors') or ())]
    for name in dict.fromkeys(filter(None, names)):
        try:
            site.unlock(name, cut_off)
        except exceptions.DCNError:
            raise
        # Whatever librbd and librados say.
        except Exception as exc:
            LOG.debug('The lock of %s is left to librbd: %s', name, exc)


def collect(backend, lock_guard, image):
    """Remove the image of a deleted volume if it has no clone any more.

    Never raises: what is left is found by the audit.
    """
    driver = backend.driver

    def touch(own):
        return lock_table.of_image(
            'collect', backend.scope(), image,
            driver.ancestors(own, image))

    try:
        with lock_guard.hold('collect', touch) as operation:
            site = _Site(backend, operation)
            if not site.snapshots(image):
                with site.deferring():
                    site.remove_image(backend.pool, image)
                    _drop_ancestors(site, operation.touched.intents[0])
    # Nobody waits for it.
    except Exception as exc:
        LOG.warning('%s is not removed yet: %s', image, exc)


def drop(backend, lock_guard, image, snapshot):
    """Remove a snapshot that was made for a clone that is gone.

    Never raises: what is left is found by the audit.
    """
    deleted = lock_table.deleted(image)
    touched = lock_table.of_image('drop', backend.scope(), image)
    try:
        with lock_guard.hold('drop', lambda _own: touched) as operation:
            site = _Site(backend, operation)
            for name in (image, deleted):
                site.remove_snapshot(name, snapshot)
            is_deleted = site.has_image(deleted)
    # Nobody waits for it.
    except Exception as exc:
        LOG.warning('%s@%s is not removed yet: %s', image, snapshot, exc)
        return
    if is_deleted:
        collect(backend, lock_guard, deleted)


def drop_ancestors(backend, operation):
    """Remove what is not needed without an image that was removed.

    It raises no error of librbd: the image is gone, and nobody may be told
    otherwise. What is left is found by the audit.
    """
    for is_last in (False, True):
        try:
            _drop_ancestors(_Site(backend, operation),
                            operation.touched.intents[0], is_gone=True)
            return
        except backend.rbd.Error as exc:
            if is_last:
                LOG.warning('What %s leaves is left to the audit: %s',
                            operation.touched.intents[0], exc)


def remove_rest(backend, operation, image, snapshot=None):
    """Remove what an interrupted removal of an image or snapshot has left.

    librbd removes the name of an image last, and gives a snapshot another
    name first. Upstream takes both for gone, and they stay for ever.

    :raises Exception: of librbd.
    """
    site = _Site(backend, operation)
    if snapshot:
        site.remove_snapshot(image, snapshot)
        return
    site.remove_image(None, image)
    deferral, operation.deferral_seconds = operation.deferral_seconds, None
    try:
        # What was being removed for good is in no trash that anybody sees.
        if deferral:
            site.remove_image(None, image)
    finally:
        operation.deferral_seconds = deferral


@contextlib.contextmanager
def copied(backend, operation, image):
    """Note that an image is complete elsewhere while the block removes it.

    librbd removes what is in an image first, and the image last: half of it
    looks like all of it.

    :raises Exception: of librbd.
    """
    site = _Site(backend, operation)
    with site.image(image) as source:
        source.metadata_set(
            _COPIED, operation.touched.intents[0]['migration'])
    try:
        yield
    except exception.VolumeIsBusy:
        # Ceph has refused it before anything was removed.
        with site.image(image) as source:
            source.metadata_remove(_COPIED)
        raise


class _Site:
    """What a repair does to Ceph."""

    def __init__(self, backend, operation):
        self.backend = backend
        self.operation = operation
        self.driver = backend.driver
        self.rbd = backend.rbd

    def ioctx(self, pool=None):
        return self.operation.connection(pool or self.backend.pool)[1]

    def image(self, name, pool=None, **options):
        return self.rbd.Image(self.ioctx(pool), name, **options)

    def unlock(self, name, cut_off):
        """Take the lock of an image from whoever was cut off with it."""
        try:
            with self.image(name, read_only=True) as opened:
                owners = dead_locks.owners(opened.list_lockers(), cut_off)
                image_id = opened.id() if owners else None
        except self.rbd.ImageNotFound:
            return
        for client, cookie in owners:
            self.operation.check('break_lock')
            backends.off_hub(dead_locks.release, self.ioctx(), image_id,
                             client, cookie)

    def has_image(self, name, pool=None):
        try:
            self.image(name, pool, read_only=True).close()
            return True
        except self.rbd.ImageNotFound:
            return False

    def note(self, name):
        """Return which migration has noted an image, None if it is gone."""
        try:
            with self.image(name, read_only=True) as opened:
                return dict(opened.metadata_list()).get(_COPIED, '')
        except self.rbd.ImageNotFound:
            return None

    def is_whole(self, name, migration):
        """Tell whether an image is there and its removal was not begun."""
        note = self.note(name)
        # Ceph does not remove what has snapshots.
        return note is not None and (
            note != migration or bool(self.snapshots(name)))

    @contextlib.contextmanager
    def deferring(self):
        """Move what the block removes to the trash, as the options say."""
        self.operation.deferral_seconds = self.driver.deferral_seconds()
        try:
            yield
        finally:
            self.operation.deferral_seconds = None

    def snapshots(self, image):
        """Return the names of an image's snapshots, none if it is gone."""
        try:
            with self.image(image) as opened:
                self._forget_removed(opened)
                return [snap['name'] for snap in opened.list_snaps()]
        except self.rbd.ImageNotFound:
            return []

    def _forget_removed(self, opened, name=None):
        """Remove what an interrupted removal of a snapshot has left.

        librbd gives the snapshot another name, in a namespace of its own,
        before it removes it. What has clones stays.
        """
        for snap in list(opened.list_snaps()):
            former = (snap.get('trash') or {}).get('original_name')
            if former is not None and name in (None, former):
                with contextlib.suppress(self.rbd.ImageBusy,
                                         self.rbd.ImageNotFound):
                    opened.remove_snap_by_id(snap['id'])

    def remove_image(self, pool, name):
        """Remove an image, if it is there and nobody has it."""
        for is_last in [False] * (TRIES - 1) + [True]:
            try:
                self.rbd.RBD().remove(self.ioctx(pool), name)
                return
            except self.rbd.ImageNotFound:
                return
            except self.rbd.ImageBusy:
                if is_last:
                    raise
                time.sleep(PAUSE_SECONDS)

    def remove_snapshot(self, image, name):
        """Remove a snapshot, if it is there."""
        if not name:
            return
        try:
            with self.image(image) as opened:
                self._forget_removed(opened, name)
                if name not in [s['name'] for s in opened.list_snaps()]:
                    return
                if opened.is_protected_snap(name):
                    opened.unprotect_snap(name)
                opened.remove_snap(name)
        except self.rbd.ImageNotFound:
            LOG.debug('%s@%s is gone', image, name)


def _undo_image(site, intent):
    if not intent.get('is_overwritten'):
        site.remove_image(site.backend.pool, intent['image'])


def _undo_clone(site, intent):
    image, source = intent['image'], intent['source']
    site.remove_image(site.backend.pool, image)
    deleted = f'{source}.deleted'
    for name in (source, deleted):
        site.remove_snapshot(name, f'{image}.clone_snap')
    return [deleted] if site.has_image(deleted) else []


def _undo_snapshot(site, intent):
    site.remove_snapshot(intent['source'], intent['snapshot'])


def _finish_deletion(site, intent):
    volume = types.SimpleNamespace(name=intent['image'])
    with site.deferring():
        try:
            site.driver.upstream('delete_volume', volume)
        except exception.VolumeIsBusy as exc:
            # So it would have ended for its own process.
            LOG.warning('The deletion is not finished: %s', exc)
        else:
            remove_rest(site.backend, site.operation, intent['image'])
        _drop_ancestors(site, intent)


def _drop_ancestors(site, intent, is_gone=False):
    """Remove what nobody needs any more when an image is gone.

    That is the snapshot that was made for it, and images of deleted volumes
    that lose their last clone. It goes on where it was interrupted.
    """
    ancestors = intent.get('ancestors')
    if not ancestors or not is_gone and site.has_image(intent['image']):
        return
    try:
        for image, snapshot in ancestors:
            site.remove_snapshot(image, snapshot)
            if not lock_table.is_deleted(image) or site.snapshots(image):
                break
            site.remove_image(site.backend.pool, image)
    except site.rbd.ImageBusy as exc:
        # A clone in the trash needs it still, or somebody looks at it.
        LOG.warning('An ancestor of %s is left to the audit: %s',
                    intent['image'], exc)


def _finish_snapshot_deletion(site, intent):
    snapshot = types.SimpleNamespace(name=intent['snapshot'],
                                     volume_name=intent['source'])
    try:
        site.driver.upstream('delete_snapshot', snapshot)
    except exception.SnapshotIsBusy as exc:
        LOG.warning('The deletion is not finished: %s', exc)
    else:
        remove_rest(site.backend, site.operation, intent['source'],
                    intent['snapshot'])


def _finish_revert(site, intent):
    try:
        with site.image(intent['image']) as image:
            # Ourselves, and whoever uses the volume by now.
            if len(list(image.watchers_list())) > 1:
                LOG.error('The revert of %s to %s is not finished: it is in '
                          'use', intent['image'], intent['snapshot'])
                return
            image.rollback_to_snap(intent['snapshot'])
    except site.rbd.ImageNotFound:
        LOG.error('The revert of %s to %s cannot be finished: one of them is '
                  'gone', intent['image'], intent['snapshot'])


def _undo_migration(site, intent):
    image, pool = intent['image'], intent.get('target_pool')
    if pool is None:
        return
    kept = f'{image}.deleted'
    if site.note(kept) == intent['migration'] and not site.has_image(image):
        # It has clones, and so nothing else was done to it.
        site.rbd.RBD().rename(site.ioctx(), kept, image)
    if not site.is_whole(image, intent['migration']):
        if not site.has_image(image, pool):
            return
        # The copy is complete: only after that is the source removed. It is
        # copied back under another name, so that half of it is never taken
        # for the source.
        scratch = f'{image}.migrated_back'
        site.remove_image(None, scratch)
        with site.image(image, pool, read_only=True) as complete:
            complete.copy(site.ioctx(), scratch)
        site.remove_image(None, image)
        site.rbd.RBD().rename(site.ioctx(), scratch, image)
    site.remove_image(pool, image)


def _undo_manage(site, intent):
    image, existing = intent['image'], intent.get('existing')
    if existing and site.has_image(image) and not site.has_image(existing):
        site.rbd.RBD().rename(site.ioctx(), image, existing)


def _undo_manage_snapshot(site, intent):
    name, existing = intent['snapshot'], intent.get('existing')
    there = site.snapshots(intent['source'])
    if existing and name in there and existing not in there:
        with site.image(intent['source']) as image:
            image.rename_snap(name, existing)


_ENDS = {
    'create_volume': _undo_image,
    'create_volume_from_snapshot': _undo_image,
    'create_cloned_volume': _undo_clone,
    'clone_image': _undo_image,
    'copy_image_to_volume': _undo_image,
    'copy_image_to_encrypted_volume': _undo_image,
    'delete_volume': _finish_deletion,
    'migrate_volume': _undo_migration,
    'manage_existing': _undo_manage,
    'create_snapshot': _undo_snapshot,
    'delete_snapshot': _finish_snapshot_deletion,
    'revert_to_snapshot': _finish_revert,
    'manage_existing_snapshot': _undo_manage_snapshot,
}

# What has failed after such a step is ended as somebody else's would be.
_ENDED = {
    # Somebody knows it by its former name.
    'manage_existing': 'name',
    'manage_existing_snapshot': 'name',
    # If its source is gone, what it has made is all that there is.
    'migrate_volume': 'image',
}

# Of these each step is whole or has not happened.
_WHOLE = frozenset(lock_table.LOCKS) - frozenset(_ENDS) | frozenset(
    ['collect', 'drop', 'flatten'])
