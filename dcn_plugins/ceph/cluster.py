# SPDX-License-Identifier: Apache-2.0
"""A connection to one cluster for copying, and small things on its objects."""

import ctypes
import errno
import json

from dcn_plugins.ceph import calls
from dcn_plugins.ceph import fullness
from dcn_plugins.ceph import libraries

# Without a cache librbd keeps nothing of what is written. Nor does it copy it:
# what we hand over stays as it is until the write has ended, and it does not
# end before librbd has let go of it. A cluster that is gone ends calls that
# are under way, and does not hang.
_SETTINGS = {'rbd_cache': 'false', 'rbd_disable_zero_copy_writes': 'false',
             'rbd_concurrent_management_ops': '64'}
_TEXT_BYTES = 1 << 20
# The release of Ceph whose clients know clones of version 2.
_MIMIC = 13


class Cluster:
    """A client of one cluster; connected as long as it is open.

    :param place: a :class:`~dcn_plugins.imagecopy.request.Place`, or what has
        its attributes.
    :param stall_seconds: after which a call that an OSD does not answer ends
        as a failure.
    :raises CephError: if it does not answer, or refuses us.
    """

    def __init__(self, place, stall_seconds=60.0):
        self._library = libraries.librados()
        self._pool = place.pool
        self.doing = f'reaching the cluster of store {place.store}'
        self._handle = ctypes.c_void_p()
        self._contexts = {}
        self._call('rados_create2', ctypes.byref(self._handle), b'ceph',
                   f'client.{place.user}'.encode(), 0, is_ours=False)
        try:
            self._connect(place, stall_seconds)
        except BaseException:
            self.close()
            raise

    def _connect(self, place, stall_seconds):
        self._call('rados_conf_read_file', place.conf.encode())
        for name, value in {
                **_SETTINGS, 'rados_osd_op_timeout': f'{stall_seconds:g}',
                'rados_mon_op_timeout': f'{stall_seconds:g}',
                'client_mount_timeout': f'{place.connect_seconds:g}'}.items():
            self._call('rados_conf_set', name.encode(), value.encode())
        self._call('rados_connect')
        fsid = ctypes.create_string_buffer(37)
        self._call('rados_cluster_fsid', fsid, len(fsid))
        self.fsid = fsid.value.decode()

    def _call(self, name, *arguments, is_ours=True):
        handle = (self._handle,) if is_ours else ()
        return calls.checked(
            getattr(self._library, name)(*handle, *arguments), self.doing)

    def context(self, pool, key=None):
        """Return an I/O context of a pool, by its name or its number.

        :param key: tells apart contexts of one pool that are set to different
            snapshots.
        """
        if (pool, key) not in self._contexts:
            found = ctypes.c_void_p()
            if isinstance(pool, str):
                self._call('rados_ioctx_create', pool.encode(),
                           ctypes.byref(found))
            else:
                self._call('rados_ioctx_create2', pool, ctypes.byref(found))
            self._contexts[pool, key] = found
        return self._contexts[pool, key]

    def setting(self, name):
        """Return an option as this client sees it, as a text."""
        found = ctypes.create_string_buffer(4096)
        self._call('rados_conf_get', name.encode(), found, len(found))
        return found.value.decode()

    def needs_protection(self):
        """Say whether clones need a snapshot that is protected, and why.

        That is asked as librbd asks it before it makes a clone: version 1 of
        clones needs it, and version 2 all clients must know.

        :returns: ``(whether, words that say so)``.
        """
        wanted = self.setting('rbd_default_clone_format')
        if wanted in ('1', '2'):
            return wanted == '1', f'rbd_default_clone_format is {wanted}'
        least, required = ctypes.c_int8(), ctypes.c_int8()
        self._call('rados_get_min_compatible_client', ctypes.byref(least),
                   ctypes.byref(required))
        newest = max(least.value, required.value)
        return newest < _MIMIC, (
            f'rbd_default_clone_format is {wanted}, and the cluster lets in '
            f'clients of release {newest}; {_MIMIC} is mimic')

    def order(self, **words):
        """Have the manager do something and return what it answers."""
        return self._ordered('rados_mgr_command', words)

    def full_reason(self):
        """Return what keeps the pool from being written to, or ``None``.

        A write to what is full is not refused: it waits for room, and looks
        like an OSD that does not answer.

        :raises CephError: if the monitors do not answer.
        """
        found = json.loads(self._ordered('rados_mon_command', {
            'prefix': 'health', 'detail': 'detail', 'format': 'json'}))
        return fullness.reason(found['checks'], self._pool)

    def _ordered(self, function, words):
        command = (ctypes.c_char_p * 1)(json.dumps(words).encode())
        answer, text = ctypes.c_void_p(), ctypes.c_void_p()
        length, text_length = ctypes.c_size_t(), ctypes.c_size_t()
        code = getattr(self._library, function)(
            self._handle, command, 1, b'', 0, ctypes.byref(answer),
            ctypes.byref(length), ctypes.byref(text),
            ctypes.byref(text_length))
        found = ctypes.string_at(answer, length.value) if answer else b''
        for one in filter(None, (answer, text)):
            self._library.rados_buffer_free(one)
        calls.checked(code, f'{self.doing}: {words}')
        return found.decode()

    def close(self):
        """Disconnect; all images must be closed."""
        for context in self._contexts.values():
            self._library.rados_ioctx_destroy(context)
        self._contexts = {}
        if self._handle:
            self._library.rados_shutdown(self._handle)
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()


def exists(context, name):
    """Say whether there is an object; raises CephError."""
    size, time = ctypes.c_uint64(), ctypes.c_int64()
    code = libraries.librados().rados_stat(
        context, name.encode(), ctypes.byref(size), ctypes.byref(time))
    if code == -errno.ENOENT:
        return False
    calls.checked(code, f'looking for object {name}')
    return True


def read(context, name):
    """Return a small object; empty if it is not there; raises CephError."""
    found = ctypes.create_string_buffer(4096)
    code = libraries.librados().rados_read(
        context, name.encode(), found, len(found), 0)
    if code == -errno.ENOENT:
        return b''
    return found.raw[:calls.checked(code, f'reading object {name}')]


def remove(context, name):
    """Remove an object, if it is there; raises CephError."""
    code = libraries.librados().rados_remove(context, name.encode())
    if code != -errno.ENOENT:
        calls.checked(code, f'removing object {name}')


def attribute(context, name, key):
    """Return an attribute of an object as a text, or ``None``."""
    found = ctypes.create_string_buffer(_TEXT_BYTES)
    code = libraries.librados().rados_getxattr(
        context, name.encode(), key.encode(), found, len(found))
    if code in (-errno.ENOENT, -errno.ENODATA):
        return None
    code = calls.checked(code, f'reading attribute {key} of {name}')
    return found.raw[:code].decode(errors='backslashreplace')


def set_attribute(context, name, key, text):
    """Set an attribute of an object; raises CephError."""
    data = text.encode()
    calls.checked(
        libraries.librados().rados_setxattr(
            context, name.encode(), key.encode(), data, len(data)),
        f'setting attribute {key} of {name}')
