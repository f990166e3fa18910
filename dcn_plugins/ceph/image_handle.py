# SPDX-License-Identifier: Apache-2.0
"""An open RBD image whose data are read and written without copying them."""

import ctypes
import errno
import functools

from dcn_plugins.ceph import calls
from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import libraries

LAYERING, STRIPING, EXCLUSIVE_LOCK, OBJECT_MAP, FAST_DIFF = 1, 2, 4, 8, 16
_MAP_IS_OF_NO_USE = 1 | 2
# LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL and _NOCACHE, as "rbd export" does.
_READ_FLAGS = 0x8 | 0x40
_WRITE_FLAGS = 0x8


class _Stat(ctypes.Structure):
    _fields_ = [('size', ctypes.c_uint64), ('obj_size', ctypes.c_uint64),
                ('num_objs', ctypes.c_uint64), ('order', ctypes.c_int),
                ('prefix', ctypes.c_char * 24),
                ('parent_pool', ctypes.c_int64),
                ('parent_name', ctypes.c_char * 96)]


class ImageHandle:
    """An open image, or a snapshot of it; thread-safe as librbd is.

    :param cluster: a :class:`~dcn_plugins.ceph.cluster.Cluster`.
    :raises CephError: if it cannot be opened; with ``errno`` ENOENT if it, or
        the snapshot, is not there.
    """

    def __init__(self, cluster, pool, name, snapshot=None, is_writer=False):
        self._library = libraries.librbd()
        self._handle = ctypes.c_void_p()
        self.cluster = cluster
        self.pool = pool
        self.name = name
        self.doing = f'image {pool}/{name}' + (
            f'@{snapshot}' if snapshot else '')
        context = cluster.context(pool)
        calls.checked(
            (self._library.rbd_open if is_writer
             else self._library.rbd_open_read_only)(
                 context, name.encode(), ctypes.byref(self._handle), None),
            f'opening {self.doing}')
        try:
            self._look(snapshot)
        except BaseException:
            self.close()
            raise

    def _look(self, snapshot):
        if snapshot is not None:
            # It cannot be opened with it: see snapshot_opener.
            self.call('rbd_snap_set', snapshot.encode())
        stat = _Stat()
        self.call('rbd_stat', ctypes.byref(stat), ctypes.sizeof(stat))
        self.size = stat.size
        self.object_bytes = stat.obj_size
        self.snapshot_id = self.snapshot(snapshot) if snapshot else None

    def call(self, name, *arguments):
        """Call a function of librbd on the image; raises CephError."""
        return calls.checked(
            getattr(self._library, name)(self._handle, *arguments),
            f'{name.removeprefix("rbd_")} of {self.doing}')

    def _number(self, name):
        found = ctypes.c_uint64()
        self.call(name, ctypes.byref(found))
        return found.value

    @functools.cached_property
    def id(self):
        """What Ceph calls the image, whatever its name is."""
        found = ctypes.create_string_buffer(256)
        self.call('rbd_get_id', found, len(found))
        return found.value.decode()

    @functools.cached_property
    def prefix(self):
        """What the names of its objects begin with."""
        found = ctypes.create_string_buffer(256)
        self.call('rbd_get_block_name_prefix', found, len(found))
        return found.value.decode()

    @property
    def header(self):
        """Name of its header object."""
        return f'rbd_header.{self.id}'

    @property
    def features(self):
        return self._number('rbd_get_features')

    @property
    def is_clone(self):
        """Whether it reads data of a parent."""
        return bool(self._number('rbd_get_overlap'))

    @property
    def is_striped(self):
        return self._number('rbd_get_stripe_count') > 1

    @property
    def has_map(self):
        """Whether Ceph knows which objects there are without asking OSDs."""
        return bool(self.features & FAST_DIFF
                    and not self._number('rbd_get_flags') & _MAP_IS_OF_NO_USE)

    def snapshot(self, name):
        """Return the number of a snapshot, or ``None``."""
        found = ctypes.c_uint64()
        code = self._library.rbd_snap_get_id(
            self._handle, name.encode(), ctypes.byref(found))
        if code == -errno.ENOENT:
            return None
        calls.checked(code, f'snapshots of {self.doing}')
        return found.value

    def extents(self, is_whole_objects):
        """Return ``(start, end)`` of what there is, in the order of places.

        :param is_whole_objects: whole objects, at once from the object map if
            there is one; else what is in each of them.
        """
        if not self.size:
            # librbd of 16.2 ends the process that asks.
            return []
        found = []

        def keep(offset, length, exists, _argument):
            if exists:
                found.append((offset, offset + length))
            return 0

        self.call('rbd_diff_iterate2', None, 0, self.size, 1,
                  int(is_whole_objects), libraries.FOUND(keep), None)
        return sorted(found)

    def read(self, offset, address, length, done):
        """Begin to read; ``done`` gets how much there was, or an error."""
        calls.rbd_call('rbd_aio_read2', self._handle, offset, length, address,
                       None, _READ_FLAGS, done=done)

    def write(self, offset, address, length, done):
        """Begin to write; the memory must stay as it is up to the end."""
        calls.rbd_call('rbd_aio_write2', self._handle, offset, length,
                       address, None, _WRITE_FLAGS, done=done)

    def zero(self, offset, length, done):
        """Begin to make a part of the image read as zeros."""
        calls.rbd_call('rbd_aio_write_zeroes', self._handle, offset, length,
                       None, 0, 0, done=done)

    def sums(self, number, ranges, done):
        """Begin to ask an OSD for checksums of an object of the image.

        As :func:`~dcn_plugins.ceph.checksums.of_object`; neither for clones,
        nor for striped images, whose objects are no part of their bytes.
        """
        checksums.of_object(self._data, self._object(number), ranges, done)

    def extend(self, number, length, done):
        """Begin to have an object that is there end later, without data.

        librbd has no word for it. It may be done beside librbd, as long as
        the image has no snapshots and nobody else writes to it.
        """
        library = libraries.librados()
        operation = library.rados_create_write_op()
        library.rados_write_op_truncate(operation, length)

        def end(code):
            library.rados_release_write_op(operation)
            done(code)

        try:
            calls.rados_write(self._data, operation, self._object(number),
                              end)
        except Exception:
            library.rados_release_write_op(operation)
            raise

    def _object(self, number):
        """Return the name of an object with data."""
        return f'{self.prefix}.{number:016x}'

    @functools.cached_property
    def _data(self):
        """The I/O context of its data, which may be in another pool."""
        number = self._library.rbd_get_data_pool_id(self._handle)
        calls.checked(number, self.doing)
        found = self.cluster.context(number, (self.id, self.snapshot_id))
        if self.snapshot_id is not None:
            libraries.librados().rados_ioctx_snap_set_read(
                found, self.snapshot_id)
        return found

    def is_protected(self, snapshot):
        found = ctypes.c_int()
        self.call('rbd_snap_is_protected', snapshot.encode(),
                  ctypes.byref(found))
        return bool(found.value)

    def close(self):
        """Close it; waits for what is under way."""
        if self._handle:
            self._library.rbd_close(self._handle)
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()
