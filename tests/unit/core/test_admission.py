# SPDX-License-Identifier: Apache-2.0

import dataclasses
import itertools

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import admission
from dcn_plugins import sites
from tests.unit.core import topology

# No deadline: how long one example takes says more about the machine.
SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=60)

Operation = admission.Operation
Rule = admission.Rule
State = sites.State

request = topology.request
site = topology.site
rule_of = topology.rule_of

MOVES = [Operation.MIGRATE, Operation.RESIZE, Operation.EVACUATE,
         Operation.UNSHELVE]


class StateTest(testtools.TestCase):
    """Every operation in every state, in the own site and in another."""

    ALL = set(State)

    OWN = {
        Operation.CREATE: {State.ENABLED},
        Operation.MIGRATE: {State.ENABLED, State.DRAINING},
        Operation.RESIZE: {State.ENABLED, State.DRAINING},
        Operation.EVACUATE: {State.ENABLED, State.DRAINING, State.DISABLED},
        Operation.UNSHELVE: {State.ENABLED},
        Operation.REBUILD: ALL}

    def open_states(self, asked, name):
        found = set()
        for state in State:
            refusal = admission.refusal(asked, site(name, state=state))
            if refusal is None:
                found.add(state)
            else:
                self.assertIs(Rule.STATE, refusal.rule)
        return found

    def test_every_operation_is_in_the_table(self):
        self.assertEqual(set(Operation), set(self.OWN))

    def test_own_site(self):
        for operation, states in self.OWN.items():
            for policy in (admission.STRICT, admission.PREFER):
                self.assertEqual(
                    states, self.open_states(
                        request(operation, move_policy=policy), 'dcn1'),
                    operation)

    def test_other_site_with_the_right_to_cross(self):
        for operation in MOVES:
            self.assertEqual({State.ENABLED}, self.open_states(
                request(operation, may_cross=True), 'dcn2'), operation)

    def test_other_site_is_only_less_liked(self):
        for operation in MOVES:
            self.assertEqual({State.ENABLED}, self.open_states(
                request(operation, move_policy=admission.PREFER), 'dcn2'),
                operation)

    def test_other_site_is_strictly_closed(self):
        for operation, state in itertools.product(MOVES, State):
            self.assertIs(Rule.MOVE, rule_of(
                request(operation), site('dcn2', state=state)))

    def test_create_and_rebuild_know_no_other_site(self):
        self.assertEqual({State.ENABLED},
                         self.open_states(request(), 'dcn2'))
        self.assertEqual(self.ALL, self.open_states(
            request(Operation.REBUILD), 'dcn2'))

    def test_moves_are_not_looked_at_when_off(self):
        for operation, state, name in itertools.product(
                MOVES, State, ['dcn1', 'dcn2', None]):
            self.assertIsNone(admission.refusal(
                request(operation, move_policy=admission.OFF, zone='gone'),
                site(name, state=state)))

    def test_creates_and_rebuilds_are_when_off(self):
        self.assertEqual({State.ENABLED}, self.open_states(
            request(move_policy=admission.OFF), 'dcn1'))
        self.assertIs(Rule.IMAGE, rule_of(
            request(Operation.REBUILD, move_policy=admission.OFF,
                    image_locality=admission.REQUIRE, stores={'central'}),
            site()))

    def test_hosts_in_no_site_have_a_state_as_well(self):
        self.assertEqual({State.ENABLED}, self.open_states(request(), None))
        asked = dataclasses.replace(request(Operation.MIGRATE), home=None)
        self.assertEqual(self.OWN[Operation.MIGRATE],
                         self.open_states(asked, None))


class MoveTest(testtools.TestCase):

    def test_names_that_contain_each_other_differ(self):
        self.assertIs(Rule.MOVE, rule_of(
            request(Operation.MIGRATE), site('dcn10')))

    def test_between_a_site_and_no_site(self):
        self.assertIs(Rule.MOVE, rule_of(
            request(Operation.MIGRATE), sites.NO_SITE))
        asked = dataclasses.replace(request(Operation.MIGRATE), home=None)
        self.assertIs(Rule.MOVE, rule_of(asked, site()))
        self.assertIsNone(admission.refusal(asked, sites.NO_SITE))

    def test_home_is_not_looked_at_in_a_create(self):
        self.assertIsNone(admission.refusal(request(), site('dcn2')))
        self.assertFalse(request().is_move)
        self.assertFalse(admission.is_away(request(), site('dcn2')))

    def test_away(self):
        asked = request(Operation.RESIZE, move_policy=admission.PREFER)
        self.assertTrue(asked.is_move)
        self.assertFalse(admission.is_away(asked, site()))
        self.assertTrue(admission.is_away(asked, site('dcn2')))
        self.assertTrue(admission.is_away(asked, sites.NO_SITE))

    def test_contradictory_host_takes_nothing(self):
        several = site(sites.SeveralSites(('dcn1', 'dcn2')))
        for operation, policy, may_cross in itertools.product(
                [Operation.CREATE, *MOVES],
                [admission.STRICT, admission.PREFER], [False, True]):
            self.assertIs(Rule.CONTRADICTION, rule_of(request(
                operation, move_policy=policy, may_cross=may_cross), several))

    def test_rebuild_on_a_contradictory_host(self):
        self.assertIsNone(admission.refusal(
            request(Operation.REBUILD),
            site(sites.SeveralSites(('dcn1', 'dcn2')))))

    def test_own_site_needs_no_second_admission(self):
        """A rule that became stricter keeps no server from its disk."""
        asked = {'hinted': {'dcn2'}, 'flavored': {'dcn2'},
                 'residence': {'dcn2'}, 'volume_sites': {'dcn2'},
                 'volume_locality': admission.REQUIRE}
        own = site(projects=frozenset({'p2'}))
        for operation in (Operation.MIGRATE, Operation.EVACUATE,
                          Operation.UNSHELVE):
            self.assertIsNone(
                admission.refusal(request(operation, **asked), own))

    def test_new_flavor_of_a_resize_is_looked_at(self):
        self.assertIs(Rule.FLAVOR, rule_of(
            request(Operation.RESIZE, flavored={'dcn2'}), site()))

    def test_image_is_looked_at_where_it_is_read(self):
        asked = {'image_locality': admission.REQUIRE, 'stores': {'central'}}
        for operation in Operation:
            is_read = operation in (Operation.CREATE, Operation.UNSHELVE,
                                    Operation.REBUILD)
            self.assertIs(Rule.IMAGE if is_read else None,
                          rule_of(request(operation, **asked), site()),
                          operation)

    def test_where_it_was_sent_all_rules_hold_but_the_hint(self):
        sent = {'may_cross': True}
        other = site('dcn2')
        for rule, fields in (
                (None, {'hinted': {'dcn1'}}),
                (Rule.FLAVOR, {'flavored': {'dcn1'}}),
                (Rule.PROJECT, {'residence': {'dcn1'}}),
                (Rule.ZONE, {'zone': 'dcn1'}),
                (Rule.IMAGE, {'image_locality': admission.REQUIRE,
                              'stores': {'dcn1'}}),
                (Rule.VOLUME, {'volume_locality': admission.REQUIRE,
                               'volume_sites': {'dcn1'}})):
            self.assertIs(rule, rule_of(
                request(Operation.EVACUATE, **sent, **fields), other))


class ZoneTest(testtools.TestCase):

    def test_zone_of_a_site_that_spans_several(self):
        found = site(zones=('z1', 'z2'))
        for zone in ('z1', 'z2', None, ''):
            self.assertIsNone(admission.refusal(request(zone=zone), found))
        self.assertIs(Rule.ZONE, rule_of(request(zone='dcn1'), found))

    def test_zone_that_several_sites_share(self):
        for name in ('dcn1', 'dcn2'):
            self.assertIsNone(admission.refusal(
                request(zone='metro'),
                site(name, zones=('metro',))))

    def test_pin_holds_for_every_move(self):
        for operation in MOVES:
            self.assertIs(Rule.ZONE, rule_of(
                request(operation, zone='dcn2'), site()))
            self.assertIsNone(admission.refusal(
                request(operation, zone='dcn1'), site()))

    def test_rebuild_stays_where_it_is(self):
        self.assertIsNone(admission.refusal(
            request(Operation.REBUILD, zone='gone'), site()))

    def test_pin_that_names_no_live_zone_takes_no_host(self):
        """Stock Nova takes every host then."""
        for operation, found in itertools.product(
                [Operation.CREATE, *MOVES],
                [site(), site('dcn2'), sites.NO_SITE]):
            asked = request(operation, zone='gone', may_cross=True)
            self.assertIs(Rule.ZONE, rule_of(asked, found))

    def test_default_zone_is_for_hosts_in_no_site(self):
        asked = request(zone='nova')
        self.assertIsNone(admission.refusal(asked, sites.NO_SITE))
        self.assertIsNone(admission.refusal(
            asked, sites.site_of_host([{'ssd': 'true'}])))
        for metadata in ({'availability_zone': 'dcn1'}, {'dcn:site': 'dcn1'},
                         {'dcn:site': 'dcn1', 'availability_zone': 'dcn1'}):
            self.assertIs(Rule.ZONE, rule_of(
                asked, sites.site_of_host([metadata])))

    def test_default_zone_by_another_name(self):
        asked = request(zone='internal', default_zone='internal')
        self.assertIsNone(admission.refusal(asked, sites.NO_SITE))
        self.assertIs(Rule.ZONE, rule_of(asked, site()))
        self.assertIs(Rule.ZONE, rule_of(
            request(zone='nova', default_zone='internal'), sites.NO_SITE))

    def test_hosts_in_no_site_are_free_without_a_pin(self):
        self.assertIsNone(admission.refusal(request(), sites.NO_SITE))


class ChoiceTest(testtools.TestCase):

    def test_sets_that_demand_nothing_and_that_nothing_meets(self):
        for field, rule in (('hinted', Rule.HINT), ('flavored', Rule.FLAVOR),
                            ('residence', Rule.PROJECT)):
            for names, verdict in ((None, None), ({'dcn1'}, None),
                                   ({'dcn2', 'dcn1'}, None), ({'dcn2'}, rule),
                                   (set(), rule)):
                self.assertIs(verdict, rule_of(
                    request(**{field: names}), site()), (field, names))

    def test_site_of_other_projects(self):
        own = site(projects=frozenset({'p1', 'p9'}))
        others = site(projects=frozenset({'p2'}))
        self.assertIsNone(admission.refusal(request(), own))
        self.assertIs(Rule.PROJECT, rule_of(request(), others))
        self.assertIs(Rule.PROJECT, rule_of(
            dataclasses.replace(request(), project=None), others))

    def test_residence_keeps_a_project_from_hosts_in_no_site(self):
        self.assertIs(Rule.PROJECT, rule_of(
            request(residence={'dcn1'}), sites.NO_SITE))

    def test_localities(self):
        for locality, is_near, refused in (
                (admission.IGNORE, True, None),
                (admission.PREFER, False, None),
                (admission.REQUIRE, True, True)):
            for rule, fields in (
                    (Rule.IMAGE, {'image_locality': locality,
                                  'stores': {'dcn2', 'dcn10'}}),
                    (Rule.VOLUME, {'volume_locality': locality,
                                   'volume_sites': {'dcn2', None}})):
                asked = request(**fields)
                self.assertIs(refused and rule, rule_of(asked, site()))
                self.assertIsNone(admission.refusal(asked, site('dcn2')))
                self.assertIs(is_near, admission.is_near(asked, site()))
                self.assertIs(True, admission.is_near(asked, site('dcn2')))

    def test_image_and_volumes_that_are_nowhere(self):
        for rule, fields in (
                (Rule.IMAGE, {'image_locality': admission.REQUIRE,
                              'stores': set()}),
                (Rule.VOLUME, {'volume_locality': admission.REQUIRE,
                               'volume_sites': set()})):
            self.assertIs(rule, rule_of(request(**fields), site()))

    def test_image_and_volumes_that_nothing_is_known_of(self):
        asked = request(image_locality=admission.REQUIRE,
                        volume_locality=admission.REQUIRE)
        self.assertIsNone(admission.refusal(asked, site()))
        asked = request(image_locality=admission.PREFER,
                        volume_locality=admission.PREFER)
        self.assertTrue(admission.is_near(asked, site()))

    def test_one_store_of_several_is_enough(self):
        asked = request(image_locality=admission.REQUIRE,
                        stores={'central', 'ceph1'})
        self.assertIsNone(admission.refusal(
            asked, site(stores=('ceph1', 'ceph2'))))

    def test_volumes_at_hosts_in_no_site(self):
        asked = request(volume_locality=admission.REQUIRE, volume_sites={None})
        self.assertIsNone(admission.refusal(asked, sites.NO_SITE))
        self.assertIs(Rule.VOLUME, rule_of(asked, site()))

    def test_near_needs_both(self):
        asked = request(image_locality=admission.PREFER, stores={'dcn1'},
                        volume_locality=admission.PREFER,
                        volume_sites={'dcn2'})
        for name in ('dcn1', 'dcn2'):
            self.assertFalse(admission.is_near(asked, site(name)))


class AnyRequestTest(testtools.TestCase):
    """Whatever the cloud, and whatever the request."""

    @hypothesis.settings(SETTINGS, max_examples=250)
    @hypothesis.given(topology.CLOUDS, topology.REQUESTS,
                      strategies.booleans())
    def test_placement_is_never_kept_from_a_host_that_is_accepted(
            self, cloud, asked, is_at_home):
        found = cloud.site_map()
        if is_at_home:
            asked = dataclasses.replace(
                asked, residence=found.sites_of_project(asked.project))
        accepted = {host for host in cloud.hosts if admission.refusal(
            asked, cloud.site_of(host)) is None}
        for limit in topology.LIMITS:
            demand = found.demand(
                lambda site: admission.refusal(asked, site) is None, limit)
            self.assertLessEqual(len(demand), limit)
            self.assertLessEqual(accepted, set(cloud.placed(demand)))

    @hypothesis.settings(SETTINGS, max_examples=100)
    @hypothesis.given(topology.CLOUDS_WITHOUT_OVERLAP, topology.REQUESTS)
    def test_placement_is_told_exactly_without_a_limit_and_overlap(
            self, cloud, asked):
        accepted = [host for host in cloud.hosts if admission.refusal(
            asked, cloud.site_of(host)) is None]
        hypothesis.assume(accepted)
        demand = cloud.site_map().demand(
            lambda site: admission.refusal(asked, site) is None, 1000)
        self.assertEqual(accepted, cloud.placed(demand))

    @hypothesis.settings(SETTINGS, max_examples=150)
    @hypothesis.given(topology.CLOUDS, topology.REQUESTS,
                      strategies.sampled_from(MOVES))
    def test_strict_move_never_leaves_the_site(self, cloud, asked, operation):
        asked = dataclasses.replace(
            asked, operation=operation, move_policy=admission.STRICT,
            may_cross=False)
        for found in map(cloud.site_of, cloud.hosts):
            if admission.refusal(asked, found) is None:
                self.assertEqual(asked.home, found.name)

    @SETTINGS
    @hypothesis.given(topology.CLOUDS, topology.REQUESTS)
    def test_explanation_is_the_verdict(self, cloud, asked):
        for found in map(cloud.site_of, cloud.hosts):
            refusal = admission.refusal(asked, found)
            line = admission.explain(asked, found)
            self.assertTrue(line.startswith(f'{found}: '))
            if refusal is None:
                self.assertTrue(line.endswith(': accepted'))
            else:
                self.assertTrue(line.endswith(
                    f': refused ({refusal.rule.value}): {refusal}'))

    @hypothesis.settings(SETTINGS, max_examples=100)
    @hypothesis.given(topology.CLOUDS, topology.REQUESTS)
    def test_create_is_never_let_into_what_it_did_not_ask_for(
            self, cloud, asked):
        asked = dataclasses.replace(asked, operation=Operation.CREATE)
        for found in map(cloud.site_of, cloud.hosts):
            if admission.refusal(asked, found) is not None:
                continue
            self.assertNotIsInstance(found.name, sites.SeveralSites)
            self.assertEqual(State.ENABLED, found.state)
            for chosen in (asked.hinted, asked.flavored, asked.residence):
                self.assertTrue(chosen is None or found.name in chosen)
            if found.projects:
                self.assertIn(asked.project, found.projects)
            if asked.zone == asked.default_zone:
                self.assertIsNone(found.name)
            elif asked.zone:
                self.assertIn(asked.zone, found.zones)

    @hypothesis.settings(SETTINGS, max_examples=100)
    @hypothesis.given(topology.CLOUDS, topology.REQUESTS)
    def test_closing_a_site_opens_nothing(self, cloud, asked):
        for found in map(cloud.site_of, cloud.hosts):
            was_open = True
            for state in State:
                is_open = admission.refusal(
                    asked, dataclasses.replace(found, state=state)) is None
                self.assertTrue(was_open or not is_open)
                was_open = is_open
