# SPDX-License-Identifier: Apache-2.0
"""A stand-in for neutron-server that has no networks and no ports.

Nova asks for ports even for servers without NICs; without an answer every
GET /servers is a 500. Networks are not what this lab is about.
"""

import http.server
import json
import pathlib
import sys

from tests.lab import service


class NeutronStub(service.Service):
    """The stand-in, at the central site."""

    def __init__(self, lab):
        super().__init__(lab, 'neutron-stub')

    @property
    def listening_port(self):
        return self.lab.port('neutron-stub')

    def command(self):
        return [self.lab.program('python'), '-m', __spec__.name,
                self.lab.address(), str(self.listening_port)]

    def environment(self):
        # The lab's own module: the checkout has to be on the path.
        return {'PYTHONPATH': str(pathlib.Path(__file__).parents[3])}


def answer(path):
    """Return the body for a GET: nothing of whatever is asked for."""
    last = path.split('?')[0].rstrip('/').rsplit('/', 1)[-1]
    if not last:
        return {'versions': [{'id': 'v2.0', 'status': 'CURRENT',
                              'links': []}]}
    if last == 'v2.0':
        return {'resources': []}
    return {last.replace('-', '_').removesuffix('.json'): []}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer every GET with an empty list."""

    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        """Answer one request."""
        data = json.dumps(answer(self.path)).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == '__main__':
    http.server.ThreadingHTTPServer(
        (sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
