# SPDX-License-Identifier: Apache-2.0
"""Pools that answer, refuse, or never answer; and who asks them."""

import threading

import fixtures

from dcn_plugins.cmd import ceph_checks
from dcn_plugins.cmd import cinder_checks
from dcn_plugins.cmd import glance_checks
from dcn_plugins.cmd import nova_checks
from dcn_plugins import exceptions
from tests.unit.cmd import service_files

OURS = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'
POOLS = [ceph_checks.Pool('[a]', '/a.conf', 'u', 'pa'),
         ceph_checks.Pool('[b]', '/b.conf', 'v', 'pb')]


class AnswerTest(service_files.ServiceTestCase):

    def test_all_are_there(self):
        self.assert_success(
            ceph_checks.answer(POOLS, lambda pool: f'fsid-{pool.pool}'),
            '[a]: pool pa of Ceph fsid-pa. [b]: pool pb of Ceph fsid-pb.')

    def test_none(self):
        self.assert_success(ceph_checks.answer([]))

    def test_one_that_refuses_spares_the_others(self):
        def ask(pool):
            if pool.what == '[a]':
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

    def test_one_that_never_answers(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.assert_fails(
            ceph_checks.answer(POOLS, lambda _pool: ended.wait(), 0.05),
            '[a]: pool pa, as client.u of /a.conf: no answer within 0.05 s.')

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
        self.assertEqual([ceph_checks.Pool('[ceph]', '/c', 'cinder',
                                           'volumes')], self.asked.pools)

    def test_what_all_backends_have(self):
        self.assert_success(self.pools(
            '[backend_defaults]\nrbd_user = cinder'))
        self.assertEqual([ceph_checks.Pool(
            '[ceph]', '/etc/ceph/ceph.conf', 'cinder', 'rbd')],
            self.asked.pools)

    def test_no_user(self):
        self.assert_fails(self.pools(''), '[ceph] rbd_user is not set')

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

    def test_an_edge_that_is_away_ends_nothing(self):
        self.useFixture(fixtures.MockPatchObject(
            ceph_checks, 'answer',
            lambda _pools: ceph_checks.results.failure('away.')))
        self.assert_warns(self.pools('[dcn0]\nrbd_store_user = glance'),
                          'away.')


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
        self.assertEqual([ceph_checks.Pool('[libvirt]', '/c', 'nova', 'vms')],
                         self.asked.pools)

    def test_images_that_are_not_copied(self):
        self.assert_warns(self.disks('rbd_user = nova\nrbd_secret_uuid = s'),
                          'images_rbd_glance_store_name is not set', 'Ceph F')

    def test_no_secret(self):
        self.assert_fails(self.disks('rbd_user = nova'),
                          'without rbd_secret_uuid')

    def test_no_disks_in_ceph(self):
        self.assert_success(nova_checks.NovaChecks(self.conf('')).disks())
