# SPDX-License-Identifier: Apache-2.0
"""What is repaired, whoever is killed, and what is never touched."""

import copy

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import exceptions
from dcn_plugins.glance import drift
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import stored_image
from tests.unit.glance import drift_case as case

ALL = (drift.PARTIALS, drift.ORPHANS, drift.LOCATIONS)
SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=60)
ASIDE = stored_image.ASIDE


class DriftRepairTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.world = case.World()
        self.image_id = self.world.add(1)
        self.pool = self.world.pools['dcn0']

    def repair(self, *allowed):
        [outcome] = self.world.repair(*allowed)
        return outcome

    def test_a_snapshot(self):
        for snapshot in (None, stored_image.Snapshot(case.SIZE, False)):
            self.world.change('dcn0', self.image_id, snapshot=snapshot)
            self.assertTrue(self.repair().is_repaired)
            self.assertEqual([], self.world.found())

    def test_no_snapshot_of_a_wrong_content(self):
        self.world.change('dcn0', self.image_id, snapshot=None)
        self.world.contents[self.pool[self.image_id].id] = case.BAD
        outcome = self.repair(*ALL)
        self.assertIn('not proved', outcome.reason)
        self.assertIsNone(self.pool[self.image_id].snapshot)

    def test_what_removes_something_has_to_be_allowed(self):
        name = f'{self.image_id}.dcn-partial'
        self.world.forget('dcn0', self.image_id)
        self.world.moved('dcn0', self.image_id, name)
        self.assertEqual('see --remove-partials',
                         self.repair(drift.ORPHANS, drift.LOCATIONS).reason)
        self.assertIn(name, self.pool)
        self.assertTrue(self.repair(drift.PARTIALS).is_repaired)
        self.assertEqual({}, self.pool)

    def test_a_location_goes_if_another_copy_is_proved(self):
        del self.pool[self.image_id]
        self.assertEqual('see --remove-locations', self.repair().reason)
        self.assertTrue(self.repair(drift.LOCATIONS).is_repaired)
        self.assertEqual(['central', 'dcn1'], [
            location.store
            for location in self.world.images[self.image_id].locations])

    def test_and_stays_if_none_is(self):
        del self.pool[self.image_id]
        for store in ('central', 'dcn1'):
            self.world.contents[
                self.world.pools[store][self.image_id].id] = case.BAD
        outcomes = {outcome.finding.kind: outcome
                    for outcome in self.world.repair(*ALL)}
        self.assertIn('no other copy',
                      outcomes[drift.MISSING_IMAGE].reason)
        self.assertEqual(3, len(self.world.images[self.image_id].locations))

    def test_copies_in_stores_that_are_away_do_not_count(self):
        del self.pool[self.image_id]
        self.world.down |= {'central', 'dcn1'}
        self.assertIn('no other copy', self.repair(*ALL).reason)

    def test_an_orphan(self):
        self.world.forget('dcn0', self.image_id)
        self.assertTrue(self.repair(drift.ORPHANS).is_repaired)
        self.assertEqual({}, self.pool)
        self.assertEqual([], self.world.found())

    def test_an_orphan_that_may_be_the_last_copy_stays(self):
        self.world.forget('dcn0', self.image_id)
        for store in ('central', 'dcn1'):
            self.world.contents[
                self.world.pools[store][self.image_id].id] = case.BAD
        self.world.repair(*ALL)
        self.assertIn(self.image_id, self.pool)

    def half_named(self):
        name = f'{self.image_id}.dcn-partial'
        self.world.forget('dcn0', self.image_id)
        self.world.moved('dcn0', self.image_id, name)
        self.world.half_named.add(self.pool[name].id)

    def test_one_whose_copier_died_while_it_gave_the_name(self):
        self.half_named()
        self.assertEqual('see --remove-partials', self.repair().reason)
        self.assertTrue(self.repair(drift.PARTIALS).is_repaired)
        self.assertEqual({}, self.pool)
        self.assertEqual([], self.world.found())

    def test_a_copy_by_hand_with_another_name(self):
        self.half_named()
        name = f'{self.image_id}.dcn-partial'
        self.world.change('dcn0', name, record=record.Record(
            case.ident(2), 'F/p/1@2', case.SIZE, 1))
        self.world.add(2)
        self.assertFalse(self.repair(*ALL).is_repaired)
        self.assertEqual({name, case.ident(2)}, set(self.pool))

    def test_such_a_one_that_is_registered_meanwhile(self):
        self.half_named()

        def register(change):
            if change == 'rename' and self.world.half_named:
                self.world.change_image(self.image_id, locations=(
                    *self.world.images[self.image_id].locations,
                    case.drift_facts.Location.of(
                        case.url('dcn0', self.image_id), 'dcn0')))

        self.world.before = register
        self.assertFalse(self.repair(drift.PARTIALS).is_repaired)
        self.assertEqual({self.image_id}, set(self.pool))
        self.assertEqual([], self.world.found())

    def test_what_has_no_header(self):
        deleted = self.world.add(7, stores=(), is_deleted=True,
                                 status='deleted')
        living = self.world.add(8, stores=('central',))
        there = {deleted, f'{deleted}.dcn-partial', f'{living}.dcn-partial'}
        self.world.headless['dcn1'] = {*there, living}
        self.assertEqual({'see --remove-partials', 'an upload to this store '
                          'may have left it, or be under way'},
                         {outcome.reason for outcome in self.world.repair()})
        outcomes = self.world.repair(*ALL)
        self.assertEqual({name: name in there for name in (*there, living)},
                         {outcome.finding.name: outcome.is_repaired
                          for outcome in outcomes})
        self.assertEqual({living}, self.world.headless['dcn1'])

    def test_what_has_no_header_may_be_being_made(self):
        busy = self.world.add(8, stores=('central',), is_busy=True)
        young = self.world.add(9, stores=('central',), changed=case.NOW - 5)
        self.world.headless['dcn1'] = {
            f'{image_id}.dcn-partial'
            for image_id in (busy, young, case.ident(99))}
        self.assertEqual([], self.world.repair(*ALL))

    def test_an_orphan_of_others_stays(self):
        self.world.forget('dcn0', self.image_id)
        self.world.change('dcn0', self.image_id, record=None)
        self.assertIn('no mark of ours', self.repair(*ALL).reason)
        self.assertIn(self.image_id, self.pool)

    def test_a_copy_that_takes_the_lock_meanwhile_gets_its_image_back(self):
        self.world.forget('dcn0', self.image_id)

        def begin(change):
            if change == 'rename':
                self.world.before = lambda change: None
                self.world.change_image(self.image_id, is_busy=True)

        self.world.before = begin
        self.assertIn('came into use', self.repair(*ALL).reason)
        self.assertIn(self.image_id, self.pool)

    def test_so_does_one_that_is_registered_meanwhile(self):
        self.world.forget('dcn0', self.image_id)

        def register(change):
            if change == 'rename':
                self.world.before = lambda change: None
                self.world.change_image(self.image_id, locations=(
                    *self.world.images[self.image_id].locations,
                    case.drift_facts.Location.of(
                        case.url('dcn0', self.image_id), 'dcn0')))

        self.world.before = register
        self.assertIn('came into use', self.repair(*ALL).reason)
        self.assertEqual([], self.world.found())

    def test_what_was_set_aside_and_is_wanted_gets_its_name_back(self):
        self.world.moved('dcn0', self.image_id, self.image_id + ASIDE)
        self.assertEqual(
            {('orphan-image', 'dcn0', self.image_id + ASIDE),
             ('missing-image', 'dcn0', self.image_id)},
            set(self.world.found()))
        outcomes = self.world.repair(*ALL)
        self.assertEqual([True, False],
                         [outcome.is_repaired for outcome in outcomes])
        self.assertIn('gone meanwhile', outcomes[1].reason)
        self.assertEqual([], self.world.found())

    def test_one_that_was_set_aside_and_may_be_the_last_copy_stays(self):
        """As it is when its removal was interrupted and others broke."""
        self.world.forget('dcn0', self.image_id)
        self.world.moved('dcn0', self.image_id, self.image_id + ASIDE)
        for store in ('central', 'dcn1'):
            self.world.contents[
                self.world.pools[store][self.image_id].id] = case.BAD
        self.world.repair(*ALL)
        self.assertIn(self.image_id + ASIDE, self.pool)

    def test_what_is_gone_by_then_stays_gone(self):
        self.world.forget('dcn0', self.image_id)
        search = self.world.search()
        report = search.report()
        self.world.change('dcn0', self.image_id, watchers=1)
        [outcome] = case.drift_repair.DriftRepair(
            search, self.world, self.world, ALL).repair(report)
        self.assertIn('has it open', outcome.reason)
        self.world.store('dcn0', self.image_id)
        [outcome] = case.drift_repair.DriftRepair(
            search, self.world, self.world, ALL).repair(report)
        self.assertIn('gone meanwhile', outcome.reason)

    def test_one_that_fails_spares_the_others(self):
        other = self.world.add(2)
        for image_id in (self.image_id, other):
            self.world.forget('dcn0', image_id)
        failures = [case.exceptions.CephRefused('renaming', 'no')]

        def fail(_change):
            if failures:
                raise failures.pop()

        self.world.before = fail
        outcomes = self.world.repair(*ALL)
        self.assertEqual([(False, True), (True, False)],
                         [(outcome.is_repaired, outcome.is_failure)
                          for outcome in outcomes])
        self.assertIn('CephRefused', outcomes[0].reason)

    def test_an_answer_that_was_none(self):
        del self.pool[self.image_id]
        self.world.remove_copy = lambda image_id, store: None
        self.assertIn('there still', self.repair(*ALL).reason)

        def refuse(image_id, store):
            raise exceptions.RemovalRefused(image_id, store, 'HTTP 409', True)

        self.world.remove_copy = refuse
        self.assertEqual('Glance refuses: HTTP 409', self.repair(*ALL).reason)

    def test_no_answer(self):
        del self.pool[self.image_id]

        def be_silent(image_id, store):
            raise exceptions.RemovalUnanswered(image_id, store, 'no')

        self.world.remove_copy = be_silent
        outcome = self.repair(*ALL)
        self.assertIn('has not answered', outcome.reason)
        self.assertTrue(outcome.is_failure)


# Whatever is wrong anywhere.

STORE = strategies.sampled_from(case.STORES)


def lost(world, store, image_id):
    world.pools[store].pop(image_id, None)


def forgotten(world, store, image_id):
    world.forget(store, image_id)


def spoilt(world, store, image_id):
    if image_id in world.pools[store]:
        world.contents[world.pools[store][image_id].id] = case.BAD


def thawed(world, store, image_id):
    if image_id in world.pools[store]:
        world.change(store, image_id, snapshot=None)


def unprotected(world, store, image_id):
    if image_id in world.pools[store]:
        world.change(store, image_id,
                     snapshot=stored_image.Snapshot(case.SIZE, False))


def half(world, store, image_id):
    if image_id in world.pools[store]:
        world.moved(store, image_id, f'{image_id}.dcn-partial')


def aside(world, store, image_id):
    if image_id in world.pools[store]:
        world.moved(store, image_id, image_id + ASIDE)


def half_named(world, store, image_id):
    half(world, store, image_id)
    found = world.pools[store].get(f'{image_id}.dcn-partial')
    if found:
        world.half_named.add(found.id)


def headless(world, store, image_id):
    world.headless[store].add(f'{image_id}.dcn-partial')


def deleted(world, _store, image_id):
    world.change_image(image_id, is_deleted=True, status='deleted',
                       locations=())


HARM = strategies.tuples(
    strategies.sampled_from([lost, forgotten, spoilt, thawed, unprotected,
                             half, aside, headless, half_named,
                             deleted]),
    STORE, strategies.integers(0, 2))


def cloud(harms):
    world = case.World()
    ids = [world.add(number) for number in range(3)]
    for harm, store, number in harms:
        harm(world, store, ids[number])
    return world


def worth(world):
    """Return the images of which something good is left to be found."""
    return {image_id: world.good_copies(image_id)
            for image_id, image in world.images.items()
            if not image.is_deleted and world.good_copies(image_id)}


class AnyDriftTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(strategies.lists(HARM, max_size=8))
    def test_no_last_copy_is_lost_and_twice_is_once(self, harms):
        world = cloud(harms)
        before = worth(world)
        locations = {image_id: len(image.locations)
                     for image_id, image in world.images.items()}
        # What is freed by one repair may make another one possible.
        for _round in range(3):
            world.repair(*ALL)
        self.assertEqual(set(before), set(worth(world)))
        for image_id, count in locations.items():
            self.assertEqual(
                bool(count), bool(world.images[image_id].locations))
        state = copy.deepcopy(world.state())
        changes = []
        world.before = changes.append
        world.repair(*ALL)
        self.assertEqual([], changes)
        self.assertEqual(state, world.state())

    @SETTINGS
    @hypothesis.given(strategies.lists(HARM, max_size=8),
                      strategies.integers(0, 8))
    def test_killed_at_any_change_it_ends_where_it_would_have(
            self, harms, number):
        world, other = cloud(harms), cloud(harms)
        left = [number]

        def die(_change):
            if not left[0]:
                raise case.Death()
            left[0] -= 1

        world.before = die
        try:
            world.repair(*ALL)
        except case.Death:
            pass
        self.assertEqual(set(worth(other)), set(worth(world)))
        world.before = lambda change: None
        for _round in range(3):
            world.repair(*ALL)
            other.repair(*ALL)
        self.assertEqual(other.state(), world.state())

    @SETTINGS
    @hypothesis.given(strategies.lists(HARM, max_size=8))
    def test_nothing_is_removed_that_nobody_has_allowed(self, harms):
        world = cloud(harms)
        changes = []
        world.before = changes.append
        world.repair()
        self.assertEqual(set(), set(changes) - {'snapshot', 'protect'})
        changes.clear()
        self.assertTrue(all(
            outcome.finding.kind.consent is None
            for outcome in world.repair() if outcome.is_repaired))
