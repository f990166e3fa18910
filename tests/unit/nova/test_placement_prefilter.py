# SPDX-License-Identifier: Apache-2.0

import json
import logging

import fixtures
import hypothesis
from hypothesis import strategies
from nova import exception
from nova import objects
from nova.scheduler import request_filter
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins import admission
from dcn_plugins import map_cache
from dcn_plugins.nova import placement_prefilter
from tests.unit.core import topology
from tests.unit.nova import records


class PreFilterTestCase(records.NovaTestCase):

    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(records.Clock(map_cache))
        self.dcn1, self.dcn2 = (
            aggregate.uuid for aggregate in self.aggregates)

    def pre_filter(self, max_aggregates=100, **options):
        return placement_prefilter.PlacementPreFilter(
            self.requests(**options), max_aggregates)

    def asked(self, spec, **options):
        """Return what placement is asked for, (required, forbidden)."""
        is_asked = self.pre_filter(**options)(spec._context, spec)
        destination = spec.requested_destination if (
            'requested_destination' in spec) else None
        found = (None, None) if destination is None else (
            destination.aggregates, destination.forbidden_aggregates)
        self.assertEqual(is_asked, found != (None, None))
        return found

    def refused(self, spec, **options):
        error = self.assertRaises(
            exception.RequestFilterFailed, self.pre_filter(**options),
            spec._context, spec)
        return str(error)


class DemandTest(PreFilterTestCase):

    def test_nothing_to_say(self):
        spec = self.spec()
        self.assertEqual((None, None), self.asked(spec))
        self.assertNotIn('requested_destination', spec)

    def test_chosen_sites(self):
        self.assertEqual(([self.dcn1], None), self.asked(
            self.spec(availability_zone='dcn1')))
        self.assertEqual(([self.dcn2], None), self.asked(
            self.spec(scheduler_hints={'dcn_site': ['dcn2']})))
        self.assertEqual(([self.dcn2], None), self.asked(
            self.spec(flavor=records.flavor(site='dcn2'))))

    def test_several_sites_are_one_demand(self):
        required, forbidden = self.asked(
            self.spec(scheduler_hints={'dcn_site': ['dcn2', 'dcn1']}))
        self.assertIsNone(forbidden)
        one, = required
        self.assertEqual({self.dcn1, self.dcn2}, set(one.split(',')))

    def test_site_of_the_project(self):
        self.aggregates[1].metadata['dcn:projects'] = 'p1'
        self.assertEqual(([self.dcn2], None), self.asked(self.spec()))
        self.assertEqual((None, {self.dcn2}),
                         self.asked(self.spec(project_id='p2')))

    def test_closed_site(self):
        for state in ('draining', 'disabled', 'down', 'shut'):
            self.aggregates[0].metadata['dcn:state'] = state
            self.assertEqual((None, {self.dcn1}), self.asked(self.spec()))

    def test_hosts_in_no_site(self):
        self.assertEqual((None, {self.dcn1, self.dcn2}),
                         self.asked(self.spec(availability_zone='nova')))

    def test_site_of_a_move(self):
        for fields in ({}, {'destination': {'host': 'h21'}}):
            spec = self.move(**fields)
            self.assertEqual(([self.dcn1], None), self.asked(spec))
            self.assertEqual(self.records.cell,
                             spec.requested_destination.cell)
        self.assertEqual((None, None), self.asked(
            self.move(), move_policy='off'))
        self.assertEqual((None, None), self.asked(
            self.move(), move_policy='prefer'))

    def test_image_that_is_required(self):
        self.records.stores = {records.IMAGE: 'central,dcn2'}
        self.assertEqual(([self.dcn2], None),
                         self.asked(self.spec(), image_locality='require'))
        self.assertEqual((None, None),
                         self.asked(self.spec(), image_locality='prefer'))

    def test_what_nova_asks_for_stays(self):
        destination = objects.Destination(
            host='h11', aggregates=[uuids.tenant],
            forbidden_aggregates={uuids.isolated})
        self.aggregates[1].metadata['dcn:state'] = 'down'
        self.assertEqual(
            ([uuids.tenant], {uuids.isolated, self.dcn2}),
            self.asked(self.spec(requested_destination=destination)))
        self.assertEqual('h11', destination.host)
        destination = objects.Destination(aggregates=[uuids.tenant])
        self.assertEqual(
            ([uuids.tenant, self.dcn1], None),
            self.asked(self.spec(requested_destination=destination,
                                 availability_zone='dcn1')))

    def test_number_of_aggregates_is_bounded(self):
        self.aggregates += [
            self.aggregate({'dcn:site': f'e{number}', 'dcn:state': 'down'},
                           f'e{number}') for number in range(200)]
        for number in (1, 7, 100):
            _required, forbidden = self.asked(
                self.spec(), max_aggregates=number)
            self.assertEqual(number, len(forbidden))

    def test_is_logged(self):
        self.asked(self.spec(availability_zone='dcn1'))
        self.assertIn(f'DEBUG DCN: server {records.SERVER}: placement is '
                      'asked for aggregates', self.log.output)
        self.assertIn(self.dcn1, self.log.output)


class NotAskedTest(PreFilterTestCase):

    def assert_silent(self, spec, **options):
        self.assertFalse(self.pre_filter(**options)(spec._context, spec))

    def test_forced_host(self):
        for field in ('force_hosts', 'force_nodes'):
            self.assert_silent(self.spec(
                availability_zone='gone', **{field: ['h11']}))
        self.assertEqual([], self.records.reads)
        self.assertEqual(([self.dcn1], None), self.asked(self.spec(
            availability_zone='dcn1', force_hosts=[], force_nodes=None)))

    def test_rebuild(self):
        self.aggregates[0].metadata['dcn:state'] = 'down'
        self.assert_silent(self.rebuild())

    def test_unknown_request_is_left_to_the_filter(self):
        self.records.host = 'gone'
        self.assert_silent(self.move())
        self.records.error = exception.CellTimeout()
        self.assert_silent(self.spec())

    def test_map_that_cannot_be_read_for_a_refusal(self):
        pre_filter = self.pre_filter()
        spec = self.spec()
        pre_filter(spec._context, spec)
        self.clock.now += 5.0
        self.records.error = exception.CellTimeout()
        spec = self.spec(availability_zone='gone')
        self.assertFalse(pre_filter(spec._context, spec))
        self.assertIn('ERROR DCN: there is no site map, so that placement is '
                      'told nothing about sites\nTraceback', self.log.output)


class RefusalTest(PreFilterTestCase):

    def test_zone_that_is_gone(self):
        text = self.refused(self.spec(availability_zone='gone'))
        self.assertIn('availability zone gone does not exist any more; name '
                      'the zone of a live site', text)

    def test_names_site_state_and_remedy(self):
        self.aggregates[0].metadata['dcn:state'] = 'draining'
        text = self.refused(self.spec(availability_zone='dcn1'))
        self.assertIn('site dcn1: it is draining and takes no new servers '
                      'and volumes; choose another site, or have dcn:state '
                      'set to enabled', text)
        self.assertIn(
            f'INFO DCN: server {records.SERVER}: no site takes it (site '
            'dcn1: it is draining', self.log.output)
        record = json.loads(
            self.log.output.partition(' Request: ')[2].splitlines()[0])
        self.assertEqual(admission.Request(project='p1', zone='dcn1'),
                         admission.Request.from_record(record))

    def test_move_out_of_a_closed_site(self):
        self.aggregates[0].metadata['dcn:state'] = 'down'
        self.assertIn('site dcn1: it is down and takes no migrate',
                      self.refused(self.move()))

    def test_image_that_is_nowhere(self):
        self.records.stores = {records.IMAGE: 'central'}
        self.assertIn('the image is not there but in central; copy the image '
                      'to', self.refused(self.spec(),
                                         image_locality='require'))

    def test_says_the_same_as_the_core(self):
        spec = self.spec(scheduler_hints={'dcn_site': ['gone']})
        requests = self.requests()
        self.assertIn(
            admission.reason(requests.of(spec).asked,
                             requests.maps.current()), self.refused(spec))

    def test_hint_names_no_site(self):
        self.assertIn('the scheduler hint dcn_site names gone, which does '
                      'not exist', self.refused(
                          self.spec(scheduler_hints={'dcn_site': ['gone']})))


class NewMapTest(PreFilterTestCase):

    def setUp(self):
        super().setUp()
        self.call = self.pre_filter()
        self.assertFalse(self.ask())
        self.records.reads.clear()

    def ask(self, **fields):
        spec = self.spec(**fields)
        return self.call(spec._context, spec)

    def test_is_read_before_a_refusal(self):
        self.aggregates.append(
            self.aggregate({'availability_zone': 'dcn3'}, 'h31'))
        self.clock.now += 5.0
        self.assertTrue(self.ask(availability_zone='dcn3'))
        self.assertEqual(['read_aggregates'], self.records.reads)

    def test_opened_site_is_seen_before_a_refusal(self):
        self.aggregates[0].metadata['dcn:state'] = 'draining'
        self.clock.now += 5.0
        self.call._requests.maps.fresh()
        self.assertRaises(exception.RequestFilterFailed, self.ask,
                          availability_zone='dcn1')
        self.aggregates[0].metadata['dcn:state'] = 'enabled'
        self.clock.now += 5.0
        self.assertTrue(self.ask(availability_zone='dcn1'))

    def test_a_flood_of_refusals_reads_once_a_second(self):
        self.clock.now += 5.0
        for _ in range(50):
            self.assertRaises(exception.RequestFilterFailed, self.ask,
                              availability_zone='gone')
        self.assertEqual(['read_aggregates'], self.records.reads)

    def test_site_that_a_project_was_just_let_into(self):
        """No request fails because of an old map."""
        self.aggregates[0].metadata.update(
            {'dcn:state': 'draining', 'dcn:projects': 'p1'})
        self.clock.now += 5.0
        self.call._requests.maps.fresh()
        self.aggregates[1].metadata['dcn:projects'] = 'p1'
        self.clock.now += 5.0
        self.assertTrue(self.ask())

    def test_group_that_was_just_made(self):
        """No request fails because of an old map."""
        self.aggregates[1].metadata['dcn:group'] = 'gpu'
        self.clock.now += 5.0
        self.assertTrue(self.ask(
            scheduler_hints={'dcn_site': ['group:gpu']}))

    def test_demand_is_that_of_the_new_map(self):
        self.assertTrue(self.ask(availability_zone='dcn1'))
        self.aggregates.append(
            self.aggregate({'availability_zone': 'dcn1'}, 'h13'))
        self.clock.now += 5.0
        self.call._requests.maps.fresh()
        spec = self.spec(availability_zone='dcn1')
        self.call(spec._context, spec)
        one, = spec.requested_destination.aggregates
        self.assertEqual({self.dcn1, self.aggregates[2].uuid},
                         set(one.split(',')))

    def test_demand_is_worked_out_once_per_map(self):
        with fixtures.MockPatch('dcn_plugins.site_map.SiteMap.demand',
                                autospec=True) as patched:
            for _ in range(5):
                self.ask(availability_zone='dcn1')
                self.ask(availability_zone='dcn2')
            self.assertEqual(2, patched.mock.call_count)

    def test_demands_that_are_kept_are_bounded(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.nova.placement_prefilter.MAX_DEMANDS', 3))
        for number in range(10):
            for _ in range(2):
                self.ask(project_id=f'p{number}', availability_zone='dcn1')
        self.assertLessEqual(len(self.call._demands[1]), 3)


class InstallTest(PreFilterTestCase):

    def ours(self):
        return [one for one in request_filter.ALL_REQUEST_FILTERS
                if isinstance(one, placement_prefilter.PlacementPreFilter)]

    def test_once(self):
        before = list(request_filter.ALL_REQUEST_FILTERS)
        for number in (10, 20):
            self.assertTrue(placement_prefilter.install(
                self.requests(), number))
            one, = self.ours()
            self.assertEqual([*before, one],
                             request_filter.ALL_REQUEST_FILTERS)
            self.assertEqual(number, one._max_aggregates)
        placement_prefilter.uninstall()
        self.assertEqual(before, request_filter.ALL_REQUEST_FILTERS)
        placement_prefilter.uninstall()
        self.assertEqual(before, request_filter.ALL_REQUEST_FILTERS)

    def test_list_stays_the_one_that_nova_looks_at(self):
        before = request_filter.ALL_REQUEST_FILTERS
        placement_prefilter.install(self.requests(), 10)
        self.assertIs(before, request_filter.ALL_REQUEST_FILTERS)

    def test_nova_calls_it(self):
        others = fixtures.MonkeyPatch(
            'nova.scheduler.request_filter.ALL_REQUEST_FILTERS',
            [lambda ctxt, request_spec: False])
        self.useFixture(others)
        placement_prefilter.install(self.requests(), 10)
        spec = self.spec(availability_zone='dcn1')
        request_filter.process_reqspec(spec._context, spec)
        self.assertEqual([self.dcn1], spec.requested_destination.aggregates)
        spec = self.spec(availability_zone='gone')
        self.assertRaises(
            exception.RequestFilterFailed, request_filter.process_reqspec,
            spec._context, spec)

    def test_nova_can_log_its_name(self):
        """As it does with filters that are functions."""
        self.assertEqual('dcn_sites', self.pre_filter().__name__)

    def assert_not_installed(self, name, value, text):
        with fixtures.MonkeyPatch(name, value):
            self.assertFalse(placement_prefilter.install(self.requests(), 10))
        self.assertEqual([], self.ours())
        self.assertIn(
            'WARNING DCN: placement cannot be told about sites, as Nova has '
            f'changed ({text}): set [dcn] push_to_placement = false',
            self.log.output)

    def test_list_that_is_gone(self):
        real = request_filter.ALL_REQUEST_FILTERS
        del request_filter.ALL_REQUEST_FILTERS
        try:
            installed = placement_prefilter.install(self.requests(), 10)
        finally:
            request_filter.ALL_REQUEST_FILTERS = real
        self.assertFalse(installed)
        self.assertIn('ALL_REQUEST_FILTERS is no list', self.log.output)

    def test_list_of_another_kind(self):
        name = 'nova.scheduler.request_filter.ALL_REQUEST_FILTERS'
        for value in ((len,), {'a': len}):
            self.assert_not_installed(
                name, value, 'request_filter.ALL_REQUEST_FILTERS is no list')

    def test_other_arguments(self):
        for other in (lambda ctxt, request_spec, more: None,
                      lambda request_spec, ctxt: None):
            self.assert_not_installed(
                'nova.scheduler.request_filter.process_reqspec', other,
                'request_filter.process_reqspec takes other arguments')

    def test_other_destination(self):
        self.assert_not_installed(
            'nova.objects.Destination', object,
            'Destination takes no aggregates')


class AnyCloudTest(records.SiteFilterTestCase):

    log_level = logging.ERROR

    @hypothesis.settings(deadline=None, database=None, max_examples=60)
    @hypothesis.given(
        topology.CLOUDS, strategies.sampled_from(topology.LIMITS),
        strategies.sampled_from([None, 'metro', 'dcn1', 'nova', 'gone']),
        strategies.sampled_from([None, ['dcn1'], ['dcn1', 'dcn2'],
                                 ['group:gpu']]),
        strategies.none() | strategies.sampled_from(topology.HOSTS))
    def test_pre_filter_excludes_no_host_that_the_filter_accepts(
            self, cloud, max_aggregates, zone, hint, home):
        ids = {uuid: getattr(uuids, uuid)
               for uuid, _metadata, _hosts in cloud.aggregates}
        self.aggregates[:] = [
            objects.Aggregate(uuid=ids[uuid], metadata=metadata, hosts=hosts)
            for uuid, metadata, hosts in cloud.aggregates]
        self.records.host = home
        self.records.hosts.update(cloud.hosts)
        site = self.filter(max_pushed_aggregates=str(max_aggregates))
        fields = {'availability_zone': zone, 'scheduler_hints': (
            {'dcn_site': hint} if hint else {})}
        spec = (self.move if home else self.spec)(**fields)
        spec.requested_destination = (
            spec.requested_destination if home else objects.Destination())
        passed = {host_state.host for host_state in site.filter_all(
            self.candidates(*cloud.hosts), spec)}
        try:
            request_filter.ALL_REQUEST_FILTERS[-1](spec._context, spec)
        except exception.RequestFilterFailed:
            self.assertEqual(set(), passed)
            return
        destination = spec.requested_destination
        required = destination.aggregates or []
        forbidden = destination.forbidden_aggregates or set()
        self.assertLessEqual(
            sum(len(one.split(',')) for one in required) + len(forbidden),
            max_aggregates)
        for host in passed:
            own = {ids[uuid] for uuid in cloud.aggregates_of(host)}
            self.assertFalse(own & forbidden)
            for one in required:
                self.assertTrue(own & set(one.split(',')))
        if home:
            self.assertLessEqual({cloud.site_of(host).name for host in passed},
                                 {cloud.site_of(home).name})
