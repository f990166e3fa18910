# SPDX-License-Identifier: Apache-2.0

import contextlib
import types

import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_users
from tests.fakes import rbd
from tests.unit.glance import test_rbd_stores

IMAGE = 'image-1'


class RadosError(Exception):
    errno = 110


class CopyUsersTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.pool = rbd.Pool('images')
        self.is_down = False
        rados = types.SimpleNamespace(Rados=self.connection, Error=RadosError)
        for name, module in (('rados', rados), ('rbd', rbd)):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.ceph.bindings.{name}',
                lambda module=module: module))
        self.users = copy_users.CopyUsers(test_rbd_stores.Conf({
            'dcn0': test_rbd_stores.store(rados_connect_timeout=5),
            'nobody': test_rbd_stores.store(rbd_store_user=None),
            'files': None}))
        rbd.RBD().create(self.pool, IMAGE, 1024)
        with rbd.Image(self.pool, IMAGE) as image:
            image.create_snap('snap')
            image.protect_snap('snap')

    def connection(self, conffile, rados_id, conf):
        if self.is_down:
            raise RadosError('timed out')
        self.assertEqual(('/etc/ceph/dcn0.conf', 'glance', {'5'}),
                         (conffile, rados_id, set(conf.values())))
        return contextlib.nullcontext(types.SimpleNamespace(
            open_ioctx=lambda pool: contextlib.nullcontext(self.pool)))

    def refused(self, store='dcn0', image_id=IMAGE):
        return self.assertRaises(exceptions.RemovalRefused, self.users.check,
                                 image_id, store)

    def test_nothing_was_cloned(self):
        self.users.check(IMAGE, 'dcn0')
        self.users.check(IMAGE, 'files')

    def test_clones(self):
        for name in ('server', 'volume'):
            rbd.RBD().clone(self.pool, IMAGE, 'snap', self.pool, name)
        error = self.refused()
        self.assertTrue(error.is_used)
        self.assertIn('2 servers, volumes or images', error.reason)
        # What was moved to the trash can come back.
        rbd.RBD().trash_move(self.pool, 'server')
        self.assertIn('2 servers', self.refused().reason)

    def test_nobody_can_tell(self):
        self.assertIn('rbd_store_user', self.refused('nobody').reason)
        self.assertIn('image-2', self.refused(image_id='image-2').reason)
        self.is_down = True
        error = self.refused()
        self.assertIn('timed out', error.reason)
        self.assertEqual((False, True), (error.is_used, error.is_away))

    def test_reach(self):
        self.users.reach('no image', 'dcn0')
        self.users.reach(IMAGE, 'files')
        self.is_down = True
        self.assertRaises(exceptions.RemovalRefused, self.users.reach, IMAGE,
                          'dcn0')

    def test_stores(self):
        conf = types.SimpleNamespace(enabled_backends={
            'dcn0': 'rbd', 'web': 'http', 'files': 'file'})
        self.assertEqual({'dcn0', 'files'}, copy_users.CopyUsers(
            conf).stores())
        conf.enabled_backends = None
        self.assertEqual(set(), copy_users.CopyUsers(conf).stores())
        # Where nothing has registered the options of Glance.
        self.assertEqual(set(), copy_users.CopyUsers(
            cfg.ConfigOpts()).stores())
