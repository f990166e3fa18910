# SPDX-License-Identifier: Apache-2.0
"""librbd in memory, as far as the driver, the audit and the purge use it.

It stands for the module ``rbd``, and a :class:`Pool` for an I/O context.
:mod:`tests.contracts.rbd_contract`, :mod:`tests.contracts.audit_contract` and
:mod:`tests.contracts.trash_contract` hold both to the same.
"""

import copy
import dataclasses
import datetime
import errno
import itertools
import struct
import time

RBD_FEATURE_LAYERING = 1
RBD_FEATURE_EXCLUSIVE_LOCK = 4
RBD_FEATURE_OBJECT_MAP = 8
RBD_FEATURE_FAST_DIFF = 16
RBD_FEATURE_JOURNALING = 64
RBD_OPERATION_FEATURE_CLONE_PARENT = 1
RBD_LOCK_MODE_EXCLUSIVE = 0
RBD_FLAG_OBJECT_MAP_INVALID = 1
RBD_FLAG_FAST_DIFF_INVALID = 2


class Error(Exception):
    """Base of all errors."""


class OSError(Error):
    """What librbd answers."""

    errno = None


class ImageNotFound(OSError):
    pass


class ImageExists(OSError):
    pass


class ImageBusy(OSError):
    pass


class ImageHasSnapshots(OSError):
    pass


class InvalidArgument(OSError):
    pass


class ConnectionShutdown(OSError):
    errno = errno.ESHUTDOWN


class Timeout(OSError):
    errno = errno.ETIMEDOUT


class PermissionError(OSError):
    pass


class ReadOnlyImage(OSError):
    errno = errno.EROFS


@dataclasses.dataclass
class _Snapshot:
    id: int
    name: str
    parent: tuple
    created: float
    is_protected: bool = False
    content: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class _Header:
    """What there is of an image."""

    id: str
    size: int
    created: float
    parent: tuple = None
    snapshots: list = dataclasses.field(default_factory=list)
    watchers: list = dataclasses.field(default_factory=list)
    written: dict = dataclasses.field(default_factory=dict)
    metadata: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)
    #: Each owner of the lock, as ``(client, cookie, address)``.
    lockers: list = dataclasses.field(default_factory=list)
    features: int = RBD_FEATURE_FAST_DIFF


class Pool:
    """What an I/O context is to librbd, and all that is in it."""

    def __init__(self, name='volumes', clock=time.time):
        self.name = name
        self.images = {}
        self.trash = {}
        self.headers = {}
        self.clock = clock
        # Called with the name of each call that changes something.
        self.on_change = lambda call: None
        self._ids = itertools.count(1)

    def next_id(self):
        return f'{next(self._ids):x}'

    def read(self, name):
        """Return what an I/O context reads of what names an image."""
        data = self.images[name.removeprefix('rbd_id.')].encode()
        return struct.pack('<I', len(data)) + data

    def header(self, name):
        try:
            return self.headers[self.images[name]]
        except KeyError:
            raise ImageNotFound(name) from None

    def children(self, header, snapshot):
        """Return the headers of the clones of a snapshot."""
        wanted = (header.id, snapshot.id)
        return [found for found in self.headers.values()
                if wanted in [found.parent,
                              *(held.parent for held in found.snapshots)]]

    def content(self, header):
        """Return what is to be read of an image, by offset."""
        if header.parent is None:
            return dict(header.written)
        image_id, snapshot_id = header.parent
        above = next(found for found in self.headers[image_id].snapshots
                     if found.id == snapshot_id)
        return {**above.content, **header.written}

    def name_of(self, image_id):
        for name, found in self.images.items():
            if found == image_id:
                return name
        return self.trash[image_id]['name']


class RBD:
    """Calls that need no image."""

    def version(self):
        return 1, 16, 0

    def list(self, pool):
        return sorted(pool.images)

    def create(self, pool, name, size, *_args, **_kwargs):
        if name in pool.images:
            raise ImageExists(name)
        header = _Header(pool.next_id(), size, pool.clock())
        pool.headers[header.id] = header
        pool.images[name] = header.id
        return header

    def clone(self, pool, parent, snapshot, _pool, name, *_args, **_kwargs):
        above = pool.header(parent)
        found = _snapshot(above, snapshot)
        header = self.create(pool, name, above.size)
        header.parent = (above.id, found.id)
        header.metadata.update(above.metadata)

    def rename(self, pool, name, new_name):
        pool.on_change('rename')
        pool.header(name)
        if new_name in pool.images:
            raise ImageExists(new_name)
        pool.images[new_name] = pool.images.pop(name)

    def remove(self, pool, name):
        pool.on_change('remove')
        if pool.images.get(name, '') not in ('', *pool.headers):
            # A creation or a removal that was interrupted.
            del pool.images[name]
            return
        header = pool.header(name)
        _refuse_removal(header)
        del pool.images[name], pool.headers[header.id]

    def trash_move(self, pool, name, delay=0):
        pool.on_change('trash_move')
        header = pool.header(name)
        del pool.images[name]
        now = pool.clock()
        pool.trash[header.id] = {
            'id': header.id, 'name': name, 'source': 'USER',
            'deletion_time': _moment(now),
            'deferment_end_time': _moment(now + delay)}

    def trash_list(self, pool):
        return iter([dict(entry) for entry in pool.trash.values()])

    def trash_remove(self, pool, image_id, force=False):
        pool.on_change('trash_remove')
        if image_id not in pool.trash:
            raise ImageNotFound(image_id)
        end = pool.trash[image_id]['deferment_end_time']
        if end > _moment(pool.clock()) and not force:
            raise PermissionError(image_id)
        # A removal that was interrupted has left no header.
        if image_id in pool.headers:
            _refuse_removal(pool.headers[image_id])
            del pool.headers[image_id]
        del pool.trash[image_id]


class Completion:
    """The end of a call that was not waited for."""

    def get_return_value(self):
        return 0


class Image:
    """An open image."""

    def __init__(self, pool, name=None, snapshot=None, read_only=False,
                 image_id=None):
        if image_id is not None and image_id not in pool.headers:
            raise ImageNotFound(image_id)
        self._pool = pool
        self._header = (pool.headers[image_id] if image_id
                        else pool.header(name))
        self._snapshot = None
        self.set_snap(snapshot)
        self._is_writer = not read_only
        self._is_open = True
        if self._is_writer:
            self._header.watchers.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        if self._is_open and self._is_writer:
            self._header.watchers.remove(self)
        self._is_open = False

    def id(self):
        return self._header.id

    def size(self):
        return self._header.size

    def features(self):
        return self._header.features

    def update_features(self, features, is_on):
        if is_on:
            self._header.features |= features
        else:
            self._header.features &= ~features

    def op_features(self):
        return 0

    def stripe_unit(self):
        return 4 << 20

    def resize(self, size):
        self._header.size = size

    def metadata_list(self):
        return iter(sorted(self._header.metadata.items()))

    def metadata_set(self, key, value):
        self._header.metadata[key] = value

    def metadata_remove(self, key):
        del self._header.metadata[key]

    def config_list(self):
        return iter([{'name': name, 'value': value, 'source': 1}
                     for name, value in {
                         'rbd_qos_iops_limit': '0',
                         **self._header.settings}.items()])

    def config_set(self, key, value):
        self._header.settings[key] = value

    def config_remove(self, key):
        del self._header.settings[key]

    def flags(self):
        return 0

    def create_timestamp(self):
        return _moment(self._header.created)

    modify_timestamp = create_timestamp

    def list_lockers(self):
        lockers = list(self._header.lockers)
        return lockers and {'tag': 'internal', 'exclusive': True,
                            'lockers': lockers}

    def watchers_list(self):
        return iter(list(self._header.watchers))

    def lock_acquire(self, _mode):
        # Nobody has a lock here, and without the feature nobody can.
        if not self._header.features & RBD_FEATURE_EXCLUSIVE_LOCK:
            raise InvalidArgument('no exclusive lock')

    def mirror_image_get_info(self):
        return {'global_id': '', 'state': 2, 'primary': False}

    def parent_info(self):
        if self._header.parent is None:
            raise ImageNotFound('no parent')
        image_id, snapshot_id = self._header.parent
        name = next(found.name
                    for found in self._pool.headers[image_id].snapshots
                    if found.id == snapshot_id)
        return self._pool.name, self._pool.name_of(image_id), name

    def list_snaps(self):
        return iter([{'id': found.id, 'name': found.name, 'namespace': 0,
                      'size': self._header.size}
                     for found in self._header.snapshots])

    def get_snap_timestamp(self, snapshot_id):
        return _moment(self._by_id(snapshot_id).created)

    def is_protected_snap(self, name):
        return _snapshot(self._header, name).is_protected

    def set_snap_by_id(self, snapshot_id):
        self._snapshot = snapshot_id and self._by_id(snapshot_id)

    def set_snap(self, name):
        self._snapshot = name and _snapshot(self._header, name)

    def list_children(self):
        return iter([(child['pool'], child['image'])
                     for child in self.list_children2()])

    def list_children2(self):
        return iter([
            {'pool': self._pool.name, 'pool_namespace': '', 'id': child.id,
             'image': self._pool.name_of(child.id),
             'trash': child.id in self._pool.trash}
            for snapshot in (self._header.snapshots if self._snapshot is None
                             else [self._snapshot])
            for child in self._pool.children(self._header, snapshot)])

    def create_snap(self, name):
        if name in [found.name for found in self._header.snapshots]:
            raise ImageExists(name)
        self._header.snapshots.append(_Snapshot(
            int(self._pool.next_id(), 16), name, self._header.parent,
            self._pool.clock(), content=self._pool.content(self._header)))

    def rename_snap(self, name, new_name):
        found = _snapshot(self._header, name)
        if new_name in [other.name for other in self._header.snapshots]:
            raise ImageExists(new_name)
        found.name = new_name

    def rollback_to_snap(self, name):
        self._header.written = dict(_snapshot(self._header, name).content)

    def protect_snap(self, name):
        found = _snapshot(self._header, name)
        if found.is_protected:
            raise ImageBusy(name)
        found.is_protected = True

    def unprotect_snap(self, name):
        self._pool.on_change('unprotect_snap')
        found = _snapshot(self._header, name)
        if not found.is_protected:
            raise InvalidArgument(name)
        if self._pool.children(self._header, found):
            raise ImageBusy(name)
        found.is_protected = False

    def remove_snap(self, name):
        self._pool.on_change('remove_snap')
        found = _snapshot(self._header, name)
        if found.is_protected:
            raise ImageBusy(name)
        self._header.snapshots.remove(found)

    def flatten(self):
        if self._header.parent is None:
            raise InvalidArgument('no clone')
        self._header.written = self._pool.content(self._header)
        self._header.parent = None

    def copy(self, pool, name):
        header = RBD().create(pool, name, self._header.size)
        header.written = self._pool.content(self._header)
        header.metadata.update(self._header.metadata)
        header.features = self._header.features

    def read(self, offset, _length):
        return self._pool.content(self._header).get(offset, b'')

    def write(self, data, offset):
        self._header.written[offset] = copy.copy(data)

    def aio_write(self, data, offset, oncomplete, _flags):
        self.write(data, offset)
        oncomplete(Completion())

    def aio_flush(self, oncomplete):
        oncomplete(Completion())

    def diff_iterate(self, _offset, _length, _from_snapshot, callback,
                     **_options):
        for offset, data in sorted(self._header.written.items()):
            callback(offset, len(data), True)

    def _by_id(self, snapshot_id):
        return next(found for found in self._header.snapshots
                    if found.id == snapshot_id)


def _snapshot(header, name):
    for found in header.snapshots:
        if found.name == name:
            return found
    raise ImageNotFound(name)


def _refuse_removal(header):
    if header.snapshots:
        raise ImageHasSnapshots(header.id)
    if header.watchers:
        raise ImageBusy(header.id)


def _moment(seconds):
    return datetime.datetime.fromtimestamp(
        int(seconds), datetime.timezone.utc).replace(tzinfo=None)
