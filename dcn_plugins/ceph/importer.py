# SPDX-License-Identifier: Apache-2.0
"""A file into an image, and an image into a file.

In the place of ``rbd import`` and ``rbd export``: a child process is a client
of Ceph that no fence record names, and it outlives the one that started it.
"""

import contextlib
import errno
import os

from oslo_log import log as logging

from dcn_plugins.ceph import aio_window
from dcn_plugins.ceph import errors
from dcn_plugins.ceph import sparse
from dcn_plugins import exceptions
from dcn_plugins import extents

LOG = logging.getLogger(__name__)

# What is read or written at once.
_PIECE_BYTES = 4 << 20

# How much of an image is looked through at once.
_LOOK_BYTES = 1 << 30

# After that the OSDs are taken for dead. Closing the image waits for them all
# the same, unless the client has an rados_osd_op_timeout.
STALL_SECONDS = 300.0

# LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL and _NOCACHE, as "rbd import" does.
_FLAGS = 0x8 | 0x40


def write_image(rbd, ioctx, name, source_path, order, features, check,
                progress=lambda position, size: None):
    """Create an image as large as a file and with its content.

    It blocks: under eventlet call it in a native thread. At one time at most
    ``aio_window.MOST_BYTES`` are under way, and as much is in librbd's cache.

    :param rbd: the module; not a proxy that waits for a greenlet.
    :param order: the image has objects of ``2 ** order`` bytes.
    :param features: of the image, or None for those of ceph.conf.
    :param check: called before each write; raises when the lock is lost. The
        image stays as it is then: it may be somebody else's by now.
    :param progress: called with the position and the size, in bytes.
    :raises CephError: if it could not be done; the image is removed again,
        unless it had been there before, or our client is cut off.
    :raises OSError: if the file cannot be read; the image is removed.
    """
    doing = f'writing image {name}'
    guard = _Guard(check)
    window = aio_window.Window(doing, guard, STALL_SECONDS)
    with open(source_path, 'rb', buffering=0) as source, errors.translated(
            [rbd], doing):
        size = source.seek(0, os.SEEK_END)
        if not size:
            raise exceptions.CephRefused(doing, f'{source_path} is empty',
                                         errno.EINVAL)
        guard()
        rbd.RBD().create(ioctx, name, size, order, old_format=False,
                         features=features)
        with _removed_on_failure(rbd, ioctx, name, guard):
            with contextlib.closing(rbd.Image(ioctx, name)) as image:
                parts = extents.cut(sparse.extents(source.fileno(), size),
                                    _PIECE_BYTES)
                for start, end in parts:
                    progress(start, size)
                    _write(image, _read(source.fileno(), start, end), start,
                           guard, window)
                image.aio_flush(window.admit(0))
                window.drain()
                progress(size, size)


def read_image(rbd, image, target_path, check):
    """Write an image, or the snapshot that it is set to, into a new file.

    It blocks: under eventlet call it in a native thread. At one time at most
    ``aio_window.MOST_BYTES`` are under way, and as much waits to be written.

    :param image: that is open, of the module ``rbd``; not a proxy that waits
        for a greenlet.
    :param check: called before each read; raises to stop.
    :raises CephError: if it could not be done.
    :raises OSError: if the file cannot be written, or was there before.
        Whatever it is, there is no file then, but one that was there before.
    """
    doing = f'reading an image into {target_path}'
    window = aio_window.Window(doing, check, STALL_SECONDS)
    with open(target_path, 'xb', buffering=0) as target:
        try:
            with errors.translated([rbd], doing):
                size = image.size()
                target.truncate(size)
                for start, end in extents.cut(
                        _extents(image, size, check), _PIECE_BYTES):
                    completed = window.admit(end - start)
                    _keep(target.fileno(), window)
                    check()
                    image.aio_read(start, end - start, _with(start, completed))
                window.drain()
                _keep(target.fileno(), window)
        except BaseException:
            # Half of an image must not be taken for all of it.
            os.unlink(target_path)
            raise


class _Guard:
    """A check that remembers whether it has raised."""

    def __init__(self, check):
        self._check = check
        self.is_lost = False

    def __call__(self):
        try:
            self._check()
        except BaseException:
            self.is_lost = True
            raise


@contextlib.contextmanager
def _removed_on_failure(rbd, ioctx, name, guard):
    try:
        yield
    except Exception:
        if not guard.is_lost:
            _remove(rbd, ioctx, name, guard)
        raise


def _remove(rbd, ioctx, name, guard):
    try:
        guard()
        rbd.RBD().remove(ioctx, name)
    # The first failure is told; whoever settles it finds the image.
    except Exception as exc:
        LOG.warning('Image %s, which was not written to its end, is not '
                    'removed: %s', name, exc)


def _read(descriptor, start, end):
    found = []
    while start < end:
        data = os.pread(descriptor, end - start, start)
        if not data:
            raise OSError(errno.EIO, 'the file has become shorter')
        found.append(data)
        start += len(data)
    return b''.join(found)


def _write(image, data, position, guard, window):
    for start, end in sparse.runs(data):
        completed = window.admit(end - start)
        guard()
        image.aio_write(data[start:end], position + start, completed, _FLAGS)


def _extents(image, size, check):
    """Yield ``(start, end)`` of what an image or its parents have."""
    for start in range(0, size, _LOOK_BYTES):
        check()
        found = []

        def keep(offset, length, exists, found=found):
            # Some releases report holes, too.
            if exists:
                found.append((offset, offset + length))

        image.diff_iterate(start, min(_LOOK_BYTES, size - start), None, keep)
        yield from found


def _with(start, completed):
    return lambda completion, data: completed(completion, (start, data))


def _keep(descriptor, window):
    for position, data in window.taken():
        for start, end in sparse.runs(data):
            while start < end:
                start += os.pwrite(descriptor, data[start:end],
                                   position + start)
