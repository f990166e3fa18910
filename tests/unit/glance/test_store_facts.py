# SPDX-License-Identifier: Apache-2.0
"""Pools as they are read and changed; the real ones are in functional."""

import contextlib
import types
import unittest
from unittest import mock

from dcn_plugins import exceptions
from dcn_plugins.glance import drift_facts
from dcn_plugins.glance import store_facts
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request
from dcn_plugins.imagecopy import stored_image
from tests.fakes import rbd

IMAGE = '00000000-0000-0000-0000-000000000001'
OTHER = '00000000-0000-0000-0000-000000000002'
RECORD = record.Record(IMAGE, 'F/1/2@3', 8, 5)


class NoData(Exception):
    pass


class Pool(rbd.Pool):
    """A pool that is its own I/O context, with attributes of objects."""

    def __init__(self, name):
        super().__init__(name)
        self.attributes = {}

    def get_xattr(self, name, key):
        try:
            return self.attributes[name, key].encode()
        except KeyError:
            raise NoData() from None


class StoreFactsTest(unittest.TestCase):

    def setUp(self):
        self.pools = {name: Pool(name) for name in ('images', 'old')}
        self.pool = self.pools['images']
        self.is_up = True
        rados = types.SimpleNamespace(
            Rados=self.connection, Error=ConnectionError, NoData=NoData,
            ObjectNotFound=KeyError)
        cluster = types.SimpleNamespace(
            fsid='F', needs_protection=lambda: (True, 'so it is'),
            close=lambda: None)
        for name, value in (
                ('dcn_plugins.ceph.bindings.rados', lambda: rados),
                ('dcn_plugins.ceph.bindings.rbd', lambda: rbd),
                ('dcn_plugins.ceph.cluster.Cluster', lambda place: cluster)):
            patcher = mock.patch(name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.store = store_facts.StoreFacts(
            request.Place('dcn0', 'conf', 'glance', 'images'))

    @contextlib.contextmanager
    def connection(self, conffile, rados_id, conf):
        if not self.is_up:
            raise ConnectionError('no route')
        yield types.SimpleNamespace(
            open_ioctx=lambda pool: contextlib.nullcontext(self.pools[pool]))

    def make(self, name=IMAGE, pool='images', is_ours=True, is_frozen=True):
        header = rbd.RBD().create(self.pools[pool], name, 8)
        if is_ours:
            self.pools[pool].attributes[
                f'rbd_header.{header.id}', record.KEY] = RECORD.to_text()
        if is_frozen:
            with rbd.Image(self.pools[pool], name) as image:
                image.create_snap('snap')
                image.protect_snap('snap')

    def read(self, *urls, only=None):
        return self.store.read([drift_facts.Location.of(url, 'dcn0')
                                for url in urls], only)

    def one(self, name=IMAGE):
        return self.read().images['images', name]

    def test_an_image(self):
        self.make()
        found = self.one()
        self.assertEqual((8, RECORD, (), 0, ''), (
            found.read_bytes, found.record, found.others, found.watchers,
            found.obstacle))
        self.assertEqual(stored_image.Snapshot(8, True), found.snapshot)

    def test_the_store(self):
        found = self.read()
        self.assertEqual(('dcn0', 'F', 'images', True, 'so it is'), (
            found.name, found.fsid, found.pool, found.needs_protection,
            found.protection))

    def test_which_are_read(self):
        self.make()
        self.make(OTHER, is_ours=False)
        self.make('golden')
        self.make('half.dcn-partial')
        self.make('elsewhere', 'old')
        found = self.read('rbd://F/images/golden/snap',
                          'rbd://F/old/elsewhere/snap', 'rbd://G/old/x/snap')
        self.assertEqual({
            ('images', IMAGE), ('images', OTHER), ('images', 'golden'),
            ('images', 'half.dcn-partial'), ('old', 'elsewhere')},
            set(found.images))
        self.assertEqual((0, {}), (found.foreign, found.unreadable))
        self.assertEqual(1, self.read().foreign)
        self.assertEqual({('images', IMAGE)},
                         set(self.read(only={IMAGE}).images))

    def test_one_that_is_listed_only(self):
        self.make()
        del self.pool.headers[self.pool.images[IMAGE]]
        found = self.read()
        self.assertEqual(
            {('images', IMAGE): 'it is listed and has no header'},
            found.unreadable)
        self.assertEqual({('images', IMAGE)}, found.headless)
        self.assertTrue(self.store.remove_headless('images', IMAGE))
        self.assertNotIn(IMAGE, self.pool.images)
        self.assertTrue(self.store.remove_headless('images', IMAGE))

    def test_one_that_has_its_header_by_now(self):
        self.make()
        self.assertFalse(self.store.remove_headless('images', IMAGE))
        self.assertIn(IMAGE, self.pool.images)

    def test_one_that_is_refused(self):
        self.make()
        with mock.patch.object(rbd.Image, 'list_snaps',
                               side_effect=rbd.PermissionError('no')):
            self.assertEqual({('images', IMAGE): 'no'},
                             self.read().unreadable)

    def test_a_cluster_that_does_not_answer(self):
        self.is_up = False
        self.assertRaises(exceptions.CephError, self.read)

    def test_it_is_frozen_and_again(self):
        self.make(is_frozen=False)
        found = self.one()
        for _time in range(2):
            self.store.freeze('images', found)
            self.assertEqual(stored_image.Snapshot(8, True),
                             self.one().snapshot)
        with rbd.Image(self.pool, IMAGE) as image:
            image.unprotect_snap('snap')
        self.store.freeze('images', found)
        self.assertTrue(self.one().snapshot.is_protected)

    def test_what_was_changed_or_is_open_is_not_frozen(self):
        self.make(is_frozen=False)
        found = self.one()
        with rbd.Image(self.pool, IMAGE):
            self.assertRaises(exceptions.CephRefused, self.store.freeze,
                              'images', found)
        with rbd.Image(self.pool, IMAGE) as image:
            image.resize(9)
        self.assertRaises(exceptions.CephRefused, self.store.freeze,
                          'images', found)
        self.assertIsNone(self.one().snapshot)

    def test_a_writer_that_comes_between_has_the_snapshot_taken_away(self):
        self.make(is_frozen=False)
        found = self.one()
        create = rbd.Image.create_snap
        writers = []

        def create_and_open(image, name):
            create(image, name)
            writers.append(rbd.Image(self.pool, IMAGE))

        with mock.patch.object(rbd.Image, 'create_snap', create_and_open):
            self.assertRaises(exceptions.CephRefused, self.store.freeze,
                              'images', found)
        self.assertIsNone(self.one().snapshot)

    def test_it_is_set_aside_and_put_back(self):
        self.make()
        aside = IMAGE + stored_image.ASIDE
        self.store.set_aside('images', self.one())
        self.assertEqual([aside], list(self.pool.images))
        self.store.put_back('images', aside)
        self.assertEqual([IMAGE], list(self.pool.images))

    def test_another_of_its_name_is_not_set_aside(self):
        self.make()
        found = self.one()
        self.assertTrue(self.store.remove('images', found))
        self.make()
        self.assertRaises(exceptions.CephRefused, self.store.set_aside,
                          'images', found)
        self.assertFalse(self.store.remove('images', found))
        self.assertEqual([IMAGE], list(self.pool.images))

    def test_what_is_gone_may_be_removed(self):
        self.make()
        found = self.one()
        for _time in range(2):
            self.assertTrue(self.store.remove('images', found))

    def test_what_is_in_use_is_not_removed(self):
        self.make()
        found = self.one()
        rbd.RBD().clone(self.pool, IMAGE, 'snap', self.pool, 'disk')
        self.assertFalse(self.store.remove('images', found))
        self.assertTrue(self.one().snapshot.is_protected)
