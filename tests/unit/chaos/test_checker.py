# SPDX-License-Identifier: Apache-2.0

import dataclasses

import testtools

from tests.chaos import checker
from tests.chaos import history
from tests.chaos import inventory
from tests.unit.chaos import stories

FAILED, REFUSED = stories.FAILED, stories.REFUSED
UNKNOWN = stories.UNKNOWN
NOTHING = stories.having()


class CheckerCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.story = stories.Story()

    def rules(self, settled=NOTHING, **more):
        return [violation.rule for violation in checker.check(
            self.story, settled, **more)]

    def assertGood(self, settled=NOTHING, **more):
        self.assertEqual([], list(map(str, checker.check(
            self.story, settled, **more))))

    def assertBad(self, rule, settled=NOTHING, **more):
        self.assertEqual([rule], self.rules(settled, **more))


class ExclusionTest(CheckerCase):

    def test_one_after_another(self):
        for found in range(3):
            self.story.increment(found, process='ab'[found % 2])
        self.assertGood(stories.having(counter=3))

    def test_lost_update(self):
        self.story.increment(0)
        one = self.story.increment(1, process='a')
        two = self.story.increment(1, process='b')
        # At the same time: nobody has read what was out of date.
        two.began = one.began
        self.assertBad('exclusion', stories.having(counter=2))

    def test_zombie_goes_back(self):
        self.story.increment(0, UNKNOWN, process='a')
        for found in range(3):
            self.story.increment(found, process='b')
        self.assertGood(stories.having(counter=3))
        # The write of "a" has come late.
        self.assertBad('exclusion', stories.having(counter=1))

    def test_stale_read(self):
        self.story.increment(0)
        self.story.increment(1)
        self.story.increment(1, UNKNOWN)
        self.story.increment(0, process='b')
        self.assertIn('exclusion', self.rules(stories.having(counter=2)))

    def test_stale_read_of_one_whose_write_is_not_there(self):
        self.story.increment(0, UNKNOWN)
        self.story.increment(1)
        self.story.increment(0)
        self.assertBad('exclusion', stories.having(counter=2))

    def test_no_answer_may_have_written(self):
        self.story.increment(0)
        self.story.increment(1, UNKNOWN, process='b')
        for counter in (1, 2):
            self.assertGood(stories.having(counter=counter))

    def test_failed_has_not_written(self):
        self.story.increment(0)
        self.story.increment(1, FAILED)
        self.assertGood(stories.having(counter=1))
        self.assertBad('exclusion', stories.having(counter=2))

    def test_died_before_it_wrote(self):
        self.story.increment(None, UNKNOWN)
        self.assertGood(stories.having(counter=0))
        self.assertBad('exclusion', stories.having(counter=1))


class LostTest(CheckerCase):

    def test_acknowledged_is_there(self):
        self.story.create('v')
        self.assertGood(stories.having(v=stories.image()))

    def test_acknowledged_is_gone(self):
        self.story.create('v')
        self.assertBad('lost')

    def test_deleted_may_be_gone(self):
        for outcome in (stories.OK, FAILED, UNKNOWN):
            self.story.create(f'v{outcome}')
            self.story.delete(f'v{outcome}', outcome)
        self.assertGood()

    def test_refused_deletion_keeps_it(self):
        self.story.create('v')
        self.story.delete('v', REFUSED)
        self.assertBad('lost')

    def test_no_answer_may_be_gone(self):
        self.story.create('v', UNKNOWN)
        self.assertGood()
        self.assertGood(stories.having(v=stories.image()))

    def test_snapshot(self):
        self.story.create('v')
        self.story.snapshot('v@s')
        self.assertGood(stories.having(v=stories.image(snapshots=['s'])))
        self.assertBad('lost', stories.having(v=stories.image()))

    def test_renamed_by_a_deletion_that_failed(self):
        self.story.create('v')
        self.story.clone('c', 'v')
        clone = stories.image(parent=('v.deleted', 'c.clone_snap'))
        silent = stories.image(snapshots=['c.clone_snap'])
        settled = stories.having(v_deleted=silent, c=clone)
        self.assertBad('lost', settled)
        self.story.delete('v', FAILED)
        self.assertGood(settled)


class DamagedTest(CheckerCase):

    def setUp(self):
        super().setUp()
        self.story.create('v')

    def test_size(self):
        self.assertBad('damaged', stories.having(v=stories.image(2)))

    def test_part_of_a_size(self):
        self.assertBad('damaged', stories.having(v=stories.image(1.5)))

    def test_extended(self):
        self.story.extend('v', 2)
        self.assertGood(stories.having(v=stories.image(2)))
        self.assertBad('damaged', stories.having(v=stories.image(1)))

    def test_extended_without_answer(self):
        self.story.extend('v', 2, UNKNOWN)
        for size in (1, 2):
            self.assertGood(stories.having(v=stories.image(size)))
        self.assertBad('damaged', stories.having(v=stories.image(3)))

    def test_refused_extension(self):
        self.story.extend('v', 2, REFUSED)
        self.assertBad('damaged', stories.having(v=stories.image(2)))

    def test_content(self):
        self.story.write('v', 'one')
        self.assertGood(stories.having(v=stories.image(content='one')))
        self.assertBad('damaged', stories.having(v=stories.image()))

    def test_clone_of_another_content(self):
        self.story.write('v', 'one')
        self.story.clone('c', 'v')
        self.story.write('v', 'two')
        source = stories.image(content='two', snapshots=['c.clone_snap'])
        parent = ('v', 'c.clone_snap')
        self.assertGood(stories.having(
            v=source, c=stories.image(content='one', parent=parent)))
        self.assertBad('damaged', stories.having(
            v=source, c=stories.image(content='two', parent=parent)))

    def test_clone_of_another_parent(self):
        self.story.clone('c', 'v')
        self.story.create('w')
        self.assertBad('damaged', stories.having(
            v=stories.image(), w=stories.image(snapshots=['c.clone_snap']),
            c=stories.image(parent=('w', 'c.clone_snap'))))

    def test_flattened_clone(self):
        self.story.clone('c', 'v')
        self.assertGood(stories.having(v=stories.image(), c=stories.image()))

    def test_clone_without_answer_is_whole_or_not_there(self):
        self.story.clone('c', 'v', UNKNOWN, size=2)
        source = stories.image(snapshots=['c.clone_snap'])
        parent = ('v', 'c.clone_snap')
        self.assertGood(stories.having(
            v=source, c=stories.image(2, parent=parent)))
        self.assertBad('damaged', stories.having(
            v=source, c=stories.image(1, parent=parent)))

    def test_deletion_that_failed_leaves_it_whole_or_not_at_all(self):
        self.story.write('v', 'one')
        self.story.delete('v', FAILED)
        self.assertGood(stories.having(v=stories.image(content='one')))
        self.assertBad('damaged', stories.having(v=stories.image()))

    def test_content_of_a_snapshot(self):
        self.story.write('v', 'one')
        self.story.snapshot('v@s')
        self.story.write('v', 'two')
        self.assertGood(stories.having(v=inventory.Image(
            1, 'two', None, {'s': inventory.Snapshot('one')})))
        self.assertBad('damaged', stories.having(v=stories.image(
            content='two', snapshots=['s'])))

    def test_from_snapshot(self):
        self.story.write('v', 'one')
        self.story.snapshot('v@s')
        self.story.write('v', 'two')
        self.story.from_snapshot('c', 'v@s')
        source = inventory.Image(1, 'two', None,
                                 {'s': inventory.Snapshot('one')})
        self.assertGood(stories.having(
            v=source, c=stories.image(content='one', parent=('v', 's'))))
        self.assertBad('damaged', stories.having(
            v=source, c=stories.image(content='two', parent=('v', 's'))))

    def test_reverted(self):
        self.story.write('v', 'one')
        self.story.snapshot('v@s')
        self.story.write('v', 'two')
        for outcome, contents in ((REFUSED, ['two']),
                                  (UNKNOWN, ['one', 'two']),
                                  (stories.OK, ['one'])):
            self.story.revert('v', 'v@s', outcome)
            for content in ('one', 'two'):
                found = stories.having(v=inventory.Image(
                    1, content, None, {'s': inventory.Snapshot('one')}))
                self.assertEqual([] if content in contents else ['damaged'],
                                 self.rules(found), (outcome, content))


class UndoneTest(CheckerCase):

    def test_failed_creation(self):
        self.story.create('v', FAILED)
        self.assertGood()
        self.assertBad('undone', stories.having(v=stories.image()))

    def test_refused_creation(self):
        self.story.create('v', REFUSED)
        self.assertBad('undone', stories.having(v=stories.image()))

    def test_failed_clone_leaves_its_snapshot(self):
        self.story.create('v')
        self.story.clone('c', 'v', FAILED)
        self.assertBad('leak', stories.having(
            v=stories.image(snapshots=['c.clone_snap'])))

    def test_failed_snapshot(self):
        self.story.create('v')
        self.story.snapshot('v@s', FAILED)
        self.assertBad('undone', stories.having(
            v=stories.image(snapshots=['s'])))

    def test_deleted_has_come_back(self):
        self.story.create('v')
        self.story.delete('v')
        self.assertBad('undone', stories.having(v=stories.image()))

    def test_zombie_makes_what_was_deleted(self):
        self.story.create('v', UNKNOWN)
        self.story.delete('v')
        self.assertBad('undone', stories.having(v=stories.image()))

    def test_deleted_snapshot_is_there(self):
        self.story.create('v')
        self.story.snapshot('v@s')
        self.story.delete('v@s')
        self.assertGood(stories.having(v=stories.image()))
        self.assertBad('undone', stories.having(
            v=stories.image(snapshots=['s'])))


class LeakTest(CheckerCase):

    def test_image_of_nobody(self):
        self.assertBad('leak', stories.having(v=stories.image()))

    def test_snapshot_of_nobody(self):
        self.story.create('v')
        self.assertBad('leak', stories.having(
            v=stories.image(snapshots=['s'])))

    def test_silent_volume_is_needed_by_its_clone(self):
        self.story.create('v')
        self.story.clone('c', 'v')
        self.story.delete('v')
        silent = stories.image(snapshots=['c.clone_snap'])
        self.assertGood(stories.having(v_deleted=silent, c=stories.image(
            parent=('v.deleted', 'c.clone_snap'))))
        self.story.delete('c')
        self.assertEqual(
            ['leak', 'leak'], self.rules(stories.having(v_deleted=silent)))

    def test_snapshot_of_a_clone_that_was_deleted(self):
        self.story.create('v')
        self.story.clone('c', 'v')
        self.story.delete('c')
        self.assertBad('leak', stories.having(
            v=stories.image(snapshots=['c.clone_snap'])))

    def test_image_in_the_trash(self):
        self.assertEqual(['leak'], self.rules(inventory.Inventory(
            {'trash:17': stories.image()})))

    def test_trash_that_a_clone_needs(self):
        self.story.create('v')
        self.story.snapshot('v@s')
        self.story.from_snapshot('c', 'v@s')
        self.story.delete('v@s')
        self.story.delete('v')
        self.assertGood(inventory.Inventory({
            'trash:17': inventory.Image(
                1, '', None, {'s': inventory.Snapshot(is_trash=True)}),
            'c': stories.image(parent=('trash:17', 's'))}))

    def test_deleted_snapshot_that_ceph_keeps(self):
        self.story.create('v')
        self.story.snapshot('v@s')
        self.story.from_snapshot('c', 'v@s')
        self.story.delete('v@s')
        kept = inventory.Image(
            1, '', None, {'8c1f': inventory.Snapshot(is_trash=True)})
        self.assertGood(stories.having(
            v=kept, c=stories.image(parent=('v', 's'))))
        self.story.delete('c')
        self.assertBad('leak', stories.having(v=kept))

    def test_anything_after_all_was_deleted(self):
        self.story.create('v')
        settled = stories.having(v=stories.image())
        self.story.delete('v')
        self.assertGood(settled, emptied=NOTHING, until=1)
        self.assertBad('leak', settled, emptied=settled, until=1)


class LocksTest(CheckerCase):

    def test_marker_while_nothing_goes_on(self):
        self.assertBad('locks', emptied=dataclasses.replace(
            NOTHING, markers=('a',)))

    def test_left_at_the_end(self):
        self.assertGood(closed=NOTHING)
        for name in ('keys', 'leases', 'markers'):
            self.assertBad('locks', closed=dataclasses.replace(
                NOTHING, **{name: ('a',)}))

    def test_a_lease_of_a_service_that_runs(self):
        self.assertGood(emptied=dataclasses.replace(
            NOTHING, leases=('a',), keys=('b',)))


class StuckTest(CheckerCase):

    def test_never_answered(self):
        self.story.delete('v', UNKNOWN).ended = None
        self.assertGood()
        self.story.healed_at = 10.0
        self.assertBad('stuck')

    def test_answered_late(self):
        self.story.healed_at = 10.0
        operation = self.story.delete('v')
        operation.ended = 69.0
        self.assertGood()
        operation.ended = 71.0
        self.assertBad('stuck')

    def test_asked_late(self):
        self.story.healed_at = 10.0
        operation = self.story.delete('v')
        operation.began, operation.ended = 100.0, 130.0
        self.assertGood()


class CrashTest(CheckerCase):

    def test_process_that_nobody_killed(self):
        self.story.deaths.append(history.Death('a', 3.0, 'signal 11'))
        self.assertBad('crash')


class RulesTest(testtools.TestCase):

    def test_each_rule_has_been_seen(self):
        # A rule that no bad history calls would never be missed.
        with open(__file__.removesuffix('c')) as source:
            text = source.read()
        for rule in checker.RULES:
            self.assertIn(f"assertBad('{rule}'", text)
