# SPDX-License-Identifier: Apache-2.0
"""Keep what a server sends from one process of several.

librados knows its servers by their addresses, so no proxy can stand in
between. But the kernel lets the administrator reach into the sockets of a
process: a filter there drops every packet that comes in, also what says that
something has arrived. What the process sends arrives, if it fits; a new
connection is seen within some milliseconds.
"""

import contextlib
import ctypes
import os
import pathlib
import socket
import struct
import threading

_PIDFD_GETFD = 438  # the same number on all architectures
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_RETURN = 0x06  # BPF_RET | BPF_K
_LOOK_SECONDS = 0.01

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Silence:
    """A context in which a process hears nothing of some servers.

    :param pid: of the process.
    :param ports: on which the servers listen.
    """

    def __init__(self, pid, ports):
        self._pid = pid
        self._ports = frozenset(ports)
        self._stop = threading.Event()
        # It was looked for new connections since this was cleared.
        self.looked = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        self._thread.join()
        _on_sockets(self._pid, self._ports, _let_in)

    def _run(self):
        while not self._stop.wait(_LOOK_SECONDS):
            _on_sockets(self._pid, self._ports, _drop)
            self.looked.set()


def _on_sockets(pid, ports, act):
    """Call a function with each connection of a process to some ports."""
    # The process, or a connection of it, may go at any moment.
    with contextlib.suppress(OSError):
        pidfd = os.pidfd_open(pid)
        try:
            inodes = _connections(pid, ports)
            for entry in os.scandir(f'/proc/{pid}/fd'):
                with contextlib.suppress(OSError):
                    if os.readlink(entry.path) in inodes:
                        _reach(pidfd, int(entry.name), act)
        finally:
            os.close(pidfd)


def _connections(pid, ports):
    lines = pathlib.Path(f'/proc/{pid}/net/tcp').read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return {f'socket:[{one[9]}]' for one in fields
            if int(one[2].rsplit(':', 1)[1], 16) in ports}


def _reach(pidfd, number, act):
    copied = _libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
    if copied < 0:
        raise OSError(ctypes.get_errno(), 'pidfd_getfd')
    with socket.socket(fileno=copied) as reached:
        act(reached)


def _drop(reached):
    line = ctypes.create_string_buffer(struct.pack('HBBI', _RETURN, 0, 0, 0))
    program = struct.pack('HP', 1, ctypes.addressof(line))
    reached.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _let_in(reached):
    # Not for one that was opened a moment ago.
    with contextlib.suppress(FileNotFoundError):
        reached.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
