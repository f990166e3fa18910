# SPDX-License-Identifier: Apache-2.0
"""Who ends what others have left, and what he must not touch."""

import dataclasses
import json
import types

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.cinder import fence_record
from dcn_plugins.cinder import rbd_driver
from dcn_plugins.cinder import settlement
from dcn_plugins import exceptions
from dcn_plugins.locking import session
from tests.unit.cinder import rbd_site
from tests.unit.cinder import test_any_interruption as interruption

VOLUME, OTHER = rbd_site.volume(1), rbd_site.volume(2)


def record(claim='c', intents=(), **changes):
    return fence_record.Record(**{
        'claim': claim, 'wishes': {'a': 'x'}, 'fsid': rbd_site.FSID,
        'pool': 'gold', 'addresses': ('127.0.0.1:0/77',), 'host': 'dead@ceph',
        'intents': tuple(intents), **changes})


class SettlementTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.site = self.useFixture(rbd_site.RbdSite())
        self.one, self.two, self.three = self.site.processes
        for process, other in zip(self.site.processes,
                                  self.site.processes[1:]):
            process.next = other

    def die(self, process, call, *args, at=None, after=None):
        """Let a process die in an operation, at the nth step of a name."""
        left = [1]

        def hook(process, count, step):
            if step.call == (at or after):
                left[0] -= 1
                if not left[0]:
                    if after:
                        process.run(step)
                    process.die()
            return process.run(step)

        with rbd_site.hooked(process, hook):
            self.assertRaises(rbd_site.Died, getattr(process.driver, call),
                              *args)

    def half_a_clone(self, process=None):
        """Have a process die when it has made a clone."""
        self.site.image('volume-1')
        self.die(process or self.one, 'create_cloned_volume', OTHER, VOLUME,
                 after='clone')

    def leave(self, left, process=None):
        """Leave a record in etcd, without a marker."""
        locks = (process or self.one).locks
        locks.abandon(locks.acquire(
            left.wishes.items(), 0, lambda claim: dataclasses.replace(
                left, claim=claim).to_text()))

    def marked(self):
        """Return the records that the markers are of."""
        return [fence_record.Record.parsed(text)
                for text in set(self.site.markers().values())]

    def images(self):
        return sorted(self.site.pools['gold'].images)

    def snapshots(self, name):
        return list(self.site.ceph()['gold'][name]['snapshots'])

    def assertNothingLeft(self):
        self.assertEqual(({}, [], []), (
            self.site.markers(), self.site.keys(), self.site.crashes))


class SweepTest(SettlementTestCase):

    def test_ends_what_a_dead_holder_has_left(self):
        self.half_a_clone()
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(['volume-1'], self.images())
        self.assertEqual([], self.snapshots('volume-1'))
        self.assertNothingLeft()
        self.assertEqual(0, self.two.sweep())

    def test_leaves_alone_what_a_living_holder_does(self):
        self.site.image('volume-1')

        def hook(process, count, step):
            self.assertEqual(0, self.two.sweep())
            return process.run(step)

        with rbd_site.hooked(self.one, hook):
            self.one.driver.create_cloned_volume(OTHER, VOLUME)
        self.assertEqual(['volume-1', 'volume-2'], self.images())
        self.assertEqual(set(), self.site.cluster.blocklist)

    def test_cuts_off_whom_the_record_names_and_nobody_else(self):
        self.half_a_clone()
        left, = set(self.site.markers().values())
        self.two.sweep()
        self.assertEqual(set(json.loads(left)['addresses']),
                         self.site.cluster.blocklist)

    def test_cuts_nobody_off_if_nobody_is_to_be(self):
        self.site.conf.set_override('fence', 'none', 'dcn')
        self.half_a_clone()
        # Nobody forgets his watch, but after a while.
        for header in self.site.pools['gold'].headers.values():
            header.watchers.clear()
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(set(), self.site.cluster.blocklist)
        self.assertEqual(['volume-1'], self.images())

    def lock_of(self, image, address):
        """Let somebody have the lock of an image that librbd takes."""
        pool = self.site.pools['gold']
        lockers = pool.header(image).lockers
        lockers.append(('client.7', f'auto {len(lockers)}', address))
        return lockers

    def dead_address(self):
        left, = set(self.site.markers().values())
        address, = json.loads(left)['addresses']
        return address

    def test_takes_the_locks_of_the_dead_and_of_nobody_else(self):
        self.half_a_clone()
        lockers = self.lock_of('volume-1', self.dead_address())
        self.lock_of('volume-1', '127.0.0.1:0/99')
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(['127.0.0.1:0/99'],
                         [address for _client, _cookie, address in lockers])
        self.assertEqual([], self.snapshots('volume-1'))

    def test_takes_no_lock_if_nobody_is_cut_off(self):
        self.site.conf.set_override('fence', 'none', 'dcn')
        self.half_a_clone()
        lockers = self.lock_of('volume-1', self.dead_address())
        for header in self.site.pools['gold'].headers.values():
            header.watchers.clear()
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(1, len(lockers))

    def test_a_lock_that_cannot_be_taken_is_left_to_librbd(self):
        self.half_a_clone()
        lockers = self.lock_of('volume-1', self.dead_address())

        def refuse(process, count, step):
            if step.call == 'lock break_lock':
                raise step.failure(False)
            return process.run(step)

        with rbd_site.hooked(self.two, refuse):
            self.assertEqual(1, self.two.sweep())
        self.assertEqual(1, len(lockers))
        self.assertNothingLeft()

    def test_leaves_the_record_of_another_backend(self):
        self.leave(record(wishes={'a': 'x'}, fsid='other'))
        self.leave(record(wishes={'b': 'x'}, pool='iron'))
        keys = self.site.keys()
        self.assertEqual(0, self.two.sweep())
        self.assertEqual(keys, self.site.keys())

    def test_leaves_what_it_does_not_understand_and_ends_the_rest(self):
        hold = self.three.locks.acquire([('a', 'x')], 0, '{"v": 2}')
        self.three.locks.abandon(hold)
        self.half_a_clone()
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(['volume-1'], self.images())
        self.assertEqual(1, len(self.site.keys()))
        self.assertIn('another version', self.site.log.output)

    def test_leaves_an_operation_that_it_does_not_know(self):
        self.half_a_clone()
        for key, text in self.site.markers().items():
            self.site.markers()[key] = text.replace(
                b'create_cloned_volume', b'create_cloned_universe')
        self.assertEqual(0, self.two.sweep())
        self.assertEqual(['volume-1', 'volume-2'], self.images())
        self.assertTrue(self.site.keys())
        self.assertEqual(2, len(self.site.markers()))

    def test_what_fails_hinders_nobody_else(self):
        self.half_a_clone()
        self.die(self.three, 'create_volume', rbd_site.volume(4),
                 after='create')

        def hook(process, count, step):
            if step.call == 'remove_snap':
                # No error of ours, nor of librbd.
                raise ValueError('strange')
            return process.run(step)

        with rbd_site.hooked(self.two, hook):
            self.assertEqual(1, self.two.sweep())
        self.assertEqual(['volume-1'], self.images())
        self.assertIn('strange', self.site.log.output)
        self.assertTrue(self.site.markers())

    def test_nor_does_what_is_no_error_of_ours(self):
        self.leave(record(wishes={'a': 'x'}))
        self.leave(record(wishes={'b': 'x'}))
        settled = []

        def settle(records, deadline):
            settled.extend(records)
            raise ValueError('strange')

        self.useFixture(fixtures.MockPatchObject(
            self.two.driver.lock_guard.settlement, 'settle', settle))
        self.assertEqual(0, self.two.sweep())
        self.assertEqual(2, len(settled))

    def test_collects_a_deleted_image_that_has_lost_its_last_clone(self):
        self.half_a_clone()
        self.site.rename('volume-1', 'volume-1.deleted')
        self.assertEqual(1, self.two.sweep())
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_asks_for_no_records_without_our_locks(self):
        self.two.driver.backend.locks = lambda: None
        self.assertEqual(0, self.two.sweep())

    def test_tells_when_etcd_is_away(self):
        self.two.etcd.faults = [exceptions.EtcdUnavailable('away')]
        self.assertRaises(exceptions.EtcdUnavailable, self.two.sweep)


class PostponedTest(SettlementTestCase):

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.cinder.settlement.session',
            types.SimpleNamespace(clock=lambda: self.now)))
        self.half_a_clone()
        # A guest has it.
        self.guest = rbd_site.librbd.Image(self.site.pools['gold'],
                                           'volume-2')

    def sweep(self):
        """Return whether a sweep has tried something."""
        self.two.steps = []
        self.assertEqual(0, self.two.sweep())
        return 'rbd watchers_list' in self.two.steps

    def test_what_cannot_be_ended_is_tried_ever_more_seldom(self):
        self.assertTrue(self.sweep())
        self.assertFalse(self.sweep())
        self.now += settlement.FIRST_PAUSE
        self.assertTrue(self.sweep())
        self.now += settlement.FIRST_PAUSE
        self.assertFalse(self.sweep())
        for _number in range(20):
            self.now += settlement.LAST_PAUSE
            self.assertTrue(self.sweep())

    def test_who_asks_for_the_locks_tries_it_at_once(self):
        self.assertTrue(self.sweep())
        self.guest.close()
        self.two.driver.delete_volume(VOLUME)
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_it_is_forgotten_when_somebody_has_ended_it(self):
        self.assertTrue(self.sweep())
        self.guest.close()
        self.three.sweep()
        self.assertNothingLeft()
        self.sweep()
        self.assertEqual({}, self.two.driver.lock_guard.settlement._postponed)


class SettleTest(SettlementTestCase):

    def settle(self, *records, process=None, seconds=10):
        (process or self.two).driver.lock_guard.settlement.settle(
            records, session.clock() + seconds)

    def test_what_has_not_begun_is_not_ended(self):
        self.site.image('volume-1')
        self.leave(record(wishes={'n': 'x'}, intents=[
            {'operation': 'create_volume', 'image': 'volume-1'}]))
        self.two.steps = []
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()
        # Nor does a marker say so, for the time being.
        self.assertNotIn('rados write', self.two.steps)

    def test_whatever_happens_to_who_finds_it_so(self):
        for fault in interruption.FAULTS:
            for number in range(12):
                self.one, self.two, self.three = self.site.renew()
                self.two.next = self.three
                self.site.image('volume-1')
                name = self.site.processes[0].driver.lock_scope().image(
                    'volume-1')
                self.leave(record(wishes={name: 'x'}, intents=[
                    {'operation': 'create_volume', 'image': 'volume-1'}]))
                with interruption.interrupted(self.two, fault, number):
                    interruption.InterruptionTestCase.look_after(self.two)
                if not self.two.is_dead:
                    self.two.settled()
                self.three.sweep()
                self.assertEqual(['volume-1'], self.images(), (
                    fault, number))
                self.assertNothingLeft()

    def test_more_dead_clones_than_one_claim_can_have_names(self):
        self.site.image('volume-1')
        for number in range(50):
            self.die(self.one, 'create_cloned_volume',
                     rbd_site.volume(100 + number), VOLUME, after='clone')
            self.one.renew()
        self.two.driver.delete_volume(VOLUME)
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_the_second_of_two_finds_nothing(self):
        self.half_a_clone()
        left, = self.marked()
        self.settle(left)
        self.two.driver.create_cloned_volume(OTHER, VOLUME)
        self.settle(left, process=self.three)
        self.assertEqual(['volume-1', 'volume-2'], self.images())
        self.assertEqual(['volume-2.clone_snap'], self.snapshots('volume-1'))
        self.assertNothingLeft()

    def test_who_may_not_cut_off_ends_nothing(self):
        self.half_a_clone()
        made = self.site.cluster.client
        self.site.cluster.client = lambda: made(has_caps=False)
        self.useFixture(fixtures.MonkeyPatch(
            'tests.unit.cinder.rbd_site.Rados.mon_command',
            lambda *_args: (-13, b'', 'access denied')))
        keys, markers = self.site.keys(), dict(self.site.markers())
        error = self.assertRaises(
            rbd_driver.LockFailure, self.two.driver.delete_volume, VOLUME)
        self.assertIn('the monitors refuse', str(error))
        self.assertEqual((keys, markers), (
            self.site.keys(), self.site.markers()))

    def test_it_gives_up_when_its_time_is_over(self):
        self.half_a_clone()
        left, = self.marked()
        # Somebody has one of its locks, and is alive.
        self.three.locks.acquire(
            [(name, mode) for name, mode in left.wishes.items()
             if mode == 'x'], 0, 'mine', lambda _entries: None)
        self.assertRaises(exceptions.LockTimeout, self.settle, left,
                          seconds=0)

    def test_it_gives_up_when_ever_more_turns_up(self):
        turned_up = []

        def locked(_operation, _seconds, fence, _markers):
            turned_up.append(len(turned_up))
            fence([types.SimpleNamespace(
                text=record(f'c{turned_up[-1]}').to_text())])

        self.two.driver.lock_guard.locked = locked
        self.assertRaises(exceptions.LockTimeout, self.settle, record())
        self.assertEqual(settlement.MOST_ROUNDS, len(turned_up))

    def test_who_has_to_have_a_lock_for_himself_has_it(self):
        # In whatever order he hears of it.
        for first, second in (('x', 's'), ('s', 'x')):
            asked = []

            def locked(operation, _seconds, fence, _markers):
                asked.append(operation.touched.wishes)
                fence([types.SimpleNamespace(text=record(
                    'other', wishes={'a': second, 'b': 's'}).to_text())])
                raise exceptions.LockTimeout('a', 0)

            self.two.driver.lock_guard.locked = locked
            self.assertRaises(exceptions.LockTimeout, self.settle,
                              record(wishes={'a': first}))
            self.assertEqual([{'a': first}, {'a': 'x', 'b': 's'}], asked)

    def test_its_client_is_one_that_nobody_can_have_cut_off(self):
        self.site.image('volume-3')
        self.two.driver.extend_volume(rbd_site.volume(3), 2)
        idle, = self.two.driver.backend.clients()._idle
        self.half_a_clone()
        self.site.cluster.blocklist.add(idle.cluster.address)
        self.assertEqual(1, self.two.sweep())
        self.assertNothingLeft()


class RestoredTest(SettlementTestCase):
    """An etcd that was restored from a backup."""

    def backup(self, call, *args, at='etcd /kv/txn', number=1):
        """Run an operation, and return etcd as it was at one of its steps."""
        copies = []

        def hook(process, count, step):
            if f'{step.service} {step.call}' == at:
                copies.append(self.site.store.copy())
            return process.run(step)

        with rbd_site.hooked(self.one, hook):
            getattr(self.one.driver, call)(*args)
        return copies[number]

    def restore(self, backup):
        self.site.store.items = backup.items
        self.site.store.revision += 1000

    def test_a_record_that_comes_back_does_no_harm(self):
        backup = self.backup('create_volume', VOLUME)
        self.one.expire()
        self.restore(backup)
        self.site.store.expire(1)
        self.assertTrue(self.site.keys())
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_whatever_happens_to_who_ends_it(self):
        # A record that came back, and one that was left: the first must not
        # be taken for begun because of the second.
        for fault in (interruption.fail_after, interruption.die_before,
                      interruption.stand_still_after):
            for number in range(25):
                self.one, self.two, self.three = self.site.renew()
                self.two.next = self.three
                backup = self.backup('create_volume', VOLUME)
                self.die(self.one, 'create_cloned_volume', OTHER, VOLUME,
                         at='clone')
                backup.items.update(self.site.store.items)
                self.restore(backup)
                self.site.store.expire(1)
                self.assertEqual(3, len(self.site.keys()))
                with interruption.interrupted(self.two, fault, number):
                    interruption.InterruptionTestCase.look_after(self.two)
                if not self.two.is_dead:
                    self.two.settled()
                self.three.sweep()
                self.assertEqual(['volume-1'], self.images(), (
                    fault, number))
                self.assertNothingLeft()

    def test_work_that_etcd_has_forgotten_is_ended_by_who_comes_next(self):
        self.half_a_clone()
        self.site.store.items.clear()
        self.assertEqual(0, self.two.sweep())
        self.two.driver.delete_volume(VOLUME)
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_and_by_who_finds_another_record(self):
        self.half_a_clone()
        self.site.store.items.clear()
        name = self.one.driver.lock_scope().image('volume-2')
        self.leave(record(wishes={name: 'x'}, intents=[
            {'operation': 'create_volume', 'image': 'volume-2'}]), self.three)
        self.assertEqual(1, self.two.sweep())
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_a_living_holder_whom_etcd_has_forgotten_is_cut_off(self):
        self.site.image('volume-1')

        def hook(process, count, step):
            if step.call == 'clone':
                self.site.store.items.clear()
                rbd_site.apart(self.two.driver.delete_volume, VOLUME)
            return process.run(step)

        with rbd_site.hooked(self.one, hook):
            self.assertRaises(rbd_driver.LockFailure,
                              self.one.driver.create_cloned_volume, OTHER,
                              VOLUME)
        self.two.sweep()
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_unless_he_ends_before_he_is(self):
        self.half_a_clone()
        left, = self.marked()
        self.site.store.items.clear()

        def hook(process, count, step):
            if step.service == 'mon':
                # He was seen, and has been just a little quicker.
                self.site.markers().clear()
            return process.run(step)

        with rbd_site.hooked(self.two, hook):
            self.two.driver.lock_guard.settlement.settle(
                [left], session.clock() + 10)
        self.assertEqual(['volume-1', 'volume-2'], self.images())
        self.assertNothingLeft()


class LeftBehindTest(testtools.TestCase):

    def test_tells_who_and_what(self):
        left = settlement.LeftBehind([record(intents=[
            {'operation': 'create_volume'}, {'operation': 'flatten'}])])
        self.assertEqual('dead@ceph (create_volume), dead@ceph (flatten)',
                         str(left))

    def test_of_texts_names_each_once(self):
        one, other = record('1'), record('2')
        found = settlement.LeftBehind.of_texts(
            [one.to_text(), other.to_text(), one.to_text()])
        self.assertEqual({'1', '2'}, {left.claim for left in found.records})
        self.assertEqual(2, len(found.records))

    def test_a_text_that_is_no_record_is_an_error(self):
        self.assertRaises(exceptions.LockServiceError,
                          settlement.LeftBehind.of_texts, ['what'])

    def test_who_refuses_tells_of_all(self):
        entries = [types.SimpleNamespace(text=record(claim).to_text())
                   for claim in '123']
        error = self.assertRaises(settlement.LeftBehind, settlement.refuse,
                                  entries)
        self.assertEqual(3, len(error.records))


INTENTS = strategies.lists(strategies.sampled_from(
    [{'operation': name} for name in 'abcd']), max_size=3)


class InheritedTest(testtools.TestCase):

    @hypothesis.settings(deadline=None, database=None, max_examples=100)
    @hypothesis.given(INTENTS, strategies.dictionaries(
        strategies.sampled_from('123'), INTENTS))
    def test_a_marker_says_what_those_say_that_it_replaces(
            self, known, replaced):
        mine = record('mine', known, wishes={'a': 'x', 'b': 's'})
        found = fence_record.Record.parsed(settlement.inherited(
            mine.to_text(), {
                f'{claim}{number}': record(claim, intents).to_text()
                for claim, intents in replaced.items()
                for number in range(2)}))
        self.assertEqual(mine.marker_keys, found.marker_keys)
        self.assertEqual(mine.addresses, found.addresses)
        names = [intent['operation'] for intent in found.intents]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual({intent['operation'] for intents
                          in replaced.values() for intent in intents},
                         set(names))
