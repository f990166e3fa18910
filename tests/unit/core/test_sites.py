# SPDX-License-Identifier: Apache-2.0

import dataclasses
import itertools

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import sites

NAMES = strategies.sampled_from(['dcn0', 'dcn1', 'dcn2', 'central'])
UNSET = strategies.sampled_from([None, ''])
STATES = strategies.sampled_from(
    ['enabled', 'draining', 'disabled', 'down', 'Down', 'maintenance', 'off'])
NUMBERS = strategies.sampled_from(
    ['0', '7', '-3', ' 10', 'high', 'low', 'none', 'first', 'last'])
LISTS = strategies.sampled_from(['a', 'b', 'a,b', ' b , ,c', ','])
METADATA = strategies.fixed_dictionaries({}, optional={
    sites.SITE_KEY: NAMES | UNSET,
    sites.ZONE_KEY: NAMES | UNSET,
    sites.STATE_KEY: STATES | UNSET,
    sites.PRIORITY_KEY: NUMBERS | UNSET,
    sites.STORE_KEY: LISTS | UNSET,
    sites.PROJECTS_KEY: LISTS | UNSET,
    f'{sites.PROJECTS_KEY}1': LISTS | UNSET,
    sites.GROUP_KEY: LISTS | UNSET,
    'ssd': strategies.just('true')})
METADATAS = strategies.lists(METADATA, max_size=5)

# No deadline: how long one example takes says more about the machine.
SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=60)


def values(metadatas, key):
    return {metadata[key] for metadata in metadatas if metadata.get(key)}


def name_of(*metadatas):
    return sites.site_of_host(metadatas).name


class NameTest(testtools.TestCase):

    def test_no_aggregate_is_no_site(self):
        self.assertEqual(sites.NO_SITE, sites.site_of_host([]))
        self.assertIsNone(sites.NO_SITE.name)

    def test_aggregate_about_something_else_is_no_site(self):
        self.assertEqual(sites.NO_SITE, sites.site_of_host([{'ssd': 'true'}]))

    def test_zone_is_the_site(self):
        self.assertEqual('dcn1', name_of({'availability_zone': 'dcn1'}))

    def test_label_outranks_zone_of_the_same_aggregate(self):
        self.assertEqual('dcn1', name_of(
            {'availability_zone': 'metro', 'dcn:site': 'dcn1'}))

    def test_label_outranks_zone_of_another_aggregate(self):
        self.assertEqual('dcn1', name_of(
            {'availability_zone': 'metro'}, {'dcn:site': 'dcn1'}))

    def test_two_aggregates_of_one_site(self):
        self.assertEqual('dcn1', name_of(
            {'dcn:site': 'dcn1'}, {'dcn:site': 'dcn1', 'ssd': 'true'}))

    def test_two_labels_contradict(self):
        site = sites.site_of_host([{'dcn:site': 'dcn2'}, {'dcn:site': 'dcn1'}])
        self.assertEqual(sites.SeveralSites(('dcn1', 'dcn2')), site.name)
        self.assertEqual('dcn1 and dcn2', str(site.name))
        self.assertEqual('sites dcn1 and dcn2 at once', str(site))
        self.assertEqual(('its aggregates name the sites dcn1 and dcn2',),
                         site.faults)

    def test_two_zones_contradict(self):
        self.assertEqual(
            sites.SeveralSites(('dcn1', 'dcn2')),
            name_of({'availability_zone': 'dcn1'},
                    {'availability_zone': 'dcn2'}))

    def test_a_label_resolves_two_zones(self):
        site = sites.site_of_host([{'availability_zone': 'dcn1'},
                                   {'availability_zone': 'dcn2'},
                                   {'dcn:site': 'dcn1'}])
        self.assertEqual('dcn1', site.name)
        self.assertEqual(('dcn1', 'dcn2'), site.zones)
        self.assertEqual((), site.faults)

    def test_empty_label_counts_as_not_set(self):
        self.assertEqual('dcn1', name_of(
            {'dcn:site': '', 'availability_zone': 'dcn1'}))

    def test_takes_any_iterable(self):
        self.assertEqual('dcn1', sites.site_of_host(
            iter([{'availability_zone': 'dcn1'}])).name)

    def test_names_differ_by_case(self):
        self.assertIsInstance(
            name_of({'dcn:site': 'dcn1'}, {'dcn:site': 'DCN1'}),
            sites.SeveralSites)

    def test_texts(self):
        self.assertEqual('no site', str(sites.NO_SITE))
        self.assertEqual('site dcn1', str(sites.Site('dcn1')))


class StateTest(testtools.TestCase):

    def site(self, *states):
        return sites.site_of_host([{'dcn:site': 'dcn1', 'dcn:state': state}
                                   for state in states])

    def test_names_are_the_values(self):
        self.assertEqual(['enabled', 'draining', 'disabled', 'down'],
                         [str(state) for state in sites.State])
        for state in sites.State:
            self.assertEqual(state, self.site(str(state)).state)
            self.assertEqual((), self.site(str(state)).faults)

    def test_not_set_is_enabled(self):
        self.assertEqual(sites.State.ENABLED, sites.site_of_host([]).state)
        for unset in (None, ''):
            self.assertEqual(sites.State.ENABLED, self.site(unset).state)
            self.assertEqual((), self.site(unset).faults)

    def test_strictest_holds(self):
        site = self.site('draining', 'down', 'enabled')
        self.assertEqual(sites.State.DOWN, site.state)
        self.assertEqual(('its aggregates say dcn:state='
                          'down,draining,enabled, so that it is down',),
                         site.faults)

    def test_unknown_one_closes_the_site(self):
        site = self.site('maintenance')
        self.assertEqual(sites.State.DISABLED, site.state)
        self.assertEqual(('dcn:state=maintenance is none of enabled, '
                          'draining, disabled, down and counts as disabled',),
                         site.faults)

    def test_unknown_one_does_not_soften(self):
        self.assertEqual(sites.State.DOWN,
                         self.site('maintenance', 'down').state)
        self.assertEqual(sites.State.DISABLED,
                         self.site('maintenance', 'draining').state)

    def test_other_letters_are_unknown(self):
        self.assertEqual(sites.State.DISABLED, self.site('Draining').state)

    def test_of_hosts_in_no_site(self):
        self.assertEqual(sites.Site(state=sites.State.DRAINING),
                         sites.site_of_host([{'dcn:state': 'draining'}]))


class PriorityTest(testtools.TestCase):

    def site(self, *priorities):
        return sites.site_of_host(
            [{'dcn:site': 'dcn1', 'dcn:priority': priority}
             for priority in priorities])

    def test_whole_numbers(self):
        for text, number in (('0', 0), ('10', 10), ('-5', -5), (None, 0),
                             ('', 0)):
            self.assertEqual(number, self.site(text).priority)
            self.assertEqual((), self.site(text).faults)

    def test_lowest_holds(self):
        site = self.site('10', '9')
        self.assertEqual(9, site.priority)
        self.assertEqual(('its aggregates say dcn:priority=9,10, so that the '
                          'lowest holds',), site.faults)

    def test_two_ways_to_write_one_number_agree(self):
        self.assertEqual((), self.site('10', '010').faults)

    def test_anything_else_counts_as_zero(self):
        for text in ('high', '1.5', '0x10'):
            site = self.site(text)
            self.assertEqual(0, site.priority)
            self.assertEqual(
                (f'dcn:priority={text} is no whole number and counts as 0',),
                site.faults)

    def test_order_of_several_bad_ones_is_irrelevant(self):
        # Enough of them that some collide in a set, whatever the hash seed.
        for texts in itertools.combinations('abcdefghij', 2):
            self.assertEqual(self.site(*texts),
                             self.site(*reversed(texts)))


class NamesTest(testtools.TestCase):

    def test_list(self):
        self.assertEqual({'a', 'b', 'c d'}, sites.listed(' a,b , ,c d,'))
        for text in (None, '', ' ', ','):
            self.assertEqual(frozenset(), sites.listed(text))

    def test_store_is_the_site_unless_it_is_named(self):
        self.assertEqual(('dcn1',),
                         sites.site_of_host([{'dcn:site': 'dcn1'}]).stores)
        self.assertEqual(('ceph1', 'ceph2'), sites.site_of_host(
            [{'dcn:site': 'dcn1', 'dcn:store': 'ceph2,ceph1'}]).stores)

    def test_no_site_has_no_store_of_its_own(self):
        self.assertEqual((), sites.NO_SITE.stores)
        self.assertEqual(('central',), sites.site_of_host(
            [{'dcn:store': 'central'}]).stores)
        self.assertEqual((), sites.site_of_host(
            [{'dcn:site': 'dcn1'}, {'dcn:site': 'dcn2'}]).stores)

    def test_lists_of_several_aggregates_add_up(self):
        site = sites.site_of_host([
            {'dcn:site': 'dcn1', 'dcn:projects': 'p1', 'dcn:group': 'north',
             'dcn:store': 's1'},
            {'dcn:projects': 'p2,p1', 'dcn:group': 'gpu',
             'dcn:store': 's2'}])
        self.assertEqual({'p1', 'p2'}, site.projects)
        self.assertEqual({'north', 'gpu'}, site.groups)
        self.assertEqual(('s1', 's2'), site.stores)

    def test_projects_go_on_in_numbered_keys(self):
        site = sites.site_of_host([
            {'dcn:site': 'dcn1', 'dcn:projects': 'p0',
             'dcn:projects1': 'p1,p2', 'dcn:projects2': ' p3',
             'dcn:projects17': 'p17'}])
        self.assertEqual({'p0', 'p1', 'p2', 'p3', 'p17'}, site.projects)

    def test_projects_in_a_numbered_key_alone(self):
        self.assertEqual({'p1'}, sites.site_of_host(
            [{'dcn:site': 'dcn1', 'dcn:projects1': 'p1'}]).projects)

    def test_empty_lists_reserve_nothing(self):
        self.assertEqual(frozenset(), sites.site_of_host(
            [{'dcn:site': 'dcn1', 'dcn:projects': ' , '}]).projects)


class KnownSitesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(sites._known.clear)
        sites._known.clear()

    def test_equal_sites_are_one_object(self):
        self.assertIs(
            sites.site_of_host([{'dcn:site': 'dcn1', 'ssd': 'true'}]),
            sites.site_of_host([{'dcn:site': 'dcn1'}, {'ssd': 'false'}]))

    def test_no_text_in_a_value_makes_one_site_of_two(self):
        told = {'dcn:site': 'dcn1', 'dcn:state': 'down'}
        self.assertEqual(sites.State.DOWN, sites.site_of_host([told]).state)
        for separator in '\0', '\0\0', '=', ',', '\n', ' ':
            name = separator.join(['dcn1', 'dcn:state', 'down'])
            site = sites.site_of_host([{'dcn:site': name}])
            self.assertEqual(name, site.name)
            self.assertEqual(sites.State.ENABLED, site.state)

    def test_cache_is_bounded(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.sites.MAX_KNOWN_SITES', 10))
        for number in range(25):
            self.assertEqual(f'dcn{number}', sites.site_of_host(
                [{'dcn:site': f'dcn{number}'}]).name)
            self.assertLessEqual(len(sites._known), 10)


class AnyMetadataTest(testtools.TestCase):

    @hypothesis.settings(SETTINGS, max_examples=150)
    @hypothesis.given(METADATAS, strategies.randoms())
    def test_order_and_repetition_are_irrelevant(self, metadatas, random):
        shuffled = metadatas + metadatas
        random.shuffle(shuffled)
        self.assertEqual(sites.site_of_host(metadatas),
                         sites.site_of_host(shuffled))

    @SETTINGS
    @hypothesis.given(METADATAS)
    def test_name_is_what_the_aggregates_say(self, metadatas):
        named = (values(metadatas, sites.SITE_KEY)
                 or values(metadatas, sites.ZONE_KEY))
        name = sites.site_of_host(metadatas).name
        if not named:
            self.assertIsNone(name)
        elif len(named) == 1:
            self.assertEqual(named, {name})
        else:
            self.assertEqual(tuple(sorted(named)), name.names)

    @SETTINGS
    @hypothesis.given(METADATAS, NAMES, NAMES)
    def test_zones_do_not_name_a_site_that_has_a_label(
            self, metadatas, name, zone):
        metadatas = metadatas + [{sites.SITE_KEY: name}]
        site = sites.site_of_host(metadatas)
        other = sites.site_of_host(metadatas + [{sites.ZONE_KEY: zone}])
        zones = tuple(sorted({*site.zones, zone}))
        self.assertEqual(dataclasses.replace(site, zones=zones), other)

    @SETTINGS
    @hypothesis.given(METADATAS)
    def test_nothing_resolves_a_contradiction_of_labels(self, metadatas):
        labels = [{sites.SITE_KEY: 'dcn1'}, {sites.SITE_KEY: 'dcn2'}]
        self.assertIsInstance(sites.site_of_host(metadatas + labels).name,
                              sites.SeveralSites)

    @SETTINGS
    @hypothesis.given(METADATAS, METADATA)
    def test_a_further_aggregate_opens_nothing(self, metadatas, metadata):
        fewer = sites.site_of_host(metadatas)
        more = sites.site_of_host([*metadatas, metadata])
        self.assertLessEqual(fewer.state, more.state)
        self.assertLessEqual(set(fewer.zones), set(more.zones))
        self.assertLessEqual(fewer.projects, more.projects)
        self.assertLessEqual(fewer.groups, more.groups)
        if values(metadatas, sites.PRIORITY_KEY):
            self.assertLessEqual(more.priority, fewer.priority)

    @SETTINGS
    @hypothesis.given(METADATAS)
    def test_a_fault_is_told_if_and_only_if_there_is_one(self, metadatas):
        states = values(metadatas, sites.STATE_KEY)
        known = {str(state) for state in sites.State}
        numbers = set()
        is_bad_number = False
        for text in values(metadatas, sites.PRIORITY_KEY):
            try:
                numbers.add(int(text))
            except ValueError:
                is_bad_number = True
                numbers.add(0)
        site = sites.site_of_host(metadatas)
        self.assertEqual(
            len(states) > 1 or bool(states - known),
            any(sites.STATE_KEY in fault for fault in site.faults))
        self.assertEqual(
            len(numbers) > 1 or is_bad_number,
            any(sites.PRIORITY_KEY in fault for fault in site.faults))
        self.assertEqual(
            isinstance(site.name, sites.SeveralSites),
            any('name the sites' in fault for fault in site.faults))

    @SETTINGS
    @hypothesis.given(METADATAS)
    def test_can_be_a_key(self, metadatas):
        site = sites.site_of_host(metadatas)
        self.assertIn(sites.site_of_host(metadatas), {site: 1})
