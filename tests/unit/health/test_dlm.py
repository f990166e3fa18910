# SPDX-License-Identifier: Apache-2.0

import types

import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins import exceptions
from dcn_plugins.health import dlm
from dcn_plugins.locking import etcd


class SettingsTest(testtools.TestCase):

    def settings(self, own=None, **coordination):
        conf = types.SimpleNamespace(
            dcn=types.SimpleNamespace(health_etcd_url=own))
        if coordination:
            conf.coordination = types.SimpleNamespace(**coordination)
        else:
            conf = Unregistered(own)
        return dlm.settings_of(conf)

    def refused(self, *args, **coordination):
        return self.assertRaises(exceptions.ConfigError, self.settings,
                                 *args, **coordination)

    def test_ours(self):
        found = self.settings(
            backend_url='dcn-etcd3+http://u:p@a:1,b:2?ttl=9&namespace=/x')
        self.assertEqual((etcd.Endpoint('a', 1), etcd.Endpoint('b', 2)),
                         found.endpoints)
        self.assertEqual(('u', 'p'), found.user)
        self.assertEqual('/x', found.namespace)

    def test_stock(self):
        found = self.settings(
            backend_url='etcd3+https://a:1?api_version=v3&timeout=30'
                        '&ca_cert=/ca.pem')
        self.assertEqual((etcd.Endpoint('a', 1, True),), found.endpoints)
        self.assertEqual('/ca.pem', found.ca_cert)

    def test_stock_without_options(self):
        found = self.settings(backend_url='etcd3+http://a')
        self.assertEqual((etcd.Endpoint('a', 2379),), found.endpoints)

    def test_own_option_comes_first(self):
        found = self.settings('dcn-etcd3+http://own:1',
                              backend_url='file:///tmp')
        self.assertEqual('own', found.endpoints[0].host)

    def test_no_etcd(self):
        error = self.refused(backend_url='file:///var/lib/cinder')
        self.assertEqual('[coordination] backend_url', error.source)

    def test_none_is_named(self):
        self.assertEqual(dlm.SOURCE, self.refused(backend_url=None).source)

    def test_service_has_no_such_option(self):
        self.assertIn('backend_url', str(self.refused()))

    def test_own_option_is_wrong(self):
        self.assertEqual(dlm.SOURCE, self.refused('http://a:1').source)


class Unregistered:

    def __init__(self, own):
        self.dcn = types.SimpleNamespace(health_etcd_url=own)

    def __getattr__(self, name):
        raise cfg.NoSuchOptError(name)


class CheckTest(testtools.TestCase):

    def check(self, **options):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        check = dlm.DLMCheck(conf, {})
        self.log = self.useFixture(fixtures.FakeLogger())
        # As an operator's file does.
        dlm.health.register_opts(conf)
        for name, value in options.items():
            conf.set_override(name, value, group='dcn')
        return check

    def test_without_an_etcd_it_passes_and_says_so(self):
        check = self.check()
        self.assertTrue(check.healthcheck(9292).available)
        self.assertIn('[dcn] health_etcd_url: it is not set', self.log.output)

    def test_files_of_tls_are_looked_at(self):
        check = self.check(
            health_etcd_url='dcn-etcd3+https://a:1?ca_cert=/not/there')
        self.assertTrue(check.healthcheck(9292).available)
        self.assertIn('is of no use', self.log.output)

    def test_the_url_is_no_secret_of_the_log(self):
        check = self.check(health_etcd_url='etcd://user:geheim@a:1')
        found = check.healthcheck(9292)
        self.assertNotIn('geheim', self.log.output + found.details)

    def test_nobody_listens(self):
        # Long enough for an answer before it is "does not answer".
        self.useFixture(fixtures.MockPatchObject(dlm, 'LEAST_SECONDS', 60))
        check = self.check(health_etcd_url='dcn-etcd3+http://127.0.0.1:1',
                           health_deadline_seconds=30)
        found = check.healthcheck(9292)
        self.assertFalse(found.available)
        self.assertEqual('the DLM of the site takes no writes', found.reason)
        self.assertIn('127.0.0.1:1', found.details)


class QuestionTest(testtools.TestCase):
    """What a cluster is asked that has no leader for a moment."""

    def setUp(self):
        super().setUp()
        self.question = dlm.Question(
            types.SimpleNamespace(endpoints=[etcd.Endpoint('a', 1)],
                                  user=None, namespace='/dcn'), None, 2.0)
        self.tries = 0

    def refuse(self, times, error):
        def transaction(_body, _seconds):
            self.tries += 1
            if self.tries <= times:
                raise error

        self.question._client.transaction = transaction

    def test_is_sent_again_until_there_is_a_leader(self):
        self.refuse(3, exceptions.EtcdUnavailable('raft proposal dropped'))
        self.assertTrue(self.question().is_good)
        self.assertEqual(4, self.tries)

    def test_not_for_ever(self):
        self.question._seconds = 0.25
        self.refuse(99, exceptions.EtcdUnavailable('raft proposal dropped'))
        found = self.question()
        self.assertFalse(found.is_good)
        self.assertIn('dropped', found.details)
        # More seldom each time.
        self.assertLess(self.tries, 9)

    def test_a_short_time_is_enough_for_a_second_try(self):
        self.question._seconds = 0.09
        self.refuse(1, exceptions.EtcdUnavailable('a connection was closed'))
        self.useFixture(fixtures.MockPatchObject(dlm, 'LEAST_SECONDS', -60))
        self.assertTrue(self.question().is_good)

    def test_what_is_refused_is_not_sent_again(self):
        self.refuse(1, exceptions.EtcdRefused('m: denied', 7, 'denied'))
        self.assertFalse(self.question().is_good)
        self.assertEqual(1, self.tries)
