# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

from tests.lab import cleanup
from tests.lab import deadline
from tests.lab import layout
from tests.lab import process


class ProcessTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        scratch = tempfile.TemporaryDirectory(prefix='l', dir='/tmp')
        self.addCleanup(scratch.cleanup)
        self.lab = layout.Layout.create(pathlib.Path(scratch.name, 'lab'))
        self.addCleanup(process.sweep, self.lab.directory)

    def spawn(self, *argv, name='it'):
        made = process.Process(self.lab, name)
        made.spawn(argv, layout.CENTRAL)
        return made

    def test_a_process_is_found_by_a_later_command(self):
        self.spawn('sleep', '60')
        later = process.Process(self.lab, 'it')
        self.assertTrue(later.is_alive)
        later.stop()
        self.assertFalse(later.is_alive)

    def test_another_process_with_the_pid_is_not_taken_for_it(self):
        made = process.Process(self.lab, 'it')
        made.record.write_text(json.dumps(
            {'pid': os.getpid(), 'start': 1}))
        self.assertFalse(made.is_alive)
        self.assertFalse(made.signal(0))

    def test_one_that_ignores_the_request_to_end_is_killed(self):
        made = self.spawn(sys.executable, '-c', 'import signal, time\n'
                          'signal.signal(15, signal.SIG_IGN)\n'
                          'print("deaf", flush=True)\ntime.sleep(60)')
        deadline.wait('the handler', lambda: 'deaf' in made.tail(), 10)
        made.stop(seconds=0.3)
        deadline.wait('the end', lambda: not process.owned(
            self.lab.directory), 5)

    def test_a_sweep_finds_children_that_nobody_recorded(self):
        made = self.spawn('sh', '-c', 'setsid sleep 60 & sleep 60')
        deadline.wait('three', lambda: len(process.owned(
            self.lab.directory)) >= 2, 5)
        made.record.unlink()
        self.assertGreaterEqual(process.sweep(self.lab.directory), 2)
        self.assertEqual([], process.owned(self.lab.directory))

    def test_a_sweep_finds_one_that_has_lost_its_environment(self):
        made = self.spawn('env', '-i', '/bin/sleep', '60')
        deadline.wait('sleep', lambda: b'sleep' in pathlib.Path(
            f'/proc/{made.pid}/cmdline').read_bytes().split(b'\0')[0], 5)
        self.assertEqual(1, process.sweep(self.lab.directory))
        self.assertFalse(made.is_alive)

    def test_a_sweep_works_while_the_lab_is_closing(self):
        self.spawn('sleep', '60')
        deadline.closing.set()
        self.addCleanup(deadline.closing.clear)
        self.assertEqual(1, process.sweep(self.lab.directory))
        with self.assertRaisesRegex(deadline.LabError, 'taken down'):
            self.spawn('sleep', '60')

    def test_a_sweep_leaves_other_labs_alone(self):
        other = subprocess.Popen(['sleep', '60'], env={
            layout.MARKER: f'{self.lab.directory}2', 'PATH': os.defpath})
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.spawn('sleep', '60')
        process.sweep(self.lab.directory)
        self.assertIsNone(other.poll())

    def test_a_listener_is_the_process_that_owns_the_socket(self):
        port = self.lab.port('p')
        with socket.socket() as mine:
            mine.bind((self.lab.address(), port))
            mine.listen()
            self.assertTrue(process.listens([os.getpid()], port))
            stranger = self.spawn('sleep', '60')
            self.assertFalse(process.listens(
                process.tree(stranger.pid), port))

    def test_the_users_environment_stays_out(self):
        os.environ['OS_CLOUD'] = 'production'
        self.addCleanup(os.environ.pop, 'OS_CLOUD')
        self.assertNotIn('OS_CLOUD', process.environment(self.lab))
        said = process.run(self.lab, ['env'])
        self.assertNotIn('production', said)

    def test_a_failure_tells_the_last_lines(self):
        with self.assertRaisesRegex(deadline.LabError, 'ended with 3.*oops'):
            process.run(self.lab, ['sh', '-c', 'echo oops >&2; exit 3'])

    def test_a_program_that_does_not_end_is_ended(self):
        with self.assertRaisesRegex(deadline.LabTimeout, 'the end of sleep'):
            process.run(self.lab, ['sleep', '60'], seconds=0.2)


class CleanupTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        scratch = tempfile.TemporaryDirectory(prefix='l', dir='/tmp')
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name, 'lab')

    def test_a_lab_is_removed_with_its_processes(self):
        lab = layout.Layout.create(self.directory)
        process.Process(lab, 'it').spawn(['sleep', '60'], layout.CENTRAL)
        self.assertEqual(1, cleanup.remove(self.directory))
        self.assertEqual([], cleanup.leftovers(self.directory))
        self.assertFalse(self.directory.exists())

    def test_a_directory_of_somebody_else_is_not_removed(self):
        self.directory.mkdir()
        (self.directory / 'thesis.txt').write_text('years of work')
        with self.assertRaisesRegex(deadline.LabError, 'holds no lab'):
            cleanup.remove(self.directory)
        self.assertTrue((self.directory / 'thesis.txt').exists())

    def test_nothing_there_is_nothing_to_do(self):
        self.assertEqual(0, cleanup.remove(self.directory))
