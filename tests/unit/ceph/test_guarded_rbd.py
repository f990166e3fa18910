# SPDX-License-Identifier: Apache-2.0
"""What is asked for before librbd is called, and what is remembered."""

import types

import testtools

from dcn_plugins.ceph import guarded_rbd
from dcn_plugins.ceph import open_images
from tests.fakes import rbd


class Lost(Exception):
    """The locks are."""


class Operation:
    """One that is asked before each change."""

    def __init__(self, off_hub):
        self.images = open_images.OpenImages(off_hub)
        self.made = set()
        self.deferral_seconds = None
        self.asked = []
        self.is_lost = False

    def check(self, call):
        self.asked.append(call)
        if self.is_lost:
            raise Lost(call)


class GuardedTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.pool = rbd.Pool('gold')
        self.run_calls = []
        self.operation = Operation(self.off_hub)
        self.rbd = guarded_rbd.GuardedRBD(rbd, lambda: self.operation,
                                          self.off_hub)
        rbd.RBD().create(self.pool, 'image', 1)

    def off_hub(self, function, *args, **kwargs):
        self.run_calls.append(getattr(function, '__name__', None))
        return function(*args, **kwargs)

    def image(self, name='image', **options):
        return self.rbd.Image(self.pool, name, **options)

    def image_of(self, thing):
        """Return a guarded image of something else than librbd's."""
        return guarded_rbd.GuardedImage(
            open_images.OpenImages(self.off_hub), False,
            lambda _is_read_only: thing, False, rbd, self.operation,
            self.off_hub, 'gold', 'image')

    @property
    def watchers(self):
        return self.pool.header('image').watchers


class ModuleTest(GuardedTestCase):

    def test_everything_else_is_librbds(self):
        self.assertIs(rbd.ImageNotFound, self.rbd.ImageNotFound)
        self.assertEqual(16, self.rbd.RBD_FEATURE_FAST_DIFF)

    def test_each_call_is_made_off_the_hub(self):
        with self.image() as image:
            image.size()
            image.create_snap('s')
        self.rbd.RBD().rename(self.pool, 'image', 'other')
        self.assertEqual(
            ['open_image', 'size', 'create_snap', 'close', 'rename'],
            self.run_calls)

    def test_without_an_operation_nobody_is_asked(self):
        self.operation = None
        with self.image() as image:
            image.create_snap('s')
            image.remove_snap('s')
        self.rbd.RBD().remove(self.pool, 'image')
        self.assertEqual({}, self.pool.images)

    def test_what_was_opened_in_an_operation_is_of_it(self):
        image, calls = self.image(), self.rbd.RBD()
        held, self.operation = self.operation, Operation(self.off_hub)
        held.is_lost = True
        self.assertRaises(Lost, image.create_snap, 's')
        self.assertRaises(Lost, calls.remove, self.pool, 'image')
        self.assertEqual([], self.operation.asked)


class ReadsTest(GuardedTestCase):

    def test_nobody_is_asked_to_read(self):
        with self.image(read_only=True) as image:
            image.size()
            list(image.list_snaps())
            list(image.metadata_list())
            self.assertRaises(rbd.ImageNotFound, image.parent_info)
        self.rbd.RBD().list(self.pool)
        self.rbd.RBD().trash_list(self.pool)
        self.assertEqual([], self.operation.asked)

    def test_whoever_has_lost_the_locks_may_read(self):
        self.operation.is_lost = True
        with self.image() as image:
            self.assertEqual(1, image.size())

    def test_everything_else_is_asked_for(self):
        with self.image() as image:
            for call, args in (
                    ('create_snap', ('s',)), ('protect_snap', ('s',)),
                    ('unprotect_snap', ('s',)), ('remove_snap', ('s',)),
                    ('resize', (2,)), ('metadata_set', ('k', 'v')),
                    ('update_features', (1, True)),
                    ('copy', (self.pool, 'copy'))):
                getattr(image, call)(*args)
                self.assertEqual(call, self.operation.asked.pop())
        self.rbd.RBD().rename(self.pool, 'image', 'other')
        self.assertEqual('rename', self.operation.asked.pop())

    def test_also_what_nobody_has_heard_of(self):
        self.operation.is_lost = True
        image = self.image_of(
            types.SimpleNamespace(paint=lambda: self.fail('painted')))
        self.assertRaises(Lost, image.paint)

    def test_whoever_has_lost_the_locks_changes_nothing(self):
        image = self.image()
        self.operation.is_lost = True
        for call, args in (('create_snap', ('s',)), ('resize', (2,)),
                           ('copy', (self.pool, 'x'))):
            self.assertRaises(Lost, getattr(image, call), *args)
        for call, args in (
                ('create', ('x', 1)), ('remove', ('image',)),
                ('rename', ('image', 'x')), ('trash_move', ('image', 0)),
                ('clone', ('image', 's', self.pool, 'x'))):
            self.assertRaises(Lost, getattr(self.rbd.RBD(), call), self.pool,
                              *args)
        self.assertEqual(['image'], list(self.pool.images))
        self.assertEqual(1, image.size())

    def test_no_change_is_among_the_reads(self):
        for verb in ('set', 'create', 'remove', 'write', 'resize', 'flatten',
                     'rename', 'copy', 'protect', 'unprotect', 'clone',
                     'update', 'rollback', 'lock', 'discard', 'purge',
                     'restore', 'move', 'enable', 'disable', 'promote',
                     'demote', 'resync', 'migration_execute', 'rebuild'):
            found = {name for name in guarded_rbd.IMAGE_READS
                     | guarded_rbd.RBD_READS if verb in name.split('_')}
            # They choose what is read, or tell when and who.
            self.assertEqual(set(), found - {
                'set_snap', 'set_snap_by_id', 'create_timestamp',
                'is_exclusive_lock_owner', 'lock_get_owners'}, verb)

    def test_nothing_takes_an_image_away_from_a_guest(self):
        taken = []
        image = self.image_of(
            types.SimpleNamespace(lock_acquire=taken.append,
                                  lock_break=taken.append,
                                  break_lock=taken.append))
        for call in ('lock_acquire', 'lock_break', 'break_lock'):
            self.assertRaises(AssertionError, getattr(image, call), 0)
        self.assertEqual([], taken)

    def test_what_is_no_call_is_what_it_is(self):
        image = self.image_of(types.SimpleNamespace(name='image'))
        self.assertEqual('image', image.name)


class MadeTest(GuardedTestCase):

    def test_what_is_made_is_noted(self):
        calls = self.rbd.RBD()
        with self.image() as image:
            image.create_snap('s')
            image.copy(rbd.Pool('iron'), 'copy')
        calls.create(self.pool, 'new', 1)
        calls.clone(self.pool, 'image', 's', self.pool, 'clone')
        self.assertEqual({
            ('image', 'gold', 'new'), ('image', 'gold', 'clone'),
            ('image', 'iron', 'copy'), ('snapshot', 'gold', 'image', 's')},
            self.operation.made)

    def test_also_if_nobody_knows_whether_it_was(self):
        def create(*_args):
            raise rbd.Timeout('no answer')

        calls = guarded_rbd.GuardedCalls(
            types.SimpleNamespace(
                RBD=lambda: types.SimpleNamespace(create=create),
                ImageExists=rbd.ImageExists), self.operation, self.off_hub)
        self.assertRaises(rbd.Timeout, calls.create, self.pool, 'new', 1)
        self.assertEqual({('image', 'gold', 'new')}, self.operation.made)

    def test_a_new_name(self):
        calls = self.rbd.RBD()
        self.assertRaises(rbd.ImageNotFound, calls.rename, self.pool, 'gone',
                          'new')
        with rbd.Image(self.pool, 'image') as opened:
            opened.create_snap('s')
        with self.image() as image:
            self.assertRaises(rbd.ImageNotFound, image.rename_snap, 'gone',
                              't')
            self.assertEqual(set(), self.operation.made)
            image.rename_snap('s', 't')
        calls.rename(self.pool, 'image', 'new')
        self.assertEqual({('name', 'gold', 'image', 's', 't'),
                          ('name', 'gold', 'image', 'new')},
                         self.operation.made)

    def test_what_was_there_before_is_somebody_elses(self):
        calls = self.rbd.RBD()
        rbd.RBD().create(self.pool, 'theirs', 1)
        with self.image() as image:
            self.assertRaises(rbd.ImageExists, image.copy, self.pool,
                              'theirs')
        with rbd.Image(self.pool, 'image') as opened:
            opened.create_snap('s')
        with self.image() as image:
            self.assertRaises(rbd.ImageExists, image.create_snap, 's')
        self.assertRaises(rbd.ImageExists, calls.create, self.pool, 'theirs',
                          1)
        self.assertRaises(rbd.ImageExists, calls.clone, self.pool, 'image',
                          's', self.pool, 'theirs')
        self.assertEqual(set(), self.operation.made)

    def test_what_was_made_before_that_stays_ours(self):
        # The answer was lost, and it is tried again.
        calls = self.rbd.RBD()
        calls.create(self.pool, 'new', 1)
        self.assertRaises(rbd.ImageExists, calls.create, self.pool, 'new', 1)
        self.assertEqual({('image', 'gold', 'new')}, self.operation.made)

    def test_without_an_operation_nothing_is_noted(self):
        self.operation = None
        self.rbd.RBD().create(self.pool, 'new', 1)
        self.assertIn('new', self.pool.images)


class RemoveTest(GuardedTestCase):

    def test_for_good(self):
        self.rbd.RBD().remove(self.pool, 'image')
        self.assertEqual(({}, {}), (self.pool.images, self.pool.trash))

    def test_or_into_the_trash(self):
        self.operation.deferral_seconds = 60
        calls = self.rbd.RBD()
        calls.remove(self.pool, 'image')
        entry, = self.pool.trash.values()
        self.assertEqual(60, (entry['deferment_end_time']
                              - entry['deletion_time']).total_seconds())
        self.assertEqual({'trash_move'}, set(self.operation.asked))

    def test_but_not_one_that_a_guest_has(self):
        # Ceph asks first for what the guest needs to write.
        calls = self.rbd.RBD()
        with rbd.Image(self.pool, 'image'):
            self.assertRaises(rbd.ImageBusy, calls.trash_move, self.pool,
                              'image', 0)
            with self.image() as image:
                list(image.list_snaps())
            self.assertRaises(rbd.ImageBusy, calls.remove, self.pool, 'image')
        self.assertFalse({'remove', 'trash_move'} & set(self.run_calls))
        with self.image() as image:
            image.size()
        calls.remove(self.pool, 'image')
        self.assertEqual({}, self.pool.images)

    def test_what_is_decided_later_counts(self):
        calls = self.rbd.RBD()
        self.operation.deferral_seconds = 60
        self.operation.deferral_seconds = None
        calls.remove(self.pool, 'image')
        self.assertEqual({}, self.pool.trash)

    def test_a_deferral_of_nothing_is_none(self):
        self.operation.deferral_seconds = 0
        self.rbd.RBD().remove(self.pool, 'image')
        self.assertEqual({}, self.pool.trash)


class CloseTest(GuardedTestCase):

    def test_without_an_operation_it_is_closed(self):
        self.operation = None
        with self.image() as image:
            self.assertEqual(1, len(self.watchers))
        self.assertEqual([], self.watchers)
        image.close()
        self.assertEqual(1, self.run_calls.count('close'))

    def test_an_operation_closes_all(self):
        self.image()
        with self.image() as image:
            pass
        self.operation.images.close()
        self.assertEqual([], self.watchers)
        image.close()
        self.assertEqual(2, self.run_calls.count('close'))

    def test_one_that_was_not_opened_is_none(self):
        self.assertRaises(rbd.ImageNotFound, self.image, 'none')
        self.assertEqual(0, len(self.operation.images))

    def test_whoever_has_lost_the_locks_may_close(self):
        image = self.image()
        self.operation.is_lost = True
        image.close()
        self.operation.images.close()
        self.assertEqual([], self.operation.asked)

    def test_the_block_may_fail(self):
        def fail():
            with self.image():
                raise ValueError

        self.assertRaises(ValueError, fail)
        self.operation.images.close()
        self.assertEqual([], self.watchers)

    def test_one_that_cannot_be_closed_leaves_no_other_open(self):
        def close():
            raise rbd.Timeout('no answer')

        self.image()
        with self.image() as image:
            image._thing.close = close
        self.image()
        self.operation.images.close()
        self.assertEqual(1, len(self.watchers))
        self.assertEqual(0, len(self.operation.images))


class KeptOpenTest(GuardedTestCase):

    def opened(self):
        return self.run_calls.count('open_image')

    def test_an_image_is_opened_once(self):
        with self.image() as image:
            image.create_snap('s')
        with self.image() as image:
            self.assertEqual(['s'], [s['name'] for s in image.list_snaps()])
        self.assertEqual(1, self.opened())

    def test_two_at_once_are_two(self):
        with self.image() as one, self.image() as other:
            self.assertIsNot(one._thing, other._thing)
        self.assertEqual(2, self.opened())

    def test_who_reads_shares_what_is_in_hand(self):
        with self.image() as one:
            with self.image(read_only=True) as other:
                one.create_snap('s')
                self.assertEqual(
                    ['s'], [s['name'] for s in other.list_snaps()])
            one.create_snap('t')
        self.assertEqual((1, 0), (self.opened(),
                                  self.run_calls.count('close')))
        self.image().close()
        self.assertEqual(1, self.opened())

    def test_who_is_left_with_it_still_has_it(self):
        one, other = self.image(), self.image(read_only=True)
        one.close()
        self.assertRaises(rbd.ImageBusy, self.rbd.RBD().remove, self.pool,
                          'image')
        self.assertEqual(1, other.size())
        other.close()
        self.rbd.RBD().remove(self.pool, 'image')

    def test_who_looks_at_a_snapshot_does_so_alone(self):
        with self.image() as one:
            one.create_snap('s')
            with self.image(read_only=True) as other:
                self.assertIs(one._thing, other._thing)
                other.set_snap(None)
                self.assertIs(one._thing, other._thing)
                other.set_snap('s')
                self.assertIsNot(one._thing, other._thing)
            self.assertEqual(2, self.opened())
            self.assertEqual(1, one._image.hands)

    def test_one_that_could_not_be_opened_anew_is_not_shared(self):
        self.image(read_only=True).close()
        with self.image() as one:
            rbd.RBD().remove(self.pool, 'image')
            self.assertRaises(rbd.ImageNotFound, one.create_snap, 's')
            self.assertRaises(rbd.ImageNotFound, self.image, read_only=True)

    def test_one_that_has_failed_is_not_shared(self):
        with self.image() as one:
            self.assertRaises(rbd.ImageNotFound, one.remove_snap, 'none')
            with self.image(read_only=True):
                self.assertEqual(2, self.opened())

    def test_another_one_is_another(self):
        rbd.RBD().create(self.pool, 'other', 1)
        iron = rbd.Pool('iron')
        rbd.RBD().create(iron, 'image', 1)
        self.image().close()
        self.image('other').close()
        self.rbd.Image(iron, 'image').close()
        self.assertEqual(3, self.opened())

    def test_it_is_closed_before_librbd_needs_it_closed(self):
        self.image().close()
        self.rbd.RBD().remove(self.pool, 'image')
        self.assertEqual({}, self.pool.images)

    def test_also_by_an_operation_inside(self):
        outer = self.operation
        self.image().close()
        self.operation = Operation(self.off_hub)
        self.operation.images = open_images.OpenImages(
            self.off_hub, outer.images)
        self.rbd.RBD().remove(self.pool, 'image')
        self.assertEqual({}, self.pool.images)

    def test_an_operation_inside_does_not_get_it(self):
        outer = self.operation
        self.image().close()
        self.operation = Operation(self.off_hub)
        self.operation.images = open_images.OpenImages(
            self.off_hub, outer.images)
        self.image().close()
        self.assertEqual(2, self.opened())

    def test_one_that_is_in_hand_is_not_closed(self):
        image = self.image()
        self.assertRaises(rbd.ImageBusy, self.rbd.RBD().remove, self.pool,
                          'image')
        self.assertEqual(1, image.size())

    def test_reading_leaves_the_locks_alone(self):
        self.image(read_only=True).close()
        self.operation.is_lost = True
        self.rbd.RBD().list(self.pool)
        self.image().close()
        self.assertEqual(1, self.opened())

    def test_one_for_reading_is_opened_anew_for_a_change(self):
        self.image(read_only=True).close()
        with self.image() as image:
            image.list_snaps()
            self.assertEqual(([], 1), (self.watchers, self.opened()))
            image.create_snap('s')
            self.assertEqual((1, 2), (len(self.watchers), self.opened()))
        self.operation.images.close()
        self.assertEqual([], self.watchers)

    def test_and_for_what_is_told_otherwise_of_it(self):
        self.image(read_only=True).close()
        with self.image() as image:
            self.assertEqual(1, len(list(image.watchers_list())))

    def test_but_not_by_who_wants_to_read(self):
        self.image(read_only=True).close()
        with self.image(read_only=True) as image:
            self.assertEqual([], list(image.watchers_list()))
        self.assertEqual(1, self.opened())

    def test_one_that_cannot_be_opened_anew_is_closed(self):
        self.image(read_only=True).close()
        with self.image() as image:
            rbd.RBD().remove(self.pool, 'image')
            self.assertRaises(rbd.ImageNotFound, image.create_snap, 's')
        self.assertEqual((2, 1), (self.opened(),
                                  self.run_calls.count('close')))
        self.assertEqual(0, len(self.operation.images))

    def test_who_has_lost_the_locks_does_not_open_it_anew(self):
        self.image(read_only=True).close()
        self.operation.is_lost = True
        with self.image() as image:
            self.assertRaises(Lost, image.create_snap, 's')
        self.assertEqual(1, self.opened())

    def test_what_was_read_before_a_change_is_read_anew(self):
        rbd.RBD().create(self.pool, 'other', 1)
        self.image('other', read_only=True).close()
        with self.image() as image:
            image.create_snap('s')
        self.image('other', read_only=True).close()
        self.assertEqual(3, self.opened())

    def test_after_a_failure_it_is_opened_anew(self):
        with self.image() as image:
            self.assertRaises(rbd.ImageNotFound, image.remove_snap, 'none')
        self.image()
        self.assertEqual((2, 1), (self.opened(),
                                  self.run_calls.count('close')))

    def test_a_parent_that_is_not_there_is_no_failure(self):
        with self.image() as image:
            self.assertRaises(rbd.ImageNotFound, image.parent_info)
        self.image()
        self.assertEqual(1, self.opened())

    def test_one_at_a_snapshot_is_nobody_elses(self):
        with self.image() as image:
            image.create_snap('s')
            image.set_snap('s')
        with self.image() as image:
            image.set_snap('s')
            image.set_snap(None)
        self.image()
        self.assertEqual(2, self.opened())
        self.image(snapshot='s').close()
        self.image(snapshot='s').close()
        self.assertEqual(4, self.opened())
