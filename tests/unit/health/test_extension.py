# SPDX-License-Identifier: Apache-2.0

import logging

import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins import exceptions
from dcn_plugins.health import extension
from dcn_plugins.health import verdict

GOOD = verdict.Verdict(True)
DEAD = verdict.Verdict(False, 'it does not answer', '192.0.2.1')


class Probe:

    def __init__(self, *answers):
        self.answers = list(answers)
        self.is_begun = False

    def begin(self):
        self.is_begun = True

    def verdict(self):
        return self.answers.pop(0)


class Check(extension.ProbesExtension):

    name = 'dcn_test'
    found = (), ()

    def probes(self):
        if isinstance(self.found, BaseException):
            raise self.found
        return self.found


class ExtensionTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            format='%(levelname)s %(message)s', level=logging.INFO))
        self.check = Check(cfg.ConfigOpts(), {})

    def test_good(self):
        self.check.found = [Probe(GOOD)], []
        found = self.check.healthcheck(9292)
        self.assertEqual((True, 'OK'), (found.available, found.reason))
        self.assertEqual('', self.log.output)

    def test_bad(self):
        self.check.found = [Probe(GOOD), Probe(DEAD)], []
        found = self.check.healthcheck(9292)
        self.assertEqual((False, 'it does not answer', '192.0.2.1'),
                         (found.available, found.reason, found.details))

    def test_all_are_asked_before_one_is_waited_for(self):
        second = Probe(GOOD)

        class First(Probe):
            def verdict(self):
                assert second.is_begun
                return super().verdict()

        self.check.found = [First(GOOD), second], []
        self.assertTrue(self.check.healthcheck(9292).available)

    def test_changes_are_told_once(self):
        self.check.found = [Probe(GOOD, DEAD, DEAD, GOOD, GOOD)], []
        for _request in range(5):
            self.check.healthcheck(9292)
        self.assertEqual([
            'WARNING The health check dcn_test takes this service out of '
            'rotation: it does not answer: 192.0.2.1',
            'WARNING The health check dcn_test passes again'],
            self.log.output.splitlines())

    def test_passes_loudly_without_configuration(self):
        self.check.found = exceptions.ConfigError(
            '[dcn] health_etcd_url', 'it is not set', 'Set it')
        found = [self.check.healthcheck(9292) for _request in range(3)]
        self.assertEqual({True}, {one.available for one in found})
        self.assertIn('does not check all it should', found[-1].reason)
        self.assertNotIn('health_etcd_url', found[-1].reason)
        self.assertEqual(1, self.log.output.count('ERROR'))
        self.assertIn('and passes: [dcn] health_etcd_url: it is not set. Set '
                      'it', self.log.output)

    def test_passes_loudly_with_an_option_of_no_use(self):
        self.check.found = cfg.ConfigFileValueError('no number')
        self.assertTrue(self.check.healthcheck(9292).available)
        self.assertIn('ERROR', self.log.output)
        self.assertIn('no number. Correct the option', self.log.output)

    def test_the_rest_is_checked_beside_what_cannot_be(self):
        self.check.found = [Probe(DEAD)], [exceptions.ConfigError(
            '[dcn] health_stores', 'no store', 'Name one')]
        found = self.check.healthcheck(9292)
        self.assertEqual((False, 'it does not answer'),
                         (found.available, found.reason))

    def test_a_mistake_of_ours_passes(self):
        self.check.found = TypeError('ours')
        found = self.check.healthcheck(9292)
        self.assertEqual((True, 'dcn_test checks nothing'),
                         (found.available, found.reason))
        self.assertIn('Traceback', self.log.output)
