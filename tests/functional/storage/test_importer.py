# SPDX-License-Identifier: Apache-2.0
"""Files to images and back, beside what the command ``rbd`` makes of them."""

import errno
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import uuid

import fixtures
from testtools import matchers

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import importer
from dcn_plugins import exceptions
from tests.functional.storage import rados_case

ROOT = pathlib.Path(__file__).parents[3]
WAIT_SECONDS = 180
MIB = 1 << 20
ORDER = 22

# What a file system needs to know where the data are.
SLACK = 16384

# As cinder-volume does it under eventlet: in a native thread of its pool.
SERVICE = """
import eventlet
eventlet.monkey_patch()

import json
import sys
import time

from eventlet import patcher
from eventlet import tpool
import rados
import rbd

from dcn_plugins.ceph import importer

conf, user, pool, name, source, target = sys.argv[1:]
client = rados.Rados(conffile=conf, rados_id=user)
client.connect()
ioctx = client.open_ioctx(pool)
threading = patcher.original('threading')
ticks = []


def tick():
    while True:
        ticks.append(time.monotonic())
        eventlet.sleep(0.01)


def read():
    with rbd.Image(ioctx, name, read_only=True) as image:
        importer.read_image(rbd, image, target, lambda: None)


eventlet.spawn(tick)
eventlet.sleep(0.1)
started = time.monotonic()
tpool.execute(importer.write_image, rbd, ioctx, name, source, 22, None,
              lambda: None)
tpool.execute(read)
seconds = time.monotonic() - started
during = [moment for moment in ticks if moment > started]
ioctx.close()
client.shutdown()
print(json.dumps({'seconds': seconds, 'pause': max(
    b - a for a, b in zip([started] + during, during + [started + seconds]))}))
"""


class Lost(Exception):
    """The lock is lost."""


class ImporterTestCase(rados_case.RadosTestCase):

    def setUp(self):
        super().setUp()
        self.rbd = bindings.rbd()
        self.directory = self.useFixture(fixtures.TempDir())
        self.own = self.client()
        self.ioctx = self.own.open_ioctx(self.rig.pool)
        self.addCleanup(self.ioctx.close)
        self.checks = 0

    def check(self):
        self.checks += 1

    def name(self):
        name = f'importer-{uuid.uuid4()}'
        self.addCleanup(self.forget, name)
        return name

    def forget(self, name):
        if name in self.rbd.RBD().list(self.ioctx):
            self.rbd.RBD().remove(self.ioctx, name)

    def file(self, size, *parts):
        """Return the path of a file with some parts, the rest is a hole."""
        path = self.directory.join(str(uuid.uuid4()))
        with open(path, 'wb') as opened:
            for position, data in parts:
                opened.seek(position)
                opened.write(data)
            opened.truncate(size)
        return path

    def noise(self, size):
        return random.Random(size).randbytes(size)

    def write(self, name, path, **options):
        importer.write_image(
            self.rbd, options.pop('ioctx', self.ioctx), name, path,
            **{'order': ORDER, 'features': None, 'check': self.check,
               **options})

    def read(self, name, check=None, snapshot=None):
        path = self.directory.join(str(uuid.uuid4()))
        with self.rbd.Image(self.ioctx, name, snapshot,
                            read_only=True) as image:
            self.read_into(image, path, check or self.check)
        return path

    def read_into(self, image, path, check):
        importer.read_image(self.rbd, image, path, check)

    def export(self, image):
        path = self.directory.join(str(uuid.uuid4()))
        self.rig.rbd('export', f'{self.rig.pool}/{image}', path)
        return path

    def info(self, name):
        found = json.loads(self.rig.rbd(
            'info', f'{self.rig.pool}/{name}', '--format', 'json'))
        return {key: found[key] for key in (
            'size', 'order', 'format', 'features', 'flags')}

    def objects(self, name):
        with self.rbd.Image(self.ioctx, name, read_only=True) as image:
            prefix = image.block_name_prefix()
        return sorted(
            (found.key.removeprefix(prefix), self.ioctx.stat(found.key)[0])
            for found in self.ioctx.list_objects()
            if found.key.startswith(prefix))

    def assertSameContent(self, one, other):
        with open(one, 'rb') as first, open(other, 'rb') as second:
            while True:
                data = first.read(MIB)
                self.assertTrue(data == second.read(MIB), 'they differ')
                if not data:
                    return


class LikeTheCommandTest(ImporterTestCase):

    def files(self):
        noise = self.noise(3 * MIB)
        # A hole, zeros that are written, parts that begin and end anywhere.
        yield self.file(
            64 * MIB + 1234567, (0, noise[:5]), (5 * MIB, noise),
            (9 * MIB + 4095, noise[:2]), (13 * MIB, bytes(7 * MIB)),
            (24 * MIB - 3, noise[:6]), (40 * MIB, bytes(4096) + noise[:8192]
                                        + bytes(100000) + noise[:1]))
        yield self.file(3, (0, b'abc'))
        yield self.file(8 * MIB)
        yield self.file(8 * MIB, (0, bytes(8 * MIB)))
        yield self.file(12 * MIB, (0, self.noise(12 * MIB)))
        yield self.file(4 * MIB + 1, (4 * MIB, b'x'))

    def used(self, path):
        """Return how many bytes are in blocks that have some data."""
        with open(path, 'rb') as opened:
            return sum(len(block) for block in iter(
                lambda: opened.read(4096), b'') if any(block))

    def test_the_image_is_the_same(self):
        for path in self.files():
            ours, theirs = self.name(), self.name()
            self.write(ours, path)
            self.rig.rbd('import', '--dest-pool', self.rig.pool, '--order',
                         str(ORDER), path, theirs)
            self.assertEqual(self.info(theirs), self.info(ours))
            self.assertEqual(self.objects(theirs), self.objects(ours))
            self.assertSameContent(path, self.export(ours))

    def test_the_file_is_the_same(self):
        for path in self.files():
            name = self.name()
            self.write(name, path)
            read = self.read(name)
            self.assertSameContent(path, read)
            # Holes stay holes, and zeros become some.
            self.assertLessEqual(512 * os.stat(read).st_blocks,
                                 self.used(path) + SLACK)

    def test_objects_of_other_sizes(self):
        for order, mib in ((12, 1), (20, 8), (25, 64)):
            path = self.file(mib * MIB, (mib * 9999, self.noise(mib << 19)))
            name = self.name()
            self.write(name, path, order=order, features=1)
            self.assertEqual(order, self.info(name)['order'])
            self.assertEqual(['layering'], self.info(name)['features'])
            self.assertSameContent(path, self.read(name))

    def test_clones_and_snapshots(self):
        name, clone = self.name(), self.name()
        self.write(name, self.file(20 * MIB, (MIB, self.noise(6 * MIB))))
        with self.rbd.Image(self.ioctx, name) as image:
            image.create_snap('s1')
            self.addCleanup(self.forget_snapshot, name, 's1')
            image.protect_snap('s1')
            image.write(b'later', 12 * MIB)
        self.rbd.RBD().clone(self.ioctx, name, 's1', self.ioctx, clone,
                             features=61)
        self.addCleanup(self.forget, clone)
        with self.rbd.Image(self.ioctx, clone) as image:
            image.write(b'own', 2 * MIB)
            image.write(b'own', 17 * MIB)
            image.discard(4 * MIB, 8192)
        for image, snapshot in ((name, None), (name, 's1'), (clone, None)):
            full = f'{image}@{snapshot}' if snapshot else image
            self.assertSameContent(self.export(full),
                                   self.read(image, snapshot=snapshot))

    def forget_snapshot(self, name, snapshot):
        with self.rbd.Image(self.ioctx, name) as image:
            image.unprotect_snap(snapshot)
            image.remove_snap(snapshot)


class FailureTest(ImporterTestCase):

    def big(self):
        return self.file(80 * MIB, (0, self.noise(80 * MIB)))

    def images(self):
        return self.rbd.RBD().list(self.ioctx)

    def test_an_image_that_is_there_is_left_alone(self):
        name = self.name()
        first = self.file(MIB, (0, b'first'))
        self.write(name, first)
        error = self.assertRaises(exceptions.CephRefused, self.write, name,
                                  self.file(2 * MIB, (0, b'second')))
        self.assertEqual(errno.EEXIST, error.errno)
        self.assertSameContent(first, self.read(name))

    def test_an_empty_file_is_refused(self):
        name = self.name()
        self.assertRaises(exceptions.CephRefused, self.write, name,
                          self.file(0))
        self.assertRaises(FileNotFoundError, self.write, name, '/nowhere')
        self.assertNotIn(name, self.images())

    def test_it_is_checked_before_each_write(self):
        self.write(self.name(), self.file(20 * MIB, (0, b'one'), (
            8 * MIB, b'two')))
        # The creation, and two writes.
        self.assertGreaterEqual(self.checks, 3)

    def test_a_lock_that_is_lost_stops_it_and_the_image_stays(self):
        name = self.name()
        path = self.big()
        for number in (1, 2, 5):
            checks = itertools.count(1)

            def check(checks=checks, number=number):
                # Only once; it is lost for good all the same.
                if next(checks) == number:
                    raise Lost

            self.assertRaises(Lost, self.write, name, path, check=check)
            self.assertEqual(number > 1, name in self.images())
            # It is closed: nobody watches it, so it can be removed.
            self.forget(name)

    def test_half_an_image_is_removed(self):
        name = self.name()

        def progress(position, size):
            if position > 10 * MIB:
                raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, self.write, name, self.big(),
                          progress=progress)
        self.assertNotIn(name, self.images())

    def test_a_file_that_becomes_shorter(self):
        name = self.name()
        path = self.big()
        self.assertRaises(
            OSError, self.write, name, path,
            progress=lambda position, size: os.truncate(path, 6 * MIB))
        self.assertNotIn(name, self.images())

    def test_progress(self):
        seen = []
        self.write(self.name(), self.file(9 * MIB, (0, b'a'), (8 * MIB, b'b')),
                   progress=lambda *at: seen.append(at))
        self.assertEqual([(0, 9 * MIB), (8 * MIB, 9 * MIB),
                          (9 * MIB, 9 * MIB)], seen)

    def test_a_client_that_is_cut_off(self):
        path = self.file(12 * MIB, (0, self.noise(12 * MIB)))
        # Between two writes, and when only the flush can tell.
        for cut_off_at in (4 * MIB, 8 * MIB):
            name = self.name()
            client = self.client()

            def progress(position, size, at=cut_off_at, client=client):
                if position == at:
                    self.cut_off(client)

            with client.open_ioctx(self.rig.pool) as ioctx:
                error = self.assertRaises(
                    exceptions.Fenced, self.write, name, path, ioctx=ioctx,
                    progress=progress)
            self.assertIs(exceptions.Outcome.PARTIAL, error.outcome)
            # Whoever has cut us off decides what becomes of it.
            self.assertIn(name, self.images())

    def cut_off(self, client):
        self.own.blocklist_add(client.get_addrs(), 60)
        # All OSDs know it from us.
        for number in range(8):
            name = f'importer-{uuid.uuid4()}'
            self.ioctx.write_full(name, b'')
            self.ioctx.remove_object(name)

    def test_a_file_that_is_there_is_left_alone(self):
        name = self.name()
        self.write(name, self.file(MIB))
        path = self.file(3, (0, b'abc'))
        with self.rbd.Image(self.ioctx, name, read_only=True) as image:
            self.assertRaises(FileExistsError, self.read_into, image, path,
                              self.check)
        self.assertThat(path, matchers.FileContains('abc'))

    def test_half_a_file_is_removed(self):
        name = self.name()
        self.write(name, self.big())
        before = sorted(os.listdir(self.directory.path))
        for number in (1, 3, 12):
            left = [None] * number

            def check(left=left):
                if not left:
                    raise Lost
                left.pop()

            self.assertRaises(Lost, self.read, name, check)
            self.assertEqual(before, sorted(os.listdir(self.directory.path)))


class ThreadTest(ImporterTestCase):

    def test_under_eventlet_nobody_else_waits(self):
        name = self.name()
        source = self.file(128 * MIB, (0, self.noise(64 * MIB)))
        target = self.directory.join('target')
        out = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', SERVICE, self.rig.conf,
             self.rig.user, self.rig.pool, name, source, target],
            cwd=ROOT, check=True, capture_output=True, text=True,
            timeout=WAIT_SECONDS).stdout
        self.assertSameContent(source, target)
        seen = json.loads(out)
        self.assertLess(seen['pause'], max(0.2, seen['seconds'] / 2))
