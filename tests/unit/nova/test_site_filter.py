# SPDX-License-Identifier: Apache-2.0

import logging
import threading
from unittest import mock

import fixtures
import nova.conf
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.scheduler import host_manager
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_context import context as oslo_context
from oslo_utils.fixture import uuidsentinel as uuids
import testtools

from dcn_plugins.nova import site_filter

SERVER = uuids.server


class Records(fixtures.Fixture):
    """The databases and Cinder as dictionaries: the edge of the filter.

    ``host``, ``system_metadata``, ``cell`` and ``volumes`` are those of the
    one server, ``aggregates`` and ``hosts`` those of the cloud. ``reads``
    lists every look-up, and ``error`` is raised by each.
    """

    def __init__(self, aggregates):
        self.host = 'h11'
        self.system_metadata = {}
        self.cell = objects.CellMapping(
            uuid=uuids.cell1, name='cell1', transport_url='none:///',
            database_connection='sqlite://')
        self.volumes = []
        self.zone_of_volume = {}
        self.aggregates = aggregates
        self.hosts = {'h11', 'h12', 'h21', 'h22', 'c1', 'c2'}
        self.reads = []
        self.error = None

    def _setUp(self):
        for owner, name in (
                (objects.Instance, 'get_by_uuid'),
                (objects.InstanceMapping, 'get_by_instance_uuid'),
                (objects.BlockDeviceMappingList, 'get_by_instance_uuid'),
                (objects.AggregateList, 'get_by_host'),
                (objects.AggregateList, 'get_by_metadata'),
                (objects.AggregateList, 'get_by_metadata_key'),
                (objects.HostMapping, 'get_by_host'),
                (site_filter.cinder.API, 'get')):
            answer = getattr(self, f'_{owner.__name__}_{name}')
            self.useFixture(fixtures.MockPatchObject(
                owner, name, side_effect=self._recorded(answer)))

    def _recorded(self, answer):
        def read(context, *args, **kwargs):
            self.reads.append(answer.__name__.strip('_'))
            if self.error:
                raise self.error
            return answer(context, *args, **kwargs)
        return read

    def _Instance_get_by_uuid(self, context, uuid, expected_attrs):
        assert context.is_admin
        assert context.cell_uuid == uuids.cell1, context.cell_uuid
        return objects.Instance(uuid=uuid, host=self.host,
                                system_metadata=self.system_metadata)

    def _InstanceMapping_get_by_instance_uuid(self, context, uuid):
        return objects.InstanceMapping(instance_uuid=uuid,
                                       cell_mapping=self.cell)

    def _BlockDeviceMappingList_get_by_instance_uuid(self, context, uuid):
        assert context.cell_uuid == uuids.cell1, context.cell_uuid
        return objects.BlockDeviceMappingList(objects=self.volumes)

    def _AggregateList_get_by_host(self, context, host):
        return self._aggregate_list(
            aggregate for aggregate in self.aggregates
            if host in aggregate.hosts)

    def _AggregateList_get_by_metadata(self, context, key, value):
        # Like Nova, it returns no other metadata than what was asked for,
        # and MySQL compares without regard to case.
        return self._aggregate_list(
            objects.Aggregate(hosts=aggregate.hosts,
                              metadata={key: aggregate.metadata[key]})
            for aggregate in self.aggregates
            if aggregate.metadata.get(key, '').lower() == value.lower())

    def _AggregateList_get_by_metadata_key(self, context, key, hosts):
        return self._aggregate_list(
            objects.Aggregate(hosts=aggregate.hosts,
                              metadata={key: aggregate.metadata[key]})
            for aggregate in self.aggregates
            if key in aggregate.metadata and hosts & set(aggregate.hosts))

    def _HostMapping_get_by_host(self, context, host):
        if host not in self.hosts:
            raise exception.HostMappingNotFound(name=host)
        return objects.HostMapping(host=host)

    def _API_get(self, context, volume_id):
        assert context.auth_token == 'token', context.auth_token
        assert not context.is_admin
        return {'id': volume_id,
                'availability_zone': self.zone_of_volume.get(volume_id)}

    @staticmethod
    def _aggregate_list(aggregates):
        return objects.AggregateList(objects=list(aggregates))


class SiteFilterTestCase(testtools.TestCase):
    """dcn1 = {h11, h12}, dcn2 = {h21, h22}; c1 and c2 are in no site."""

    def setUp(self):
        super().setUp()
        objects.register_all()
        nova.conf.CONF([], project='nova', default_config_files=[])
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.log = self.useFixture(fixtures.FakeLogger(
            'dcn_plugins', level=logging.DEBUG,
            format='%(levelname)s %(message)s'))
        self.aggregates = [
            self.aggregate({'availability_zone': 'dcn1'}, 'h11', 'h12'),
            self.aggregate({'availability_zone': 'dcn2'}, 'h21', 'h22')]
        self.records = self.useFixture(Records(self.aggregates))

    @staticmethod
    def aggregate(metadata, *hosts):
        return objects.Aggregate(metadata=metadata, hosts=list(hosts))

    def filter(self, **options):
        self.conf.load_raw_values(group='dcn', **options)
        return site_filter.DCNSiteFilter()

    def candidates(self, *hosts):
        host_states = []
        for host in hosts:
            host_state = host_manager.HostState(host, host, uuids.cell1)
            host_state.aggregates = [
                aggregate for aggregate in self.aggregates
                if host in aggregate.hosts]
            host_states.append(host_state)
        return host_states

    def spec(self, **fields):
        # is_admin is given because its default is asked of the policy files.
        context = nova_context.RequestContext(auth_token='token',
                                              is_admin=False)
        return objects.RequestSpec(context, instance_uuid=SERVER,
                                   scheduler_hints={}, **fields)

    def move(self, **fields):
        destination = objects.Destination(cell=self.records.cell)
        return self.spec(requested_destination=destination, **fields)

    def passed(self, spec, hosts=('h12', 'h21', 'h22', 'c1'), **options):
        passed = self.filter(**options).filter_all(
            self.candidates(*hosts), spec)
        return [host_state.host for host_state in passed]


class LoadTest(SiteFilterTestCase):

    def test_says_what_was_loaded(self):
        self.filter()
        self.assertRegex(
            self.log.output,
            r'INFO DCNSiteFilter loaded \(dcn_plugins \S+\), '
            r'move_policy=strict unknown_site=refuse')

    def test_refuses_a_bad_value(self):
        error = self.assertRaises(cfg.ConfigFileValueError, self.filter,
                                  move_policy='sticky')
        self.assertIn('move_policy', str(error))
        self.assertIn("'sticky'", str(error))

    def test_reads_nothing_and_starts_no_thread(self):
        threads = threading.enumerate()
        self.filter()
        self.assertEqual([], self.records.reads)
        self.assertEqual(threads, threading.enumerate())

    def test_two_filters_in_one_process(self):
        self.filter()
        self.filter()


class CreateTest(SiteFilterTestCase):

    EVERY = ['h12', 'h21', 'h22', 'c1']

    def assert_free(self, spec):
        self.assertEqual(self.EVERY, self.passed(spec))
        self.assertEqual([], self.records.reads)

    def test_plain(self):
        self.assert_free(self.spec())

    def test_no_destination(self):
        self.assert_free(self.spec(requested_destination=None))

    def test_in_a_zone(self):
        self.assert_free(self.spec(
            availability_zone='dcn1', requested_destination=(
                objects.Destination(aggregates=[uuids.aggregate1]))))

    def test_on_a_host(self):
        self.assert_free(self.spec(
            requested_destination=objects.Destination(host='h21')))

    def test_on_a_host_with_every_field_at_its_default(self):
        destination = objects.Destination(host='h21', cell=None)
        destination.obj_set_defaults()
        self.assert_free(self.spec(requested_destination=destination))

    def test_hints_are_missing(self):
        spec = self.spec()
        del spec.scheduler_hints
        self.assert_free(spec)

    def test_logs_no_more_than_debug(self):
        self.passed(self.spec())
        self.assertIn(f'DEBUG DCNSiteFilter: server {SERVER}: all 4 hosts '
                      'pass, as it is new', self.log.output)
        self.assertEqual(1, self.log.output.count('INFO'))  # the loading


class MoveTest(SiteFilterTestCase):

    def test_stays_in_its_site(self):
        self.assertEqual(['h12'], self.passed(self.move()))

    def test_source_among_the_candidates(self):
        self.assertEqual(['h11', 'h12'],
                         self.passed(self.move(), hosts=('h11', 'h12', 'h21')))

    def test_full_site_has_no_host(self):
        self.assertEqual([], self.passed(self.move(), hosts=('h21', 'c1')))

    def test_no_candidate(self):
        self.assertEqual([], self.passed(self.move(), hosts=()))

    def test_from_no_site_to_no_site(self):
        self.records.host = 'c2'
        self.assertEqual(['c1'], self.passed(self.move()))

    def test_label_splits_a_shared_zone(self):
        self.aggregates[:] = [
            self.aggregate({'availability_zone': 'metro'},
                           'h11', 'h12', 'h21', 'h22'),
            self.aggregate({'dcn:site': 'dcn1'}, 'h11', 'h12'),
            self.aggregate({'dcn:site': 'dcn2'}, 'h21', 'h22')]
        self.assertEqual(['h12'], self.passed(self.move()))

    def test_shelved_server_returns_to_its_site(self):
        self.records.host = None
        self.records.system_metadata = {'shelved_host': 'h21'}
        self.assertEqual(['h21', 'h22'], self.passed(self.move()))

    def test_present_host_outranks_a_former_shelving(self):
        self.records.system_metadata = {'shelved_host': 'h21'}
        self.assertEqual(['h12'], self.passed(self.move()))

    def test_pin_to_another_site_does_not_move_the_disk(self):
        self.assertEqual(
            ['h12'], self.passed(self.move(availability_zone='dcn2')))

    def test_to_a_named_host_that_may_be_in_another_cell(self):
        destination = objects.Destination(
            host='h21', cell=None, allow_cross_cell_move=True)
        spec = self.spec(requested_destination=destination)
        self.assertEqual([], self.passed(spec, hosts=('h21',)))
        self.assertIn('InstanceMapping_get_by_instance_uuid',
                      self.records.reads)

    def test_log_goes_on_under_the_same_request_id(self):
        spec = self.move()
        self.passed(spec)
        self.assertEqual(spec._context.request_id,
                         oslo_context.get_current().request_id)

    def test_context_of_the_request_gains_no_rights(self):
        spec = self.move()
        self.passed(spec)
        self.assertFalse(spec._context.is_admin)
        self.assertNotIn('admin', spec._context.roles)

    def test_two_reads(self):
        self.passed(self.move())
        self.assertEqual(['Instance_get_by_uuid', 'AggregateList_get_by_host'],
                         self.records.reads)

    def test_policy_off_is_stock_behaviour(self):
        self.assertEqual(['h12', 'h21', 'h22', 'c1'],
                         self.passed(self.move(), move_policy='off'))
        self.assertEqual([], self.records.reads)

    def test_rebuild_is_not_a_move(self):
        spec = self.move()
        spec.scheduler_hints = {'_nova_check_type': ['rebuild']}
        self.assertEqual(['h21'], self.passed(spec, hosts=('h21',)))
        self.assertEqual([], self.records.reads)

    def test_reports_what_was_rejected(self):
        self.passed(self.move(), hosts=('h11', 'h12', 'h21', 'h22', 'c1'))
        self.assertIn(
            f'INFO DCNSiteFilter: server {SERVER} stays in site dcn1: 2 of 5 '
            'hosts passed; rejected: dcn2 2, no site 1\n', self.log.output)

    def test_report_is_short_with_many_sites(self):
        hosts = [f'e{number}' for number in range(1000)]
        self.aggregates += [
            self.aggregate({'dcn:site': f'edge{host}'}, host)
            for host in hosts]
        self.passed(self.move(), hosts=hosts)
        self.assertIn('1, 992 more sites 992\n', self.log.output)
        self.assertLess(len(self.log.output), 1000)

    def test_same_answer_in_many_threads(self):
        site = self.filter()
        answers = []

        def ask():
            answers.append([host_state.host for host_state in site.filter_all(
                self.candidates('h12', 'h21', 'c1'), self.move())])

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([['h12']] * 8, answers)


class ContradictionTest(SiteFilterTestCase):

    def setUp(self):
        super().setUp()
        # h12 is in dcn2 as well.
        self.aggregates[1].hosts.append('h12')

    def test_contradictory_host_takes_no_move(self):
        self.assertEqual(['h11'],
                         self.passed(self.move(), hosts=('h11', 'h12')))
        self.assertIn(
            'WARNING DCNSiteFilter: host h12 is in the sites dcn1 and dcn2 at '
            'once', self.log.output)

    def test_warns_once_an_hour(self):
        site = self.filter()
        with mock.patch.object(site_filter.time, 'monotonic',
                               autospec=True) as monotonic:
            for now in (0.0, 10.0, 3599.0, 3600.0, 3700.0):
                monotonic.return_value = now
                site.filter_all(self.candidates('h12'), self.move())
        self.assertEqual(2, self.log.output.count('host h12 is in'))

    def test_warns_at_once_of_another_contradiction(self):
        site = self.filter()
        site.filter_all(self.candidates('h12'), self.move())
        self.aggregates.append(
            self.aggregate({'availability_zone': 'dcn3'}, 'h12'))
        site.filter_all(self.candidates('h12'), self.move())
        self.assertIn('sites dcn1 and dcn2 at once', self.log.output)
        self.assertIn('sites dcn1 and dcn2 and dcn3 at', self.log.output)

    def test_server_on_a_contradictory_host_is_in_an_unknown_site(self):
        self.records.host = 'h12'
        self.assertEqual([], self.passed(self.move(), hosts=('h11', 'h21')))
        self.assertIn('its host h12 is in the sites dcn1 and dcn2 at once',
                      self.log.output)


class BootFromVolumeTest(SiteFilterTestCase):
    """A shelved-offloaded server whose record names no host at all."""

    def setUp(self):
        super().setUp()
        self.records.host = None
        self.records.volumes = [self.volume(uuids.data, 1),
                                self.volume(uuids.root, 0)]
        self.records.zone_of_volume = {uuids.root: 'dcn2', uuids.data: 'dcn1'}

    @staticmethod
    def volume(volume_id, boot_index):
        return objects.BlockDeviceMapping(
            destination_type='volume', volume_id=volume_id,
            boot_index=boot_index)

    def assert_unknown(self, reason):
        self.assertEqual([], self.passed(self.move()))
        self.assertIn(f'is unknown ({reason})', self.log.output)

    def test_root_volume_tells(self):
        self.assertEqual(['h21', 'h22'], self.passed(self.move()))

    def test_first_volume_tells_without_a_root_volume(self):
        self.records.volumes.pop()
        self.assertEqual(['h12'], self.passed(self.move()))

    def test_local_disks_tell_nothing(self):
        self.records.volumes[1] = objects.BlockDeviceMapping(
            destination_type='local', volume_id=None, boot_index=0)
        self.assertEqual(['h12'], self.passed(self.move()))

    def test_zone_is_mapped_by_its_label(self):
        self.aggregates[1].metadata = {'availability_zone': 'dcn2',
                                       'dcn:site': 'north'}
        self.assertEqual(['h21', 'h22'], self.passed(self.move()))
        self.assertIn('stays in site north', self.log.output)

    def test_zone_of_several_sites(self):
        self.aggregates.append(self.aggregate({'dcn:site': 'north'}, 'h21'))
        self.assert_unknown(f'the availability zone dcn2 of its volume '
                            f'{uuids.root} spans the sites dcn2 and north')

    def test_zone_that_no_host_is_in(self):
        self.records.zone_of_volume = {uuids.root: 'nova'}
        self.assert_unknown(f'the availability zone nova of its volume '
                            f'{uuids.root} has no host')

    def test_zone_in_other_letters(self):
        self.records.zone_of_volume = {uuids.root: 'DCN2'}
        self.assert_unknown(f'the availability zone DCN2 of its volume '
                            f'{uuids.root} has no host')

    def test_volume_without_a_zone(self):
        self.records.zone_of_volume = {}
        self.assert_unknown(
            f'its volume {uuids.root} has no availability zone')

    def test_no_volume(self):
        self.records.volumes = []
        self.assert_unknown('its record names neither a host nor a volume')


class UnknownTest(SiteFilterTestCase):

    def test_deleted_host(self):
        self.records.host = 'gone'
        self.assertEqual([], self.passed(self.move()))
        self.assertIn('its host gone does not exist any more',
                      self.log.output)

    def test_no_cell(self):
        self.records.cell = None
        destination = objects.Destination(
            host='h21', cell=None, allow_cross_cell_move=True)
        spec = self.spec(requested_destination=destination)
        self.assertEqual([], self.passed(spec))
        self.assertIn('it is mapped to no cell', self.log.output)

    def test_database_error_is_refused_with_a_traceback(self):
        self.records.error = exception.CellTimeout()
        self.assertEqual([], self.passed(self.move()))
        self.assertIn('Traceback', self.log.output)
        self.assertIn('(CellTimeout: ', self.log.output)
        self.assertIn('with unknown_site=refuse none of 4 hosts pass',
                      self.log.output)

    def test_database_error_is_allowed_when_asked(self):
        self.records.error = exception.CellTimeout()
        self.assertEqual(['h12', 'h21', 'h22', 'c1'],
                         self.passed(self.move(), unknown_site='allow'))
        self.assertIn('with unknown_site=allow all of 4 hosts pass',
                      self.log.output)

    def test_broken_candidate_does_not_raise(self):
        host_states = self.candidates('h12')
        host_states[0].aggregates = [objects.Aggregate()]
        self.assertEqual(
            [], self.filter().filter_all(host_states, self.move()))

    def test_spec_without_server_does_not_raise(self):
        spec = self.move()
        del spec.instance_uuid
        self.assertEqual([], self.passed(spec))

    def test_known_site_is_strict_even_when_unknown_ones_are_allowed(self):
        self.assertEqual(['h12'],
                         self.passed(self.move(), unknown_site='allow'))
