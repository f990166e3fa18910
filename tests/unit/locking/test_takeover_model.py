# SPDX-License-Identifier: Apache-2.0
"""Taking over half-done work, explored; and that what it needs is missed."""

import dataclasses

import testtools

from dcn_plugins.locking import lock_queue
from tests.unit.locking import lock_model
from tests.unit.locking import takeover_model

Faults = lock_model.Faults

WRITERS = {'a': 'x'}, {'a': 'x'}
# One needs both names, the others one each.
CROSSED = {'a': 'x', 'b': 'x'}, {'a': 'x'}, {'b': 'x'}
# Two clones of one image, and who wants to delete it.
CLONES = {'a': 'x', 'image': 's'}, {'b': 'x', 'image': 's'}, {'image': 'x'}


class ExplorationTest(testtools.TestCase):
    """Nobody ends work of others beside them, and all of it is ended.

    Or there is a record that says what is left, under all of its names.
    """

    def explore(self, wishes, **faults):
        return lock_model.explore(
            takeover_model.Rules(wishes), Faults(**faults))

    def test_two_writers(self):
        self.assertGreater(self.explore(
            WRITERS, expiries=1, failures=1, late_messages=1), 10_000)
        self.explore(WRITERS, expiries=1, deaths=1, failures=1,
                     lost_answers=1)
        self.explore(WRITERS, failures=2, deaths=2)

    def test_who_takes_over_dies_too(self):
        self.assertGreater(self.explore(WRITERS + WRITERS[:1], deaths=2),
                           10_000)

    def test_several_names(self):
        self.explore(CROSSED, expiries=1)
        self.explore(CROSSED, failures=1, deaths=1)

    def test_clones_of_one_image(self):
        self.explore(CLONES, deaths=2)
        self.explore(CLONES, failures=2)


class WithoutTakeover(takeover_model.Rules):
    """Fences as its record is found, and works."""

    def _judged_as(self, after, index, verdict):
        return lock_model.Rules._judged_as(self, after, index, verdict)


class WithoutFence(takeover_model.Rules):

    def fence(self, world, index, process):
        for after in super().fence(world, index, process):
            yield dataclasses.replace(after, fenced=world.fenced)


class OwnRecord(takeover_model.Rules):
    """Its record does not say what it has taken over."""

    def record(self, index, known):
        return str(index)


class OneName(takeover_model.Rules):
    """Claims one of the names only."""

    def to_take_over(self, known):
        return dict([min(self.wishes_of(known).items())])


class WithoutDoubt(takeover_model.Rules):
    """Withdraws its record also when it may have replaced others."""

    def fence(self, world, index, process):
        for after in super().fence(world, index, process):
            yield after.with_process(index, has_replaced=False)


class AbandonWithRecords(lock_queue.Queues):

    def abandon(self, claim, lease_id=None):
        return self.withdraw(claim, lease_id)


class RecordsOfOneMode(lock_queue.Queues):
    """Takes away what is in the way, name by name."""

    def verdict(self, claim, answer, token=None):
        found = super().verdict(claim, answer, token)
        if isinstance(found, lock_queue.Next):
            modes = dict(claim.wishes)
            return dataclasses.replace(found, left_behind=tuple(
                entry for entry in found.left_behind
                if lock_queue.EXCLUSIVE in (modes[entry.name], entry.mode)))
        return found


class DefectsTest(testtools.TestCase):

    def assert_broken(self, rules, what, wishes=WRITERS, **faults):
        error = self.assertRaises(
            lock_model.Violation, lock_model.explore, rules(wishes)
            if isinstance(rules, type) else rules, Faults(**faults))
        self.assertRegex(str(error), what)

    def test_takeover(self):
        self.assert_broken(WithoutTakeover, 'works on what . has left',
                           failures=1)

    def test_fence(self):
        self.assert_broken(
            WithoutFence, 'is granted while . works|was alone', expiries=1)

    def test_record_of_what_was_taken_over(self):
        self.assert_broken(
            OwnRecord, 'works on what . has left|and no record of it',
            WRITERS + WRITERS[:1], deaths=2)

    def test_all_names(self):
        self.assert_broken(
            OneName, 'only some are left|works on what . has left',
            CROSSED, failures=1)

    def test_doubt(self):
        self.assert_broken(WithoutDoubt, 'and no record of it',
                           failures=1, lost_answers=1, expiries=1)

    def test_records_of_what_was_abandoned(self):
        self.assert_broken(
            takeover_model.Rules(WRITERS, queues=AbandonWithRecords(
                lock_model.KEYS)),
            'works on what . has left|and no record of it', failures=1)

    def test_records_with_all_their_modes(self):
        self.assert_broken(
            takeover_model.Rules(
                (CLONES[0], {'a': 'x'}),
                queues=RecordsOfOneMode(lock_model.KEYS)),
            'only some are left', failures=1)
