# SPDX-License-Identifier: Apache-2.0
"""librbd as a driver sees it, with each change asked for first.

A stand-in for the module ``rbd``. What belongs to an operation asks it before
every call that may change something, leaves its images to it, and tells it
what it has made. Everything else is librbd's.

A call that is not known to read only is taken for one that changes something:
a new one of a later librbd is asked for rather than missed.
"""

import contextlib
import errno
import functools
import itertools
import logging

from dcn_plugins.ceph import half_renamed
from dcn_plugins.ceph import half_restored
from dcn_plugins.ceph import open_images
from dcn_plugins.ceph import snapshot_opener

LOG = logging.getLogger(__name__)

#: Calls of an image that change nothing in Ceph.
IMAGE_READS = frozenset([
    'access_timestamp', 'aio_read', 'block_name_prefix', 'config_get',
    'config_list', 'create_timestamp', 'data_pool_id', 'diff_iterate',
    'features', 'flags', 'get_name', 'get_parent_image_spec',
    'get_snap_limit', 'get_snap_timestamp', 'group', 'id',
    'invalidate_cache', 'is_exclusive_lock_owner', 'is_protected_snap',
    'list_children', 'list_children2', 'list_descendants', 'list_lockers',
    'list_snaps', 'lock_get_owners', 'metadata_get', 'metadata_list',
    'migration_source_spec', 'mirror_image_get_info',
    'mirror_image_get_instance_id', 'mirror_image_get_mode',
    'mirror_image_get_status', 'modify_timestamp', 'old_format',
    'op_features', 'overlap', 'parent_id', 'parent_info', 'read',
    'require_not_closed', 'set_snap', 'set_snap_by_id', 'size',
    'snap_exists', 'snap_get_group_namespace', 'snap_get_id',
    'snap_get_mirror_namespace', 'snap_get_name',
    'snap_get_namespace_type', 'snap_get_trash_namespace', 'stat',
    'stripe_count', 'stripe_unit', 'watchers_list',
])

#: Calls of librbd itself that change nothing in Ceph.
RBD_READS = frozenset([
    'aio_open_image', 'config_get', 'config_list', 'features_from_string',
    'features_to_string', 'group_list', 'list', 'list2', 'migration_status',
    'mirror_image_info_list', 'mirror_image_instance_id_list',
    'mirror_image_status_list', 'mirror_image_status_summary',
    'mirror_mode_get', 'mirror_peer_get_attributes', 'mirror_peer_list',
    'mirror_site_name_get', 'mirror_uuid_get', 'namespace_exists',
    'namespace_list', 'pool_metadata_get', 'pool_metadata_list',
    'pool_stats_get', 'trash_get', 'trash_list', 'version',
])

# They take the image away from a guest that has it.
_FORBIDDEN = frozenset(['break_lock', 'lock_acquire', 'lock_break'])

# Errors that say that something has its former name.
_NO_RENAME = ('ImageExists', 'ImageNotFound')

_REMOVALS = frozenset(['remove', 'trash_move'])

# In how many states a removal that was interrupted may be, one after another.
_MOST_STATES = 2


class GuardedRBD:
    """The module ``rbd`` for one driver.

    :param rbd: the real one.
    :param current: returns the operation that runs here, or ``None``. It has
        ``check(call)``, which raises if nothing may be changed any more;
        ``images``, an :class:`~dcn_plugins.ceph.open_images.OpenImages`;
        ``made``, a set of ``(kind, pool, name...)``; and
        ``deferral_seconds``, for which a removed image stays in the trash.
    :param run: calls a function so that nothing but its caller waits.
    """

    def __init__(self, rbd, current, run):
        self._rbd = rbd
        self._current = current
        self._run = run

    def __getattr__(self, name):
        return getattr(self._rbd, name)

    # The names are librbd's.
    def Image(self, ioctx, name=None, snapshot=None, *args, **kwargs):
        """Open an image; raises as librbd does."""
        operation = self._current()
        images = (open_images.OpenImages(self._run) if operation is None
                  else operation.images)
        is_read_only = kwargs.pop('read_only', False)

        def open_image(is_read_only):
            return snapshot_opener.opened(
                self._rbd, ioctx, name, snapshot, *args, **kwargs,
                read_only=is_read_only)

        # Nobody else gets it outside of an operation, nor one that is more
        # than the image as it is now.
        is_kept = not (operation is None or snapshot is not None or args
                       or any(kwargs.values()))
        return GuardedImage(images, is_read_only, open_image, is_kept,
                            self._rbd, operation, self._run, _pool(ioctx),
                            name)

    def RBD(self):
        """Return the calls that need no image."""
        return GuardedCalls(self._rbd, self._current(), self._run)


class _Guarded:
    """What asks its operation before it calls a thing of librbd."""

    reads = frozenset()

    def __init__(self, rbd, operation, run):
        self._rbd = rbd
        self._operation = operation
        self._run = run

    def __getattr__(self, name):
        found = getattr(self._thing, name)
        if not callable(found):
            return found
        return functools.partial(self._call, name)

    def _call(self, name, *args, **kwargs):
        if name in _FORBIDDEN:
            raise AssertionError(f'{name} would cut off a guest')
        self._check(name)
        if self._prepare(name, *args):
            # That may have taken a while.
            self._check(name)
        return self._called(name, *args, **kwargs)

    def _check(self, name):
        if self._is_change(name):
            self._operation.check(name)

    def _is_change(self, name):
        """Whether a call may change something for an operation."""
        return name not in self.reads and self._operation is not None

    def _prepare(self, name, *args):
        """Do what a call needs done before; return whether it was much."""
        return False

    def _called(self, name, *args, **kwargs):
        """Return what a call returns that may be made."""
        return self._run(getattr(self._thing, name), *args, **kwargs)

    @contextlib.contextmanager
    def _making(self, *made, refusals=('ImageExists',)):
        """Note what the block makes, also if nobody knows whether it has.

        :param refusals: errors of librbd that say that it has not.
        """
        if self._operation is None or made in self._operation.made:
            yield
            return
        self._operation.made.add(made)
        try:
            yield
        except tuple(getattr(self._rbd, name) for name in refusals):
            # It was there before, and so is somebody else's.
            self._operation.made.discard(made)
            raise

    @contextlib.contextmanager
    def _removing(self, *what):
        """Note what may be half gone, as Ceph has not answered in time.

        What Ceph refuses, librbd has not begun, or takes back.
        """
        try:
            yield
        except self._rbd.Timeout:
            if self._operation is not None:
                self._operation.made.add(('removal', *what))
            raise


class GuardedCalls(_Guarded):
    """The calls of ``rbd.RBD`` that the driver uses."""

    reads = RBD_READS

    def __init__(self, rbd, operation, run):
        super().__init__(rbd, operation, run)
        self._thing = rbd.RBD()

    def _prepare(self, name, *args):
        if not self._is_change(name):
            return False
        images = self._operation.images
        is_much = name in _REMOVALS and self._refuse_open(images, *args[:2])
        # Ceph neither removes nor renames what somebody has open.
        return images.close_idle() or is_much

    def _refuse_open(self, images, ioctx, name):
        # Ceph takes the image's own lock, and for good, before it looks
        # whether somebody has it open: a guest that writes just then gets an
        # error (EROFS). Now and then it even moves it to the trash (16.2).
        def open_image(is_read_only):
            return self._rbd.Image(ioctx, name, read_only=is_read_only)

        try:
            watchers = images.watchers((_pool(ioctx), name), open_image)
        except self._rbd.ImageNotFound:
            # What is left of one whose removal was interrupted.
            return False
        if watchers:
            # Cinder tells nobody why.
            LOG.info('%s is not removed: it is open %s times, or was until '
                     'half a minute ago', name, watchers)
            raise self._rbd.ImageBusy(f'{name} is in use')
        return True

    def _called(self, name, *args, **kwargs):
        if name != 'remove':
            return super()._called(name, *args, **kwargs)
        for count in itertools.count():
            try:
                found = super()._called(name, *args, **kwargs)
            except self._rbd.OSError as exc:
                if count == _MOST_STATES or not self._goes_on(exc, *args[:2]):
                    raise
                continue
            if count:
                # What leads to it from its name is not removed with the trash.
                with contextlib.suppress(self._rbd.ImageNotFound):
                    super()._called(name, *args, **kwargs)
            return found

    def _goes_on(self, error, ioctx, name):
        """Tell whether a removal that has failed can go on now.

        It was interrupted before then.
        """
        self._check('remove')
        if isinstance(error, self._rbd.ImageBusy):
            # Nobody has it open, so it may be for ever.
            return self._run(half_restored.release, ioctx, name)
        # It was in the trash and listed, and is in the trash only now.
        return error.errno == errno.ESTALE

    def create(self, ioctx, name, *args, **kwargs):
        """Create an image; raises as librbd does."""
        with self._making('image', _pool(ioctx), name):
            return self._call('create', ioctx, name, *args, **kwargs)

    def clone(self, p_ioctx, p_name, p_snapname, c_ioctx, c_name, *args,
              **kwargs):
        """Clone a snapshot; raises as librbd does."""
        with self._making('image', _pool(c_ioctx), c_name):
            return self._call('clone', p_ioctx, p_name, p_snapname, c_ioctx,
                              c_name, *args, **kwargs)

    def rename(self, ioctx, name, new_name):
        """Give an image another name; raises as librbd does."""
        with self._removing(_pool(ioctx), name), self._making(
                'name', _pool(ioctx), name, new_name, refusals=_NO_RENAME):
            try:
                return self._call('rename', ioctx, name, new_name)
            except self._rbd.ImageExists:
                if self._operation is None or not self._run(
                        half_renamed.end, ioctx, name, new_name):
                    raise
            # Unless the new name is the one that it has now.
            with contextlib.suppress(self._rbd.ImageNotFound):
                self._call('rename', ioctx, name, new_name)

    def trash_move(self, ioctx, name, *args, **kwargs):
        """Move an image to the trash; raises as librbd does."""
        with self._removing(_pool(ioctx), name):
            return self._call('trash_move', ioctx, name, *args, **kwargs)

    def remove(self, ioctx, name, *args, **kwargs):
        """Remove an image, or move it to the trash if that is asked for."""
        seconds = getattr(self._operation, 'deferral_seconds', None)
        if seconds:
            return self.trash_move(ioctx, name, seconds)
        with self._removing(_pool(ioctx), name):
            return self._call('remove', ioctx, name, *args, **kwargs)


class GuardedImage(_Guarded):
    """An open image; closing it twice does no harm.

    :param images: where it is kept open; see
        :class:`~dcn_plugins.ceph.open_images.OpenImages`.
    :param is_read_only: whether it must not be changed.
    :param open_image: opens it, given whether read-only.
    :param is_kept: whether who opens it next may get the same.
    :param pool: where it is.
    :param name: under which it was opened.
    """

    reads = IMAGE_READS

    def __init__(self, images, is_read_only, open_image, is_kept, rbd,
                 operation, run, pool, name):
        super().__init__(rbd, operation, run)
        self._pool = pool
        self._name = name
        self._images = images
        self._is_read_only = is_read_only
        self._open_image = open_image
        self._image = images.open((pool, name) if is_kept else None,
                                  is_read_only, open_image)
        self._is_open = True

    @property
    def _thing(self):
        return self._image.thing

    def _prepare(self, name, *args):
        if self._image.is_shared and open_images.chooses_snapshot(
                name, *args):
            # The others want to see what is there now.
            self._image = self._images.alone(
                self._image, self._is_read_only, self._open_image)
            return True
        if (not self._image.is_read_only or self._is_read_only
                or name in open_images.PLAIN_READS):
            return False
        self._images.make_writable(self._image, self._open_image)
        return True

    def _called(self, name, *args, **kwargs):
        if name in self.reads:
            found = super()._called(name, *args, **kwargs)
            self._image.has_called(name, *args)
            return found
        try:
            return super()._called(name, *args, **kwargs)
        except BaseException:
            self._image.spoil()
            raise
        finally:
            self._images.changed()

    def create_snap(self, name, *args, **kwargs):
        """Make a snapshot; raises as librbd does."""
        with self._making('snapshot', self._pool, self._name, name):
            return self._call('create_snap', name, *args, **kwargs)

    def remove_snap(self, name, *args, **kwargs):
        """Remove a snapshot; raises as librbd does."""
        with self._removing(self._pool, self._name, name):
            return self._call('remove_snap', name, *args, **kwargs)

    def rename_snap(self, name, new_name):
        """Give a snapshot another name; raises as librbd does."""
        with self._making('name', self._pool, self._name, name, new_name,
                          refusals=_NO_RENAME):
            return self._call('rename_snap', name, new_name)

    def copy(self, dest_ioctx, dest_name, *args, **kwargs):
        """Copy to a new image; raises as librbd does."""
        with self._making('image', _pool(dest_ioctx), dest_name):
            return self._call('copy', dest_ioctx, dest_name, *args, **kwargs)

    def close(self):
        """Close it, once, or leave it open for the rest of the operation."""
        if self._is_open:
            self._is_open = False
            self._images.give_back(self._image)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()


def _pool(ioctx):
    return getattr(ioctx, 'name', None)
