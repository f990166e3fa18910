# SPDX-License-Identifier: Apache-2.0
"""A cinder-volume that dies, or stands still, at one call of librbd.

Processes of a server that has loaded all that they need, and has done nothing
else: they are many, and loading takes longer than what they do. The server is
the command of this module; it ends with its standard input. No ``forkserver``
of multiprocessing, which there is not under eventlet.
"""

import atexit
import json
import os
import signal
import subprocess
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


class Server:
    """What starts holders for one process of tests.

    :param directory: where ``dcn_plugins`` and ``tests`` are, if not here.
    """

    def __init__(self, directory=None):
        self._directory = directory
        self._process = None

    def start(self, told, directory, when, call, number, operation, ids):
        """Start a holder and return its pid.

        :param told: path of a file that gets how its operation has ended.
        :param when: ``before`` or ``after`` the call; ``number`` names the
            signal that it sends itself. With SIGSTOP it goes on when it is
            told to.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, '-m', __name__], cwd=self._directory,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                bufsize=1)
            atexit.register(self.close)
        print(json.dumps([str(told), str(directory), when, call, number,
                          operation, *ids]), file=self._process.stdin)
        return int(self._process.stdout.readline())

    def close(self):
        """End the server; those that it has started live on."""
        atexit.unregister(self.close)
        if self._process is not None:
            # Not communicate(): they have its standard output, too.
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()
        self._process = None


def _hold(told, directory, when, call, number, operation, *ids):
    """Run the operation up to its end, or to that of this process."""
    with rig.Rig(directory) as site:
        service = volume_service.VolumeService(site, ttl=3)
        stop_at(when, call, getattr(signal, number))
        try:
            getattr(service, operation)(*arguments(operation, ids))
            end = 'done'
        except BaseException as exc:
            end = f'{type(exc).__name__}: {exc}'
        # At once whole: somebody waits for it.
        with open(f'{told}.new', 'w') as written:
            written.write(end)
        os.replace(f'{told}.new', told)


def main():
    """Start a holder for each line, and answer with its pid."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            try:
                _hold(*json.loads(line))
            finally:
                # Not service.close(): one that was cut off may not end well.
                os._exit(0)
        print(pid, flush=True)


if __name__ == '__main__':
    main()
