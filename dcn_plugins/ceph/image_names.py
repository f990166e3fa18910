# SPDX-License-Identifier: Apache-2.0
"""Names of images: made, changed and removed, also by halves.

librbd needs several steps for each. Whoever dies between them leaves a name
that can neither be used nor be given again by ordinary means.
"""

import ctypes
import errno
import struct

from dcn_plugins.ceph import calls
from dcn_plugins.ceph import cluster
from dcn_plugins.ceph import libraries
from dcn_plugins import exceptions

_DIRECTORY = 'rbd_directory'
_FORMAT, _FEATURES, _ORDER = 0, 1, 2
_ANSWER_BYTES = 4096


class ImageNames:
    """Names of the images of a pool.

    :param context: its I/O context.
    """

    def __init__(self, context):
        self._context = context

    def id_of(self, name):
        """Return what has a name; empty if nothing has it."""
        return _text(cluster.read(self._context, f'rbd_id.{name}'))

    def listed_id(self, name):
        """Return what the directory says that has a name, or empty."""
        try:
            return _text(self._directory(
                'dir_get_id', f'looking for image {name}', name))
        except exceptions.CephRefused as exc:
            if exc.errno != errno.ENOENT:
                raise
            return ''

    def _directory(self, method, doing, *texts):
        """Have an OSD read or change the directory; raises CephError."""
        question = b''.join(
            struct.pack('<I', len(data)) + data
            for data in (text.encode() for text in texts))
        answer = ctypes.create_string_buffer(_ANSWER_BYTES)
        code = calls.checked(libraries.librados().rados_exec(
            self._context, _DIRECTORY.encode(), b'rbd', method.encode(),
            question, len(question), answer, len(answer)), doing)
        return answer.raw[:code]

    def rename(self, old, new):
        """Rename an image; one that is open stays so; raises CephError."""
        calls.checked(libraries.librbd().rbd_rename(
            self._context, old.encode(), new.encode()), f'renaming {old}')

    def finish_rename(self, old, new):
        """Finish what is left of a renaming that ended half-way.

        Or that somebody is at: nothing is undone, and each step may be taken
        by either. Raises CephError, with ENOENT if another name has been
        given meanwhile.
        """
        found = self.id_of(new)
        if not found or found != self.id_of(old):
            return
        # librbd makes the new name, then changes the directory, then removes
        # the old name.
        if self.listed_id(new) != found:
            self._directory('dir_rename_image', 'renaming ' + old,
                            old, new, found)
        cluster.remove(self._context, f'rbd_id.{old}')

    def remove(self, name):
        """Remove an image, or what is left of one; raises CephError."""
        code = libraries.librbd().rbd_remove(self._context, name.encode())
        if code != -errno.ENOENT:
            calls.checked(code, f'removing image {name}')


class Options:
    """What a new image gets; to be used as a context manager."""

    def __init__(self, features, object_bytes):
        self._values = {_FORMAT: 2, _FEATURES: features,
                        _ORDER: object_bytes.bit_length() - 1}
        self._options = ctypes.c_void_p()

    def __enter__(self):
        library = libraries.librbd()
        library.rbd_image_options_create(ctypes.byref(self._options))
        for option, value in self._values.items():
            library.rbd_image_options_set_uint64(
                self._options, option, value)
        return self

    def __exit__(self, *_exc):
        libraries.librbd().rbd_image_options_destroy(self._options)

    def create(self, context, name, size):
        """Create an image; raises CephError."""
        calls.checked(libraries.librbd().rbd_create4(
            context, name.encode(), size, self._options),
            f'creating image {name}')

    def clone(self, context, parent, snapshot, name):
        """Clone a snapshot in its own pool; raises CephError."""
        calls.checked(libraries.librbd().rbd_clone3(
            context, parent.encode(), snapshot.encode(), context,
            name.encode(), self._options), f'cloning {parent}@{snapshot}')


def _text(data):
    """Return a text as Ceph encodes it; empty if there is none."""
    if len(data) < 4:
        return ''
    length, = struct.unpack_from('<I', data)
    return data[4:4 + length].decode(errors='replace')
