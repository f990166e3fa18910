# SPDX-License-Identifier: Apache-2.0
"""The lock protocol, explored; and that what it needs is missed without it."""

import testtools

from dcn_plugins.locking import lock_queue
from tests.unit.locking import lock_model

Faults = lock_model.Faults
EVERYTHING = Faults(lost_answers=1, late_messages=1, expiries=1, deaths=1,
                    withdrawals=1)


class ExplorationTest(testtools.TestCase):

    def explore(self, modes, has_record, faults):
        return lock_model.explore(
            lock_model.Rules(tuple(modes), has_record), faults)

    def test_two_writers(self):
        self.assertGreater(self.explore('xx', True, EVERYTHING), 10_000)

    def test_two_writers_without_a_record(self):
        self.assertGreater(self.explore('xx', False, EVERYTHING), 10_000)

    def test_a_reader_and_a_writer(self):
        faults = Faults(lost_answers=1, late_messages=1, expiries=1, deaths=1)
        for modes in ('xs', 'sx'):
            for has_record in (True, False):
                self.explore(modes, has_record, faults)

    def test_three_writers(self):
        self.explore('xxx', True, Faults(expiries=1, deaths=1))
        self.explore('xxx', False, Faults(late_messages=1, expiries=1))

    def test_readers_around_a_writer(self):
        for modes in ('sxs', 'ssx', 'xss'):
            self.explore(modes, True, Faults(expiries=1, deaths=1))

    def test_nothing_goes_wrong(self):
        for modes in ('x', 's', 'xx', 'ss', 'xsxs'):
            self.explore(modes, True, Faults())


class WithoutMarks(lock_queue.Queues):

    def withdraw(self, claim, lease_id=None):
        return super().withdraw(claim)

    def release(self, claim, token, lease_id=None):
        return super().release(claim, token)


class WithoutQuestionForItself(lock_queue.Queues):

    def _is_new(self, claim):
        return super()._is_new(claim)[:1]


class WithoutLookAtRecords(lock_queue.Queues):

    def _in_the_way(self, name, mode):
        # Where there are none.
        return super()._in_the_way(name, mode) + 'x/q/'


class WithoutTokenInGrant(lock_queue.Queues):

    def grant(self, claim, next_):
        body = super().grant(claim, next_)
        return {**body, 'compare': body['compare'][len(claim.names):]}


class WithoutOrder(lock_queue.Queues):

    def verdict(self, claim, answer, token=None):
        found = super().verdict(claim, answer, token)
        if isinstance(found, lock_queue.Waiting):
            return lock_queue.Granted(found.token)
        return found


class WithoutComparisonAtRelease(lock_queue.Queues):

    def release(self, claim, token, lease_id=None):
        return {**super().release(claim, token, lease_id), 'compare': []}


class RecordsThatEndWithTheLease(lock_queue.Queues):

    def verdict(self, claim, answer, token=None):
        found = super().verdict(claim, answer, token)
        if isinstance(found, lock_queue.Next):
            return lock_queue.Next(found.token)
        return found


class DefectsTest(testtools.TestCase):
    """Without any one of its parts the protocol breaks, and that is seen."""

    def assert_broken(self, queues, has_record, what, modes='xx',
                      faults=EVERYTHING):
        error = self.assertRaises(
            lock_model.Violation, lock_model.explore, lock_model.Rules(
                tuple(modes), has_record, queues('/t')), faults)
        self.assertRegex(str(error), what)

    def test_marks(self):
        for has_record in (True, False):
            self.assert_broken(WithoutMarks, has_record,
                               'is left|is stuck in wait')

    def test_question_for_itself(self):
        self.assert_broken(WithoutQuestionForItself, False,
                           'was alone and is told it was not', modes='sx')

    def test_look_at_records(self):
        self.assert_broken(WithoutLookAtRecords, True,
                           'is granted while|is left')

    def test_token_in_the_grant(self):
        self.assert_broken(WithoutTokenInGrant, True, 'is left|is stuck')

    def test_order(self):
        self.assert_broken(WithoutOrder, False, 'is granted while')

    def test_comparison_at_the_release(self):
        for has_record in (True, False):
            self.assert_broken(WithoutComparisonAtRelease, has_record,
                               'was not alone and is told it was')

    def test_fence(self):
        self.assert_broken(RecordsThatEndWithTheLease, True,
                           'is granted while')
