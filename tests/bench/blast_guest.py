# SPDX-License-Identifier: Apache-2.0
"""Like a guest: it writes to its image, and nothing may disturb it.

``python -m tests.bench.blast_guest CONF USER POOL IMAGE SECONDS`` opens an
image as QEMU does, which takes its exclusive lock by the first write, and
writes 4 KiB again and again. Each second it says in one line how long its
writes have taken, and how late it was woken when it slept: a machine that is
too busy is nobody's fault here. It ends when its input does.
"""

import json
import select
import sys
import time

import rados
import rbd

_BYTES = 4096
_IMAGE_BYTES = 1 << 30
_PAUSE_SECONDS = 0.01


def clock():
    """Return the seconds that others on this machine count, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Second:
    """What has happened in one second."""

    def __init__(self):
        self.told = {'at': clock(), 'writes': 0, 'longest': 0.0, 'late': 0.0,
                     'errors': []}

    def write(self, image, number):
        """Write once."""
        began_at = clock()
        try:
            image.write(b'%d'.ljust(_BYTES, b'.') % number,
                        number * _BYTES % _IMAGE_BYTES)
        except rbd.Error as exc:
            self.told['errors'].append(f'{type(exc).__name__}: {exc}')
        self.told['writes'] += 1
        self._most('longest', clock() - began_at)

    def pause(self):
        """Sleep, and note by how much too long."""
        began_at = clock()
        is_over = bool(select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0])
        self._most('late', clock() - began_at - _PAUSE_SECONDS)
        return is_over

    def _most(self, kind, seconds):
        self.told[kind] = max(self.told[kind], seconds)


def main(conf, user, pool, name):
    """Write until nobody listens any more."""
    with rados.Rados(conffile=conf, rados_id=user) as cluster, (
            cluster.open_ioctx(pool)) as ioctx:
        rbd.RBD().create(ioctx, name, _IMAGE_BYTES)
        with rbd.Image(ioctx, name) as image:
            number, is_over = 0, False
            while not is_over:
                second = Second()
                while clock() - second.told['at'] < 1 and not is_over:
                    second.write(image, number)
                    number += 1
                    is_over = second.pause()
                print(json.dumps({
                    **second.told, 'is_owner':
                    image.is_exclusive_lock_owner()}), flush=True)
        rbd.RBD().remove(ioctx, name)


if __name__ == '__main__':
    main(*sys.argv[1:])
