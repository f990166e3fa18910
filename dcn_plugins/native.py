# SPDX-License-Identifier: Apache-2.0
"""Threads, sockets and Python itself, also under eventlet or uWSGI.

A service that runs under eventlet has one thread for everything, and a call of
a C library stops all of it. What keeps a lease alive has to go on meanwhile,
so it may use nothing that waits for eventlet: neither a socket nor a lock nor
a log handler of the service.
"""

import http.client
import importlib
import os
import sys


def module(name):
    """Return a module of the standard library as it was before eventlet.

    :param name: like ``threading``.
    """
    # eventlet is there if it has changed anything, else there is nothing to
    # undo; it is never imported from here.
    patcher = sys.modules.get('eventlet.patcher')
    if patcher is None or not any(map(patcher.is_monkey_patched, (
            'thread', 'socket'))):
        return importlib.import_module(name)
    if name != 'ssl':
        return patcher.original(name)
    # It takes its class of sockets from whatever is called socket when it is
    # imported.
    patched = sys.modules['socket']
    sys.modules['socket'] = patcher.original('socket')
    try:
        return patcher.original('ssl')
    finally:
        sys.modules['socket'] = patched


def interpreter():
    """Return a Python with our modules: uWSGI is none itself."""
    if os.path.basename(sys.executable or '').startswith('python'):
        return sys.executable
    return os.path.join(sys.prefix, 'bin', 'python3')


def ssl_context(ca_cert=None, certificate=None, key=None, is_native=True):
    """Return a context for TLS that checks the server, and its name.

    :param is_native: whether it is for :class:`Connection`, and not for the
        sockets of the service.
    :param ca_cert: file with the authorities; those of the system if None.
    :param certificate: file with the client's certificate, if it has one.
    :param key: file with its key, if that is another one.
    :raises OSError: for a file that is not there or of no use.
    """
    ssl = module('ssl') if is_native else importlib.import_module('ssl')
    context = ssl.create_default_context(cafile=ca_cert)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


class Connection(http.client.HTTPConnection):
    """A connection whose socket blocks the thread and nothing else.

    :param context: of :func:`ssl_context`, or None for plain HTTP.
    """

    def __init__(self, host, port, timeout, context=None):
        super().__init__(host, port, timeout=timeout)
        self._context = context

    def connect(self):
        """Connect; raises OSError."""
        socket = module('socket')
        self.sock = socket.create_connection((self.host, self.port),
                                             self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context:
            self.sock = self._context.wrap_socket(
                self.sock, server_hostname=self.host)
