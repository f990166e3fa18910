# SPDX-License-Identifier: Apache-2.0
"""What the rules say: to the user, to the log and to whoever asks later."""

import collections
import dataclasses
import json

import hypothesis
import testtools

from dcn_plugins import admission
from dcn_plugins import site_map
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


class TextTest(testtools.TestCase):
    """What the user, the log and explain() say for each rule."""

    REFUSALS = [
        (Rule.CONTRADICTION, request(),
         site(sites.SeveralSites(('dcn1', 'dcn2'))),
         'it is in the sites dcn1 and dcn2 at once',
         'correct dcn:site or availability_zone of its aggregates'),
        (Rule.MOVE, request(Operation.RESIZE), site('dcn2'),
         'the server and its disk are in site dcn1',
         'no resize leaves it unless policy dcn:cross_site_move allows '
         'more and a destination is named'),
        (Rule.MOVE,
         dataclasses.replace(request(Operation.MIGRATE), home=None),
         site('dcn2'), 'the server and its disk are in no site',
         'no migrate leaves it unless policy dcn:cross_site_move allows '
         'more and a destination is named'),
        (Rule.ZONE, request(zone='dcn2'), site(),
         'it is not in availability zone dcn2',
         'name a zone of the site, or none'),
        (Rule.ZONE, request(zone='nova'), site(),
         'availability zone nova means hosts in no site',
         'name the zone of a site, or none'),
        (Rule.HINT, request(hinted={'dcn3', 'dcn2'}), site(),
         'the scheduler hint dcn_site names dcn2, dcn3',
         'change or omit the hint'),
        (Rule.FLAVOR, request(flavored={'dcn2'}), site(),
         'the flavor is for dcn:site=dcn2', 'choose another flavor'),
        (Rule.PROJECT, request(), site(projects=frozenset({'p2'})),
         'it is reserved for other projects',
         'have the project added to dcn:projects of the site'),
        (Rule.PROJECT, request(residence={'dcn3', 'dcn2'}), site(),
         'the project may only use dcn2, dcn3',
         'have the project added to dcn:projects of the site'),
        (Rule.STATE, request(), site(state=State.DRAINING),
         'it is draining and takes no new servers and volumes',
         'choose another site, or have dcn:state set to enabled'),
        (Rule.STATE, request(Operation.RESIZE), site(state=State.DISABLED),
         'it is disabled and takes no resize',
         'choose another site, or have dcn:state set to enabled'),
        (Rule.STATE, request(Operation.RESIZE, may_cross=True),
         site('dcn2', state=State.DOWN),
         'it is down and takes no servers and volumes of other sites',
         'choose another site, or have dcn:state set to enabled'),
        (Rule.IMAGE, request(image_locality=admission.REQUIRE,
                             stores={'dcn2', 'central'}), site(),
         'the image is not there but in central, dcn2',
         'copy the image to store dcn1'),
        (Rule.IMAGE, request(image_locality=admission.REQUIRE, stores=set()),
         sites.NO_SITE, 'the image is not there but in no store',
         'copy the image to the site and set dcn:store'),
        (Rule.VOLUME, request(volume_locality=admission.REQUIRE,
                              volume_sites={'dcn2', None}), site(),
         'the volumes are in dcn2, no site',
         'choose volumes of one site, and that site'),
        (Rule.VOLUME, request(volume_locality=admission.REQUIRE,
                              volume_sites=set()), site(),
         'the volumes are in different sites',
         'choose volumes of one site, and that site'),
    ]

    def test_each_rule(self):
        for rule, asked, found, text, remedy in self.REFUSALS:
            refusal = admission.Refusal(rule, text, remedy)
            self.assertEqual(refusal, admission.refusal(asked, found))
            self.assertEqual(f'{text}; {remedy}', str(refusal))
            self.assertEqual(
                f'{found}: refused ({rule.value}): {text}; {remedy}',
                admission.explain(asked, found))

    def test_no_rule_is_left_out(self):
        self.assertEqual(set(Rule), {row[0] for row in self.REFUSALS})

    def test_accepted(self):
        self.assertEqual('site dcn1: accepted',
                         admission.explain(request(), site()))
        self.assertEqual('no site: accepted',
                         admission.explain(request(), sites.NO_SITE))

    def test_choice_of_nothing_is_told_as_such(self):
        """A group that no site belongs to, for one."""
        for asked in (request(hinted=set()), request(flavored=set()),
                      request(residence=set())):
            self.assertNotRegex(str(admission.refusal(asked, site())),
                                r'(names|=|use)\s*;')

    def test_first_rule_is_told(self):
        """In the order of the rules, the last of which is asked last."""
        asked = {'zone': 'gone', 'hinted': {'x'}, 'flavored': {'x'},
                 'residence': {'x'}, 'image_locality': admission.REQUIRE,
                 'stores': set(), 'volume_locality': admission.REQUIRE,
                 'volume_sites': set()}
        found = site(sites.SeveralSites(('a', 'b')), state=State.DOWN)
        order = [rule_of(request(Operation.MIGRATE, **asked), found)]
        found = site('dcn2', state=State.DOWN)
        order.append(rule_of(request(Operation.MIGRATE, **asked), found))
        for fields in (['zone'], ['hinted'], ['flavored'], ['residence']):
            order.append(rule_of(request(**asked), found))
            for field in fields:
                del asked[field]
        order.append(rule_of(request(**asked), found))
        order.append(rule_of(request(**asked), site('dcn2')))
        del asked['stores']
        order.append(rule_of(request(**asked), site('dcn2')))
        self.assertEqual(list(Rule), order)

    def test_summary(self):
        self.assertEqual('none', admission.summary({}))
        refusals = collections.Counter({
            admission.Refusal(Rule.STATE, 'it is down', ''): 6,
            admission.Refusal(Rule.ZONE, 'it is not in z', ''): 9980,
            admission.Refusal(Rule.STATE, 'it is draining', ''): 4})
        self.assertEqual('zone 9980, state 10', admission.summary(refusals))


class ReasonTest(testtools.TestCase):
    """What the user reads when no site takes a request."""

    @staticmethod
    def site_map(*metadatas):
        return site_map.SiteMap(
            (f'a{index}', metadata, [f'h{index}'])
            for index, metadata in enumerate(metadatas))

    def two_sites(self, **metadata):
        return self.site_map(
            {'availability_zone': 'dcn1', **metadata},
            {'availability_zone': 'dcn2'})

    def test_zone_that_is_gone(self):
        self.assertEqual(
            'availability zone gone does not exist any more; name the zone '
            'of a live site',
            admission.reason(request(zone='gone'), self.two_sites()))

    def test_zone_without_hosts(self):
        found = site_map.SiteMap([
            ('a0', {'availability_zone': 'dcn1'}, []),
            ('a1', {'availability_zone': 'dcn2'}, ['h1'])])
        text = admission.reason(request(zone='dcn1'), found)
        self.assertNotIn('does not exist', text)
        self.assertIn('it is not in availability zone dcn1', text)

    def test_hint_and_flavor_that_name_no_site(self):
        self.assertEqual(
            'the scheduler hint dcn_site names dcn7, dcn8, which does not '
            'exist; name a live site',
            admission.reason(request(hinted={'dcn8', 'dcn7'}),
                             self.two_sites()))
        self.assertEqual(
            'the extra spec dcn:site of the flavor names dcn7, which does '
            'not exist; name a live site',
            admission.reason(request(flavored={'dcn7'}), self.two_sites()))

    def test_site_that_was_chosen_is_told_with_state_and_remedy(self):
        for fields in ({'zone': 'dcn1'}, {'hinted': {'dcn1'}},
                       {'flavored': {'dcn1'}}, {'residence': {'dcn1'}}):
            found = self.two_sites(**{'dcn:state': 'draining'})
            self.assertEqual(
                'site dcn1: it is draining and takes no new servers and '
                'volumes; choose another site, or have dcn:state set to '
                'enabled', admission.reason(request(**fields), found))

    def test_own_site_of_a_move_is_told(self):
        found = self.two_sites(**{'dcn:state': 'down'})
        self.assertEqual(
            'site dcn1: it is down and takes no migrate; choose another '
            'site, or have dcn:state set to enabled',
            admission.reason(request(Operation.MIGRATE), found))

    def test_site_that_spans_zones_is_told_by_the_part_that_came_furthest(
            self):
        metadatas = [{'dcn:site': 'dcn1', 'availability_zone': zone,
                      'dcn:state': 'draining'} for zone in ('z1', 'z2')]
        for order in (metadatas, metadatas[::-1]):
            self.assertEqual(
                'site dcn1: it is draining and takes no new servers and '
                'volumes; choose another site, or have dcn:state set to '
                'enabled',
                admission.reason(request(zone='z1'), self.site_map(*order)))

    def test_hosts_in_no_site_are_told(self):
        text = admission.reason(
            dataclasses.replace(request(Operation.UNSHELVE), home='gone'),
            self.two_sites())
        self.assertIn('no site: the server and its disk are in site gone',
                      text)

    def test_many_sites_are_counted(self):
        found = self.site_map(*(
            {'dcn:site': f'e{number}', 'dcn:state': 'down'}
            for number in range(1000)))
        text = admission.reason(request(residence={
            f'e{number}' for number in range(1000)}), found)
        self.assertEqual(3, text.count('it is down'))
        self.assertTrue(text.endswith(
            '. The same holds for 997 more sites'), text)
        self.assertEqual(5, admission.reason(request(residence={
            f'e{number}' for number in range(1000)}), found,
            max_sites=5).count('it is down'))

    @SETTINGS
    @hypothesis.given(topology.CLOUDS, topology.REQUESTS)
    def test_there_is_one_whenever_nothing_is_accepted(self, cloud, asked):
        found = [cloud.site_of(host) for host in cloud.hosts]
        hypothesis.assume(all(admission.refusal(asked, one) for one in found))
        text = admission.reason(asked, cloud.site_map())
        self.assertTrue(text)
        self.assertIn(';', text)


class RecordTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(topology.REQUESTS)
    def test_comes_back_from_json(self, asked):
        record = json.loads(json.dumps(asked.to_record()))
        self.assertEqual(asked, admission.Request.from_record(record))

    def test_holds_what_is_asked_and_no_more(self):
        self.assertEqual({}, admission.Request().to_record())
        self.assertEqual(
            {'operation': 'migrate', 'project': 'p1', 'home': 'dcn1',
             'hinted': ['a', 'b'], 'stores': []},
            request(Operation.MIGRATE, hinted={'b', 'a'},
                    stores=set()).to_record())

    def test_unknown_fields_and_operations(self):
        error = self.assertRaises(
            ValueError, admission.Request.from_record,
            {'zone': 'z', 'site': 'dcn1', 'colour': 'red'})
        self.assertIn('colour, site', str(error))
        error = self.assertRaises(
            ValueError, admission.Request.from_record,
            {'operation': 'teleport'})
        self.assertIn('teleport', str(error))

    @SETTINGS
    @hypothesis.given(topology.REQUESTS, topology.CLOUDS)
    def test_explains_the_same(self, asked, cloud):
        """The core can answer from recorded inputs."""
        again = admission.Request.from_record(
            json.loads(json.dumps(asked.to_record())))
        for host in cloud.hosts:
            self.assertEqual(admission.explain(asked, cloud.site_of(host)),
                             admission.explain(again, cloud.site_of(host)))
