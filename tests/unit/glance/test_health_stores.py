# SPDX-License-Identifier: Apache-2.0

import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins import exceptions
from dcn_plugins.glance import health_stores


class Reach:
    """Clusters by the name of their store, and what they answer."""

    answers = {}

    def __init__(self, place, seconds):
        self._place = place
        self._seconds = seconds

    def ask(self):
        answer = self.answers[self._place.store]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class StoresTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.ceph.reach.Reach', Reach))
        self.useFixture(fixtures.MonkeyPatch(
            'tests.unit.glance.test_health_stores.Reach.answers',
            {'dcn0': None, 'central': None}))
        self.conf = cfg.ConfigOpts()
        self.conf([], default_config_files=[], default_config_dirs=[])
        self.conf.register_opt(cfg.DictOpt('enabled_backends'))
        self.conf.register_opt(cfg.StrOpt('default_backend',
                                          default='dcn0'), 'glance_store')
        self.conf.set_override('enabled_backends', {
            'dcn0': 'rbd', 'central': 'rbd', 'web': 'http'})
        for store in ('dcn0', 'central', 'web'):
            self.conf.register_opts([
                cfg.StrOpt('rbd_store_user', default='glance'),
                cfg.StrOpt('rbd_store_ceph_conf', default='/ceph.conf'),
                cfg.StrOpt('rbd_store_pool', default='images'),
                cfg.IntOpt('rados_connect_timeout', default=-1)], store)
        self.check = health_stores.StoresCheck(self.conf, {})

    def ask(self, *stores):
        health_stores.health.register_store_opts(self.conf)
        self.conf.set_override('health_stores', list(stores), group='dcn')
        return self.check.healthcheck(9292)

    def test_good(self):
        self.assertEqual('OK', self.ask().reason)
        self.assertEqual('', self.log.output)

    def test_own_store_is_away(self):
        Reach.answers['dcn0'] = exceptions.ClusterUnreachable('x', 'y')
        found = self.ask()
        self.assertFalse(found.available)
        self.assertEqual('Ceph of store dcn0 does not answer', found.reason)

    def test_own_store_refuses(self):
        Reach.answers['dcn0'] = exceptions.CephRefused('x', 'no key')
        found = self.ask()
        self.assertEqual((False, 'Ceph of store dcn0 refuses us'),
                         (found.available, found.reason))
        self.assertIn('no key', found.details)

    def test_other_sites_do_not_matter(self):
        Reach.answers['central'] = exceptions.ClusterUnreachable('x', 'y')
        self.assertTrue(self.ask().available)

    def test_unless_they_are_named(self):
        Reach.answers['central'] = exceptions.ClusterUnreachable('x', 'y')
        found = self.ask('dcn0', 'central')
        self.assertEqual((False, 'Ceph of store central does not answer'),
                         (found.available, found.reason))

    def test_a_full_store_can_be_read(self):
        Reach.answers['dcn0'] = '1 pool(s) full'
        found = self.ask()
        self.assertEqual((True, 'Ceph of store dcn0 is full'),
                         (found.available, found.reason))

    def test_librados_is_missing(self):
        Reach.answers['dcn0'] = exceptions.ConfigError('librados', 'x', 'y')
        self.assertFalse(self.ask().available)

    def test_a_store_that_cannot_be_checked_passes_loudly(self):
        found = self.ask('web', 'misspelt', 'dcn0')
        self.assertTrue(found.available)
        self.assertIn('[dcn] health_stores: web is no RBD store',
                      self.log.output)
        self.assertIn('misspelt is no RBD store', self.log.output)
        Reach.answers['dcn0'] = exceptions.ClusterUnreachable('x', 'y')
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.health.probe.KEEP_SECONDS', 0))
        self.assertFalse(self.ask('web', 'dcn0').available)

    def test_a_glance_with_one_store_passes_loudly(self):
        self.conf.clear_override('enabled_backends')
        self.assertTrue(self.ask().available)
        self.assertIn('enabled_backends: it is not set', self.log.output)

    def test_another_service_passes_loudly(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        check = health_stores.StoresCheck(conf, {})
        self.assertTrue(check.healthcheck(9292).available)
        self.assertIn('enabled_backends', self.log.output)
