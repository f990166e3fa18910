# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins.glance import drift
from tests.unit.glance import drift_case as case


class DriftSearchTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.world = case.World()
        self.image_id = self.world.add(1)
        self.other_id = self.world.add(2)

    def test_without_findings_there_is_one_look(self):
        waited = []
        self.world.search(wait=lambda: waited.append(1)).report()
        self.assertEqual(([], 1), (waited, self.world.reads))

    def test_a_store_that_is_away_is_told(self):
        self.world.down.add('dcn0')
        del self.world.pools['dcn1'][self.image_id]
        report = self.world.search().report(True)
        self.assertEqual(['store dcn0'], list(report.unknown))
        self.assertEqual([('dcn1', drift.MISSING_IMAGE)],
                         [(found.store, found.kind)
                          for found in report.findings])

    def test_a_store_that_goes_away_between_two_looks(self):
        del self.world.pools['dcn1'][self.image_id]
        report = self.world.search(
            wait=lambda: self.world.down.add('dcn1')).report()
        self.assertEqual(((), ['store dcn1']),
                         (report.findings, list(report.unknown)))

    def test_only_some_images(self):
        for image_id in (self.image_id, self.other_id):
            del self.world.pools['dcn0'][image_id]
        report = self.world.search().report(only={self.image_id})
        self.assertEqual([self.image_id],
                         [found.image_id for found in report.findings])

    def test_an_image_that_was_replaced_is_another(self):
        """What was wrong with the one is not what is wrong with the next."""
        found = self.world.pools['dcn0'][self.image_id]
        self.world.contents[found.id] = case.BAD

        def replace():
            self.world.store('dcn0', self.image_id)

        self.assertEqual([], self.world.found(wait=replace))

    def test_a_copy_that_cannot_be_read(self):
        search = self.world.search()

        def refuse(*_args):
            raise case.exceptions.CephRefused('reading', 'no')

        search.stores['dcn0'].compare = refuse
        report = search.report(True)
        self.assertEqual(
            {f'dcn0:images/{image_id}': 'reading: Ceph refuses: no'
             for image_id in (self.image_id, self.other_id)}, report.unknown)

    def test_a_copy_that_is_removed_while_it_is_read_is_no_drift(self):
        search = self.world.search()
        compare = search.stores['dcn0'].compare

        def remove_and_compare(*args):
            self.world.forget('dcn0', self.image_id)
            self.world.pools['dcn0'].pop(self.image_id, None)
            return compare(*args)

        search.stores['dcn0'].compare = remove_and_compare
        report = search.report(True)
        self.assertEqual(((), {}), (report.findings, report.unknown))

    def test_how_far_it_is(self):
        told = []
        search = self.world.search()
        search._progress = lambda *args: told.append(args)
        search.report(True)
        self.assertEqual(('contents', 6, 6), told[-1])

    def test_a_copy_that_is_registered_between_the_reads_is_no_orphan(self):
        """Pools are read before Glance is asked again."""
        self.world.forget('dcn0', self.image_id)
        before = self.world.images[self.image_id].locations
        search = self.world.search()
        read = search.stores['dcn0'].read

        def read_and_register(*args):
            state = read(*args)
            self.world.change_image(self.image_id, locations=(
                *before, case.drift_facts.Location.of(
                    case.url('dcn0', self.image_id), 'dcn0')))
            return state

        search.stores['dcn0'].read = read_and_register
        facts = search.look()
        self.assertEqual((), case.drift_rules.find(
            facts, search.policy()).findings)
