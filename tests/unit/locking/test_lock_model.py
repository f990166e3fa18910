# SPDX-License-Identifier: Apache-2.0
"""The lock protocol, explored; and that what it needs is missed without it."""

import dataclasses

import testtools

from dcn_plugins.locking import etcd_requests as requests
from dcn_plugins.locking import lock_queue
from tests.unit.locking import lock_model

Faults = lock_model.Faults
EVERYTHING = Faults(lost_answers=1, late_messages=1, expiries=1, deaths=1,
                    withdrawals=1)


class ExplorationTest(testtools.TestCase):

    def explore(self, modes, has_record, faults):
        return lock_model.explore(lock_model.Rules(
            lock_model.of_one_lock(modes), has_record), faults)

    def test_two_writers(self):
        self.assertGreater(self.explore('xx', True, EVERYTHING), 50_000)

    def test_two_writers_without_a_record(self):
        self.assertGreater(self.explore('xx', False, EVERYTHING), 50_000)

    def test_a_reader_and_a_writer(self):
        faults = Faults(lost_answers=1, late_messages=1, expiries=1)
        for has_record in (True, False):
            self.explore('xs', has_record, faults)

    def test_three_writers(self):
        self.explore('xxx', True, Faults(expiries=1, deaths=1))
        self.explore('xxx', False, Faults(expiries=1, withdrawals=1))

    def test_readers_around_a_writer(self):
        self.explore('sxs', True, Faults(expiries=1))

    def test_a_lock_that_is_broken(self):
        for has_record in (True, False):
            self.explore('xx', has_record, Faults(lost_answers=1, breaks=1))
            self.explore('xx', has_record, Faults(expiries=1, breaks=1))
            self.explore('xs', has_record, Faults(late_messages=1, breaks=1))
            self.explore('xxx', has_record, Faults(breaks=1))

    def test_several_members(self):
        for has_record in (True, False):
            for modes in ('x', 's'):
                self.explore(modes, has_record, Faults(
                    repeats=2, late_messages=1, expiries=1))
            for modes in ('sx', 'ss'):
                self.explore(modes, has_record, Faults(
                    repeats=1, expiries=1))

    def test_several_names(self):
        wishes = {'a': 'x', 'b': 'x'}, {'b': 'x'}, {'a': 's'}
        for has_record in (True, False):
            for faults in (Faults(expiries=1), Faults(breaks=1),
                           Faults(withdrawals=1, deaths=1)):
                lock_model.explore(
                    lock_model.Rules(wishes, has_record), faults)

    def test_nothing_goes_wrong(self):
        for modes in ('x', 's', 'xx', 'ss', 'xsxs'):
            self.explore(modes, True, Faults())


class WithoutMarks(lock_queue.Queues):

    def withdraw(self, claim, lease_id=None):
        return super().withdraw(claim)

    def release(self, claim, token, lease_id=None):
        return super().release(claim, token)


class WithoutQuestionForItself(lock_queue.Queues):

    def take(self, claim, lease_id):
        body = super().take(claim, lease_id)
        return {**body, 'compare': body['compare'][:2 * len(claim.names)]}


class WithoutLookAtRecords(lock_queue.Queues):

    def take(self, claim, lease_id):
        body = super().take(claim, lease_id)
        (name, mode), = claim.wishes
        body['compare'][0] = requests.is_empty(self._keys.in_the_way(
            name, mode) + 'x/g/')
        return body


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


class WithoutLookAtTheEnd(lock_queue.Queues):
    """Who waits is granted when what he watches goes, whatever it is."""

    def verdict(self, claim, answer, token=None):
        found = super().verdict(claim, answer, token)
        if isinstance(found, lock_queue.Waiting):
            return dataclasses.replace(found, is_last=True)
        return found


class WithoutLookAtOtherNames(lock_queue.Queues):

    def _waiting(self, claim, token, older, has_records):
        return dataclasses.replace(
            super()._waiting(claim, token, older, has_records),
            is_last=len(older) == 1)


class BreakOfAll(lock_queue.Queues):
    """Who waits is broken, too."""

    def heads(self, found):
        return list(self._found(found)[0].values())


class BreakThatDoesNotLook(lock_queue.Queues):

    def break_(self, entries, lease_id):
        body = super().break_(entries, lease_id)
        for operation in body['success']:
            del operation['request_txn']['compare'][:]
        return body


class DefectsTest(testtools.TestCase):
    """Without any one of its parts the protocol breaks, and that is seen."""

    def assert_broken(self, queues, has_record, what, wishes='xx',
                      faults=EVERYTHING):
        if isinstance(wishes, str):
            wishes = lock_model.of_one_lock(wishes)
        error = self.assertRaises(
            lock_model.Violation, lock_model.explore, lock_model.Rules(
                wishes, has_record, queues(lock_model.KEYS)), faults)
        self.assertRegex(str(error), what)

    def test_marks(self):
        for has_record in (True, False):
            self.assert_broken(WithoutMarks, has_record,
                               'is left|is stuck in wait')

    def test_question_for_itself(self):
        self.assert_broken(WithoutQuestionForItself, False,
                           'was alone and is told it was not', 's',
                           Faults(repeats=1))

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

    def test_look_when_others_wait(self):
        for wishes, faults in (
                # Who was watched gives up, and another is still there.
                ('xxx', Faults(withdrawals=1)),
                # So does who shares the lock with another.
                ('ssx', Faults())):
            self.assert_broken(WithoutLookAtTheEnd, False, 'is granted while',
                               wishes, faults)

    def test_look_at_other_names(self):
        self.assert_broken(
            WithoutLookAtOtherNames, False, 'is granted while|was alone',
            ({'a': 'x'}, {'a': 'x', 'b': 'x'}, {'b': 'x'}), Faults(breaks=1))

    def test_those_who_wait_when_a_lock_is_broken(self):
        self.assert_broken(
            BreakOfAll, False, 'is granted while|was alone', 'xxx',
            Faults(breaks=1))

    def test_look_before_a_lock_is_broken(self):
        self.assert_broken(BreakThatDoesNotLook, False,
                           'was alone and is told it was not',
                           faults=Faults(lost_answers=1, breaks=1))
