# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.glance import copy_need

STORES = ('central', 'dcn0', 'dcn1', 'dcn10')

some_names = strategies.lists(
    strategies.sampled_from(STORES + ('dcn7', 'all', ' ', ''))).map(','.join)


class CopyNeedTest(testtools.TestCase):

    def test_missing_is_neither_present_nor_importing(self):
        need = copy_need.find(
            {'dcn_sites': 'dcn0,dcn1,dcn10', 'stores': 'central,dcn0',
             'os_glance_importing_to_stores': 'dcn1,central',
             'os_glance_failed_import': 'dcn10'}, STORES)
        self.assertEqual(('dcn0', 'dcn1', 'dcn10'), need.wanted)
        self.assertEqual(('dcn1', 'dcn10'), need.lacking)
        self.assertEqual(('dcn10',), need.missing)
        self.assertEqual(('dcn1',), need.importing)
        self.assertEqual(('dcn10',), need.failed)
        self.assertEqual((), need.unknown)

    def test_names_are_compared_as_a_whole(self):
        need = copy_need.find({'dcn_sites': 'dcn1', 'stores': 'dcn10'},
                              STORES)
        self.assertEqual(('dcn1',), need.missing)

    def test_names_are_stripped_and_case_counts(self):
        need = copy_need.find({'dcn_sites': ' dcn0 ,, DCN1,dcn0'}, STORES)
        self.assertEqual(('dcn0',), need.wanted)
        self.assertEqual(('DCN1',), need.unknown)

    def test_all_is_every_store(self):
        need = copy_need.find({'dcn_sites': 'all', 'stores': 'central'},
                              STORES)
        self.assertEqual(STORES, need.wanted)
        self.assertEqual(('dcn0', 'dcn1', 'dcn10'), need.missing)

    def test_all_beside_names(self):
        need = copy_need.find({'dcn_sites': 'dcn7,all,dcn0'}, STORES)
        self.assertEqual(STORES, need.wanted)
        self.assertEqual(('dcn7',), need.unknown)

    def test_unknown_stores_do_not_hold_up_the_others(self):
        need = copy_need.find({'dcn_sites': 'dcn7,dcn0'}, STORES)
        self.assertEqual(('dcn0',), need.missing)
        self.assertEqual(('dcn7',), need.unknown)

    def test_present_beats_a_stale_importing_list(self):
        need = copy_need.find(
            {'dcn_sites': 'dcn0', 'stores': 'central,dcn0',
             'os_glance_importing_to_stores': 'dcn0'}, STORES)
        self.assertEqual((), need.lacking)

    def test_nothing_wanted(self):
        for image in ({}, {'dcn_sites': ''}, {'dcn_sites': ' , '},
                      {'dcn_sites': None}):
            need = copy_need.find(image, STORES)
            self.assertEqual(((), ()), (need.wanted, need.unknown))

    def test_read_only_stores_are_not_writable(self):
        self.assertEqual(('dcn0', 'dcn1'), copy_need.writable([
            {'id': 'dcn0', 'default': 'true'},
            {'id': 'web', 'read-only': 'true'},
            {'id': 'dcn1', 'description': 'edge', 'read-only': 'false'}]))

    @hypothesis.given(some_names, some_names, some_names)
    def test_parts_fit_together(self, sites, present, importing):
        need = copy_need.find(
            {'dcn_sites': sites, 'stores': present,
             'os_glance_importing_to_stores': importing}, STORES)
        self.assertEqual(set(need.lacking),
                         set(need.missing) | set(need.importing))
        self.assertEqual(set(), set(need.missing) & set(need.importing))
        self.assertLessEqual(set(need.wanted), set(STORES))
        self.assertEqual(set(), set(need.unknown) & set(STORES))
        self.assertEqual(set(), set(need.lacking)
                         & set(copy_need.names(present)))
        self.assertEqual(len(need.wanted), len(set(need.wanted)))
