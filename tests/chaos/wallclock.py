# SPDX-License-Identifier: Apache-2.0
"""Make the wall clock of single processes wrong, and leave all others alone.

A time namespace has no wall clock of its own, and libfaketime of Debian 12
cannot leave the monotonic clock alone without breaking ``sleep``. So this is a
small library of ours, see ``wallclock.c``. What waits until a time of day on
the kernel's clock does not notice.
"""

import pathlib
import struct
import subprocess

from tests.lab import deadline

_SOURCE = pathlib.Path(__file__).with_name('wallclock.c')
_ROW = struct.Struct('ll')
_ROWS = 64


class WallClocks:
    """The clocks of the processes that were started with ``environment``.

    :param directory: for the library and its table.
    :raises deadline.LabError: if it cannot be compiled.
    """

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        self._library = directory / 'wallclock.so'
        self._table = directory / 'wallclock'
        self._table.write_bytes(bytes(_ROW.size * _ROWS))
        self._jumps = {}
        done = subprocess.run(
            ['gcc', '-O2', '-shared', '-fPIC', '-o', str(self._library),
             str(_SOURCE), '-ldl'], capture_output=True, text=True,
            timeout=60)
        if done.returncode:
            raise deadline.LabError(f'{_SOURCE}: {done.stderr[-500:]}')

    @property
    def environment(self):
        """What a process needs in its environment."""
        return {'LD_PRELOAD': str(self._library),
                'DCN_WALL_CLOCK': str(self._table)}

    def jump(self, pid, seconds):
        """Make the clock of one process wrong by some seconds, or right."""
        self._jumps.pop(pid, None)
        if seconds:
            self._jumps[pid] = seconds
        rows = list(self._jumps.items())[-_ROWS + 1:]
        data = b''.join(_ROW.pack(*row) for row in rows)
        with self._table.open('r+b') as table:
            table.write(data.ljust(_ROW.size * _ROWS, b'\0'))
