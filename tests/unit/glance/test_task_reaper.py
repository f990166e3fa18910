# SPDX-License-Identifier: Apache-2.0

import threading

import fixtures
import testtools

from dcn_plugins.glance import task_reaper

WAIT_SECONDS = 20


class FakeTasks:
    """What looks, and fails as often as it is told to."""

    def __init__(self, failures=0):
        self.failures = failures
        self.made = 0
        self.looked = 0
        self.is_done = threading.Event()

    def make(self):
        self.made += 1
        return self

    def look(self):
        self.looked += 1
        if self.looked <= self.failures:
            raise ConnectionError('the database is away')
        if self.looked >= self.failures + 3:
            self.is_done.set()


class TaskReaperTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_reaper.PASS_SECONDS', 0.01))

    def make(self, make):
        reaper = task_reaper.TaskReaper(make)
        self.addCleanup(
            lambda: self.assertTrue(reaper.stop(WAIT_SECONDS)))
        return reaper

    def test_it_looks_again_and_again(self):
        tasks = FakeTasks()
        self.make(tasks.make).start()
        self.assertTrue(tasks.is_done.wait(WAIT_SECONDS))
        self.assertEqual(1, tasks.made)

    def test_no_thread_and_no_database_before_its_time(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_reaper.PASS_SECONDS', 3600.0))
        tasks = FakeTasks()
        reaper = self.make(tasks.make)
        before = threading.active_count()
        self.assertTrue(reaper.stop())
        reaper.start()
        self.assertEqual(before, threading.active_count())
        reaper = self.make(tasks.make)
        reaper.start()
        reaper.start()
        self.assertEqual(before + 1, threading.active_count())
        self.assertTrue(reaper.stop(WAIT_SECONDS))
        self.assertEqual(0, tasks.made)

    def test_a_database_that_is_away_for_a_while(self):
        tasks = FakeTasks(failures=4)
        self.make(tasks.make).start()
        self.assertTrue(tasks.is_done.wait(WAIT_SECONDS))
        self.assertEqual(1, self.log.output.count(
            'Nobody looks for copies that have lost their glance-api: the '
            'database is away'))

    def test_there_is_nothing_to_do(self):
        reaper = self.make(lambda: None)
        reaper.start()
        self.assertTrue(reaper._thread.join(WAIT_SECONDS))

    def test_in_a_child_that_has_inherited_the_thread(self):
        tasks, moved = FakeTasks(), []
        reaper = task_reaper.TaskReaper(tasks.make, lambda: moved.append(1))
        reaper._run(pid=1)
        self.assertEqual(0, tasks.made)
        self.assertEqual([1], moved)
