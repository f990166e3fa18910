# SPDX-License-Identifier: Apache-2.0
"""Comparisons that operators ask for, and what becomes of them."""

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.osc import image_scrub
from dcn_plugins.placement import image_scrub as steps
from dcn_plugins.placement import image_scrubs
from tests.unit.osc import pane_case

FINDING = {'kind': 'wrong-size', 'store': 'dcn0', 'rbd_image': 'name',
           'what': 'w', 'why': 'y', 'evidence': 'e', 'remedy': 'r'}


def report(*findings, unknown=(), unsettled=0):
    return {'findings': list(findings), 'unknown': dict(unknown), 'counted': {
        'copies': 2, 'compared': 1, 'unsettled': unsettled}}


class ScrubTest(pane_case.PaneCase):

    def setUp(self):
        super().setUp()
        self.cloud.add_site('dcn0')
        self.image = self.cloud.add_image('one', ['dcn0'])
        self.settings['jobs_url'] = f'dcn-etcd3+http://{self.etcd}'
        self.scrubs = image_scrubs.ImageScrubs(self.cloud.etcds['all'],
                                               '/dcn/placement')
        self.seen = []

    def worker(self, answer):
        """Let a worker answer while the command waits."""
        def sleep(_seconds):
            asked, = self.scrubs.all()
            self.seen.append(asked.scrub)
            self.scrubs.answer(asked, answer(asked.scrub))

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.osc.image_scrub.time.sleep', sleep))

    def scrub(self, *words, image='one'):
        return self.table(image_scrub.ScrubImage, image, *words)

    def refused(self, *words):
        return str(self.assertRaises(exceptions.NotDone, self.scrub, *words))

    def test_what_was_found(self):
        self.worker(lambda scrub: steps.answered(
            scrub, report(FINDING, unknown={'store dcn1': 'away'})))
        found, unknown = self.scrub('--deep', '--grace-seconds', '5')
        self.assertEqual(
            ('wrong-size', 'dcn0', 'name', 'w', 'e', 'r'),
            tuple(found.values()))
        self.assertEqual(('unknown', 'store dcn1', 'away'), (
            unknown['Kind'], unknown['Store'], unknown['Evidence']))
        self.assertEqual((self.image['id'], True, 5.0), (
            self.seen[0].image_id, self.seen[0].is_deep,
            self.seen[0].grace_seconds))
        self.assertEqual([], self.scrubs.all())

    def test_nothing_is_wrong(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.worker(lambda scrub: steps.answered(scrub, report(unsettled=2)))
        self.assertEqual([], self.scrub())
        self.assertIn('2 copies were looked at, 1 contents compared; 2 were '
                      'left alone', log.output)

    def test_the_exit_status(self):
        for found, status in ((report(), 0), (report(FINDING), 1),
                              (report(unknown={'a': 'b'}), 1)):
            self.worker(lambda scrub, found=found: steps.answered(
                scrub, found))
            made = image_scrub.ScrubImage(self.app(), None)
            made.produce_output = lambda *_args: 0
            made.formatter = None
            self.assertEqual(status, made.run(made.get_parser(
                'dcn').parse_args(['one', '--service-seconds', '60'])))

    def test_it_could_not_be_done(self):
        self.worker(lambda scrub: steps.failed(scrub, 'no Ceph'))
        self.assertIn('were not compared: no Ceph', self.refused())
        self.assertEqual([], self.scrubs.all())

    def test_nobody_does_it(self):
        self.assertIn('the request was withdrawn',
                      self.refused('--wait-seconds', '0'))
        self.assertEqual([], self.scrubs.all())

    def test_somebody_else_has_asked(self):
        other = steps.ImageScrub(self.image['id'], 'x', False, 0.0, 1.0)
        self.scrubs.ask(other)
        self.assertIn('for somebody else', self.refused())
        self.assertEqual([other], [one.scrub for one in self.scrubs.all()])

    def test_somebody_has_removed_it(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.osc.image_scrub.time.sleep',
            lambda _seconds: self.scrubs.end(*self.scrubs.all())))
        self.assertIn('was removed by somebody else', self.refused())

    def test_an_id_that_glance_does_not_know(self):
        self.worker(lambda scrub: steps.answered(scrub, report()))
        image_id = '5c0f0000-0000-4000-8000-000000000001'
        self.assertEqual([], self.scrub(image=image_id))
        self.assertEqual(image_id, self.seen[0].image_id)

    def test_etcd_is_away_for_a_while(self):
        def of(scrubs, image_id, left=[2], found=image_scrubs.ImageScrubs.of):
            if left[0]:
                left[0] -= 1
                raise exceptions.EtcdUnavailable('away')
            return found(scrubs, image_id)

        self.worker(lambda scrub: steps.answered(scrub, report()))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.image_scrubs.ImageScrubs.of', of))
        self.assertEqual([], self.scrub())

    def test_no_etcd_is_named(self):
        del self.settings['jobs_url']
        self.assertRaises(exceptions.ConfigError, self.scrub)
