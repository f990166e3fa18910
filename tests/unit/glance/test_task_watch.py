# SPDX-License-Identifier: Apache-2.0

import types
import unittest

from glance.common import exception

from dcn_plugins.glance import task_watch
from tests.unit.glance import fakes


class FakeRepo:
    """The tasks of Glance, with one in it."""

    def __init__(self):
        self.task = types.SimpleNamespace(status='processing', message='')
        self.saved = []
        self.error = None

    def get(self, task_id):
        if self.error is not None:
            raise self.error
        if self.task is None:
            raise exception.NotFound()
        return self.task

    def save(self, task):
        self.saved.append(task.message)


class FakeWrapper:

    image_id = 'image-1'
    error = None

    def assert_task_lock(self):
        if self.error is not None:
            raise self.error


class TaskWatchTest(unittest.TestCase):

    def setUp(self):
        self.repo = FakeRepo()
        self.wrapper = FakeWrapper()
        self.clock = fakes.FakeClock()
        self.watch = task_watch.TaskWatch(
            self.repo, 't', self.wrapper, 'dcn0 waits', self.clock)

    def test_the_message_is_written(self):
        self.watch.beat()
        self.assertEqual(['dcn0 waits'], self.repo.saved)

    def test_the_mark_is_there_until_the_end(self):
        watch = task_watch.TaskWatch(self.repo, 't', self.wrapper,
                                     'dcn0 waits', mark=task_watch.MARK)
        watch.beat()
        watch.end(is_last=True)
        watch.end()
        self.assertEqual(2 * ['dcn_plugins: dcn0 waits'] + ['dcn0 waits'],
                         self.repo.saved)

    def test_an_end_that_is_not_written_is_told(self):
        self.repo.error = ConnectionError('test')
        self.watch.beat()
        self.assertRaises(ConnectionError, self.watch.end)

    def test_whose_the_image_may_be(self):
        self.assertFalse(self.watch.is_another())
        for error, expected in ((exception.TaskAbortedError(), True),
                                (ConnectionError('test'), True),
                                (exception.ImageNotFound(), False)):
            self.wrapper.error = error
            self.assertEqual(expected, self.watch.is_another())

    def test_a_task_that_was_ended(self):
        self.repo.task.status = 'failure'
        self.assertRaises(exception.TaskAbortedError, self.watch.beat)
        self.assertRaises(exception.TaskAbortedError,
                          self.watch.assert_running)
        self.assertEqual([], self.repo.saved)
        # It still has the lock, and has to clear up.
        self.assertTrue(self.watch.is_ours())

    def test_a_task_that_is_gone(self):
        self.repo.task = None
        self.assertRaises(exception.NotFound, self.watch.beat)

    def test_a_lock_that_is_lost(self):
        self.wrapper.error = exception.TaskAbortedError()
        self.assertRaises(exception.TaskAbortedError, self.watch.beat)
        self.assertRaises(exception.TaskAbortedError,
                          self.watch.assert_running)
        self.assertFalse(self.watch.is_ours())
        self.assertEqual([], self.repo.saved)

    def test_an_image_that_is_gone(self):
        self.wrapper.error = exception.ImageNotFound()
        self.assertRaises(exception.ImageNotFound, self.watch.beat)
        self.assertFalse(self.watch.is_ours())

    def test_a_database_that_is_away_for_a_while(self):
        self.repo.error = ConnectionError('test')
        self.clock.now += task_watch.PATIENCE_SECONDS - 1
        self.watch.beat()
        self.repo.error = None
        self.watch.beat()
        self.repo.error = ConnectionError('test')
        self.clock.now += task_watch.PATIENCE_SECONDS - 1
        self.watch.beat()
        self.clock.now += 2
        self.assertRaises(ConnectionError, self.watch.beat)

    def test_all_is_ours(self):
        self.assertTrue(self.watch.is_ours())
