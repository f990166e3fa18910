# SPDX-License-Identifier: Apache-2.0
"""Pools that answer, refuse, or never answer; and who asks them."""

import threading
import time

import fixtures

from dcn_plugins.cmd import ceph_checks
from dcn_plugins.cmd import cinder_checks
from dcn_plugins.cmd import glance_checks
from dcn_plugins.cmd import nova_checks
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request
from tests.unit.cmd import service_files

OURS = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'
POOLS = [request.Place('[a]', '/a.conf', 'u', 'pa'),
         request.Place('[b]', '/b.conf', 'v', 'pb')]


class AnswerTest(service_files.ServiceTestCase):

    def test_all_are_there(self):
        self.assert_success(
            ceph_checks.answer(POOLS, lambda pool: f'fsid-{pool.pool}'),
            '[a]: pool pa of Ceph fsid-pa. [b]: pool pb of Ceph fsid-pb.')

    def test_none(self):
        self.assert_success(ceph_checks.answer([]))

    def test_one_that_refuses_spares_the_others(self):
        def ask(pool):
            if pool.store == '[a]':
                raise exceptions.CephRefused('x', 'Operation not permitted')
            return 'F'

        self.assert_fails(
            ceph_checks.answer(POOLS, ask),
            '[a]: pool pa, as client.u of /a.conf: x: Ceph refuses: Operation '
            'not permitted', '[b]: pool pb of Ceph F.')

    def test_what_nobody_foresaw(self):
        def ask(_pool):
            raise ZeroDivisionError('division')

        self.assert_fails(ceph_checks.answer(POOLS, ask),
                          'ZeroDivisionError: division.')

    def test_some_that_never_answer(self):
        """All of them together have the time of one."""
        ended = threading.Event()
        self.addCleanup(ended.set)
        began = time.monotonic()
        found = ceph_checks.answer(POOLS * 10, lambda _pool: ended.wait(), 0.2)
        self.assertLess(time.monotonic() - began, 1)
        self.assert_warns(
            found, '[b]: pool pb, as client.v of /b.conf: no answer within '
            '0.2 s.')

    def test_one_that_is_away_and_one_that_refuses(self):
        def ask(pool):
            if pool.store == '[a]':
                raise exceptions.ClusterUnreachable('x', 'timed out')
            raise exceptions.ConfigError('[b]', 'no pool', 'Correct it')

        self.assert_warns(ceph_checks.answer(POOLS[:1], ask), 'timed out.')
        self.assert_fails(ceph_checks.answer(POOLS, ask), 'no pool',
                          'timed out')

    def test_a_file_that_is_not_there(self):
        error = self.assertRaises(exceptions.ConfigError,
                                  ceph_checks.fsid_of, POOLS[0])
        self.assertIn('/a.conf: it cannot be read here', str(error))


class Asked(fixtures.Fixture):
    """All pools that were asked; each of them is there."""

    def _setUp(self):
        self.pools = []

        def ask(pool):
            self.pools.append(pool)
            return 'F'

        self.useFixture(fixtures.MockPatchObject(ceph_checks, 'fsid_of', ask))


class CinderTest(service_files.ServiceTestCase):

    module = cinder_checks
    name = 'cinder.conf'

    def pools(self, text):
        self.asked = self.useFixture(Asked())
        return cinder_checks.CinderChecks(self.conf(
            f'[DEFAULT]\nenabled_backends = ceph\n[ceph]\nvolume_driver = '
            f'{OURS}\n{text}')).pools()

    def test_a_backend(self):
        self.assert_success(self.pools(
            'rbd_user = cinder\nrbd_pool = volumes\nrbd_ceph_conf = /c'),
            '[ceph]: pool volumes of Ceph F.')
        self.assertEqual([request.Place('[ceph]', '/c', 'cinder', 'volumes')],
                         self.asked.pools)

    def test_what_all_backends_have(self):
        self.assert_success(self.pools(
            '[backend_defaults]\nrbd_user = cinder'))
        self.assertEqual([request.Place(
            '[ceph]', '/etc/ceph/ceph.conf', 'cinder', 'rbd')],
            self.asked.pools)

    def test_no_user(self):
        self.assert_success(self.pools(''))
        self.assertEqual(['admin'], [pool.user for pool in self.asked.pools])

    def test_another_driver(self):
        self.assert_success(self.pools(
            '[lvm]\nvolume_driver = x.LVM\n[ceph]\nvolume_driver = x.LVM'))
        self.assertEqual([], self.asked.pools)


class GlanceTest(service_files.ServiceTestCase):

    module = glance_checks
    name = 'glance-api.conf'

    def pools(self, text):
        self.asked = self.useFixture(Asked())
        return glance_checks.GlanceChecks(self.conf(
            '[DEFAULT]\nenabled_backends = dcn0:rbd,web:http,dcn1:rbd\n'
            f'{text}')).pools()

    def test_stores(self):
        self.assert_success(self.pools(
            '[backend_defaults]\nrbd_store_user = glance\n[dcn1]\n'
            'rbd_store_user = other\nrbd_store_pool = p\n'),
            '[dcn0]: pool images of Ceph F. [dcn1]: pool p of Ceph F.')
        self.assertEqual({'glance', 'other'},
                         {pool.user for pool in self.asked.pools})

    def test_no_user(self):
        self.assert_warns(self.pools('[dcn1]\nrbd_store_user = glance'),
                          '[dcn0] has no rbd_store_user', '[dcn1]: pool')

    def test_a_glance_store_without_what_all_stores_have(self):
        self.useFixture(fixtures.MockPatch(
            'importlib.metadata.version', lambda _name: '4.9.1'))
        self.assert_warns(
            self.pools('[backend_defaults]\nrbd_store_user = glance\n'
                       '[dcn1]\nrbd_store_user = other'),
            '[dcn0] has no rbd_store_user')


class NovaTest(service_files.ServiceTestCase):

    module = nova_checks
    name = 'nova.conf'

    def disks(self, text):
        self.asked = self.useFixture(Asked())
        return nova_checks.NovaChecks(self.conf(
            f'[libvirt]\nimages_type = rbd\nimages_rbd_pool = vms\n{text}'
        )).disks()

    def test_a_compute(self):
        self.assert_success(self.disks(
            'images_rbd_ceph_conf = /c\nrbd_user = nova\nrbd_secret_uuid = s\n'
            'images_rbd_glance_store_name = dcn0'),
            '[libvirt]: pool vms of Ceph F.')
        self.assertEqual([request.Place('[libvirt]', '/c', 'nova', 'vms')],
                         self.asked.pools)

    def test_images_that_are_not_copied(self):
        self.assert_warns(self.disks('rbd_user = nova\nrbd_secret_uuid = s'),
                          'images_rbd_glance_store_name is not set', 'Ceph F')

    def test_no_secret(self):
        self.assert_fails(self.disks('rbd_user = nova'),
                          'without rbd_secret_uuid')

    def test_no_disks_in_ceph(self):
        self.assert_success(nova_checks.NovaChecks(self.conf('')).disks())
