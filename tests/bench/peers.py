# SPDX-License-Identifier: Apache-2.0
"""The commands that operators copy an image with, from cluster to cluster.

What has to run one after the other is a list of pipelines; see
:mod:`tests.bench.commands`.
"""

from tests.bench import commands

_QEMU = ('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', '-W', '-m',
         '16')


class Peers:
    """Copies of images of one size from one pool to that of another cluster.

    :param source: path of the ceph.conf to read with; ``target``: to write
        with.
    :param size: of the images in bytes.
    """

    def __init__(self, source, target, pool, size):
        self._source = source
        self._target = target
        self._pool = pool
        self._size = size

    def create(self, name):
        """An empty image as Glance makes it."""
        return [[self._rbd('create', '--size', f'{self._size}B',
                           '--object-size', '8M', name)]]

    def freeze(self, name):
        """What Glance needs before anybody can use an image."""
        return [[self._rbd('snap', 'create', '--no-progress', f'{name}@snap')],
                [self._rbd('snap', 'protect', f'{name}@snap')]]

    def qemu_img(self, name):
        """The data, by many requests at once."""
        return [*self.create(name), [[
            *_QEMU, f'rbd:{self._pool}/{name}@snap:conf={self._source}',
            f'rbd:{self._pool}/{name}:conf={self._target}']]]

    def export(self, name):
        """The image as a stream."""
        return [self._piped('', name)]

    def export_diff(self, name):
        """What is there as a stream."""
        return [*self.create(name), self._piped('-diff', name)]

    def _piped(self, verb, name):
        return [rbd(self._source, self._pool, f'export{verb}',
                    '--no-progress', f'{name}@snap', '-'),
                self._rbd(f'import{verb}', '--no-progress', '-', name)]

    def _rbd(self, *arguments):
        return rbd(self._target, self._pool, *arguments)


def rbd(conf, pool, *arguments):
    """Return the words of a command of rbd."""
    return ['rbd', '-c', conf, '-p', pool, *arguments]


def drop(conf, pool, name):
    """Remove an image with its snapshot."""
    commands.run(rbd(conf, pool, 'snap', 'unprotect', f'{name}@snap'),
                 is_checked=False)
    commands.run(rbd(conf, pool, 'snap', 'purge', '--no-progress', name))
    commands.run(rbd(conf, pool, 'rm', '--no-progress', name))
