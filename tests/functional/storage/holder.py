# SPDX-License-Identifier: Apache-2.0
"""A cinder-volume that dies, or stands still, at one call of librbd.

Started by ``test_takeover``: DIRECTORY OF THE RIG, WHEN (before or after),
CALL, SIGNAL, OPERATION and the ids that it is about. With SIGSTOP it goes on
when it is told to, and says how its operation has ended.
"""

import os
import signal
import sys

from dcn_plugins.ceph import guarded_rbd
from tests.functional.storage import rig
from tests.functional.storage import volume_service


def stop_at(when, call, number):
    """Have this process end, or stop, before or after a call of librbd."""
    original = guarded_rbd._Guarded._call
    stops = [number]

    def _call(self, name, *args, **kwargs):
        if name == call and when == 'before' and stops:
            os.kill(os.getpid(), stops.pop())
        found = original(self, name, *args, **kwargs)
        if name == call and when == 'after' and stops:
            os.kill(os.getpid(), stops.pop())
        return found

    guarded_rbd._Guarded._call = _call


def arguments(operation, ids):
    """Return what an operation is called with."""
    first = volume_service.volume(name_id=ids[0])
    if operation in ('snapshot', 'delete_snapshot'):
        return [volume_service.snapshot(first, ids[1])]
    if operation in ('create', 'delete', 'extend'):
        return [first]
    if operation == 'create_from_snapshot':
        return [volume_service.volume(name_id=ids[2]),
                volume_service.snapshot(first, ids[1])]
    if operation == 'revert':
        return [first, volume_service.snapshot(first, ids[1])]
    return [volume_service.volume(name_id=ids[1]), first]


def main(directory, when, call, number, operation, *ids):
    """Run the operation up to its end, or to that of this process."""
    with rig.Rig(directory) as site:
        service = volume_service.VolumeService(site)
        stop_at(when, call, getattr(signal, number))
        try:
            getattr(service, operation)(*arguments(operation, ids))
        except BaseException as exc:
            print(f'{type(exc).__name__}: {exc}', flush=True)
        else:
            print('done', flush=True)
        # Not service.close(): a process that was cut off may not end well.
        sys.stdout.flush()
        os._exit(0)


if __name__ == '__main__':
    main(*sys.argv[1:])
