# SPDX-License-Identifier: Apache-2.0
"""What an operation has while it runs."""

import errno
import threading
import types

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import operation as operations
from dcn_plugins import exceptions


class Locks:
    """Locks that are valid for a while."""

    def __init__(self, seconds):
        self.seconds = seconds

    def is_valid(self, _hold, margin_seconds=0.0):
        return self.seconds > margin_seconds


HOLD = types.SimpleNamespace(claim=types.SimpleNamespace(names=('a',)))


def operation(wishes=None, outer=None, seconds=None):
    made = operations.Operation(
        'clone', lock_table.Touched(wishes or {'a': 'x'}, ()), None, outer)
    if seconds is not None:
        made.granted(Locks(seconds), HOLD)
    return made


class CheckTest(testtools.TestCase):

    def test_whoever_has_the_locks_for_a_while_may_go_on(self):
        operation(seconds=operations.MARGIN_SECONDS + 0.1).check('clone')

    def test_who_has_them_for_a_moment_may_not(self):
        held = operation(seconds=operations.MARGIN_SECONDS)
        error = self.assertRaises(exceptions.LockLost, held.check, 'remove')
        self.assertIn('clone (remove)', str(error))
        self.assertFalse(held.is_lost)

    def test_who_has_lost_them_knows_it(self):
        self.assertTrue(operation(seconds=0).is_lost)

    def test_a_part_of_one_that_has_lost_them_may_not_either(self):
        part = operation({'b': 'x'}, operation(seconds=0), 60)
        self.assertRaises(exceptions.LockLost, part.check, 'flatten')
        self.assertFalse(part.is_lost)

    def test_without_locks_of_ours_nobody_can_tell(self):
        operation().check('clone')
        self.assertFalse(operation().is_lost)


class CurrentTest(testtools.TestCase):

    def test_it_is_the_innermost(self):
        outer, inner = operation(), operation()
        with outer.running():
            with inner.running():
                self.assertIs(inner, operations.current())
            self.assertIs(outer, operations.current())
        self.assertIsNone(operations.current())

    def test_also_after_a_failure(self):
        def fail():
            with operation().running():
                raise ValueError

        self.assertRaises(ValueError, fail)
        self.assertIsNone(operations.current())

    def test_another_thread_runs_none(self):
        found = []
        with operation().running():
            thread = threading.Thread(
                target=lambda: found.append(operations.current()))
            thread.start()
            thread.join(30)
        self.assertEqual([None], found)


MODES = strategies.dictionaries(strategies.sampled_from('abc'),
                                strategies.sampled_from('xs'))


class CoversTest(testtools.TestCase):

    @hypothesis.settings(deadline=None, database=None, max_examples=100)
    @hypothesis.given(MODES, MODES)
    def test_what_is_missing_is_what_the_outer_one_does_not_have(
            self, has, wants):
        outer = operation(has or {'z': 'x'})
        part = operation(wants or {'z': 's'}, outer)
        for name, mode in part.touched.wishes.items():
            has_it = (name in outer.touched.wishes
                      and (mode == 's' or outer.touched.wishes[name] == 'x'))
            self.assertEqual(has_it, name not in part.missing_wishes)
        self.assertEqual(not part.missing_wishes,
                         outer.covers(part.touched.wishes))

    def test_an_outer_one_misses_all(self):
        self.assertEqual({'a': 'x'}, operation().missing_wishes)

    def test_what_the_outer_one_has_a_part_of_a_part_has_too(self):
        part = operation({'b': 'x'}, operation({'a': 'x'}))
        self.assertTrue(part.covers({'a': 's', 'b': 'x'}))
        self.assertFalse(part.covers({'c': 's'}))


class MakingTest(testtools.TestCase):

    def make(self, held, error=None):
        with held.making('image', 'gold', 'v'):
            if error:
                raise error

    def refused(self, code):
        return exceptions.CephRefused('create', 'no', code)

    def test_what_was_made(self):
        held = operation()
        self.make(held)
        self.assertEqual({('image', 'gold', 'v')}, held.made)

    def test_what_may_have_been_made(self):
        for error in (self.refused(errno.EIO), ValueError(),
                      exceptions.ClusterUnreachable('create', 'away')):
            held = operation()
            self.assertRaises(type(error), self.make, held, error)
            self.assertEqual({('image', 'gold', 'v')}, held.made)

    def test_not_what_was_there_before(self):
        held = operation()
        self.assertRaises(exceptions.CephRefused, self.make, held,
                          self.refused(errno.EEXIST))
        self.assertEqual(set(), held.made)

    def test_unless_it_was_made_before_that(self):
        held = operation()
        self.make(held)
        self.assertRaises(exceptions.CephRefused, self.make, held,
                          self.refused(errno.EEXIST))
        self.assertEqual({('image', 'gold', 'v')}, held.made)


class Pool:
    """Clients, and what became of them."""

    def __init__(self):
        self.calls = []

    def take(self, is_new=False):
        self.calls.append(('take', is_new))
        return types.SimpleNamespace(
            cluster=object(), ioctx=lambda pool: f'context of {pool}')

    def give_back(self, client):
        self.calls.append('give_back')

    def discard(self, client):
        self.calls.append('discard')


class OwnClientTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.pool = Pool()

    def test_is_taken_when_it_is_needed(self):
        own = operations.OwnClient(self.pool)
        own.end(True)
        self.assertEqual([], self.pool.calls)
        self.assertIs(own.get(), own.get())
        own.end(True)
        own.end(True)
        self.assertEqual([('take', False), 'give_back'], self.pool.calls)

    def test_is_not_used_again_after_a_failure(self):
        own = operations.OwnClient(self.pool)
        own.get()
        own.end(False)
        self.assertEqual('discard', self.pool.calls[-1])
        # Nor is one that may have seen the same.
        own.get()
        self.assertEqual(('take', True), self.pool.calls[-1])

    def test_may_have_to_be_a_new_one(self):
        operations.OwnClient(self.pool, is_new=True).get()
        self.assertEqual([('take', True)], self.pool.calls)

    def test_upstream_gets_it(self):
        own = operations.OwnClient(self.pool)
        held = operations.Operation('clone', None, own)
        self.assertFalse(held.is_connected(None))
        cluster, ioctx = held.connection('gold')
        self.assertEqual('context of gold', ioctx)
        self.assertTrue(held.is_connected(cluster))
        self.assertFalse(held.is_connected(object()))


class CloseTest(testtools.TestCase):

    def test_all_are_closed_the_last_first(self):
        log = self.useFixture(fixtures.FakeLogger())
        closed = []

        def image(name, error=None):
            def close():
                closed.append(name)
                if error:
                    raise error
            return types.SimpleNamespace(close=close)

        held = operation()
        for name, error in (('a', None), ('b', ValueError('odd')),
                            ('c', None)):
            held.images.open(name, False, lambda _is_read_only, name=name,
                             error=error: image(name, error))
        held.close_images()
        held.close_images()
        self.assertEqual(['c', 'b', 'a'], closed)
        self.assertIn('odd', log.output)
