# SPDX-License-Identifier: Apache-2.0

import contextlib
import types
import unittest
from unittest import mock

from dcn_plugins.glance import left_partials
from dcn_plugins.imagecopy import partials
from dcn_plugins.imagecopy import request

IMAGE = 'image-1'


class LeftPartialsTest(unittest.TestCase):

    def setUp(self):
        self.found = {'dcn0': [], 'dcn1': []}
        self.removed = []
        self.down = set()
        self.busy = set()
        rados = types.SimpleNamespace(Rados=self.connection)
        for name, value in (
                ('dcn_plugins.ceph.bindings.rados', lambda: rados),
                ('dcn_plugins.imagecopy.partials.found', self.found.get),
                ('dcn_plugins.imagecopy.partials.remove', self.remove)):
            patcher = mock.patch(name, value)
            patcher.start()
            self.addCleanup(patcher.stop)

    def connection(self, conffile, rados_id, conf):
        if conffile in self.down:
            raise ConnectionError('test')
        self.assertEqual({'5'}, set(conf.values()))
        return contextlib.nullcontext(types.SimpleNamespace(
            open_ioctx=lambda pool: contextlib.nullcontext(conffile)))

    def remove(self, ioctx, partial):
        if ioctx in self.busy:
            return False
        self.removed.append((ioctx, partial.name))
        return True

    def add(self, store, image_id):
        self.found[store].append(partials.Partial(
            f'{image_id}.dcn-partial', image_id, 1.0, False))

    def run_both(self):
        left_partials.remove([
            request.Place(store, store, 'glance', 'images', 5.0)
            for store in ('dcn0', 'dcn1')], IMAGE)

    def test_only_those_of_the_image(self):
        self.add('dcn0', IMAGE)
        self.add('dcn0', 'image-2')
        self.add('dcn1', None)
        self.run_both()
        self.assertEqual([('dcn0', f'{IMAGE}.dcn-partial')], self.removed)

    def test_a_store_that_is_away_is_named(self):
        self.add('dcn1', IMAGE)
        self.down.add('dcn0')
        with self.assertLogs('dcn_plugins.glance.left_partials',
                             'WARNING') as log:
            self.run_both()
        self.assertIn('may be left in store dcn0: test', log.output[0])
        self.assertEqual(1, len(self.removed))

    def test_one_that_is_in_use_is_named(self):
        self.add('dcn0', IMAGE)
        self.busy.add('dcn0')
        with self.assertLogs('dcn_plugins.glance.left_partials',
                             'WARNING') as log:
            self.run_both()
        self.assertIn('it is in use', log.output[0])
