# SPDX-License-Identifier: Apache-2.0
"""The command, on a world in memory."""

import contextlib
import io
import json
import types

import fixtures
import testtools

from dcn_plugins.glance import drift
from dcn_plugins.glance import scrub
from dcn_plugins import report_command
from tests.unit.glance import drift_case as case


class ScrubTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.world = case.World()
        self.image_id = self.world.add(1)
        self.made = []
        for name, value in (
                ('scrub._configure', lambda files: None),
                ('scrub.bindings.rbd', lambda: None),
                ('scrub._places', lambda names: dict.fromkeys(
                    names or case.STORES)),
                ('scrub.image_facts.of_this_glance', lambda conf: self.world),
                ('scrub.image_api.ImageAPI', lambda conf: self.world),
                # The module itself is what the world works with.
                ('scrub.drift_search', types.SimpleNamespace(
                    DriftSearch=self.search)),
                ('scrub.store_facts.StoreFacts',
                 lambda place: contextlib.nullcontext(place))):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.glance.{name}', value))

    def search(self, images, stores, grace_seconds, wait, progress,
               is_deleted_only):
        self.made.append((set(stores), grace_seconds))
        return self.world.search(grace_seconds,
                                 is_deleted_only=is_deleted_only)

    def run_it(self, *arguments):
        self.output, self.errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(self.output), (
                contextlib.redirect_stderr(self.errors)):
            return scrub.main(['--config-file', 'x', *arguments])

    def test_nothing(self):
        self.assertEqual(report_command.NOTHING, self.run_it('--deep'))
        self.assertIn('No drift', self.output.getvalue())
        self.assertEqual([(set(case.STORES), scrub.GRACE_SECONDS)],
                         self.made)

    def test_something(self):
        self.world.forget('dcn0', self.image_id)
        self.assertEqual(report_command.FOUND, self.run_it('--json'))
        [found] = json.loads(self.output.getvalue())['findings']
        self.assertEqual('orphan-image', found['kind'])
        self.assertEqual(report_command.NOTHING,
                         self.run_it('--image', case.ident(7)))

    def test_only_what_is_left_of_deleted_images(self):
        gone = self.world.add(2)
        self.world.forget('dcn0', self.image_id)
        for store in case.STORES:
            self.world.forget(store, gone)
        self.world.change_image(gone, is_deleted=True, status='deleted')
        self.run_it('--json', '--repair', drift.ORPHANS, '--deleted-only')
        found = json.loads(self.output.getvalue())['findings']
        # What was uploaded to the central store bears no mark of ours.
        self.assertEqual([('central', False), ('dcn0', True), ('dcn1', True)],
                         [(one['store'], one['repaired']) for one in found])
        self.assertEqual({('deleted-image', gone)}, {
            (one['kind'], one['image_id']) for one in found})
        # An image that lives has lost none of its copies.
        for store in case.STORES:
            self.assertIn(self.image_id, self.world.pools[store])

    def test_a_repair(self):
        self.world.forget('dcn0', self.image_id)
        self.assertEqual(report_command.FOUND, self.run_it('--repair'))
        self.assertEqual(report_command.NOTHING,
                         self.run_it('--repair', drift.ORPHANS))
        self.assertIn('1 repaired', self.output.getvalue())
        self.assertEqual(report_command.NOTHING, self.run_it())

    def test_nobody_knows(self):
        self.world.down.add('dcn1')
        self.assertEqual(report_command.ERROR, self.run_it())
        self.assertIn('no route', self.output.getvalue())

    def test_a_repair_that_fails(self):
        self.world.forget('dcn0', self.image_id)

        def fail(_change):
            raise case.exceptions.CephRefused('renaming', 'no')

        self.world.before = fail
        self.assertEqual(report_command.ERROR,
                         self.run_it('--repair', drift.ORPHANS))
        self.assertIn('FAILED', self.output.getvalue())

    def test_arguments_without_effect(self):
        for arguments in ([drift.ORPHANS], ['--read-all']):
            self.assertEqual(report_command.ERROR, self.run_it(*arguments))
            self.assertIn('has no effect', self.errors.getvalue())
        self.assertEqual([], self.made)

    def test_seconds(self):
        for text in ('-1', 'inf', 'nan', 'x'):
            self.assertRaises(SystemExit, self.run_it, '--grace-seconds',
                              text)

    def test_an_error_is_no_result(self):
        def fail():
            raise RuntimeError('no such table')

        self.world.live = fail
        self.assertEqual(report_command.ERROR, self.run_it())
        self.assertEqual('', self.output.getvalue())
        self.assertIn('no such table', self.errors.getvalue())
