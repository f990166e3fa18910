# SPDX-License-Identifier: Apache-2.0
"""The guard, on a DLM in memory and on tooz' file driver."""

import functools
import tempfile
import threading
import time
import unittest
from unittest import mock

import hypothesis
from hypothesis import strategies as st
from tooz import coordination

from dcn_plugins import exceptions
from dcn_plugins.locking import guard
from tests.contracts import lock_contract
from tests.fakes import lock


class FakeServiceTest(lock_contract.GuardContract, lock_contract.LossContract,
                      unittest.TestCase):

    retry_error = False

    def setUp(self):
        super().setUp()
        self.service = lock.LockService(self.retry_error)
        self.get_lock = self.other_get_lock = self.service.get_lock
        self.take_away = self.service.take_away


class RetryErrorServiceTest(FakeServiceTest):

    retry_error = True


class ToozFileTest(lock_contract.GuardContract, unittest.TestCase):

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.get_lock = self.connect(directory.name, 'one')
        self.other_get_lock = self.connect(directory.name, 'other')

    def connect(self, path, member):
        coordinator = coordination.get_coordinator(
            f'file://{path}', member.encode())
        coordinator.start()
        self.addCleanup(coordinator.stop)
        return lambda name: coordinator.get_lock(name.encode())


class GuardTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.service = lock.LockService()
        self.hold = functools.partial(guard.hold, self.service.get_lock,
                                      wait_seconds=1, operation='test')
        for name, seconds in (('RELEASE_SECONDS', 0.1),
                              ('RELEASE_PAUSE_SECONDS', 0.01)):
            patch = mock.patch.object(guard, name, seconds)
            patch.start()
            self.addCleanup(patch.stop)

    @hypothesis.given(st.lists(st.sampled_from('abcdef')),
                      st.lists(st.sampled_from('abcdef')), st.booleans())
    def test_granted_in_order_released_in_reverse_and_once(
            self, outer, inner, is_failing):
        self.service.journal.clear()
        try:
            with self.hold(outer), self.hold(inner):
                self.assertEqual(set(outer + inner),
                                 set(self.service.owners))
                if is_failing:
                    raise KeyError
        except KeyError:
            pass
        self.assertEqual({}, self.service.owners)
        first = sorted(set(outer))
        then = sorted(set(inner) - set(outer))
        self.assertEqual(
            [('acquire', name) for name in first + then]
            + [('release', name) for name in reversed(first + then)],
            self.service.journal)

    @hypothesis.given(st.sets(st.sampled_from('abcdef'), min_size=1),
                      st.data())
    def test_no_lock_is_kept_when_one_is_refused(self, wanted, data):
        refused = data.draw(st.sampled_from(sorted(wanted)))
        service = lock.LockService()
        service.fail('acquire', refused, ConnectionError('gone'))
        with self.assertRaises(exceptions.LockServiceError) as caught:
            with guard.hold(service.get_lock, wanted, 1, 'test'):
                self.fail('the block ran without its locks')
        self.assertEqual(refused, caught.exception.name)
        self.assertEqual(exceptions.Outcome.NOTHING_DONE,
                         caught.exception.outcome)
        self.assertEqual({}, service.owners)

    def test_a_lock_that_cannot_be_made_is_a_service_error(self):
        self.service.fail('get_lock', 'a', RuntimeError('not started'))
        with self.assertRaisesRegex(exceptions.LockServiceError,
                                    'RuntimeError: not started'):
            with self.hold(['a']):
                self.fail('the block ran without its lock')

    def test_one_deadline_for_all_names(self):
        first, second = map(self.service.get_lock, 'ab')
        first.acquire(blocking=False)
        second.acquire(blocking=False)
        timer = threading.Timer(0.3, first.release)
        timer.start()
        self.addCleanup(timer.join)
        started = time.monotonic()
        with self.assertRaises(exceptions.LockTimeout) as caught:
            with guard.hold(self.service.get_lock, ['a', 'b'], 0.5, 'test'):
                self.fail('the block ran without its lock')
        self.assertLess(time.monotonic() - started, 0.75)
        self.assertEqual('b', caught.exception.name)

    def test_a_wait_of_one_second_is_not_taken_for_true(self):
        self.assertNotEqual(True, guard._blocking(1.0))

    def test_no_wait_is_not_taken_for_a_number(self):
        self.assertIs(False, guard._blocking(0))
        self.assertIs(False, guard._blocking(-0.1))

    def test_a_name_out_of_order_is_not_waited_for(self):
        self.service.get_lock('a').acquire(blocking=False)
        with self.hold(['b']):
            with self.assertRaises(exceptions.LockTimeout) as caught:
                with guard.hold(self.service.get_lock, ['a'], 3600, 'test'):
                    self.fail('the block ran without its lock')
        self.assertEqual(0, caught.exception.wait_seconds)

    def test_a_release_that_fails_is_an_error_and_the_others_go_on(self):
        self.service.fail('release', 'b', ConnectionError('gone'))
        with self.assertRaises(exceptions.LockServiceError) as caught:
            with self.hold(['a', 'b', 'c']):
                pass
        self.assertEqual('b', caught.exception.name)
        self.assertEqual(exceptions.Outcome.UNKNOWN,
                         caught.exception.outcome)
        self.assertIsInstance(caught.exception.__cause__, ConnectionError)
        self.assertEqual({'b'}, set(self.service.owners))

    def test_a_release_without_an_answer_is_repeated(self):
        self.service.fail('release', 'a', ConnectionError('reset'), times=3)
        with self.hold(['a']):
            pass
        self.assertEqual({}, self.service.owners)

    def test_not_ours_after_no_answer_is_not_called_a_loss(self):
        # The first try may have done it.
        self.service.fail('release', 'a', ConnectionError('reset'), times=1)
        with self.assertRaises(exceptions.LockServiceError) as caught:
            with self.hold(['a']):
                self.service.take_away('a')
        self.assertEqual(exceptions.Outcome.UNKNOWN,
                         caught.exception.outcome)

    def test_no_lock_that_is_not_released_is_renewed_for_ever(self):
        self.service.fail('release', 'a', ConnectionError('gone'))
        with self.assertRaises(exceptions.LockLost):
            with self.hold(['a', 'b']):
                self.service.take_away('b')
        self.assertEqual(set(), self.service._acquired_locks)

    def test_the_surest_loss_is_raised_and_the_other_logged(self):
        self.service.fail('release', 'b', ConnectionError('gone'))
        with self.assertLogs(guard.LOG.logger, 'ERROR') as logged:
            with self.assertRaises(exceptions.LockLost):
                with self.hold(['a', 'b']):
                    self.service.take_away('a')
        self.assertIn('lock b', logged.output[0])

    def test_an_error_of_the_block_wins_and_the_loss_is_logged(self):
        with self.assertLogs(guard.LOG.logger, 'ERROR') as logged:
            with self.assertRaises(ZeroDivisionError):
                with self.hold(['a', 'b']):
                    self.service.take_away('a')
                    self.service.take_away('b')
                    1 / 0
        self.assertIn('lock b was lost', logged.output[0])
        self.assertIn('lock a was lost', logged.output[1])

    def test_an_exit_is_no_reason_to_keep_a_lock(self):
        with self.assertRaises(SystemExit):
            with self.hold(['a']):
                raise SystemExit
        self.assertEqual({}, self.service.owners)

    def test_nothing_is_held_after_a_refusal(self):
        self.service.get_lock('a').acquire(blocking=False)
        for _attempt in range(2):
            with self.assertRaises(exceptions.LockTimeout):
                with guard.hold(self.service.get_lock, ['a'], 0, 'test'):
                    self.fail('the block ran without its lock')
