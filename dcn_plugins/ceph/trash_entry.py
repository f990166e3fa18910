# SPDX-License-Identifier: Apache-2.0
"""What Ceph keeps of an image in the trash of a pool. Pure.

``cls::rbd::TrashImageSpec`` in ``src/cls/rbd/cls_rbd_types.h``.
"""

import struct
import typing

from dcn_plugins.ceph import encoding

#: The object with all entries of a pool.
OBJECT = 'rbd_trash'
#: Of ``cls::rbd::TrashImageSource``: librbd has begun to remove it.
REMOVING = 3
#: Of ``cls::rbd::TrashImageState``.
NORMAL, RESTORING = 0, 3

# Version, the version that can read it, the length.
_HEAD = struct.Struct('<BBI')
_NUMBER = struct.Struct('<I')
_TIMES_BYTES = 16


class TrashEntry(typing.NamedTuple):
    """An image in the trash.

    :param name: bytes; what it was called.
    :param state: ``None`` if it was written by a Ceph that knew of none.
    """

    source: int
    name: bytes
    state: int | None

    @classmethod
    def decoded(cls, data):
        """Return what some bytes say; ``None`` if they say nothing."""
        version, size = data[:1], len(data)
        place = _HEAD.size + 1
        if size < place + _NUMBER.size:
            return None
        length, = _NUMBER.unpack_from(data, place)
        begin = place + _NUMBER.size
        state = begin + length + _TIMES_BYTES
        is_told = version >= b'\2' and size > state
        return cls(data[_HEAD.size], data[begin:begin + length],
                   data[state] if is_told else None)


def question(last, count):
    """Return what ``trash_list`` of Ceph's class ``rbd`` is asked with.

    :param last: id of the image after which to begin, as bytes.
    """
    return encoding.text(last) + struct.pack('<Q', count)


def page(data):
    """Return the ids and entries of an answer of ``trash_list``.

    :raises struct.error: if it is none.
    """
    count, = _NUMBER.unpack_from(data)
    place, found = _NUMBER.size, []
    for _number in range(count):
        length, = _NUMBER.unpack_from(data, place)
        place += _NUMBER.size
        image_id = data[place:place + length]
        place += length
        _version, _compatible, length = _HEAD.unpack_from(data, place)
        end = place + _HEAD.size + length
        found.append((image_id, TrashEntry.decoded(data[place:end])))
        place = end
    return found
