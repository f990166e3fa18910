# SPDX-License-Identifier: Apache-2.0
"""What the guard promises, whatever lock service is below it.

Mix into a test case that sets ``self.get_lock`` and ``self.other_get_lock``,
two clients of one lock service, before each test.
"""

import threading
import time

from dcn_plugins import exceptions
from dcn_plugins.locking import guard


class GuardContract:
    """The guard on a lock service that works."""

    # How long a wait may last beyond what was asked for. The etcd driver of
    # tooz looks once a second.
    overrun_seconds = 3.0

    def test_all_names_are_held_while_the_block_runs(self):
        with guard.hold(self.get_lock, ['b', 'a'], 5, 'test'):
            self.assertFalse(self.is_free('a'))
            self.assertFalse(self.is_free('b'))
        self.assertTrue(self.is_free('a'))
        self.assertTrue(self.is_free('b'))

    def test_a_lock_that_stays_taken_ends_the_wait(self):
        theirs = self.other_get_lock('b')
        self.assertTrue(theirs.acquire(blocking=False))
        self.addCleanup(theirs.release)
        started = time.monotonic()
        with self.assertRaises(exceptions.LockTimeout) as caught:
            with guard.hold(self.get_lock, ['a', 'b'], 0.5, 'test'):
                self.fail('the block ran without its lock')
        waited = time.monotonic() - started
        self.assertEqual('b', caught.exception.name)
        self.assertGreaterEqual(waited, 0.4)
        self.assertLess(waited, 0.5 + self.overrun_seconds)
        self.assertTrue(self.is_free('a'), 'the granted lock was kept')

    def test_the_next_in_the_queue_is_served(self):
        theirs = self.other_get_lock('a')
        self.assertTrue(theirs.acquire(blocking=False))
        timer = threading.Timer(0.3, theirs.release)
        timer.start()
        self.addCleanup(timer.join)
        with guard.hold(self.get_lock, ['a'], 10, 'test'):
            self.assertFalse(self.is_free('a'))

    def test_a_nested_block_needs_no_second_grant(self):
        with guard.hold(self.get_lock, ['a', 'b'], 5, 'outer'):
            with guard.hold(self.get_lock, ['a'], 5, 'inner'):
                pass
            self.assertFalse(self.is_free('a'), 'the inner block released it')

    def test_another_thread_does_not_share_what_is_held(self):
        outcome = []

        def contend():
            try:
                with guard.hold(self.get_lock, ['a'], 0.2, 'contender'):
                    outcome.append('granted')
            except exceptions.LockTimeout:
                outcome.append('refused')

        with guard.hold(self.get_lock, ['a'], 5, 'holder'):
            thread = threading.Thread(target=contend)
            thread.start()
            thread.join(30)
        self.assertEqual(['refused'], outcome)

    def test_an_error_of_the_block_passes_and_the_locks_are_free(self):
        with self.assertRaises(ZeroDivisionError):
            with guard.hold(self.get_lock, ['a', 'b'], 5, 'test'):
                1 / 0
        self.assertTrue(self.is_free('a'))
        self.assertTrue(self.is_free('b'))

    def is_free(self, name):
        """Return whether the other client could have the lock at once."""
        lock = self.other_get_lock(name)
        if not lock.acquire(blocking=False):
            return False
        self.assertTrue(lock.release())
        return True


class LossContract:
    """The guard on a lock service that can lose a lock.

    The test case also has ``take_away(name)``.
    """

    def test_a_lost_lock_is_an_error(self):
        with self.assertRaises(exceptions.LockLost) as caught:
            with guard.hold(self.get_lock, ['a', 'b'], 5, 'test'):
                self.take_away('a')
        self.assertEqual('a', caught.exception.name)
        self.assertTrue(self.is_free('b'), 'the other lock was kept')

    def test_the_lock_of_the_next_holder_is_left_alone(self):
        theirs = self.other_get_lock('a')
        with self.assertRaises(exceptions.LockLost):
            with guard.hold(self.get_lock, ['a'], 5, 'test'):
                self.take_away('a')
                self.assertTrue(theirs.acquire(blocking=False))
        self.assertFalse(self.is_free('a'), 'a foreign lock was released')
        self.assertTrue(theirs.release())
