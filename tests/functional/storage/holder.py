# SPDX-License-Identifier: Apache-2.0
"""A cinder-volume that dies, or stands still, at one call of librbd.

Processes of a server that has loaded all that they need, and has done nothing
else: they are many, and loading takes longer than what they do.
"""

import multiprocessing
import os
import signal

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


def start(directory, when, call, number, operation, ids):
    """Start a holder; return its process, and what it says at its end.

    :param when: ``before`` or ``after`` the call; ``number`` names the signal
        that it sends itself. With SIGSTOP it goes on when it is told to.
    :returns: a ``multiprocessing.Process`` and a ``Connection`` that has how
        its operation has ended.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])
    ours, its = context.Pipe(duplex=False)
    process = context.Process(
        target=_hold, args=(its, directory, when, call, number, operation,
                            *ids), daemon=True)
    process.start()
    its.close()
    return process, ours


def _hold(told, directory, when, call, number, operation, *ids):
    """Run the operation up to its end, or to that of this process."""
    with rig.Rig(directory) as site:
        service = volume_service.VolumeService(site)
        stop_at(when, call, getattr(signal, number))
        try:
            getattr(service, operation)(*arguments(operation, ids))
        except BaseException as exc:
            told.send(f'{type(exc).__name__}: {exc}')
        else:
            told.send('done')
        # Not service.close(): a process that was cut off may not end well.
        os._exit(0)
