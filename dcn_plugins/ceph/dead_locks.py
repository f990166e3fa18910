# SPDX-License-Identifier: Apache-2.0
"""Take exclusive locks of images from owners who were cut off.

librbd takes a lock by itself from an owner who watches no more. But it has
him cut off first, each time, also who is long since, and the monitors take up
to a second to agree on that, for each image, while somebody waits. Here nobody
is cut off: a lock goes if its owner has been by ourselves, and else stays for
librbd to judge.

It is one call of Ceph's class ``lock``, by which librbd keeps its lock, too,
on the object of the image's header (``src/cls/lock/cls_lock_ops.h``). Neither
the bindings nor librbd can do it without cutting off.
"""

import struct

from dcn_plugins.ceph import addresses as ceph_addresses
from dcn_plugins.ceph import encoding

# How librbd calls its lock, and how what its owners say begins.
_LOCK, _TAG, _COOKIE = b'rbd_lock', 'internal', 'auto '

# The kind of a name that is a client's, as Ceph encodes it.
_CLIENT = 8


def owners(found, fenced):
    """Return ``[(client, cookie)]`` of the owners who were cut off. Pure.

    :param found: what ``rbd.Image.list_lockers`` returns.
    :param fenced: entries of the blocklist that we have made, as
        :func:`~dcn_plugins.ceph.addresses.parsed` returns them.
    """
    if not found or found['tag'] != _TAG:
        return []
    return [(client, cookie) for client, cookie, address in found['lockers']
            if cookie.startswith(_COOKIE) and _is_fenced(address, fenced)]


def release(ioctx, image_id, client, cookie):
    """Take the lock of an image from an owner.

    :param ioctx: of the image's pool.
    :param client: ``client.NUMBER``, with its cookie, of :func:`owners`.
    :raises rados.ObjectNotFound: if he has it no more.
    :raises rados.Error: if Ceph refuses or does not answer.
    """
    kind, _dot, number = client.partition('.')
    if kind != 'client':
        raise ValueError(f'{client!r} is no client')
    content = (encoding.text(_LOCK) + struct.pack('<Bq', _CLIENT, int(number))
               + encoding.text(cookie.encode()))
    # Version 1, which readers of version 1 understand, and the length.
    ioctx.execute(f'rbd_header.{image_id}', 'lock', 'break_lock',
                  struct.pack('<BBI', 1, 1, len(content)) + content)


def _is_fenced(address, fenced):
    try:
        return set(fenced).issuperset(ceph_addresses.parsed(address))
    except ValueError:
        return False
