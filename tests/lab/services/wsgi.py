# SPDX-License-Identifier: Apache-2.0
"""An API of OpenStack under uWSGI.

Debian's, as PyPI's has to be compiled for most of a minute.
"""

import http.client

from tests.lab import service


class API(service.Service):
    """One WSGI application behind uWSGI's own HTTP socket."""

    module = None
    threads = 4

    def __init__(self, lab, name):
        super().__init__(lab, name)

    @property
    def listening_port(self):
        return self.lab.port(self.name)

    def command(self):
        # "Connection: close": otherwise clients see resets.
        # --py-sys-executable: oslo.concurrency starts sys.executable, which
        # would be uwsgi.
        return [
            '/usr/bin/uwsgi-core', '--plugin', 'python3', '--virtualenv',
            self.lab.venv, '--http-socket',
            f'{self.lab.address()}:{self.listening_port}',
            '--add-header', 'Connection: close', '--module', self.module,
            '--processes', '1', '--threads', str(self.threads), '--master',
            '--die-on-term', '--need-app', '--lazy-apps', '--enable-threads',
            '--thunder-lock', '--buffer-size', '65535', '--socket-timeout',
            '300', '--disable-logging', '--log-5xx', '--log-4xx',
            '--py-sys-executable', self.lab.program('python')]

    def is_ready(self):
        # uWSGI listens before the application is loaded.
        return super().is_ready() and answers(self.lab.address(),
                                              self.listening_port)


def answers(address, port):
    """Say whether an HTTP server answers ``GET /`` without a server error."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request('GET', '/')
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
