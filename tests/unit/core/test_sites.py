# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import sites

NAMES = strategies.sampled_from(['dcn0', 'dcn1', 'dcn2', 'central'])
METADATA = strategies.fixed_dictionaries({}, optional={
    sites.SITE_KEY: strategies.one_of(NAMES, strategies.sampled_from(
        [None, ''])),
    sites.ZONE_KEY: strategies.one_of(NAMES, strategies.sampled_from(
        [None, ''])),
    'ssd': strategies.just('true')})
METADATAS = strategies.lists(METADATA, max_size=5)
SITES = METADATAS.map(sites.site_of_host)

# No deadline: how long one example takes says more about the machine.
SETTINGS = hypothesis.settings(deadline=None, database=None)


def values(metadatas, key):
    return {metadata[key] for metadata in metadatas if metadata.get(key)}


class SiteOfHostTest(testtools.TestCase):

    def test_no_aggregate_is_no_site(self):
        self.assertIsNone(sites.site_of_host([]))

    def test_aggregate_about_something_else_is_no_site(self):
        self.assertIsNone(sites.site_of_host([{'ssd': 'true'}]))

    def test_zone_is_the_site(self):
        self.assertEqual(
            'dcn1', sites.site_of_host([{'availability_zone': 'dcn1'}]))

    def test_label_outranks_zone_of_the_same_aggregate(self):
        self.assertEqual('dcn1', sites.site_of_host(
            [{'availability_zone': 'metro', 'dcn:site': 'dcn1'}]))

    def test_label_outranks_zone_of_another_aggregate(self):
        self.assertEqual('dcn1', sites.site_of_host(
            [{'availability_zone': 'metro'}, {'dcn:site': 'dcn1'}]))

    def test_two_aggregates_of_one_site(self):
        self.assertEqual('dcn1', sites.site_of_host(
            [{'dcn:site': 'dcn1'}, {'dcn:site': 'dcn1', 'ssd': 'true'}]))

    def test_two_labels_contradict(self):
        site = sites.site_of_host([{'dcn:site': 'dcn2'}, {'dcn:site': 'dcn1'}])
        self.assertEqual(sites.SeveralSites(('dcn1', 'dcn2')), site)
        self.assertEqual('dcn1 and dcn2', str(site))

    def test_two_zones_contradict(self):
        self.assertEqual(
            sites.SeveralSites(('dcn1', 'dcn2')),
            sites.site_of_host([{'availability_zone': 'dcn1'},
                                {'availability_zone': 'dcn2'}]))

    def test_a_label_resolves_two_zones(self):
        self.assertEqual(
            'dcn1',
            sites.site_of_host([{'availability_zone': 'dcn1'},
                                {'availability_zone': 'dcn2'},
                                {'dcn:site': 'dcn1'}]))

    def test_empty_label_counts_as_not_set(self):
        self.assertEqual('dcn1', sites.site_of_host(
            [{'dcn:site': '', 'availability_zone': 'dcn1'}]))

    def test_takes_any_iterable(self):
        self.assertEqual('dcn1', sites.site_of_host(
            iter([{'availability_zone': 'dcn1'}])))

    def test_names_differ_by_case(self):
        self.assertIsInstance(
            sites.site_of_host([{'dcn:site': 'dcn1'}, {'dcn:site': 'DCN1'}]),
            sites.SeveralSites)

    @SETTINGS
    @hypothesis.given(METADATAS, strategies.randoms())
    def test_order_and_repetition_are_irrelevant(self, metadatas, random):
        shuffled = metadatas + metadatas
        random.shuffle(shuffled)
        self.assertEqual(sites.site_of_host(metadatas),
                         sites.site_of_host(shuffled))

    @SETTINGS
    @hypothesis.given(METADATAS)
    def test_answer_is_what_the_aggregates_say(self, metadatas):
        named = (values(metadatas, sites.SITE_KEY)
                 or values(metadatas, sites.ZONE_KEY))
        site = sites.site_of_host(metadatas)
        if not named:
            self.assertIsNone(site)
        elif len(named) == 1:
            self.assertEqual(named, {site})
        else:
            self.assertEqual(named, set(site.names))

    @SETTINGS
    @hypothesis.given(METADATAS, NAMES, NAMES)
    def test_zones_are_irrelevant_once_there_is_a_label(
            self, metadatas, name, zone):
        metadatas = metadatas + [{sites.SITE_KEY: name}]
        self.assertEqual(
            sites.site_of_host(metadatas),
            sites.site_of_host(metadatas + [{sites.ZONE_KEY: zone}]))

    @SETTINGS
    @hypothesis.given(METADATAS)
    def test_nothing_resolves_a_contradiction_of_labels(self, metadatas):
        labels = [{sites.SITE_KEY: 'dcn1'}, {sites.SITE_KEY: 'dcn2'}]
        self.assertIsInstance(sites.site_of_host(metadatas + labels),
                              sites.SeveralSites)


class SiteOfZoneTest(testtools.TestCase):

    def test_zone_without_host_tells_nothing(self):
        self.assertIsNone(sites.site_of_zone('dcn1', [], []))

    def test_zone_without_labels_is_the_site(self):
        self.assertEqual('dcn1', sites.site_of_zone('dcn1', ['h1', 'h2'], []))

    def test_label_of_all_hosts(self):
        self.assertEqual('dcn1', sites.site_of_zone(
            'metro', ['h1', 'h2'],
            [({'dcn:site': 'dcn1'}, ['h1']), ({'dcn:site': 'dcn1'}, ['h2'])]))

    def test_labels_split_the_zone(self):
        self.assertEqual(
            sites.SeveralSites(('dcn1', 'dcn2')),
            sites.site_of_zone(
                'metro', ['h1', 'h2'],
                [({'dcn:site': 'dcn1'}, ['h1']),
                 ({'dcn:site': 'dcn2'}, ['h2'])]))

    def test_a_label_of_some_hosts_splits_the_zone(self):
        self.assertEqual(
            sites.SeveralSites(('dcn1', 'metro')),
            sites.site_of_zone('metro', ['h1', 'h2'],
                               [({'dcn:site': 'dcn1'}, ['h1'])]))

    def test_labels_of_hosts_elsewhere_are_irrelevant(self):
        self.assertEqual('dcn1', sites.site_of_zone(
            'dcn1', ['h1'], [({'dcn:site': 'dcn2'}, ['h2'])]))

    def test_contradictory_host_makes_the_zone_contradictory(self):
        self.assertEqual(
            sites.SeveralSites(('dcn1', 'dcn2')),
            sites.site_of_zone('metro', ['h1'],
                               [({'dcn:site': 'dcn1'}, ['h1']),
                                ({'dcn:site': 'dcn2'}, ['h1'])]))

    @SETTINGS
    @hypothesis.given(
        NAMES,
        strategies.dictionaries(strategies.sampled_from('abcd'), METADATAS))
    def test_agrees_with_each_host(self, zone, metadatas_of):
        labelled = [(metadata, [host])
                    for host, metadatas in metadatas_of.items()
                    for metadata in metadatas if metadata.get(sites.SITE_KEY)]
        found = {sites.site_of_host(
            [{sites.ZONE_KEY: zone}]
            + [metadata for metadata, hosts in labelled if host in hosts])
            for host in metadatas_of}
        site = sites.site_of_zone(zone, metadatas_of, labelled)
        if len(found) == 1:
            self.assertEqual(found, {site})
        elif found:
            self.assertIsInstance(site, sites.SeveralSites)
        else:
            self.assertIsNone(site)


class MayGoTest(testtools.TestCase):

    def test_same_site(self):
        self.assertTrue(sites.may_go('dcn1', 'dcn1'))

    def test_other_site(self):
        self.assertFalse(sites.may_go('dcn1', 'dcn2'))

    def test_names_that_contain_each_other_differ(self):
        self.assertFalse(sites.may_go('dcn1', 'dcn10'))

    def test_from_a_site_to_no_site(self):
        self.assertFalse(sites.may_go('dcn1', None))

    def test_from_no_site_to_a_site(self):
        self.assertFalse(sites.may_go(None, 'dcn1'))

    def test_no_site_to_no_site(self):
        self.assertTrue(sites.may_go(None, None))

    @SETTINGS
    @hypothesis.given(SITES, SITES)
    def test_contradictory_host_is_never_right(self, site, other):
        several = sites.SeveralSites(('dcn1', 'dcn2'))
        self.assertFalse(sites.may_go(several, several))
        self.assertFalse(sites.may_go(site, several))
        self.assertFalse(sites.may_go(several, other))

    @SETTINGS
    @hypothesis.given(SITES, SITES, SITES)
    def test_moves_one_after_another_never_leave_the_site(
            self, first, second, third):
        if sites.may_go(first, second) and sites.may_go(second, third):
            self.assertEqual(first, third)

    @SETTINGS
    @hypothesis.given(SITES, SITES)
    def test_every_move_can_be_undone(self, site, other):
        if sites.may_go(site, other):
            self.assertTrue(sites.may_go(other, site))
