# SPDX-License-Identifier: Apache-2.0
"""Comparisons that are asked for, with processes that only say something."""

import json
import os
import sys
import time

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.glance import scrub_worker
from dcn_plugins.placement import image_scrub as steps
from dcn_plugins.placement import image_scrubs
from tests.unit.glance import placement_case

REPORT = {'findings': [], 'counted': {}, 'unknown': {}}


class ScrubWorkerTest(placement_case.PlacementCase):

    def setUp(self):
        super().setUp()
        self.one = self.process('one')
        self.one.scrubs = image_scrubs.ImageScrubs(self.etcd, '/t')
        self.add_image()
        self.scripts = self.useFixture(fixtures.TempDir()).path
        self.useFixture(fixtures.EnvironmentVariable(
            'PYTHONPATH', os.pathsep.join([self.scripts, *sys.path])))
        # Two scripts of one second and one length would be one to Python.
        self.useFixture(fixtures.EnvironmentVariable(
            'PYTHONDONTWRITEBYTECODE', '1'))
        for name, value in (('_MODULE', 'script'), ('POLL_SECONDS', 0.01),
                            ('WANTED_SECONDS', 0.05)):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.glance.scrub_command.{name}', value))
        self.worker = self.make()

    def make(self, found=None, own=('central', 'dcn0', 'dcn1')):
        return scrub_worker.ScrubWorker(
            found or self.one, self.api, frozenset(own), ['/a.conf', '/b'],
            self.clock)

    def script(self, text):
        with open(os.path.join(self.scripts, 'script.py'), 'w') as file:
            file.write(f'import json, sys, time\n{text}')

    def says(self, document, status=0):
        self.script(f'print({json.dumps(document)!r})\nsys.exit({status})')

    def ask(self, image_id='image-1', **values):
        return self.one.scrubs.ask(steps.ImageScrub(
            image_id, 'a', values.pop('is_deep', False), 60.0, self.now))

    def answer(self, image_id='image-1'):
        return self.one.scrubs.of(image_id).scrub

    def test_an_answer(self):
        for status in (0, 1, 2):
            asked = self.ask()
            self.says({**REPORT, 'status': status}, status)
            self.worker.round()
            self.assertEqual(status, self.answer().report['status'])
            self.assertIsNone(self.answer().error)
            # It is not asked for twice.
            self.script('raise SystemError')
            self.worker.round()
            self.assertTrue(self.one.scrubs.end(
                self.one.scrubs.of('image-1')))
            self.assertIsNotNone(asked)

    def test_what_is_asked_of_the_command(self):
        self.ask(is_deep=True)
        self.script('print(json.dumps({"words": sys.argv[1:]}))')
        self.worker.round()
        self.assertEqual(
            ['--config-file', '/a.conf', '--config-file', '/b', '--image',
             'image-1', '--json', '--grace-seconds', '60.0', '--deep'],
            self.answer().report['words'])

    def test_a_command_that_fails(self):
        for text, error in (
                ('print("no Ceph", file=sys.stderr)\nsys.exit(2)', 'no Ceph'),
                ('sys.exit(3)', 'the comparison has ended with 3'),
                ('import os, signal\nos.kill(os.getpid(), signal.SIGKILL)',
                 'the comparison has ended with -9')):
            self.ask()
            self.script(text)
            self.worker.round()
            self.assertEqual(error, self.answer().error)
            self.one.scrubs.end(self.one.scrubs.of('image-1'))

    def test_a_command_that_says_nothing_of_use(self):
        self.ask()
        self.script('print("done")')
        self.worker.round()
        self.assertEqual('the comparison has ended with 0',
                         self.answer().error)

    def test_only_one_that_has_all_stores(self):
        self.api.images['image-1']['stores'] = 'central,dcn1'
        self.ask()
        self.says(REPORT)
        self.make(own=('central', 'dcn0')).round()
        self.assertFalse(self.answer().is_answered)
        self.worker.round()
        self.assertTrue(self.answer().is_answered)

    def test_an_image_that_glance_does_not_know(self):
        self.ask('gone')
        self.says(REPORT)
        self.worker.round()
        self.assertTrue(self.answer('gone').is_answered)

    def test_one_process_does_it(self):
        other = self.process('two')
        other.scrubs = self.one.scrubs
        held = other.locks.acquire([('scrub image-1', 'x')], 0)
        self.ask()
        self.says(REPORT)
        self.worker.round()
        self.assertFalse(self.answer().is_answered)
        other.locks.release(held)
        self.worker.round()
        self.assertTrue(self.answer().is_answered)
        # And gives the lock back.
        self.assertIsNotNone(other.locks.acquire(
            [('scrub image-1', 'x')], 0))

    def test_nobody_waits_any_more(self):
        asked = self.ask()
        begun = os.path.join(self.scripts, 'begun')
        self.script(f'open({begun!r}, "w").close()\ntime.sleep(60)')

        def withdrawn(image_id, of=self.one.scrubs.of):
            if os.path.exists(begun):
                self.one.scrubs.end(asked)
            return of(image_id)

        self.one.scrubs.of = withdrawn
        began_at = time.monotonic()
        self.worker.round()
        self.assertLess(time.monotonic() - began_at, 50)
        self.assertEqual([], self.one.scrubs.all())

    def test_its_end_ends_the_comparison(self):
        self.ask()
        self.script('time.sleep(60)')
        self.worker.start()
        began_at = time.monotonic()
        self.assertTrue(self.worker.stop(50))
        self.assertLess(time.monotonic() - began_at, 50)
        self.assertFalse(self.answer().is_answered)

    def test_what_nobody_fetches_is_forgotten(self):
        self.ask()
        self.now += steps.KEEP_SECONDS
        self.worker.round()
        self.assertEqual([], self.one.scrubs.all())

    def test_glance_is_away(self):
        self.ask()
        self.api.errors = [exceptions.CopyPostponed('image-1', 'away')] * 2
        self.useFixture(fixtures.MonkeyPatch(
            'tests.unit.glance.fakes.FakeImageAPI.get_image', self.away))
        self.worker.round()
        self.worker.round()
        self.assertEqual(1, self.log.output.count('WARNING The comparison'))

    @staticmethod
    def away(_api, image_id):
        raise exceptions.CopyPostponed(image_id, 'away')
