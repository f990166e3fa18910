# SPDX-License-Identifier: Apache-2.0
"""An operation from its locks to their end, and whatever ends it early."""

import contextlib
import itertools
import json
import types

from cinder import exception
import fixtures
import testtools

from dcn_plugins.cinder import lock_guard
from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import operation as operations
from dcn_plugins.cinder import rbd_driver
from dcn_plugins.cinder import settlement
from dcn_plugins import exceptions
from tests.fakes import lock
from tests.fakes import rbd
from tests.unit.cinder import rbd_site
from tests.unit.cinder import rbd_stories

VOLUME, OTHER = rbd_site.volume(1), rbd_site.volume(2)


class Killed(BaseException):
    """What ends a greenlet."""


class GuardTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.site = self.useFixture(rbd_site.RbdSite())
        self.one, self.two, self.three = self.site.processes
        self.site.image('volume-1')

    def hold(self, image='volume-1', name='create_volume'):
        driver = self.one.driver
        return driver.lock_guard.hold(name, lambda _own: lock_table.of_image(
            name, driver.lock_scope(), image))

    def take(self, image):
        """Have another process hold the lock of an image."""
        locks = self.three.locks
        hold = locks.acquire(
            [(self.one.driver.lock_scope().image(image), 'x')], 0)
        self.addCleanup(locks.release, hold)

    def create(self, name):
        operation = operations.current()
        _cluster, ioctx = operation.connection('gold')
        self.one.driver.rbd.RBD().create(ioctx, name, 1)

    def wait_seconds(self, seconds):
        """Set for how long a part of an operation waits for its locks."""
        self.useFixture(fixtures.MockPatchObject(
            lock_guard, 'NESTED_WAIT_SECONDS', seconds))

    def failing(self, *calls):
        """Have steps of the first process fail, by the names of calls."""
        def hook(process, count, step):
            if f'{step.service} {step.call}' in calls:
                raise step.failure(is_sent=True)
            return process.run(step)

        return rbd_site.hooked(self.one, hook)

    def images(self):
        return sorted(self.site.pools['gold'].images)

    def idle(self, process=None):
        return list((process or self.one).driver.backend.clients()._idle)

    def assertNothingLeft(self):
        self.assertEqual(({}, [], []), (
            self.site.markers(), self.site.keys(), self.site.crashes))


class HoldTest(GuardTestCase):

    def test_marker_and_record_say_the_same_and_go(self):
        with self.hold() as operation:
            text, = self.site.markers().values()
            found = json.loads(text)
            self.assertEqual(
                [operation.own.get().cluster.address], found['addresses'])
            self.assertEqual(
                [{'operation': 'create_volume', 'image': 'volume-1'}],
                found['intents'])
            self.assertEqual(
                ['f', 'g'], sorted(key.split('/')[-2]
                                   for key in self.site.keys()))
            self.assertIs(operation, operations.current())
        self.assertIsNone(operations.current())
        self.assertNothingLeft()

    def test_an_operation_costs_two_calls_of_etcd_and_three_of_rados(self):
        with self.hold():
            pass
        self.assertEqual(
            ['etcd /kv/txn', 'rados write', 'rados read', 'rados write',
             'etcd /kv/txn'], [step for step in self.one.steps
                               if not step.startswith('rbd')])

    def test_a_long_chain_of_deleted_volumes_goes_in_parts(self):
        pool, count = self.site.pools['gold'], 45
        names = [f'volume-c{number}.deleted' for number in range(count)]
        names.append(f'volume-c{count}')
        rbd.RBD().create(pool, names[0], 1)
        for name, child in itertools.pairwise(names):
            snapshot = child.removesuffix('.deleted') + '.clone_snap'
            with rbd.Image(pool, name) as image:
                image.create_snap(snapshot)
                image.protect_snap(snapshot)
            rbd.RBD().clone(pool, name, snapshot, pool, child)
        self.one.driver.delete_volume(types.SimpleNamespace(
            id=f'c{count}', name=names[-1]))
        # That of volume-1 is there from the beginning.
        self.assertEqual(
            count - rbd_driver.MOST_ANCESTORS, len(self.images()) - 1)
        self.assertNothingLeft()

    def test_its_client_is_used_again(self):
        with self.hold():
            self.assertEqual([], self.idle())
        client, = self.idle()
        with self.hold() as operation:
            self.assertIs(client, operation.own.get())

    def test_but_not_after_a_failure(self):
        def fail():
            with self.hold():
                raise ValueError

        self.assertRaises(ValueError, fail)
        self.assertEqual([], self.idle())
        self.assertNothingLeft()

    def test_who_gets_no_lock_does_nothing(self):
        self.useFixture(fixtures.MockPatchObject(
            self.one.driver.backend, 'wait_seconds', lambda: 0))
        self.take('volume-1')
        self.assertRaises(exceptions.LockTimeout, self.enter)
        self.assertNotIn('rados write', self.one.steps)
        self.assertEqual(1, len(self.site.keys()))

    def enter(self):
        with self.hold():
            self.fail('nobody else may come here')

    def test_an_etcd_that_refuses_has_changed_nothing(self):
        self.one.etcd.faults = [exceptions.EtcdRefused('no', 3, 'no')]
        error = self.assertRaises(exceptions.LockServiceError, self.enter)
        self.assertIs(exceptions.Outcome.NOTHING_DONE, error.outcome)

    def test_a_part_of_an_operation_has_its_locks(self):
        with self.hold() as outer:
            self.one.steps = []
            with self.hold(name='part') as part:
                self.assertIs(outer, part)
            self.assertEqual([], self.one.steps)
        self.assertNothingLeft()

    def test_a_part_takes_what_is_missing_with_the_same_client(self):
        self.site.image('volume-2')
        with self.hold() as outer:
            with self.hold('volume-2') as part:
                self.assertIsNot(outer, part)
                self.assertIs(outer.own, part.own)
                self.assertEqual(2, len(self.site.markers()))
                self.assertIs(part, operations.current())
            self.assertIs(outer, operations.current())
            self.assertEqual(1, len(self.site.markers()))
        self.assertNothingLeft()

    def test_a_part_does_not_wait_for_long(self):
        self.assertLess(lock_guard.NESTED_WAIT_SECONDS,
                        self.one.driver.backend.wait_seconds())
        self.wait_seconds(0.0)
        self.take('volume-2')
        with self.hold():
            self.assertRaises(exceptions.LockTimeout, self.part)

    def part(self):
        with self.hold('volume-2'):
            self.fail('nobody else may come here')

    def test_images_are_closed_before_their_client(self):
        # Also those that are forgotten, and when it fails.
        for error in (None, ValueError):
            with contextlib.suppress(ValueError):
                with self.hold() as operation:
                    _cluster, ioctx = operation.connection('gold')
                    self.one.driver.rbd.Image(ioctx, 'volume-1')
                    if error:
                        raise error
        self.one.driver.backend.clients().close()
        self.assertEqual([], self.site.crashes)


class LookedUpTest(GuardTestCase):
    """What an operation touches may have to be looked up in Ceph."""

    def touching(self, *found):
        """Return a touch that finds other locks each time."""
        scope = self.one.driver.lock_scope()
        left = list(found)
        asked = []

        def touch(own):
            asked.append(own)
            names = [] if own is None else left.pop(0)
            return lock_table.Touched(
                {scope.image(name): 'x' for name in ['volume-1', *names]},
                ({'operation': 'flatten'},), True)

        return touch, asked

    def setUp(self):
        super().setUp()
        # There are markers, or there never have been any.
        with self.hold():
            pass

    def test_until_the_locks_are_those_of_what_is_there(self):
        touch, asked = self.touching(['a'], ['a', 'b'], ['a', 'b'])
        with self.one.driver.lock_guard.hold('test', touch) as operation:
            self.assertEqual(3, len(operation.touched.wishes))
            self.assertEqual(3, len(self.site.markers()))
        self.assertEqual([None, operation.own, operation.own, operation.own],
                         asked)
        self.assertNothingLeft()

    def test_once_more_if_somebody_has_worked_meanwhile(self):
        # Of whom an etcd that was restored from a backup knows nothing.
        touch, asked = self.touching([], ['a'], ['a'])
        opened = []

        def looking(own):
            if own is not None:
                with self.one.driver.rbd.Image(own.get().ioctx('gold'),
                                               'volume-1') as image:
                    opened.append(image._image)
                if len(opened) == 1:
                    self.come_and_go()
            return touch(own)

        with self.one.driver.lock_guard.hold('test', looking) as operation:
            self.assertEqual(2, len(operation.touched.wishes))
            # They may have been opened before that.
            self.assertEqual([False, False, True],
                             [image.is_open for image in opened])
        self.assertEqual(4, len(asked))
        self.assertNothingLeft()

    def come_and_go(self):
        other = self.two.driver.backend
        own = other.clients().take()
        marks = other.markers(own)
        marks.begin('c9', {'dcn:x': 'x'}, 'nine')
        marks.end('c9', {'dcn:x': 'x'}, 'nine')
        other.clients().give_back(own)

    def test_but_not_for_ever(self):
        touch, _asked = self.touching(
            *([f'{number}'] for number in range(100)))
        with testtools.ExpectedException(exceptions.LockTimeout):
            with self.one.driver.lock_guard.hold('test', touch):
                self.fail('there is no end')
        self.assertNothingLeft()

    def test_what_cannot_be_looked_up_has_not_begun(self):
        def touch(own):
            if own:
                raise rbd_site.librbd.Timeout('away')
            return self.touching()[0](own)

        self.one.steps.clear()
        with testtools.ExpectedException(rbd_site.librbd.Timeout):
            with self.one.driver.lock_guard.hold('test', touch):
                self.fail('nothing is known')
        self.assertNotIn('rados write', self.one.steps)
        self.assertNothingLeft()


class FailureTest(GuardTestCase):

    def test_what_it_has_made_is_removed(self):
        def fail():
            with self.hold('volume-2'):
                self.create('volume-2')
                raise ValueError

        self.assertRaises(ValueError, fail)
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_but_not_what_was_there_before(self):
        def fail():
            with self.hold():
                self.create('volume-1')

        self.assertRaises(rbd_site.librbd.ImageExists, fail)
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_what_cannot_be_removed_is_left_to_others(self):
        def fail():
            with self.hold('volume-2'):
                self.create('volume-2')
                raise ValueError('why')

        with self.failing('rbd remove'):
            error = self.assertRaises(exceptions.WorkLeft, fail)
        self.assertIn('why', str(error))
        self.assertIsInstance(error.__cause__, ValueError)
        self.assertEqual(1, len(self.site.markers()))
        self.assertEqual(['f'], [key.split('/')[-2]
                                 for key in self.site.keys()])

    def test_nobody_hears_that_it_is_busy_if_others_are_to_delete_it(self):
        # Cinder would make the volume available again, and lose it.
        for call, args, busy in (
                ('delete_volume', (VOLUME,), exception.VolumeIsBusy),
                ('delete_snapshot', (rbd_stories.SNAPSHOT,),
                 exception.SnapshotIsBusy)):
            self.one, self.two, _three = self.site.renew()
            self.site.image('volume-1')
            self.site.snapshot('volume-1', 'snapshot-3')
            if call == 'delete_volume':
                with rbd_site.librbd.Image(self.site.pools['gold'],
                                           'volume-1') as image:
                    image.unprotect_snap('snapshot-3')
                    image.remove_snap('snapshot-3')
                self.guest = rbd_site.librbd.Image(self.site.pools['gold'],
                                                   'volume-1')
            else:
                pool = self.site.pools['gold']
                rbd_site.librbd.RBD().clone(pool, 'volume-1', 'snapshot-3',
                                            pool, 'volume-2')
                self.take('volume-2')
                self.wait_seconds(0.0)
            method = getattr(self.one.driver, call)
            self.assertRaises(busy, method, *args)
            self.assertEqual({}, self.site.markers())
            # The marker is not removed: the second of all writes.
            writes = []

            def hook(process, count, step):
                if (step.service, step.call) == ('rados', 'write'):
                    writes.append(count)
                    if len(writes) > 1:
                        raise step.failure(is_sent=False)
                return process.run(step)

            with rbd_site.hooked(self.one, hook):
                self.assertRaises(rbd_driver.LockFailure, method, *args)
            self.assertEqual(1, len({*self.site.markers().values()}))

    def test_a_deletion_that_is_refused_leaves_nothing_to_be_finished(self):
        def hook(process, count, step):
            if step.call == 'remove':
                raise rbd.PermissionError('no')
            return process.run(step)

        with rbd_site.hooked(self.one, hook):
            self.assertRaises(rbd.PermissionError,
                              self.one.driver.delete_volume, VOLUME)
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()
        self.two.sweep()
        self.assertEqual(['volume-1'], self.images())

    def test_one_that_may_be_half_done_is_left_to_be_finished(self):
        with self.failing('rbd remove'):
            self.assertRaises(rbd_driver.LockFailure,
                              self.one.driver.delete_volume, VOLUME)
        self.two.sweep()
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_it_is_busy_while_somebody_works_on_its_child(self):
        self.site.snapshot('volume-1', 'snapshot-3')
        pool = self.site.pools['gold']
        rbd_site.librbd.RBD().clone(pool, 'volume-1', 'snapshot-3', pool,
                                    'volume-2')
        self.take('volume-2')
        self.wait_seconds(0.0)
        self.assertRaises(exception.VolumeIsBusy,
                          self.one.driver.delete_volume, VOLUME)
        self.assertEqual({}, self.site.markers())

    def test_who_has_lost_his_locks_undoes_nothing(self):
        def fail():
            with self.hold('volume-2'):
                self.create('volume-2')
                self.one.expire()
                self.one.steps = []
                raise ValueError

        error = self.assertRaises(exceptions.LockLost, fail)
        self.assertIsInstance(error.__cause__, ValueError)
        self.assertNotIn('rbd remove', self.one.steps)
        self.assertEqual(['volume-1', 'volume-2'], self.images())
        self.assertEqual(1, len(self.site.markers()))

    def test_nor_changes_anything(self):
        with testtools.ExpectedException(exceptions.LockLost):
            with self.hold('volume-2'):
                self.one.expire()
                self.create('volume-2')
        self.assertEqual(['volume-1'], self.images())

    def test_who_has_lost_them_unnoticed_is_told_at_his_release(self):
        with testtools.ExpectedException(exceptions.LockLost):
            with self.hold():
                self.one.expire()
                rbd_site.apart(self.two.sweep)
                self.site.cluster.blocklist.clear()
        self.assertNothingLeft()

    def test_who_has_not_been_missed_has_lost_nothing(self):
        with self.hold():
            self.one.expire()
        self.assertNothingLeft()

    def unheard(self, count, is_sent, then=lambda: None):
        """Have so many removals of markers not be answered.

        :param is_sent: whether they are done all the same.
        :param then: called after the last one.
        """
        self.useFixture(fixtures.MockPatchObject(
            lock_guard, 'END_PAUSE_SECONDS', 0.0))
        writes = []

        def hook(process, count_, step):
            writes.append(step.call == 'write')
            if writes[-1] and 1 < sum(writes) <= 1 + count:
                if is_sent:
                    process.run(step)
                if sum(writes) == 1 + count:
                    then()
                raise step.failure(is_sent=is_sent)
            return process.run(step)

        return rbd_site.hooked(self.one, hook)

    def end_seconds(self, seconds):
        self.useFixture(fixtures.MockPatchObject(
            lock_guard, 'END_SECONDS', seconds))

    def test_a_marker_that_is_not_removed_makes_it_a_failure(self):
        self.end_seconds(-1.0)
        with self.unheard(1, is_sent=False):
            self.assertRaises(rbd_driver.LockFailure,
                              self.one.driver.create_volume, OTHER)
        self.two.sweep()
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_but_not_if_it_is_removed_soon(self):
        for is_sent in (False, True):
            with self.unheard(3, is_sent):
                self.one.driver.create_volume(OTHER)
            self.two.sweep()
            self.assertEqual(['volume-1', 'volume-2'], self.images())
            self.assertNothingLeft()
            self.one.driver.delete_volume(OTHER)

    def test_nor_if_the_lease_ends_meanwhile_and_nobody_comes(self):
        with self.unheard(1, False, self.one.expire):
            self.one.driver.create_volume(OTHER)
        self.assertEqual(['volume-1', 'volume-2'], self.images())
        self.assertNothingLeft()

    def test_nor_if_its_removal_was_done(self):
        # Its record is there still, so nobody has come.
        with self.unheard(1, True, self.one.expire):
            self.one.driver.create_volume(OTHER)
        self.assertEqual(['volume-1', 'volume-2'], self.images())
        self.assertNothingLeft()

    def test_if_nobody_can_tell_it_is_a_failure(self):
        def away():
            self.one.expire()
            self.one.etcd.faults = [
                exceptions.EtcdUnavailable('away', False)] * 9

        with self.unheard(1, True, away):
            self.assertRaises(rbd_driver.LockFailure,
                              self.one.driver.create_volume, OTHER)

    def test_if_somebody_has_come_it_is_undone(self):
        def come():
            self.one.expire()
            rbd_site.apart(self.two.sweep)

        with self.unheard(1, False, come):
            self.assertRaises(rbd_driver.LockFailure,
                              self.one.driver.create_volume, OTHER)
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_what_has_ended_has_ended_also_if_etcd_is_away_then(self):
        with self.hold():
            self.one.etcd.faults = [exceptions.EtcdRefused('no', 3, 'no')]
        self.assertIn('create_volume has ended well', self.site.log.output)
        # Its record names it still, so it may be cut off.
        self.assertEqual([], self.idle())
        self.one.settled()
        self.assertNothingLeft()

    def test_a_release_that_fails_after_a_failure_is_logged(self):
        def away():
            with self.hold():
                self.one.etcd.faults = [exceptions.EtcdRefused('no', 3, 'no')]
                raise ValueError

        self.assertRaises(ValueError, away)
        self.assertIn('failed for another reason', self.site.log.output)


class KilledTest(GuardTestCase):

    def test_a_call_of_librbd_may_still_be_under_way(self):
        def killed():
            with self.hold('volume-2'):
                self.create('volume-2')
                self.one.steps = []
                raise Killed

        self.assertRaises(Killed, killed)
        self.assertNotIn('rbd remove', self.one.steps)
        self.assertEqual(1, len(self.site.markers()))
        # The lease lives, and keeps nobody from it.
        self.two.sweep()
        self.assertEqual(['volume-1'], self.images())
        self.assertEqual(1, len(self.site.cluster.blocklist))
        self.assertNothingLeft()

    def test_who_is_killed_while_he_undoes_leaves_it(self):
        def hook(process, count, step):
            if step.call == 'remove':
                raise Killed
            return process.run(step)

        def killed():
            with self.hold('volume-2'):
                self.create('volume-2')
                raise ValueError

        with rbd_site.hooked(self.one, hook):
            self.assertRaises(Killed, killed)
        self.two.sweep()
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_who_is_killed_while_he_ends_leaves_it(self):
        def hook(process, count, step):
            writes.append(step.call == 'write')
            if writes[-1] and sum(writes) == 2:
                raise Killed
            return process.run(step)

        def killed():
            with self.hold():
                pass

        writes = []
        with rbd_site.hooked(self.one, hook):
            self.assertRaises(Killed, killed)
        self.two.sweep()
        self.assertNothingLeft()

    def test_who_is_killed_before_he_begins_leaves_nothing(self):
        def touch(own):
            if own:
                raise Killed
            return lock_table.of_image(
                'flatten', self.one.driver.lock_scope(), 'volume-1', ())

        with testtools.ExpectedException(Killed):
            with self.one.driver.lock_guard.hold('test', touch):
                self.fail('he is dead')
        self.assertNothingLeft()


class CutOffTest(GuardTestCase):
    """A client was cut off after its operation had ended well."""

    def cut_off(self):
        self.one.driver.extend_volume(VOLUME, 2)
        client, = self.idle()
        self.site.cluster.blocklist.add(client.cluster.address)
        return client.cluster.address

    def test_the_next_operation_takes_another_one(self):
        address = self.cut_off()
        with self.hold() as operation:
            self.assertNotEqual(address,
                                operation.own.get().cluster.address)
        self.assertNothingLeft()

    def test_also_if_it_has_to_look_something_up(self):
        self.cut_off()
        self.one.driver.delete_volume(VOLUME)
        self.assertIn('rbd open', self.one.steps)
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_and_none_that_was_idle_meanwhile(self):
        clients = self.one.driver.backend.clients()
        idle = [clients.take() for _number in range(3)]
        for client in idle:
            clients.give_back(client)
            self.site.cluster.blocklist.add(client.cluster.address)
        with self.hold() as operation:
            self.assertNotIn(operation.own.get(), idle)
        # The other two are not tried, one after the other.
        self.assertEqual(2, len(set(idle) & set(clients._idle)))

    def test_a_part_has_no_other_one(self):
        def part():
            with self.hold() as operation:
                self.site.cluster.blocklist.add(
                    operation.own.get().cluster.address)
                with self.hold('volume-2'):
                    self.fail('its client is cut off')

        self.assertRaises(exceptions.LockError, part)
        self.two.sweep()
        self.assertNothingLeft()


class LeftBehindTest(GuardTestCase):

    def half_a_clone(self, call='create_cloned_volume', source=VOLUME):
        def hook(process, count, step):
            found = process.run(step)
            if step.call == 'clone':
                process.die()
            return found

        with rbd_site.hooked(self.two, hook):
            self.assertRaises(rbd_site.Died,
                              getattr(self.two.driver, call), OTHER, source)

    def half_of_a_snapshot(self):
        self.site.snapshot('volume-1', 'snapshot-3')
        self.half_a_clone('create_volume_from_snapshot',
                          rbd_stories.SNAPSHOT)

    def test_it_is_ended_first(self):
        self.half_a_clone()
        with self.hold():
            self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_who_needs_none_of_its_locks_does_not_care(self):
        self.half_a_clone()
        with self.hold('volume-3'):
            self.assertEqual(['volume-1', 'volume-2'], self.images())

    def test_who_shares_what_the_dead_one_shared_does_not_care(self):
        self.half_of_a_snapshot()
        self.one.driver.create_volume_from_snapshot(
            rbd_site.volume(3), rbd_stories.SNAPSHOT)
        self.assertEqual(['volume-1', 'volume-2', 'volume-3'],
                         self.images())
        self.three.sweep()
        self.assertEqual(['volume-1', 'volume-3'], self.images())

    def test_who_needs_it_for_himself_ends_it_first(self):
        self.half_of_a_snapshot()
        self.one.driver.delete_snapshot(rbd_stories.SNAPSHOT)
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()

    def test_also_if_etcd_has_forgotten_it(self):
        self.half_of_a_snapshot()
        self.site.store.items.clear()
        self.one.driver.delete_snapshot(rbd_stories.SNAPSHOT)
        self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()
        # One and its way back, and two for each of two operations: who has
        # not begun has nothing to end.
        self.assertEqual(6, self.one.steps.count('rados write'))

    def test_what_cannot_be_ended_fails_the_operation(self):
        self.half_a_clone()
        guest = rbd_site.librbd.Image(self.site.pools['gold'], 'volume-2')
        self.assertRaises(rbd_driver.LockFailure,
                          self.one.driver.delete_volume, VOLUME)
        guest.close()
        self.one.driver.delete_volume(VOLUME)
        self.assertEqual([], self.images())
        self.assertNothingLeft()

    def test_not_for_ever(self):
        settled = []
        self.one.driver.lock_guard.settlement = types.SimpleNamespace(
            settle=lambda records, deadline: settled.append(records))
        self.half_a_clone()
        with testtools.ExpectedException(exceptions.LockTimeout):
            with self.hold():
                self.fail('it was not ended')
        self.assertEqual(lock_guard.MOST_ROUNDS, len(settled))

    def test_a_lease_that_ends_meanwhile_is_no_loss(self):
        # Nothing has begun, so there is another round.
        self.half_a_clone()
        self.site.store.items.clear()

        def hook(process, count, step):
            found = process.run(step)
            if step.call == 'read' and not ended:
                ended.append(count)
                process.expire()
            return found

        ended = []
        with rbd_site.hooked(self.one, hook):
            with self.hold():
                self.assertTrue(ended)
                self.assertEqual(['volume-1'], self.images())
        self.assertNothingLeft()


class WithoutOurLocksTest(GuardTestCase):

    def setUp(self):
        super().setUp()
        self.dlm = lock.LockService()
        self.one.driver.backend.locks = lambda: None
        self.one.driver.backend.get_lock = self.dlm.get_lock

    def test_the_locks_are_those_of_tooz(self):
        with self.hold() as operation:
            self.assertEqual([self.one.driver.lock_scope().image('volume-1')],
                             list(self.dlm.owners))
            self.assertIs(operation, operations.current())
        self.assertEqual({}, self.dlm.owners)
        self.assertEqual(({}, []), (self.site.markers(), self.site.keys()))

    def test_what_is_touched_is_looked_up(self):
        self.site.clone('volume-1', 'volume-2')
        self.one.driver.delete_volume(OTHER)
        self.assertEqual(['volume-1'], self.images())
        self.assertEqual({}, self.site.ceph()['gold']['volume-1'][
            'snapshots'])
        self.assertEqual({}, self.dlm.owners)

    def test_images_are_closed(self):
        with contextlib.suppress(ValueError):
            with self.hold() as operation:
                _cluster, ioctx = operation.connection('gold')
                self.one.driver.rbd.Image(ioctx, 'volume-1')
                raise ValueError
        self.assertEqual([], self.site.crashes)

    def test_a_migration_leaves_no_note(self):
        rbd_stories.arrange(self, self.site)
        self.one.driver.migrate_volume(None, VOLUME, rbd_stories.HOST)
        self.assertNotIn('rbd metadata_set', self.one.steps)
        self.assertEqual([], self.images())
        self.assertEqual(['volume-1'], list(self.site.pools['iron'].images))


class RefuseTest(GuardTestCase):

    def test_what_is_no_record_is_left_alone(self):
        hold = self.two.locks.acquire([(
            self.one.driver.lock_scope().image('volume-1'), 'x')], 0, 'what')
        self.two.locks.abandon(hold)
        keys = self.site.keys()
        self.assertRaises(rbd_driver.LockFailure,
                          self.one.driver.delete_volume, VOLUME)
        self.assertEqual(keys, self.site.keys())
        self.assertEqual(['volume-1'], self.images())

    def test_its_own_class_of_error_is_not_told(self):
        # Whoever gets it could not know what it is.
        self.assertFalse(issubclass(settlement.LeftBehind,
                                    exceptions.DCNError))
