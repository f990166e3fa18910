# SPDX-License-Identifier: Apache-2.0
"""Images whose removal librbd was about to take back when it was interrupted.

librbd moves an image to its trash before it removes it. If it turns out to be
in use then, it puts the image back. Whoever is killed meanwhile, or hears of
Ceph no more, leaves it as being restored, and from then on librbd (16.2) says
of each removal that the image is busy, for ever: it restores by itself only
what somebody has moved to the trash on purpose.

It is one call of Ceph's class ``rbd``, by which librbd keeps its trash, too
(``src/cls/rbd/cls_rbd.cc``, ``trash_state_set``). It does nothing unless the
image is in that very state.
"""

import struct

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import encoding
from dcn_plugins.ceph import trash_entry

_KEY = 'id_'
_PAGE = 1000


def release(ioctx, name):
    """Have an image be one that can be removed; tell whether it was none.

    Its caller has the lock of the image, and has cut off who had it before:
    else somebody may be restoring it just now.

    :param ioctx: of the image's pool.
    :raises rados.Error: if Ceph refuses or does not answer.
    """
    ids = [image_id for image_id, spec in _entries(ioctx)
           if _is_half_restored(spec, name.encode())]
    for image_id in ids:
        ioctx.execute(trash_entry.OBJECT, 'rbd', 'trash_state_set',
                      encoding.text(image_id.encode())
                      + struct.pack('<BB', trash_entry.NORMAL,
                                    trash_entry.RESTORING))
    return bool(ids)


def _entries(ioctx):
    """Yield the id and the specification of each image in the trash."""
    rados = bindings.rados()
    last = ''
    while True:
        with rados.ReadOpCtx() as op:
            found, _code = ioctx.get_omap_vals(op, last, _KEY, _PAGE)
            try:
                ioctx.operate_read_op(op, trash_entry.OBJECT)
            except rados.ObjectNotFound:
                return
            page = list(found)
        for key, spec in page:
            yield key.removeprefix(_KEY), spec
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def _is_half_restored(spec, name):
    entry = trash_entry.TrashEntry.decoded(spec)
    return entry is not None and entry == (
        trash_entry.REMOVING, name, trash_entry.RESTORING)
