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
from dcn_plugins.ceph import encoding
from dcn_plugins.ceph import libraries
from dcn_plugins.ceph import trash_entry
from dcn_plugins import exceptions

_DIRECTORY = 'rbd_directory'
_FORMAT, _FEATURES, _ORDER = 0, 1, 2
_ANSWER_BYTES = 4096
# LIBRADOS_CREATE_EXCLUSIVE
_IS_NEW = 1
# Of an answer about the trash, with a KiB for the name of each image.
_TRASH_ENTRIES = 256
_TRASH_BYTES = _TRASH_ENTRIES << 10


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

    def is_left(self, name):
        """Say whether anything is left of a name that nothing has.

        In the directory, by one that was made or removed half; or in the
        trash, where librbd puts what it removes. Raises CephError.
        """
        return bool(self.listed_id(name)) or self._is_in_trash(name.encode())

    def _is_in_trash(self, name):
        # rbd_trash_list leaves out what librbd has begun to remove.
        last = b''
        while True:
            try:
                found = trash_entry.page(self._execute(
                    trash_entry.OBJECT, 'trash_list', 'looking into the trash',
                    trash_entry.question(last, _TRASH_ENTRIES), _TRASH_BYTES))
            except exceptions.CephRefused as exc:
                if exc.errno != errno.ENOENT:
                    raise
                return False
            if any(entry and entry.name == name for _id, entry in found):
                return True
            if len(found) < _TRASH_ENTRIES:
                return False
            last = found[-1][0]

    def _directory(self, method, doing, *texts):
        """Have an OSD read or change the directory; raises CephError."""
        return self._execute(_DIRECTORY, method, doing, b''.join(
            encoding.text(text.encode()) for text in texts), _ANSWER_BYTES)

    def _execute(self, thing, method, doing, question, answer_bytes):
        answer = ctypes.create_string_buffer(answer_bytes)
        code = calls.checked(libraries.librados().rados_exec(
            self._context, thing.encode(), b'rbd', method.encode(),
            question, len(question), answer, len(answer)), doing)
        return answer.raw[:code]

    def rename(self, old, new, image_id):
        """Rename an image; one that is open stays so.

        The steps are librbd's (``operation/RenameRequest.cc``), but for
        opening the image: that makes 33 round trips of three. It must be one
        without a journal.

        :raises CephError: with EEXIST if something has the new name.
        """
        self._give(new, image_id)
        self._list_anew(old, new, image_id)
        cluster.remove(self._context, f'rbd_id.{old}')

    def finish_rename(self, old, new):
        """Finish what is left of a renaming that ended half-way.

        Or that somebody is at: nothing is undone, and each step may be taken
        by either. Raises CephError, with ENOENT if another name has been
        given meanwhile.

        :returns: what has the new name; empty if nothing has it.
        """
        found = self.id_of(new)
        if found and found == self.id_of(old):
            if self.listed_id(new) != found:
                self._list_anew(old, new, found)
            cluster.remove(self._context, f'rbd_id.{old}')
        return found

    def _give(self, name, image_id):
        """Give an image a name that nothing has."""
        library = libraries.librados()
        question = encoding.text(image_id.encode())
        operation = library.rados_create_write_op()
        try:
            library.rados_write_op_create(operation, _IS_NEW, None)
            library.rados_write_op_exec(
                operation, b'rbd', b'set_id', question, len(question), None)
            calls.checked(library.rados_write_op_operate(
                operation, self._context, f'rbd_id.{name}'.encode(), None, 0),
                f'naming an image {name}')
        finally:
            library.rados_release_write_op(operation)

    def _list_anew(self, old, new, image_id):
        self._directory('dir_rename_image', 'renaming ' + old, old, new,
                        image_id)

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
