# SPDX-License-Identifier: Apache-2.0
"""One of several works, and nothing keeps it from its work for ever."""

import threading
import time

import fixtures
import testtools

from dcn_plugins.cinder import caretaker


class Lock:
    """The lock of a cluster, as one process sees it."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.waited = []

    @property
    def acquired(self):
        return self._cluster.holder is self

    def acquire(self, blocking=True):
        self.waited.append(blocking)
        if self._cluster.failure:
            raise self._cluster.failure
        if self._cluster.holder is None:
            self._cluster.holder = self
        return self.acquired

    def release(self):
        self._cluster.released.append(self)
        if self._cluster.release_failure:
            raise self._cluster.release_failure
        if self.acquired:
            self._cluster.holder = None


class Cluster:
    """Whose turn it is."""

    def __init__(self):
        self.holder = self.failure = self.release_failure = None
        self.released = []
        self.locks = []

    def get_lock(self):
        self.locks.append(Lock(self))
        return self.locks[-1]


class CaretakerTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.cluster = Cluster()
        self.now = 100.0
        self.done = []

    def task(self, name='task', seconds=5.0, failure=None, **options):
        def run():
            self.done.append(name)
            if failure:
                raise failure[0]

        return caretaker.Task(name, run, seconds, **options)

    def caretaker(self, *tasks, **options):
        return caretaker.Caretaker(self.cluster.get_lock, tasks,
                                   clock=lambda: self.now, **options)


class TurnTest(CaretakerTestCase):

    def test_a_task_is_run_when_it_is_due(self):
        one = self.caretaker(self.task())
        for seconds, runs in ((0, 1), (4.9, 1), (0.1, 2), (5, 3)):
            self.now += seconds
            one.turn()
            self.assertEqual(runs, len(self.done))

    def test_a_task_may_be_due_later(self):
        one = self.caretaker(self.task(due_at=102.0))
        one.turn()
        self.assertEqual([], self.done)
        self.now = 102.0
        one.turn()
        self.assertEqual(['task'], self.done)

    def test_one_of_several_works(self):
        one = self.caretaker(self.task('one'))
        other = self.caretaker(self.task('other'))
        for _turn in range(3):
            one.turn()
            other.turn()
            self.now += 5
        self.assertEqual(['one'] * 3, self.done)

    def test_the_next_goes_on_when_its_lock_is_lost(self):
        one = self.caretaker(self.task('one'))
        other = self.caretaker(self.task('other'))
        one.turn()
        self.cluster.holder = None
        other.turn()
        self.now += 5
        one.turn()
        self.assertEqual(['one', 'other'], self.done)
        # What is left of its lock is given back, and another one asked for.
        self.assertEqual([self.cluster.locks[0]], self.cluster.released)
        self.assertEqual(3, len(self.cluster.locks))

    def test_whoever_is_elected_says_that_he_is_there(self):
        said = []
        self.cluster.holder = object()
        self.caretaker(self.task(), announce=lambda: said.append(1)).turn()
        self.assertEqual(([1], []), (said, self.done))

    def test_it_queues_for_a_while(self):
        self.caretaker().turn()
        self.assertEqual([caretaker.QUEUE_SECONDS],
                         self.cluster.locks[0].waited)


class FailureTest(CaretakerTestCase):

    def test_a_task_that_fails_keeps_no_other_from_its_turn(self):
        one = self.caretaker(
            self.task('bad', failure=[ValueError('odd')]), self.task('good'))
        for _turn in range(3):
            one.turn()
            self.now += 5
        self.assertEqual(['bad', 'good'] * 3, self.done)

    def test_it_is_told_once_for_each_reason(self):
        failure = [ValueError('odd')]
        one = self.caretaker(self.task('bad', failure=failure))
        for error in (ValueError('odd'), ValueError('odd'),
                      ValueError('even'), KeyError('odd')):
            failure[0] = error
            one.turn()
            self.now += 5
        self.assertEqual(3, self.log.output.count('is tried again'))

    def test_and_again_after_it_went_well(self):
        failures = [ValueError('odd'), None, ValueError('odd')]

        def run():
            failure = failures.pop(0)
            if failure:
                raise failure

        one = self.caretaker(caretaker.Task('task', run, 5.0))
        while failures:
            one.turn()
            self.now += 5
        self.assertEqual(2, self.log.output.count('is tried again'))

    def test_without_a_lock_service_nothing_is_done(self):
        one = self.caretaker(self.task())
        self.cluster.failure = ValueError('away')
        self.assertRaises(ValueError, one.turn)
        self.assertEqual([], self.done)
        self.cluster.failure = None
        one.turn()
        self.assertEqual(['task'], self.done)

    def test_a_lost_lock_that_cannot_be_given_back_is_forgotten(self):
        one = self.caretaker(self.task())
        one.turn()
        self.cluster.holder, self.now = None, self.now + 5
        self.cluster.release_failure = ValueError('away')
        self.assertRaises(ValueError, one.turn)
        one.turn()
        self.assertEqual(['task'] * 2, self.done)


class ThreadTest(CaretakerTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            caretaker, 'TURN_SECONDS', 0.001))

    def started(self, *tasks):
        one = self.caretaker(*tasks)
        one.start()
        self.addCleanup(one._thread.join, 30)
        self.addCleanup(one.stop)
        return one

    def test_it_goes_on_whatever_happens_and_until_it_is_stopped(self):
        turns = []
        enough = threading.Event()

        def run():
            turns.append(1)
            # Another one is elected, whom nobody can ask for then.
            self.cluster.holder = None
            self.cluster.release_failure = ValueError(f'{len(turns)}')
            if len(turns) > 3:
                enough.set()

        one = self.started(caretaker.Task('task', run, 0.0))
        self.assertTrue(enough.wait(30))
        one.stop()
        one._thread.join(30)
        self.assertFalse(one._thread.is_alive())
        self.assertIn('waits: 1', self.log.output)

    def test_who_is_stopped_gives_the_lock_back(self):
        one = self.started()
        waits = self.started()
        while self.cluster.holder is None:
            time.sleep(0.001)
        held = self.cluster.holder
        one.stop()
        one._thread.join(30)
        waits.stop()
        waits._thread.join(30)
        self.assertIsNotNone(held)
        self.assertIsNone(self.cluster.holder)

    def test_a_lock_that_cannot_be_given_back_is_left_to_its_lease(self):
        one = self.started()
        while self.cluster.holder is None:
            time.sleep(0.001)
        self.cluster.release_failure = ValueError('gone')
        one.stop()
        one._thread.join(30)
        self.assertFalse(one._thread.is_alive())

    def test_it_is_told_once_why_it_waits(self):
        asked = threading.Event()
        self.cluster.failure = ValueError('away')
        locks = self.cluster.get_lock

        def get_lock():
            if len(self.cluster.locks) > 3:
                asked.set()
            return locks()

        self.cluster.get_lock = get_lock
        one = self.started()
        self.assertTrue(asked.wait(30))
        one.stop()
        one._thread.join(30)
        self.assertEqual(1, self.log.output.count('waits: away'))

    def test_there_is_one_thread(self):
        one = self.started()
        thread = one._thread
        one.start()
        self.assertIs(thread, one._thread)

    def test_who_is_stopped_begins_nothing_more(self):
        one = self.caretaker(self.task('first'), self.task('second'))
        one._tasks[0].run = one.stop
        one.turn()
        self.assertEqual([], self.done)
