# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that images are imported from."""

from tests.lab import service


class ImageSource(service.Service):
    """Serves the directory ``www`` of the lab, at the central site."""

    def __init__(self, lab):
        super().__init__(lab, 'image-source')
        self.directory = lab.path('www')

    @property
    def listening_port(self):
        return self.lab.port('image-source')

    def prepare(self):
        self.directory.mkdir(exist_ok=True)

    def command(self):
        return [self.lab.program('python'), '-m', 'http.server',
                str(self.listening_port), '--bind', self.lab.address(),
                '--directory', self.directory]

    def url(self, name):
        """Return the URL of a file in the directory."""
        return f'{self.lab.url("image-source")}/{name}'
