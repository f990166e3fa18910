# SPDX-License-Identifier: Apache-2.0
"""A holder dies, or stands still past its lease; the next one takes over.

Whatever the first one has left half done must be as if it had never begun,
or as if it had ended; and he must not change anything when he wakes up.
"""

import os
import pathlib
import signal
import time

import fixtures
import testscenarios
import testtools

from dcn_plugins.ceph import markers
from tests.functional.storage import holder
from tests.functional.storage import rig
from tests.functional.storage import volume_service
from tests.lab import deadline

SERVER = holder.Server()
# Without a takeover it would be left for ever. Four holders may be dead at
# once on a busy machine, and whoever sweeps ends the work of all; how fast one
# is belongs to the benches.
TAKEOVER_SECONDS = 120

load_tests = testscenarios.load_tests_apply_scenarios

# Operation and call of librbd; what is there after the next one has deleted
# the source, respectively looked at it.
CALLS = [
    ('create', 'create'),
    ('clone', 'create_snap'), ('clone', 'protect_snap'), ('clone', 'clone'),
    ('create_from_snapshot', 'clone'),
    ('snapshot', 'create_snap'), ('snapshot', 'protect_snap'),
    ('delete', 'remove'),
    ('delete_snapshot', 'unprotect_snap'), ('delete_snapshot', 'remove_snap'),
    ('revert', 'rollback_to_snap'),
]


class TakeoverTest(testtools.TestCase):

    scenarios = [
        (f'{number} {when} {call} of {operation}'.replace(' ', '-'), {
            'operation': operation, 'call': call, 'when': when,
            'number': number})
        for operation, call in CALLS
        for when, number in (('before', 'SIGKILL'), ('after', 'SIGKILL'),
                             ('before', 'SIGSTOP'))]

    def setUp(self):
        super().setUp()
        self.rig = self.useFixture(rig.Rig())
        self.told = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'told'
        self.service = volume_service.VolumeService(self.rig)
        self.addCleanup(self.service.close)
        self.volume = volume_service.volume()
        self.made = volume_service.volume()
        self.snapshot = volume_service.snapshot(self.volume)
        if self.operation != 'create':
            self.service.create(self.volume)
        if self.operation in ('create_from_snapshot', 'delete_snapshot',
                              'revert'):
            self.service.snapshot(self.snapshot)

    def test_it_is_as_if_it_had_never_begun_or_had_ended(self):
        pid = self.holder()
        begun = time.monotonic()
        self.settle()
        self.assertLess(time.monotonic() - begun, TAKEOVER_SECONDS)
        self.check()
        if self.number == 'SIGSTOP':
            os.kill(pid, signal.SIGCONT)
            deadline.wait('the end of the holder', self.told.exists, 60)
            end = self.told.read_text()
            self.assertNotIn('done', end, 'it says that all went well')
            self.assertRegex(end, 'LockFailure|Lock')
            # Nothing of his came through.
            self.check()
        self.clear()
        self.assertEqual((set(), set()), self.names())
        self.assertEqual([], self.markers())
        self.assertEqual([], self.left_behind())

    def holder(self):
        """Return the pid of one that has died, or stopped, at the call."""
        ids = {'clone': [self.volume.id, self.made.id],
               'create_from_snapshot': [self.volume.id, self.snapshot.id,
                                        self.made.id]}.get(
            self.operation, [self.volume.id, self.snapshot.id])
        pid = SERVER.start(
            self.told, self.rig.lab.directory, self.when, self.call,
            self.number, self.operation, ids)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        # The server does not wait for its children: they are there.
        state = 'T' if self.number == 'SIGSTOP' else 'Z'
        deadline.wait(f'the holder being in state {state}',
                      lambda: self.state(pid) == state, 60, 0.05)
        self.assertFalse(self.told.exists(), 'it has come to its end')
        return pid

    @staticmethod
    def state(pid):
        with open(f'/proc/{pid}/stat') as stat:
            return stat.read().rpartition(')')[2].split()[0]

    def settle(self):
        """Have whatever was left be ended."""
        self.assertTrue(self.service.settle(
            [self.volume.name, self.made.name], TAKEOVER_SECONDS),
            'it is left')

    # Other tests use the same pool and the same etcd.

    def is_ours(self, text):
        return any(made.id in text for made in (
            self.volume, self.made, self.snapshot))

    def left_behind(self):
        return [left for left in
                self.service.driver.backend.locks().left_behind()
                if self.is_ours(left.record)]

    def names(self):
        return tuple(set(filter(self.is_ours, names))
                     for names in self.service.names())

    def check(self):
        images, trash = self.names()
        self.assertEqual(set(), trash)
        is_there = self.operation not in ('create', 'delete')
        self.assertEqual({self.volume.name} if is_there else set(), images)
        if is_there:
            expected = {self.snapshot.name} if self.operation in (
                'create_from_snapshot', 'revert') else set()
            self.assertEqual(expected,
                             self.service.snapshots(self.volume.name))

    def clear(self):
        if self.operation in ('create_from_snapshot', 'revert'):
            self.service.delete_snapshot(self.snapshot)
        self.service.delete(self.volume)

    def markers(self):
        with self.service.ioctx() as ioctx:
            return list(filter(self.is_ours,
                               markers.Markers(ioctx).everything()))
