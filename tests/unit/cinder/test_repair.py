# SPDX-License-Identifier: Apache-2.0
"""What is undone, what is finished, and what is not touched."""

from cinder import exception
import testtools

from dcn_plugins.cinder import lock_table
from dcn_plugins.cinder import rbd_driver
from dcn_plugins.cinder import repair
from dcn_plugins import exceptions
from tests.unit.cinder import rbd_site
from tests.unit.cinder import rbd_stories

librbd = rbd_site.librbd
VOLUME, OTHER = rbd_site.volume(1), rbd_site.volume(2)
MIGRATION = {'operation': 'migrate_volume', 'image': 'volume-1',
             'target_pool': 'iron', 'migration': 'm'}


class RepairTestCase(testtools.TestCase):

    options = {}

    def setUp(self):
        super().setUp()
        self.site = self.useFixture(rbd_site.RbdSite('one', **self.options))
        self.one, = self.site.processes
        self.driver, self.backend = self.one.driver, self.one.driver.backend
        self.site.image('volume-1')

    def hold(self, name, *images, **intent):
        scope = self.driver.lock_scope()
        touched = lock_table.Touched(
            {scope.image(image): 'x' for image in images or ['volume-1']},
            ({'operation': name, **intent},))
        return self.driver.lock_guard.hold(name, lambda _own: touched)

    def end(self, operation, **intent):
        with self.hold('flatten') as held:
            return repair.end(self.backend, held,
                              {'operation': operation, **intent})

    def undo(self, name, work=None, **intent):
        """Run an operation that fails after some work of it."""
        def fail():
            with self.hold(name, **intent) as held:
                if work:
                    work(held)
                raise ValueError

        self.assertRaises(ValueError, fail)

    def images(self, pool='gold'):
        return sorted(self.site.pools[pool].images)

    def trash(self):
        return [entry['name'] for entry
                in self.site.pools['gold'].trash.values()]

    def snapshots(self, image='volume-1'):
        return sorted(self.site.ceph()['gold'][image]['snapshots'])

    def content(self, image='volume-1', pool='gold'):
        return self.site.ceph()[pool][image]['content'].get(0)

    def write(self, image, data, pool='gold'):
        with librbd.Image(self.site.pools[pool], image) as opened:
            opened.write(data, 0)

    def note(self, image, migration='m'):
        with librbd.Image(self.site.pools['gold'], image) as opened:
            opened.metadata_set(repair._COPIED, migration)

    def watched(self, image):
        """Have a guest use an image."""
        guest = librbd.Image(self.site.pools['gold'], image)
        self.addCleanup(guest.close)
        return guest

    def busy(self, times):
        """Have Ceph say so often that an image that is removed is in use."""
        left = [times]

        def hook(process, count, step):
            if step.call == 'remove' and left[0]:
                left[0] -= 1
                raise librbd.ImageBusy('in use')
            return process.run(step)

        return rbd_site.hooked(self.one, hook)


class EndTest(RepairTestCase):

    def test_each_operation_is_known(self):
        for name in {*lock_table.LOCKS, 'flatten', 'collect', 'drop'}:
            self.assertTrue(name in repair._WHOLE or name in repair._ENDS)

    def test_one_that_is_not_known_is_for_others(self):
        self.assertRaises(exceptions.RepairFailed, self.end, 'paint_volume',
                          image='volume-1')

    def test_of_some_each_step_is_whole(self):
        before = self.site.ceph()
        for name in ('extend_volume', 'retype', 'flatten', 'collect'):
            self.assertEqual([], self.end(name, image='volume-1'))
        self.assertEqual([], self.end('reclaim', images=['volume-1']))
        self.assertEqual(before, self.site.ceph())

    def test_what_was_being_made_goes(self):
        for name in ('create_volume', 'create_volume_from_snapshot',
                     'clone_image', 'copy_image_to_volume',
                     'copy_image_to_encrypted_volume'):
            self.site.image('volume-2')
            self.assertEqual([], self.end(name, image='volume-2'))
            self.assertEqual(['volume-1'], self.images())
            # Or has not come to anything.
            self.assertEqual([], self.end(name, image='volume-2'))

    def test_but_not_a_volume_that_was_there_before(self):
        self.end('copy_image_to_volume', image='volume-1',
                 is_overwritten=True)
        self.assertEqual(['volume-1'], self.images())

    def test_what_is_in_use_for_a_moment_is_waited_for(self):
        with self.busy(repair.TRIES - 1):
            self.end('create_volume', image='volume-1')
        self.assertEqual([], self.images())

    def test_but_not_for_long(self):
        with self.busy(repair.TRIES):
            self.assertRaises(librbd.ImageBusy, self.end, 'create_volume',
                              image='volume-1')
        self.assertEqual(['volume-1'], self.images())

    def test_a_clone_goes_with_its_snapshot(self):
        for step in ('snapshot', 'protected', 'cloned'):
            if step == 'cloned':
                self.site.clone('volume-1', 'volume-2')
            else:
                with librbd.Image(self.site.pools['gold'],
                                  'volume-1') as image:
                    image.create_snap('volume-2.clone_snap')
                    if step == 'protected':
                        image.protect_snap('volume-2.clone_snap')
            self.site.snapshot('volume-1', f'snapshot of {step}')
            self.assertEqual([], self.end(
                'create_cloned_volume', image='volume-2', source='volume-1'))
            self.assertEqual(['volume-1'], self.images())
            self.assertNotIn('volume-2.clone_snap', self.snapshots())
        self.assertEqual(3, len(self.snapshots()))

    def test_a_deleted_source_is_to_be_collected(self):
        self.site.clone('volume-1', 'volume-2')
        self.site.rename('volume-1', 'volume-1.deleted')
        self.assertEqual(['volume-1.deleted'], self.end(
            'create_cloned_volume', image='volume-2', source='volume-1'))
        self.assertEqual([], self.snapshots('volume-1.deleted'))

    def test_a_snapshot_goes(self):
        self.site.snapshot('volume-1', 'snapshot-3')
        self.site.snapshot('volume-1', 'snapshot-4')
        for _time in range(2):
            self.end('create_snapshot', source='volume-1',
                     snapshot='snapshot-3')
            self.assertEqual(['snapshot-4'], self.snapshots())
        self.end('create_snapshot', source='gone', snapshot='snapshot-3')

    def test_a_managed_volume_gets_its_name_back(self):
        for _time in range(2):
            self.end('manage_existing', image='volume-1', existing='old')
            self.assertEqual(['old'], self.images())
        # Somebody has made one of that name.
        self.site.image('volume-1')
        self.end('manage_existing', image='volume-1', existing='old')
        self.end('manage_existing', image='volume-1')
        self.assertEqual(['old', 'volume-1'], self.images())

    def test_a_managed_snapshot_gets_its_name_back(self):
        self.site.snapshot('volume-1', 'snapshot-3')
        for _time in range(2):
            self.end('manage_existing_snapshot', source='volume-1',
                     snapshot='snapshot-3', existing='old')
            self.assertEqual(['old'], self.snapshots())
        self.site.snapshot('volume-1', 'snapshot-3')
        self.end('manage_existing_snapshot', source='volume-1',
                 snapshot='snapshot-3', existing='old')
        self.assertEqual(['old', 'snapshot-3'], self.snapshots())


class FinishTest(RepairTestCase):

    def delete(self, image='volume-2', *ancestors):
        return self.end('delete_volume', image=image, ancestors=ancestors)

    def test_a_deletion(self):
        for _time in range(2):
            self.delete('volume-1')
            self.assertEqual([], self.images())

    def test_of_what_is_in_use_it_is_given_up(self):
        # So it would have ended for its own process.
        self.watched('volume-1')
        self.delete('volume-1')
        self.assertEqual(['volume-1'], self.images())
        self.assertIn('is not finished', self.site.log.output)

    def test_of_a_clone_its_snapshot_goes(self):
        self.site.clone('volume-1', 'volume-2')
        self.site.clone('volume-1', 'volume-3')
        self.delete('volume-2', ['volume-1', 'volume-2.clone_snap'])
        self.assertEqual(['volume-1', 'volume-3'], self.images())
        self.assertEqual(['volume-3.clone_snap'], self.snapshots())

    def test_of_the_last_clone_of_deleted_ones_these_go(self):
        for gone in (0, 1, 2):
            self.one.renew()
            self.site.renew()
            self.site.image('volume-1')
            self.site.clone('volume-1', 'volume-2')
            self.site.clone('volume-2', 'volume-3')
            self.site.rename('volume-2', 'volume-2.deleted')
            self.site.rename('volume-1', 'volume-1.deleted')
            pool = self.site.pools['gold']
            # Wherever he was who had begun it.
            if gone:
                librbd.RBD().remove(pool, 'volume-3')
            if gone > 1:
                with librbd.Image(pool, 'volume-2.deleted') as image:
                    image.unprotect_snap('volume-3.clone_snap')
                    image.remove_snap('volume-3.clone_snap')
                librbd.RBD().remove(pool, 'volume-2.deleted')
            self.delete('volume-3',
                        ['volume-2.deleted', 'volume-3.clone_snap'],
                        ['volume-1.deleted', 'volume-2.clone_snap'])
            self.assertEqual([], self.images())

    def test_a_deleted_one_with_another_clone_stays(self):
        self.site.clone('volume-1', 'volume-2')
        self.site.clone('volume-1', 'volume-3')
        self.site.rename('volume-1', 'volume-1.deleted')
        self.delete('volume-2', ['volume-1.deleted', 'volume-2.clone_snap'])
        self.assertEqual(['volume-1.deleted', 'volume-3'], self.images())

    def test_a_volume_that_stays_keeps_its_ancestors(self):
        self.site.clone('volume-1', 'volume-2')
        self.watched('volume-2')
        self.delete('volume-2', ['volume-1', 'volume-2.clone_snap'])
        self.assertEqual(['volume-2.clone_snap'], self.snapshots())
        self.assertNotIn('rbd unprotect_snap', self.one.steps)

    def test_an_ancestor_in_use_is_left_to_the_audit(self):
        self.site.clone('volume-1', 'volume-2')
        self.site.rename('volume-1', 'volume-1.deleted')
        self.watched('volume-1.deleted')
        self.delete('volume-2', ['volume-1.deleted', 'volume-2.clone_snap'])
        self.assertEqual(['volume-1.deleted'], self.images())
        self.assertIn('left to the audit', self.site.log.output)

    def test_the_deletion_of_a_snapshot(self):
        self.site.snapshot('volume-1', 'snapshot-3')
        for _time in range(2):
            self.end('delete_snapshot', source='volume-1',
                     snapshot='snapshot-3')
            self.assertEqual([], self.snapshots())

    def test_also_of_one_that_is_unprotected_already(self):
        with librbd.Image(self.site.pools['gold'], 'volume-1') as image:
            image.create_snap('snapshot-3')
        self.end('delete_snapshot', source='volume-1', snapshot='snapshot-3')
        self.assertEqual([], self.snapshots())

    def test_of_one_whose_clone_is_in_work_it_is_given_up(self):
        def busy(_snapshot):
            raise exception.SnapshotIsBusy(snapshot_name='snapshot-3')

        self.site.snapshot('volume-1', 'snapshot-3')
        self.driver.upstream = lambda _name, snapshot: busy(snapshot)
        self.end('delete_snapshot', source='volume-1', snapshot='snapshot-3')
        self.assertIn('is not finished', self.site.log.output)

    def revert(self, **changes):
        self.end('revert_to_snapshot', **{
            'image': 'volume-1', 'snapshot': 'snapshot-3', **changes})

    def test_a_revert(self):
        self.site.snapshot('volume-1', 'snapshot-3')
        self.write('volume-1', b'new')
        for _time in range(2):
            self.revert()
            self.assertEqual(b'content', self.content())

    def test_not_of_what_is_in_use_by_now(self):
        self.site.snapshot('volume-1', 'snapshot-3')
        self.write('volume-1', b'new')
        self.watched('volume-1')
        self.revert()
        self.assertEqual(b'new', self.content())
        self.assertIn('it is in use', self.site.log.output)

    def test_nor_of_what_is_gone(self):
        self.revert()
        self.revert(image='gone')
        self.assertEqual(2, self.site.log.output.count('cannot be finished'))


class DeferredTest(RepairTestCase):
    """What goes to the trash, whoever ends it."""

    options = {'enable_deferred_deletion': True, 'deferred_deletion_delay': 9}

    def test_a_deletion_that_is_finished_for_somebody_else(self):
        self.end('delete_volume', image='volume-1')
        self.assertEqual((['volume-1'], []), (self.trash(), self.images()))

    def test_what_is_undone_is_nobodys_data(self):
        self.end('create_volume', image='volume-1')
        self.assertEqual(([], []), (self.trash(), self.images()))

    def test_a_deleted_image_that_is_collected(self):
        self.site.rename('volume-1', 'volume-1.deleted')
        repair.collect(self.backend, self.driver.lock_guard,
                       'volume-1.deleted')
        self.assertEqual(['volume-1.deleted'], self.trash())

    def test_the_parent_of_a_clone_in_the_trash_is_left_to_the_audit(self):
        # Its snapshot is protected for as long as that is there. It must not
        # be tried for ever: nobody would have the lock of the parent.
        self.site.clone('volume-1', 'volume-2')
        self.end('delete_volume', image='volume-2',
                 ancestors=[['volume-1', 'volume-2.clone_snap']])
        self.assertEqual(['volume-2'], self.trash())
        self.assertEqual(['volume-2.clone_snap'], self.snapshots())

    def test_nor_does_it_make_the_volume_available_again(self):
        self.site.clone('volume-1', 'volume-2')
        self.driver.delete_volume(OTHER)
        self.assertEqual(['volume-2'], self.trash())


class UndoTest(RepairTestCase):

    def create(self, name):
        def work(held):
            self.backend.rbd.RBD().create(held.connection('gold')[1], name,
                                          1)
        return work

    def test_what_was_made(self):
        self.undo('create_volume', self.create('volume-2'), image='volume-2')
        self.assertEqual(['volume-1'], self.images())

    def test_and_nothing_else(self):
        # Neither what an intent names, nor what upstream has removed again.
        self.undo('create_volume', image='volume-1')
        self.undo('create_cloned_volume', image='volume-1', source='x')

        def work(held):
            self.create('volume-2')(held)
            self.backend.rbd.RBD().remove(held.connection('gold')[1],
                                          'volume-2')

        self.undo('create_volume', work, image='volume-2')
        self.assertEqual(['volume-1'], self.images())

    def test_a_clone_before_its_snapshot(self):
        def work(held):
            ioctx = held.connection('gold')[1]
            with self.backend.rbd.Image(ioctx, 'volume-1') as image:
                image.create_snap('volume-2.clone_snap')
                image.protect_snap('volume-2.clone_snap')
            self.backend.rbd.RBD().clone(
                ioctx, 'volume-1', 'volume-2.clone_snap', ioctx, 'volume-2')

        self.undo('create_cloned_volume', work)
        self.assertEqual((['volume-1'], []), (
            self.images(), self.snapshots()))

    def test_a_managed_volume_gets_its_name_back(self):
        def work(held):
            self.backend.rbd.RBD().rename(held.connection('gold')[1], 'old',
                                          'volume-2')

        self.site.image('old')
        self.undo('manage_existing', work, image='volume-2', existing='old')
        self.assertEqual(['old', 'volume-1'], self.images())

    def test_a_managed_snapshot_gets_its_name_back(self):
        def work(held):
            with self.backend.rbd.Image(held.connection('gold')[1],
                                        'volume-1') as image:
                image.rename_snap('old', 'snapshot-3')

        self.site.snapshot('volume-1', 'old')
        self.undo('manage_existing_snapshot', work, source='volume-1',
                  snapshot='snapshot-3', existing='old')
        self.assertEqual(['old'], self.snapshots())

    def test_what_could_not_be_managed_keeps_its_name(self):
        def work(held):
            self.backend.rbd.RBD().rename(held.connection('gold')[1], 'old',
                                          'volume-1')

        # Of somebody whom Cinder has told of volume-1 already.
        self.assertRaises(
            self.backend.rbd.ImageNotFound, self.undo, 'manage_existing',
            work, image='volume-1', existing='old')
        self.assertEqual(['volume-1'], self.images())

    def test_a_new_name_of_anything_else_stays(self):
        def work(held):
            self.backend.rbd.RBD().rename(held.connection('gold')[1],
                                          'volume-1', 'volume-2')

        self.undo('update_migrated_volume', work)
        self.assertEqual(['volume-2'], self.images())

    def test_a_volume_that_is_imaged_anew_stays(self):
        self.undo('copy_image_to_volume', self.create('volume-2'),
                  is_overwritten=True)
        self.assertEqual(['volume-1', 'volume-2'], self.images())

    def test_of_a_volume_that_is_deleted_the_ancestors_go_with_it(self):
        ancestors = [['volume-1', 'volume-2.clone_snap']]
        self.site.clone('volume-1', 'volume-2')
        self.undo('delete_volume', image='volume-2', ancestors=ancestors)
        self.assertEqual(['volume-2.clone_snap'], self.snapshots())

        def work(held):
            self.backend.rbd.RBD().remove(held.connection('gold')[1],
                                          'volume-2')

        self.undo('delete_volume', work, image='volume-2',
                  ancestors=ancestors)
        self.assertEqual([], self.snapshots())


class MigrationTest(RepairTestCase):

    def end(self, **changes):
        return super().end(**{**MIGRATION, **changes})

    def copy(self):
        """Have a complete copy in the other pool."""
        with librbd.Image(self.site.pools['gold'], 'volume-1') as image:
            image.copy(self.site.pools['iron'], 'volume-1')

    def assertUndone(self):
        self.assertEqual(([], 'volume-1'), (
            self.images('iron'), self.images()[0]))
        self.assertEqual(b'content', self.content())
        self.assertNotIn('volume-1.migrated_back', self.images())

    def test_before_its_copy(self):
        self.end()
        self.assertUndone()

    def test_with_half_of_a_copy(self):
        self.site.image('volume-1', b'half', 'iron')
        self.end()
        self.assertUndone()

    def test_with_a_source_that_is_noted_by_another_migration(self):
        self.note('volume-1', 'another')
        self.site.image('volume-1', b'half', 'iron')
        self.end()
        self.assertUndone()

    def test_with_half_of_a_source(self):
        self.copy()
        self.note('volume-1')
        self.write('volume-1', b'')
        self.end()
        self.assertUndone()

    def test_without_a_source(self):
        self.copy()
        librbd.RBD().remove(self.site.pools['gold'], 'volume-1')
        self.end()
        self.assertUndone()

    def test_with_half_of_what_is_copied_back(self):
        self.copy()
        librbd.RBD().remove(self.site.pools['gold'], 'volume-1')
        self.site.image('volume-1.migrated_back', b'half')
        self.end()
        self.assertUndone()

    def test_with_a_source_that_has_clones(self):
        # Ceph does not remove it, whatever the note says.
        self.copy()
        self.note('volume-1')
        self.site.clone('volume-1', 'volume-2')
        self.end()
        self.assertUndone()
        self.assertEqual(['volume-2.clone_snap'], self.snapshots())

    def test_with_a_source_that_is_kept_for_its_clones(self):
        self.copy()
        self.note('volume-1')
        self.site.clone('volume-1', 'volume-2')
        self.site.rename('volume-1', 'volume-1.deleted')
        self.end()
        self.assertUndone()
        self.assertEqual(['volume-1', 'volume-2'], self.images())

    def test_not_with_one_that_was_deleted_long_ago(self):
        self.copy()
        self.write('volume-1', b'long ago')
        self.site.rename('volume-1', 'volume-1.deleted')
        self.end()
        self.assertUndone()
        self.assertIn('volume-1.deleted', self.images())

    def test_twice(self):
        self.copy()
        self.note('volume-1')
        for _time in range(2):
            self.end()
            self.assertUndone()

    def test_with_neither(self):
        librbd.RBD().remove(self.site.pools['gold'], 'volume-1')
        self.end()
        self.assertEqual([], self.images())

    def test_to_another_cluster(self):
        self.site.image('volume-1', pool='iron')
        self.end(target_pool=None)
        self.assertEqual(['volume-1'], self.images('iron'))

    def test_without_a_copy_of_ours_nothing_is_undone(self):
        # It has been migrated long ago, and somebody says it again.
        self.copy()
        librbd.RBD().remove(self.site.pools['gold'], 'volume-1')
        rbd_stories.arrange(self, self.site)
        self.assertRaises(librbd.ImageNotFound, self.driver.migrate_volume,
                          None, VOLUME, rbd_stories.HOST)
        self.assertEqual((['volume-1'], []), (
            self.images('iron'), self.images()))

    def test_a_source_that_is_in_use_stays_as_it_is(self):
        rbd_stories.arrange(self, self.site)
        self.watched('volume-1')
        error = self.assertRaises(
            exception.VolumeMigrationFailed, self.driver.migrate_volume,
            None, VOLUME, rbd_stories.HOST)
        self.assertIn('source volume', str(error))
        self.assertUndone()
        self.assertNotIn('rbd rename', self.one.steps)
        with librbd.Image(self.site.pools['gold'], 'volume-1') as image:
            self.assertEqual([], list(image.metadata_list()))


class CollectTest(RepairTestCase):

    def setUp(self):
        super().setUp()
        self.site.clone('volume-1', 'volume-2')
        self.site.clone('volume-2', 'volume-3')
        self.site.rename('volume-1', 'volume-1.deleted')
        self.site.rename('volume-2', 'volume-2.deleted')

    def collect(self, image='volume-2.deleted'):
        repair.collect(self.backend, self.driver.lock_guard, image)

    def drop_snapshot(self):
        with librbd.Image(self.site.pools['gold'],
                          'volume-2.deleted') as image:
            image.unprotect_snap('volume-3.clone_snap')
            image.remove_snap('volume-3.clone_snap')

    def remove_clone(self):
        librbd.RBD().remove(self.site.pools['gold'], 'volume-3')

    def test_what_has_a_clone_stays(self):
        self.collect()
        self.assertEqual(3, len(self.images()))

    def test_what_has_none_goes_with_its_ancestors(self):
        self.remove_clone()
        self.drop_snapshot()
        self.collect()
        self.assertEqual([], self.images())
        self.assertEqual(({}, []), (self.site.markers(), self.site.keys()))

    def test_what_is_gone(self):
        self.collect('volume-9.deleted')
        self.assertEqual(3, len(self.images()))

    def test_whatever_goes_wrong_nobody_waits_for_it(self):
        self.remove_clone()
        self.drop_snapshot()
        with self.busy(repair.TRIES):
            self.collect()
        self.assertIn('is not removed yet', self.site.log.output)
        self.assertIn('volume-2.deleted', self.images())

    def drop(self, image='volume-2', snapshot='volume-3.clone_snap'):
        repair.drop(self.backend, self.driver.lock_guard, image, snapshot)

    def test_a_snapshot_whose_clone_is_gone(self):
        self.remove_clone()
        self.drop()
        self.assertEqual([], self.images())

    def test_a_snapshot_that_has_its_clone(self):
        self.drop()
        self.assertEqual(3, len(self.images()))
        self.assertIn('is not removed yet', self.site.log.output)

    def test_a_snapshot_of_a_volume_that_is_not_deleted(self):
        self.site.rename('volume-2.deleted', 'volume-2')
        self.remove_clone()
        self.drop()
        self.assertEqual(['volume-1.deleted', 'volume-2'], self.images())
        self.assertEqual([], self.snapshots('volume-2'))

    def test_an_ancestor_that_cannot_be_dropped_is_told_and_no_failure(self):
        failures = []

        def hook(process, count, step):
            if step.call == 'unprotect_snap':
                failures.append(step.call)
                raise librbd.Timeout('away')
            return process.run(step)

        with rbd_site.hooked(self.one, hook):
            self.driver.delete_volume(rbd_site.volume(3))
        self.assertEqual(2, len(failures))
        self.assertNotIn('volume-3', self.images())
        self.assertIn('left to the audit', self.site.log.output)

    def test_but_a_lock_that_is_lost_on_the_way_is(self):
        def hook(process, count, step):
            found = process.run(step)
            if step.call == 'remove':
                process.expire()
            return found

        with rbd_site.hooked(self.one, hook):
            self.assertRaises(rbd_driver.LockFailure,
                              self.driver.delete_volume, rbd_site.volume(3))
