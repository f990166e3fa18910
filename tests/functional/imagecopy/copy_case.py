# SPDX-License-Identifier: Apache-2.0
"""A test with images that are copied between real clusters."""

import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import tempfile

import testtools

from dcn_plugins import exceptions  # noqa: F401
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import service
from tests.functional.imagecopy import rig

MIB = 1 << 20


class RigTestCase(testtools.TestCase):
    """One rig for a class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rig = rig.Rig()
        cls.rig.setUp()
        cls.addClassCleanup(cls.rig.cleanUp)


class CopyTestCase(RigTestCase):
    """Images that are removed after the test."""

    def setUp(self):
        super().setUp()
        self.prefix = f'copy-{secrets.token_hex(4)}'
        for site in (rig.SOURCE, rig.TARGET):
            self.addCleanup(self.remove_all, site)

    def remove_all(self, site):
        """Remove what the test has made, clones before their parents."""
        for _round in range(3):
            for name in self.names(site):
                with contextlib.suppress(subprocess.CalledProcessError):
                    self.command(site, 'snap', 'unprotect',
                                 f'{rig.POOL}/{name}@snap')
                with contextlib.suppress(subprocess.CalledProcessError):
                    self.command(site, 'snap', 'purge', '--no-progress',
                                 f'{rig.POOL}/{name}')
                with contextlib.suppress(subprocess.CalledProcessError):
                    self.command(site, 'rm', '--no-progress',
                                 f'{rig.POOL}/{name}')

    def names(self, site):
        """Return the names of the images of the test."""
        return [name for name in self.command(
            site, 'ls', rig.POOL).decode().split()
            if name.startswith(self.prefix)]

    def command(self, site, *arguments, data=None):
        """Run ``rbd`` and return what it prints."""
        return subprocess.run(
            ['rbd', '-c', self.rig.conf(site), *arguments], input=data,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True,
            timeout=120).stdout

    def image(self, name, size, parts, *options, is_frozen=True):
        """Make an image at the source; return its name and its content.

        :param parts: ``(offset, bytes)``; written by ``qemu-io``, so that
            what is not written is a hole.
        """
        name = f'{self.prefix}-{name}'
        place = f'{rig.POOL}/{name}'
        self.command(rig.SOURCE, 'create', '--size', f'{size}B', *options,
                     place)
        content = bytearray(size)
        with tempfile.TemporaryDirectory() as scratch:
            for offset, data in parts:
                data = data[:max(0, size - offset)]
                content[offset:offset + len(data)] = data
                self.write(scratch, place, offset, data)
        if is_frozen:
            self.freeze(place)
        return name, bytes(content)

    def write(self, scratch, place, offset, data):
        """Write at an offset, and nowhere else."""
        if not data:
            return
        path = os.path.join(scratch, 'data')
        with open(path, 'wb') as found:
            found.write(data)
        target = f'rbd:{place}:conf={self.rig.conf(rig.SOURCE)}'
        subprocess.run(
            ['qemu-io', '-f', 'raw', '-c',
             f'write -q -s {path} {offset} {len(data)}', target],
            check=True, timeout=60, stdout=subprocess.DEVNULL)

    def freeze(self, place):
        self.command(rig.SOURCE, 'snap', 'create', '--no-progress',
                     f'{place}@snap')
        self.command(rig.SOURCE, 'snap', 'protect', f'{place}@snap')

    def place(self, site):
        return requests.Place(site, self.rig.conf(site), 'admin', rig.POOL)

    def request(self, name, **options):
        return requests.CopyRequest(**{
            'image_id': name, 'name': name,
            'sources': (self.place(rig.SOURCE),),
            'targets': (self.place(rig.TARGET),), **options})

    def copy(self, name, **options):
        """Copy an image and return its result."""
        found = service.copy(self.request(name, **options), lambda _: None)
        return found[rig.TARGET]

    def exported(self, name, site=rig.TARGET):
        """Return the SHA-512 of a copy, as another program reads it."""
        shown = subprocess.Popen(
            ['rbd', '-c', self.rig.conf(site), 'export', '--no-progress',
             f'{rig.POOL}/{name}@snap', '-'], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        found = hashlib.sha512()
        for data in iter(lambda: shown.stdout.read(1 << 20), b''):
            found.update(data)
        shown.stdout.close()
        self.assertEqual(0, shown.wait(60))
        return found.hexdigest()

    def assert_copied(self, name, content, **options):
        """Copy an image and demand that the copy is the same."""
        wanted = hashlib.sha512(content).hexdigest()
        result = self.copy(name, hash_value=wanted, **options)
        self.assertIsNone(result.error)
        self.assertEqual(requests.Outcome.COPIED, result.outcome)
        self.assertEqual(wanted, self.exported(name))
        self.assertEqual([name], [found for found in self.names(rig.TARGET)
                                  if found.startswith(name)])
        return result

    def rados(self, site, verb, name, data=None, *more):
        """Run ``rados`` on an object."""
        return subprocess.run(
            ['rados', '-c', self.rig.conf(site), '-p', rig.POOL, verb, name,
             *(['-'] if data is not None else []), *more],
            input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            check=True, timeout=60).stdout

    def overwrite(self, site, name, offset, data):
        """Change an object behind the back of RBD, also for snapshots.

        With no context of snapshots there is no clone of the object, and what
        a snapshot reads of it is the changed one.
        """
        with tempfile.NamedTemporaryFile() as scratch:
            scratch.write(data)
            scratch.flush()
            subprocess.run(
                ['rados', '-c', self.rig.conf(site), '-p', rig.POOL, 'put',
                 name, scratch.name, '--offset', str(offset)], check=True,
                timeout=60)


def json_field(text, name):
    """Return a field of a JSON object."""
    return json.loads(text)[name]
