# SPDX-License-Identifier: Apache-2.0
"""Images that have two names, as their renaming was interrupted.

librbd writes what leads from the new name to the image, then changes the
directory of the pool, then removes what leads from the old name. Whoever is
killed in between leaves an image that both names open, and each further
attempt to rename it is told that the new name is taken.

The objects are those of librbd's format 2 (``rbd_id.NAME`` and the keys
``name_NAME`` of ``rbd_directory``).
"""

import contextlib

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import encoding

_DIRECTORY = 'rbd_directory'
_MOST_BYTES = 4096


def end(ioctx, name, new_name):
    """Leave an image the one name that the directory has; tell if it had two.

    Its caller has the locks of both names.

    :param ioctx: of the image's pool.
    :raises rados.Error: if Ceph refuses or does not answer.
    """
    ids = [_id_of(ioctx, each) for each in (name, new_name)]
    listed = [each for each in (name, new_name) if _is_listed(ioctx, each)]
    if None in ids or ids[0] != ids[1] or len(listed) != 1:
        return False
    other, = {name, new_name}.difference(listed)
    with contextlib.suppress(bindings.rados().ObjectNotFound):
        ioctx.remove_object(f'rbd_id.{other}')
    return True


def finish(ioctx, name, new_name):
    """Leave an image that has two names the new one; tell if it had two.

    As :meth:`~dcn_plugins.ceph.image_names.ImageNames.finish_rename`, beside
    which it may run: each step may be taken by either.

    :param ioctx: of the image's pool.
    :raises rados.Error: if Ceph refuses or does not answer.
    """
    rados = bindings.rados()
    found = _id_of(ioctx, new_name)
    if found is None or found != _id_of(ioctx, name):
        return False
    if not _is_listed(ioctx, new_name):
        # What names an image is the encoded text already.
        with contextlib.suppress(rados.ObjectNotFound):
            ioctx.execute(_DIRECTORY, 'rbd', 'dir_rename_image', b''.join(
                encoding.text(each.encode())
                for each in (name, new_name)) + found)
    with contextlib.suppress(rados.ObjectNotFound):
        ioctx.remove_object(f'rbd_id.{name}')
    return True


def _id_of(ioctx, name):
    try:
        return ioctx.read(f'rbd_id.{name}', _MOST_BYTES)
    except bindings.rados().ObjectNotFound:
        return None


def _is_listed(ioctx, name):
    rados = bindings.rados()
    with rados.ReadOpCtx() as op:
        found, _code = ioctx.get_omap_vals_by_keys(op, (f'name_{name}',))
        ioctx.operate_read_op(op, _DIRECTORY)
        return bool(list(found))
