# SPDX-License-Identifier: Apache-2.0
"""What librbd does to the images of a driver; see ``stock_pool``.

The snapshots are those of a cluster that still admits clients without clone
v2: they have to be protected, and are as long as they have a clone.
"""

import contextlib

from dcn_plugins import native
from tests.contracts import stock_pool


class RbdContract(stock_pool.StockPool):
    """What a driver asks of librbd."""

    def opened(self, name, **options):
        return contextlib.closing(
            self.rbd.Image(self.ioctx, name, **options))

    def write(self, name, data):
        # The answer comes from a thread of librbd.
        written = native.module('threading').Event()
        with self.opened(name) as image:
            image.aio_write(data, 0, lambda completion: written.set(), 0)
            self.assertTrue(written.wait(30))
            written.clear()
            image.aio_flush(lambda completion: written.set())
            self.assertTrue(written.wait(30))

    def read(self, name):
        with self.opened(name, read_only=True) as image:
            return bytes(image.read(0, 3)).rstrip(b'\0')

    def rbd_call(self, name, *args, **kwargs):
        return getattr(self.rbd.RBD(), name)(self.ioctx, *args, **kwargs)

    def parent(self, name):
        with self.opened(name, read_only=True) as image:
            return tuple(image.parent_info())[1:]

    def test_a_name_is_given_once(self):
        one, other = self.create(), self.create()
        self.snap(one, 's')
        for call, args in (
                ('create', (one, 1 << 20)), ('rename', (one, other)),
                ('clone', (one, 's', self.ioctx, other))):
            self.assertRaises(self.rbd.ImageExists, self.rbd_call, call,
                              *args)
        with self.opened(one) as image:
            self.assertRaises(self.rbd.ImageExists, image.create_snap, 's')
            self.assertRaises(self.rbd.ImageExists, image.copy, self.ioctx,
                              other)
            image.create_snap('t')
            self.assertRaises(self.rbd.ImageExists, image.rename_snap, 't',
                              's')
            image.remove_snap('t')
        self.assertEqual([], self.snapshots(other))

    def test_what_is_not_there(self):
        name = self.create()
        for call, args in (('remove', ('none',)), ('rename', ('none', 'x')),
                           ('trash_move', ('none', 0)),
                           ('clone', (name, 's', self.ioctx, 'x'))):
            self.assertRaises(self.rbd.ImageNotFound, self.rbd_call, call,
                              *args)
        with self.opened(name) as image:
            for call in ('remove_snap', 'protect_snap', 'unprotect_snap',
                         'is_protected_snap', 'set_snap', 'rollback_to_snap'):
                self.assertRaises(self.rbd.ImageNotFound,
                                  getattr(image, call), 's')
            self.assertRaises(self.rbd.ImageNotFound, image.rename_snap, 's',
                              't')
            self.assertRaises(self.rbd.ImageNotFound, image.parent_info)
        self.assertRaises(self.rbd.ImageNotFound, self.rbd.Image, self.ioctx,
                          'none')
        self.assertRaises(self.rbd.ImageNotFound, self.rbd.Image, self.ioctx,
                          name, snapshot='s')

    def test_snapshots_are_protected_from_removal(self):
        name = self.create()
        with self.opened(name) as image:
            image.create_snap('s')
            self.assertRaises(self.rbd.InvalidArgument, image.unprotect_snap,
                              's')
            image.protect_snap('s')
            self.assertRaises(self.rbd.ImageBusy, image.protect_snap, 's')
            self.assertRaises(self.rbd.ImageBusy, image.remove_snap, 's')
        self.assertRaises(self.rbd.ImageHasSnapshots, self.rbd_call,
                          'remove', name)
        with self.opened(name) as image:
            image.unprotect_snap('s')
            image.remove_snap('s')
        self.rbd_call('remove', name)
        self.assertEqual((set(), set()), self.left())

    def test_a_clone_keeps_its_parent(self):
        name = self.create()
        clone = self.clone(name)
        snapshot = f'{clone}.clone_snap'
        self.assertEqual((name, snapshot), self.parent(clone))
        with self.opened(name) as image:
            image.set_snap(snapshot)
            self.assertEqual([(self.ioctx.name, clone)],
                             list(image.list_children()))
            image.set_snap(None)
            # Without a snapshot, those of all.
            self.assertEqual([(self.ioctx.name, clone)],
                             list(image.list_children()))
            self.assertRaises(self.rbd.ImageBusy, image.unprotect_snap,
                              snapshot)
        self.rbd_call('rename', name, f'{name}.deleted')
        self.assertEqual((f'{name}.deleted', snapshot), self.parent(clone))
        self.rbd_call('remove', clone)
        with self.opened(f'{name}.deleted') as image:
            image.unprotect_snap(snapshot)

    def test_what_is_in_use_is_not_removed(self):
        name = self.create()
        with self.opened(name, read_only=True):
            with self.opened(name):
                self.assertRaises(self.rbd.ImageBusy, self.rbd_call,
                                  'remove', name)
        self.rbd_call('remove', name)

    def test_a_clone_has_what_its_parent_had(self):
        name = self.create()
        self.write(name, b'old')
        clone = self.clone(name)
        self.write(name, b'new')
        self.assertEqual(b'old', self.read(clone))
        with self.opened(clone) as image:
            image.flatten()
            self.assertRaises(self.rbd.InvalidArgument, image.flatten)
            self.assertRaises(self.rbd.ImageNotFound, image.parent_info)
        self.assertEqual(b'old', self.read(clone))

    def test_a_snapshot_keeps_what_was_there(self):
        name = self.create()
        self.write(name, b'old')
        self.snap(name, 's')
        self.write(name, b'new')
        with self.opened(name) as image:
            image.rollback_to_snap('s')
        self.assertEqual(b'old', self.read(name))
        with self.opened(name) as image:
            image.rename_snap('s', 't')
            self.assertTrue(image.is_protected_snap('t'))
        self.assertEqual(['t'], self.snapshots(name))

    def test_a_copy_is_apart(self):
        name, target = self.create(), self.named()
        self.write(name, b'old')
        self.snap(name, 's')
        with self.opened(name) as image:
            image.metadata_set('k', 'v')
            image.copy(self.ioctx, target)
        self.write(name, b'new')
        self.assertEqual((b'old', []), (self.read(target),
                                        self.snapshots(target)))
        with self.opened(target) as image:
            self.assertEqual([('k', 'v')], list(image.metadata_list()))

    def test_metadata(self):
        name = self.create()
        with self.opened(name) as image:
            image.metadata_set('k', 'v')
            image.metadata_set('k', 'w')
            self.assertEqual([('k', 'w')], list(image.metadata_list()))
            image.metadata_remove('k')
            self.assertRaises(KeyError, image.metadata_remove, 'k')
            self.assertEqual([], list(image.metadata_list()))

    def test_settings(self):
        name, option = self.create(), 'rbd_qos_iops_limit'
        found = []
        with self.opened(name) as image:
            for change in (lambda: None,
                           lambda: image.config_set(option, '7'),
                           lambda: image.config_remove(option)):
                change()
                found += [item['value'] for item in image.config_list()
                          if item['name'] == option]
        self.assertEqual(['0', '7', '0'], found)

    def test_size_and_features(self):
        name = self.create()
        with self.opened(name) as image:
            image.resize(2 * stock_pool.SIZE)
            self.assertEqual(2 * stock_pool.SIZE, image.size())
            had = image.features() & self.rbd.RBD_FEATURE_FAST_DIFF
            self.assertTrue(had)
            image.update_features(had, False)
            self.assertFalse(image.features() & had)
            image.update_features(had, True)
            self.assertTrue(image.features() & had)
