# SPDX-License-Identifier: Apache-2.0

import collections
import itertools

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import site_map
from dcn_plugins import sites
from tests.unit.core import topology

# No deadline: how long one example takes says more about the machine.
SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=60)


def cloud(*aggregates):
    return topology.Cloud([
        (f'a{index}', metadata, list(hosts))
        for index, (metadata, *hosts) in enumerate(aggregates)])


def edge(count, hosts_of=lambda number: 2, **metadata):
    """Return a site map of sites e1 to eN, each an aggregate a1 to aN."""
    return site_map.SiteMap(
        (f'a{number}', {'dcn:site': f'e{number}', **metadata},
         [f'e{number}-{host}' for host in range(hosts_of(number))])
        for number in range(1, count + 1))


def named(*names):
    return lambda site: site.name in names


class PlacesTest(testtools.TestCase):

    def test_hosts_of_equal_aggregates_are_one_place(self):
        places = site_map.SiteMap([
            ('a1', {'dcn:site': 'dcn1'}, ['h1', 'h2', 'h3']),
            ('a2', {'ssd': 'true'}, ['h3', 'h4'])]).places
        self.assertEqual(
            {(('a1',), 'dcn1', 2), (('a1', 'a2'), 'dcn1', 1),
             (('a2',), None, 1)},
            {(place.aggregates, place.site.name, place.host_count)
             for place in places})

    def test_host_that_is_listed_twice_counts_once(self):
        self.assertEqual({'dcn1': 1}, site_map.SiteMap(
            [('a1', {'dcn:site': 'dcn1'}, ['h1', 'h1'])]).host_counts)

    def test_no_aggregate(self):
        empty = site_map.SiteMap([])
        self.assertEqual((), empty.places)
        self.assertEqual({}, empty.host_counts)
        self.assertEqual((), empty.faults)
        self.assertEqual(frozenset(), empty.names)
        self.assertEqual(frozenset(), empty.zones)

    def test_takes_any_iterable(self):
        self.assertEqual({'e1', 'e2'}, edge(2).names)

    def test_site_without_hosts_is_known(self):
        found = site_map.SiteMap(
            [('a1', {'dcn:site': 'dcn1', 'availability_zone': 'z1',
                     'dcn:projects': 'p1'}, [])])
        self.assertEqual({'dcn1'}, found.names)
        self.assertEqual({'z1'}, found.zones)
        self.assertEqual({'dcn1'}, found.sites_of_project('p1'))
        self.assertEqual(frozenset(), found.sites_of_zone('z1'))

    @SETTINGS
    @hypothesis.given(topology.CLOUDS)
    def test_each_host_is_in_one_place_with_its_site(self, cloud):
        found = cloud.site_map()
        places = collections.Counter()
        for host in topology.HOSTS:
            if cloud.aggregates_of(host):
                places[frozenset(cloud.aggregates_of(host)),
                       cloud.site_of(host)] += 1
        self.assertEqual(
            places, collections.Counter({
                (frozenset(place.aggregates), place.site): place.host_count
                for place in found.places}))


class LookUpTest(testtools.TestCase):

    METRO = [
        ('z', {'availability_zone': 'metro'}, ['h11', 'h12', 'h21', 'h3']),
        ('s1', {'dcn:site': 'dcn1', 'dcn:group': 'gpu,far',
                'dcn:projects': 'p1'}, ['h11', 'h12']),
        ('s2', {'dcn:site': 'dcn2', 'dcn:group': 'far',
                'dcn:projects': 'p2,p1'}, ['h21'])]

    def test_sites_of_a_shared_zone(self):
        # h3 carries no label, so its zone is its site.
        self.assertEqual(
            {'dcn1', 'dcn2', 'metro'},
            site_map.SiteMap(self.METRO).sites_of_zone('metro'))

    def test_site_that_spans_zones(self):
        found = site_map.SiteMap([
            ('a1', {'dcn:site': 'dcn1', 'availability_zone': 'z1'}, ['h1']),
            ('a2', {'dcn:site': 'dcn1', 'availability_zone': 'z2'}, ['h2'])])
        self.assertEqual({'dcn1'}, found.sites_of_zone('z1'))
        self.assertEqual({'dcn1'}, found.sites_of_zone('z2'))
        self.assertEqual({'dcn1': 2}, found.host_counts)
        self.assertEqual((), found.faults)

    def test_unknown_zone_has_no_site(self):
        for zone in ('gone', 'Metro', None, ''):
            self.assertEqual(
                frozenset(), site_map.SiteMap(self.METRO).sites_of_zone(zone))

    def test_contradictory_host_counts_for_all_its_sites(self):
        found = cloud(({'dcn:site': 'dcn1'}, 'h1'),
                      ({'dcn:site': 'dcn2', 'availability_zone': 'z'}, 'h1'))
        self.assertEqual({'dcn1', 'dcn2'}, found.site_map().sites_of_zone('z'))

    def test_groups(self):
        found = site_map.SiteMap(self.METRO)
        self.assertEqual({'dcn1', 'dcn2'}, found.sites_of_group('far'))
        self.assertEqual({'dcn1'}, found.sites_of_group('gpu'))
        self.assertEqual(frozenset(), found.sites_of_group('near'))

    def test_projects(self):
        found = site_map.SiteMap(self.METRO)
        self.assertEqual({'dcn1', 'dcn2'}, found.sites_of_project('p1'))
        self.assertEqual({'dcn2'}, found.sites_of_project('p2'))
        self.assertIsNone(found.sites_of_project('p3'))
        self.assertIsNone(found.sites_of_project(None))
        # Asking must not make a project known.
        self.assertIsNone(found.sites_of_project('p3'))

    def test_projects_of_a_host_that_is_labelled_elsewhere(self):
        found = cloud(({'dcn:projects': 'p1'}, 'h1'),
                      ({'dcn:site': 'dcn1'}, 'h1', 'h2')).site_map()
        self.assertEqual({'dcn1'}, found.sites_of_project('p1'))

    def test_zone_whose_hosts_all_carry_labels_is_no_site(self):
        found = cloud(
            ({'availability_zone': 'metro', 'dcn:projects': 'p1'}, 'h1', 'h2'),
            ({'dcn:site': 'dcn1'}, 'h1'),
            ({'dcn:site': 'dcn2'}, 'h2')).site_map()
        self.assertEqual({'dcn1', 'dcn2'}, found.names)
        self.assertEqual({'dcn1', 'dcn2'}, found.sites_of_project('p1'))

    @SETTINGS
    @hypothesis.given(topology.CLOUDS,
                      strategies.sampled_from(['metro', 'dcn1', 'north']))
    def test_zone_tells_what_its_hosts_tell(self, cloud, zone):
        names = set()
        for host in cloud.hosts:
            site = cloud.site_of(host)
            if zone in site.zones:
                names |= set(site.name.names if isinstance(
                    site.name, sites.SeveralSites) else [site.name])
        self.assertEqual(names, cloud.site_map().sites_of_zone(zone))

    @SETTINGS
    @hypothesis.given(topology.CLOUDS)
    def test_group_and_counts_tell_what_the_hosts_tell(self, cloud):
        listed = {host: cloud.site_of(host) for host in cloud.hosts
                  if cloud.aggregates_of(host)}
        found = cloud.site_map()
        self.assertEqual(
            {site.name for site in listed.values()
             if 'gpu' in site.groups and isinstance(site.name, str)},
            found.sites_of_group('gpu'))
        self.assertEqual(
            collections.Counter(site.name for site in listed.values()),
            found.host_counts)

    @SETTINGS
    @hypothesis.given(topology.CLOUDS)
    def test_site_that_is_reserved_is_where_its_projects_are_at_home(
            self, cloud):
        found = cloud.site_map()
        for site in map(cloud.site_of, cloud.hosts):
            if isinstance(site.name, str):
                self.assertIn(site.name, found.names)
                for project in site.projects:
                    self.assertIn(site.name, found.sites_of_project(project))


class FaultsTest(testtools.TestCase):

    def test_of_a_host(self):
        self.assertEqual(
            (('site dcn1', 'dcn:state=off is none of enabled, draining, '
                           'disabled, down and counts as disabled'),
             ('sites dcn1 and dcn2 at once',
              'its aggregates name the sites dcn1 and dcn2')),
            cloud(({'dcn:site': 'dcn1', 'dcn:state': 'off'}, 'h1'),
                  ({'dcn:site': 'dcn1'}, 'h2', 'h3'),
                  ({'dcn:site': 'dcn2'}, 'h2', 'h3')).site_map().faults[:1]
            + cloud(({'dcn:site': 'dcn1'}, 'h2', 'h3'),
                    ({'dcn:site': 'dcn2'}, 'h2', 'h3')).site_map().faults)

    def test_of_states_that_differ_from_host_to_host(self):
        found = cloud(({'dcn:site': 'dcn1'}, 'h1'),
                      ({'dcn:site': 'dcn1', 'dcn:state': 'draining'}, 'h2'))
        self.assertEqual(
            (('site dcn1', 'its hosts are in different states: '
                           'enabled, draining'),),
            found.site_map().faults)

    def test_hosts_in_no_site_may_differ(self):
        self.assertEqual((), cloud(
            ({'ssd': 'true'}, 'h1'),
            ({'dcn:state': 'draining'}, 'h2')).site_map().faults)

    @SETTINGS
    @hypothesis.given(topology.CLOUDS, strategies.randoms())
    def test_do_not_depend_on_the_order_of_aggregates(self, cloud, random):
        shuffled = list(cloud.aggregates)
        random.shuffle(shuffled)
        self.assertEqual(cloud.site_map().faults,
                         site_map.SiteMap(shuffled).faults)


class DemandTest(testtools.TestCase):

    def test_everything_is_accepted(self):
        self.assertEqual(site_map.Demand(),
                         edge(3).demand(lambda site: True, 100))

    def test_nothing_to_say_is_false(self):
        self.assertFalse(site_map.Demand())
        self.assertTrue(site_map.Demand(required=('a1',)))
        self.assertTrue(site_map.Demand(forbidden=('a1',)))

    def test_one_site_of_many(self):
        self.assertEqual(site_map.Demand(('a7',)),
                         edge(1000).demand(named('e7'), 100))

    def test_all_but_one_and_hosts_in_no_site(self):
        self.assertEqual(
            site_map.Demand(None, ('a7',)),
            edge(1000).demand(lambda site: site.name != 'e7', 100))

    def test_only_hosts_in_no_site(self):
        self.assertEqual(site_map.Demand(None, ('a1', 'a2')),
                         edge(2).demand(named(None), 100))

    def test_umbrella_says_no_site_with_one_aggregate(self):
        found = site_map.SiteMap([
            *((f'a{number}', {'dcn:site': f'e{number}'}, [f'h{number}'])
              for number in range(1000)),
            ('edge', {'edge': 'true'}, [f'h{number}'
                                        for number in range(1000)])])
        self.assertEqual(site_map.Demand(None, ('edge',)),
                         found.demand(named(None), 100))

    def test_label_inside_a_shared_zone(self):
        found = cloud(({'availability_zone': 'metro'}, 'h1', 'h2', 'h3'),
                      ({'dcn:site': 'dcn1'}, 'h1', 'h2'),
                      ({'dcn:site': 'dcn2'}, 'h3')).site_map()
        self.assertEqual(site_map.Demand(('a1',)),
                         found.demand(named('dcn1'), 100))
        self.assertEqual(
            site_map.Demand(None, ('a1',)),
            found.demand(lambda site: site.name != 'dcn1', 100))

    def test_aggregate_about_something_else_is_not_named(self):
        found = cloud(({'ssd': 'true'}, 'h1', 'h3'),
                      ({'dcn:site': 'dcn1'}, 'h1', 'h2'),
                      ({'dcn:site': 'dcn2'}, 'h3', 'h4')).site_map()
        self.assertEqual(site_map.Demand(('a1',)),
                         found.demand(named('dcn1'), 100))

    def test_contradictory_host_is_kept_out_of_a_site(self):
        found = cloud(({'dcn:site': 'dcn1'}, 'h1', 'h2'),
                      ({'dcn:site': 'dcn2'}, 'h2', 'h3')).site_map()
        self.assertEqual(site_map.Demand(('a0',), ('a1',)),
                         found.demand(named('dcn1'), 100))

    def test_too_many_to_require_are_loosened_to_what_is_forbidden(self):
        # Sites e1 to e9 are accepted, e10 to e12 and no site are not.
        names = {f'e{number}' for number in range(1, 10)}
        self.assertEqual(9, len(edge(12).demand(named(*names), 9).required))
        demand = edge(12).demand(named(*names), 8)
        self.assertIsNone(demand.required)
        self.assertEqual({'a10', 'a11', 'a12'}, set(demand.forbidden))

    def test_cut_off_list_forbids_the_most_hosts(self):
        found = edge(20, hosts_of=lambda number: number)
        demand = found.demand(named(None), 3)
        self.assertEqual(site_map.Demand(None, ('a20', 'a19', 'a18')), demand)

    def test_cut_off_list_does_not_forbid_the_same_hosts_twice(self):
        both = [f'b{number}' for number in range(8)]
        found = cloud(
            ({'dcn:site': 'dcn1'}, 'x1', 'x2', *both),
            ({'dcn:site': 'dcn1'}, 'y1', *both),
            ({'dcn:site': 'dcn1'}, *(f'z{number}' for number in range(5))))
        self.assertEqual(site_map.Demand(None, ('a0', 'a2')),
                         found.site_map().demand(named(None), 2))
        self.assertEqual(site_map.Demand(None, ('a0', 'a2', 'a1')),
                         found.site_map().demand(named(None), 3))

    def test_required_and_forbidden_share_the_room(self):
        found = cloud(({'dcn:site': 'dcn1'}, 'h1', 'h2', 'h3'),
                      ({'dcn:site': 'dcn2'}, 'h2'),
                      ({'dcn:site': 'dcn3'}, 'h3')).site_map()
        self.assertEqual(3, len(found.demand(named('dcn1'), 3)))
        for room in (1, 2):
            demand = found.demand(named('dcn1'), room)
            self.assertEqual(room, len(demand))
            self.assertEqual(('a0',), demand.required)


class AnyCloudTest(testtools.TestCase):
    """Whatever the sites that are accepted, and whatever the aggregates."""

    def demand(self, cloud, accepted, max_aggregates):
        return cloud.site_map().demand(accepted.__contains__, max_aggregates)

    @staticmethod
    def accepted(data, cloud):
        """Draw some of the sites that there are, maybe NO_SITE as well."""
        found = sorted(set(map(cloud.site_of, cloud.hosts)), key=repr)
        chosen = data.draw(strategies.lists(
            strategies.booleans(), min_size=len(found), max_size=len(found)))
        return set(itertools.compress(found, chosen))

    @hypothesis.settings(SETTINGS, max_examples=150)
    @hypothesis.given(topology.CLOUDS, strategies.data())
    def test_no_host_of_an_accepted_site_is_excluded(self, cloud, data):
        some = self.accepted(data, cloud)
        for accepted in (some, set(map(cloud.site_of, cloud.hosts)) - some):
            wanted = {host for host in cloud.hosts
                      if cloud.site_of(host) in accepted}
            for limit in topology.LIMITS:
                demand = self.demand(cloud, accepted, limit)
                self.assertLessEqual(len(demand), limit)
                self.assertLessEqual(wanted, set(cloud.placed(demand)))

    @hypothesis.settings(SETTINGS, max_examples=100)
    @hypothesis.given(topology.CLOUDS_WITHOUT_OVERLAP, strategies.data())
    def test_exact_without_overlap(self, cloud, data):
        accepted = self.accepted(data, cloud)
        # Nobody asks placement for a request that no site takes.
        hypothesis.assume(accepted)
        self.assertEqual(
            [host for host in cloud.hosts if cloud.site_of(host) in accepted],
            cloud.placed(self.demand(cloud, accepted, 1000)))

    @hypothesis.settings(SETTINGS, max_examples=100)
    @hypothesis.given(topology.CLOUDS_WITHOUT_OVERLAP, strategies.data())
    def test_exact_below_an_aggregate_of_all(self, cloud, data):
        everywhere = topology.Cloud([
            *cloud.aggregates,
            ('all', {'availability_zone': 'all'}, cloud.hosts)])
        # Hosts that are in nothing else cannot be told from the others.
        apart, together = set(), set()
        for host in cloud.hosts:
            (apart if cloud.aggregates_of(host) else together).add(
                everywhere.site_of(host))
        hypothesis.assume(apart - together)
        accepted = data.draw(strategies.sets(strategies.sampled_from(
            sorted(apart - together, key=repr)), min_size=1))
        self.assertEqual(
            [host for host in cloud.hosts
             if everywhere.site_of(host) in accepted],
            everywhere.placed(self.demand(everywhere, accepted, 1000)))

    @SETTINGS
    @hypothesis.given(topology.CLOUDS, strategies.data(),
                      strategies.integers(1, 10))
    def test_more_room_lets_no_more_hosts_through(
            self, cloud, data, max_aggregates):
        accepted = self.accepted(data, cloud)
        fewer, more = (
            set(cloud.placed(self.demand(cloud, accepted, number)))
            for number in (max_aggregates, 1000))
        self.assertLessEqual(more, fewer)
