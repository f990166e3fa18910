# SPDX-License-Identifier: Apache-2.0

import itertools
import json
import logging
import sys
import threading

import nova.conf
from nova import objects
from nova.scheduler import request_filter
from oslo_config import cfg
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins import admission
from dcn_plugins.nova import placement_prefilter
from dcn_plugins import sites
from tests.unit.nova import records

SERVER = records.SERVER
EVERY = records.EVERY


class LoadTest(records.SiteFilterTestCase):

    def test_says_what_was_loaded(self):
        self.filter()
        self.assertRegex(
            self.log.output,
            r'INFO DCNSiteFilter loaded \(dcn_plugins \S+\), '
            r'move_policy=strict unknown_site=refuse push_to_placement=True')

    def test_refuses_a_bad_value(self):
        """A scheduler that starts is one that can schedule."""
        taken = []
        for option, value in (
                ('move_policy', 'sticky'), ('unknown_site', 'maybe'),
                ('push_to_placement', 'perhaps'),
                ('max_pushed_aggregates', '0'), ('site_map_seconds', '0'),
                ('image_locality', 'always'), ('volume_locality', 'always'),
                ('unknown_locality', 'maybe'),
                ('locality_cache_seconds', '-1')):
            # Nothing is left of the value before.
            nova.conf.CONF([], project='nova', default_config_files=[])
            try:
                self.filter(**{option: value})
            except cfg.ConfigFileValueError as exc:
                self.assertIn(option, str(exc))
            else:
                taken.append(f'{option}={value}')
        self.assertEqual([], taken)

    def test_reads_nothing_and_starts_no_thread(self):
        threads = threading.enumerate()
        self.filter()
        self.assertEqual([], self.records.reads)
        self.assertEqual(threads, threading.enumerate())

    def test_two_filters_in_one_process(self):
        self.filter(move_policy='off')
        second = self.filter(move_policy='strict')
        self.assertEqual(['h12'], [
            host_state.host for host_state in second.filter_all(
                self.candidates(*EVERY), self.move())])
        self.assertEqual(1, len(self.pre_filters()))

    def test_tells_placement_unless_it_is_told_not_to(self):
        self.filter()
        self.assertEqual(1, len(self.pre_filters()))
        placement_prefilter.uninstall()
        self.filter(push_to_placement='false')
        self.assertEqual([], self.pre_filters())
        self.assertIn('push_to_placement=False', self.log.output)

    @staticmethod
    def pre_filters():
        return [one for one in request_filter.ALL_REQUEST_FILTERS
                if isinstance(one, placement_prefilter.PlacementPreFilter)]


class CreateTest(records.SiteFilterTestCase):

    def assert_free(self, spec):
        self.assertEqual(EVERY, self.passed(spec))
        self.assertEqual(['read_aggregates'], self.records.reads)

    def test_plain(self):
        self.assert_free(self.spec())

    def test_no_destination(self):
        self.assert_free(self.spec(requested_destination=None))

    def test_on_a_host(self):
        self.assert_free(self.spec(
            requested_destination=objects.Destination(host='h21')))

    def test_on_a_host_with_every_field_at_its_default(self):
        destination = objects.Destination(host='h21', cell=None)
        destination.obj_set_defaults()
        self.assert_free(self.spec(requested_destination=destination))

    def test_fields_that_nova_leaves_out(self):
        spec = self.spec()
        for field in ('scheduler_hints', 'availability_zone', 'is_bfv',
                      'image', 'flavor', 'num_instances'):
            delattr(spec, f'_obj_{field}')
            self.assertNotIn(field, spec)
        self.assert_free(spec)

    def test_reads_nothing_once_there_is_a_map(self):
        site = self.filter()
        pre_filter = request_filter.ALL_REQUEST_FILTERS[-1]
        for is_first in (True, False):
            spec = self.spec()
            pre_filter(spec._context, spec)
            passed = site.filter_all(self.candidates(*EVERY), spec)
            self.assertEqual(4, len(passed))
            self.assertEqual(['read_aggregates'] if is_first else [],
                             self.records.reads)
            self.records.reads.clear()

    def test_in_a_zone(self):
        spec = self.spec(
            availability_zone='dcn1', requested_destination=(
                objects.Destination(aggregates=[uuids.aggregate1])))
        self.assertEqual(['h12'], self.passed(spec))

    def test_in_the_default_zone_there_are_hosts_in_no_site(self):
        self.assertEqual(['c1'], self.passed(
            self.spec(availability_zone='nova')))
        self.conf.config(default_availability_zone='internal')
        self.assertEqual(['c1'], self.passed(
            self.spec(availability_zone='internal')))
        self.assertEqual([], self.passed(
            self.spec(availability_zone='nova')))

    def test_in_a_zone_that_is_gone(self):
        self.assertEqual([], self.passed(self.spec(availability_zone='dcn9')))

    def test_by_hint(self):
        for names, hosts in ((['dcn2'], ['h21', 'h22']),
                             (['dcn2', 'dcn1'], ['h12', 'h21', 'h22']),
                             (['dcn2,dcn1'], ['h12', 'h21', 'h22']),
                             (['dcn9'], [])):
            self.assertEqual(hosts, self.passed(
                self.spec(scheduler_hints={'dcn_site': names})))

    def test_by_flavor_and_hint(self):
        spec = self.spec(flavor=records.flavor(site='dcn1,dcn2'),
                         scheduler_hints={'dcn_site': ['dcn2']})
        self.assertEqual(['h21', 'h22'], self.passed(spec))

    def test_by_group(self):
        self.aggregates[1].metadata['dcn:group'] = 'north,gpu'
        self.assertEqual(['h21', 'h22'], self.passed(self.spec(
            scheduler_hints={'dcn_site': ['group:gpu']})))
        self.assertEqual(['h21', 'h22'], self.passed(self.spec(
            flavor=records.flavor(site='group:north'))))

    def test_by_project(self):
        self.aggregates[1].metadata['dcn:projects2'] = 'p0, p1'
        self.assertEqual(['h21', 'h22'], self.passed(self.spec()))
        self.assertEqual(['h12', 'c1'],
                         self.passed(self.spec(project_id='p2')))

    def test_states(self):
        for state, hosts in (('enabled', EVERY), ('draining', ['h12', 'c1']),
                             ('disabled', ['h12', 'c1']),
                             ('down', ['h12', 'c1']), ('shut', ['h12', 'c1'])):
            self.aggregates[1].metadata['dcn:state'] = state
            self.assertEqual(hosts, self.passed(self.spec()), state)

    def test_image_that_is_required(self):
        self.records.stores = {records.IMAGE: 'central,dcn2'}
        spec = self.spec(flavor=records.flavor(image_locality='require'))
        self.assertEqual(['h21', 'h22'], self.passed(spec))

    def test_reports_in_one_line(self):
        self.aggregates[1].metadata['dcn:state'] = 'draining'
        self.passed(self.spec(scheduler_hints={'dcn_site': ['dcn1', 'dcn2']}))
        self.assertIn(
            f'INFO DCNSiteFilter: server {SERVER}: create: 1 of 4 hosts '
            'passed; rejected: state 2, hint 1\n', self.log.output)
        self.assertEqual(2, self.log.output.count('INFO'))  # and the loading

    def test_reports_one_line_for_all_servers_of_a_request(self):
        site = self.filter()
        spec = self.spec(num_instances=3)
        host_states = self.candidates(*EVERY)
        for number in range(4):
            spec.instance_uuid = getattr(uuids, f'server{number}')
            host_states = site.filter_all(host_states, spec)
        self.assertEqual(1, self.log.output.count('hosts passed'))

    def test_reports_again_when_no_host_is_left(self):
        site = self.filter()
        spec = self.spec()
        site.filter_all(self.candidates(*EVERY), spec)
        self.aggregates[0].metadata['dcn:state'] = 'down'
        site.filter_all(self.candidates('h12'), spec)
        self.assertIn('0 of 1 hosts passed; rejected: state 1',
                      self.log.output)

    def test_explains_each_site_on_request(self):
        self.aggregates[1].metadata['dcn:state'] = 'draining'
        spec = self.spec(scheduler_hints={'dcn_site': ['dcn1', 'dcn2']})
        self.passed(spec)
        for line in ('1 hosts of site dcn1: accepted',
                     '2 hosts of site dcn2: refused (state): it is draining '
                     'and takes no new servers and volumes; choose another '
                     'site, or have dcn:state set to enabled',
                     '1 hosts of no site: refused (hint): the scheduler hint '
                     'dcn_site names dcn1, dcn2; change or omit the hint'):
            self.assertIn(f'DEBUG DCNSiteFilter: {line}\n', self.log.output)

    def test_explanation_can_be_repeated_from_the_log(self):
        self.passed(self.spec(availability_zone='dcn1'))
        line = next(line for line in self.log.output.splitlines()
                    if ' asks ' in line)
        record = json.loads(line.partition(' asks ')[2])
        self.assertEqual(
            admission.Request(project='p1', zone='dcn1'),
            admission.Request.from_record(record))


class QuietTest(records.SiteFilterTestCase):

    log_level = logging.INFO

    def test_sites_are_not_explained_above_debug(self):
        self.passed(self.spec())
        self.assertEqual(2, len(self.log.output.splitlines()))


class ManySitesTest(records.SiteFilterTestCase):

    log_level = logging.INFO

    def test_report_is_short(self):
        hosts = [f'e{number}' for number in range(1000)]
        self.aggregates += [
            self.aggregate({'dcn:site': f'edge{host}'}, host)
            for host in hosts]
        self.assertEqual(['h12'],
                         self.passed(self.move(), hosts=(*hosts, 'h12')))
        self.assertIn('1 of 1001 hosts passed; rejected: move 1000\n',
                      self.log.output)
        self.assertLess(len(self.log.output), 1000)


class ConcurrencyTest(records.SiteFilterTestCase):
    """Many requests at once while aggregates are replaced all the time."""

    log_level = logging.ERROR

    THREADS = 64
    REQUESTS = 200

    # What the hosts s* say never changes a verdict, what f* say does.
    STABLE = {'s11': 'dcn1', 's12': 'dcn1', 's21': 'dcn2', 's22': 'dcn2'}
    FLIPPING = ['f1', 'f2', 'f3', 'f4']
    STAGES = [
        [{'dcn:site': 'dcn1'}],
        [{'dcn:site': 'dcn2', 'availability_zone': 'dcn1'}],
        [{'dcn:site': 'dcn1', 'dcn:state': 'draining'}],
        [{'dcn:site': 'dcn1'}, {'dcn:site': 'dcn2'}],
        [{'ssd': 'true'}],
        [{'dcn:site': 'dcn2', 'dcn:projects': 'p2'}]]

    def setUp(self):
        super().setUp()
        self.aggregates[:] = [
            self.aggregate({'availability_zone': name}, *(
                host for host, site in self.STABLE.items() if site == name))
            for name in ('dcn1', 'dcn2')]
        self.uuid_of = {aggregate.metadata['availability_zone']: aggregate.uuid
                        for aggregate in self.aggregates}
        self.records.host = 's11'
        self.host_states = self.candidates(*self.STABLE, *self.FLIPPING)
        # The stage that is being written, and the last that is complete.
        self.begun = self.ended = 0
        self.is_over = threading.Event()
        self.replaced = threading.Condition()
        self.wrong = []
        self.replace(0)

    def metadatas(self, host, stage):
        if host in self.STABLE:
            return [{'availability_zone': self.STABLE[host]},
                    {'rack': str(stage % 3)}]
        # Not all hosts flip to the same at the same time.
        number = stage + self.FLIPPING.index(host)
        return self.STAGES[number % len(self.STAGES)]

    def replace(self, stage):
        """Give new aggregate objects to every host, as HostManager does."""
        self.begun = stage
        shared = {}
        for host_state in self.host_states:
            host = host_state.host
            site = self.STABLE.get(host, host)
            if site not in shared:
                shared[site] = [
                    objects.Aggregate(metadata=metadata, hosts=[])
                    for metadata in self.metadatas(host, stage)]
            host_state.aggregates = list(shared[site])
        self.ended = stage

    def keep_replacing(self):
        stages = itertools.count(1)
        # Without a pause the interpreter would do little else.
        while not self.is_over.wait(0.001):
            self.replace(next(stages))
            with self.replaced:
                self.replaced.notify_all()

    def await_stage(self, stage):
        # However slow the machine is, many stages are seen.
        with self.replaced:
            assert self.replaced.wait_for(lambda: self.ended >= stage, 60)

    KINDS = {
        'any': ({}, admission.Request(project='p1')),
        'zone': ({'availability_zone': 'dcn1'},
                 admission.Request(project='p1', zone='dcn1')),
        'hint': ({'scheduler_hints': {'dcn_site': ['dcn2']}},
                 admission.Request(project='p1',
                                   hinted=frozenset({'dcn2'}))),
        'central': ({'availability_zone': 'nova'},
                    admission.Request(project='p1', zone='nova')),
        'other': ({'project_id': 'p2'}, admission.Request(project='p2')),
        'move': ({}, admission.Request(admission.Operation.MIGRATE,
                                       project='p1', home='dcn1')),
    }

    def ask(self, site, pre_filter):
        kinds = itertools.cycle(self.KINDS)
        # A new one draws random numbers, which takes most of the time.
        context = self.context()
        seen = []
        try:
            for number in range(self.REQUESTS):
                if not number % 20:
                    self.await_stage(self.ended + 1)
                kind = next(kinds)
                fields, _request = self.KINDS[kind]
                spec = (self.move if kind == 'move' else self.spec)(
                    context=context, **fields)
                pre_filter(spec._context, spec)
                first = self.ended
                passed = {host_state.host for host_state in
                          site.filter_all(self.host_states, spec)}
                seen.append((kind, first, self.begun, passed,
                             self.demand_of(spec)))
        except Exception as exc:
            self.wrong.append(repr(exc))
        else:
            self.wrong += [one for one in seen if not self.is_right(*one)]

    @staticmethod
    def demand_of(spec):
        destination = (spec.requested_destination if
                       'requested_destination' in spec else None)
        if destination is None:
            return [], set()
        return (destination.aggregates or [],
                destination.forbidden_aggregates or set())

    def is_right(self, kind, first, last, passed, demand):
        required, forbidden = demand
        self.overlaps += last > first
        for host_state in self.host_states:
            host = host_state.host
            # After a whole round nothing is said that was not said before.
            stages = range(first, min(last, first + 6 * 3) + 1)
            verdicts = {self.verdict(kind, host, stage % 18)
                        for stage in stages}
            if (host in passed) not in verdicts:
                return False
            if host in self.STABLE and host in passed:
                uuid = self.uuid_of[self.STABLE[host]]
                if uuid in forbidden or not all(
                        uuid in one for one in required):
                    return False
        return True

    def verdict(self, kind, host, stage):
        key = kind, host, stage
        if key not in self.oracle:
            self.oracle[key] = admission.refusal(
                self.KINDS[kind][1],
                sites.site_of_host(self.metadatas(host, stage))) is None
        return self.oracle[key]

    def test_every_verdict_is_that_of_its_time(self):
        self.oracle = {}
        self.overlaps = 0
        # Interrupt threads ten times as often as usual.
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(0.0005)
        site = self.filter(site_map_seconds='1')
        pre_filter = request_filter.ALL_REQUEST_FILTERS[-1]
        threads = [threading.Thread(target=self.ask, args=(site, pre_filter))
                   for _ in range(self.THREADS)]
        replacing = threading.Thread(target=self.keep_replacing)
        replacing.start()
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        finally:
            self.is_over.set()
            replacing.join(60)
        self.assertEqual([], [thread for thread in [*threads, replacing]
                              if thread.is_alive()])
        self.assertEqual([], self.wrong[:3])
        # They did overlap, and every kind of verdict was seen.
        self.assertGreaterEqual(self.ended, self.REQUESTS // 20)
        self.assertGreater(self.overlaps, 10)
        self.assertEqual(
            {(kind, verdict) for kind in self.KINDS
             for verdict in (True, False)},
            {(kind, verdict)
             for (kind, _host, _stage), verdict in self.oracle.items()})
