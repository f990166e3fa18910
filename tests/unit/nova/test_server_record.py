# SPDX-License-Identifier: Apache-2.0

from nova import exception
from nova import objects
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins import admission
from dcn_plugins.nova import server_record
from dcn_plugins.nova import site_maps
from tests.unit.nova import records

Operation = admission.Operation


class IsMoveTest(records.NovaTestCase):

    def assert_move(self, expected, **fields):
        self.assertIs(expected, server_record.is_move(objects.RequestSpec(
            **fields)))
        self.assertEqual([], self.records.reads)

    def test_creates(self):
        self.assert_move(False)
        self.assert_move(False, requested_destination=None)
        for fields in ({}, {'host': 'h21'}, {'cell': None},
                       {'aggregates': [uuids.aggregate1]},
                       {'allow_cross_cell_move': False}):
            self.assert_move(
                False, requested_destination=objects.Destination(**fields))

    def test_every_field_at_its_default(self):
        destination = objects.Destination(host='h21', cell=None)
        destination.obj_set_defaults()
        self.assert_move(False, requested_destination=destination)

    def test_moves(self):
        cell = self.records.cell
        for fields in ({'cell': cell}, {'cell': cell, 'host': 'h21'},
                       {'cell': None, 'allow_cross_cell_move': True},
                       {'allow_cross_cell_move': True}):
            self.assert_move(
                True, requested_destination=objects.Destination(**fields))


class SiteTest(records.NovaTestCase):

    def site(self):
        return server_record.read(self.move()).site

    def assert_unknown(self, reason):
        error = self.assertRaises(server_record.Unknown, self.site)
        self.assertEqual(reason, str(error))

    def test_of_the_host(self):
        self.assertEqual('dcn1', self.site())
        self.assertEqual(['Instance_get_by_uuid', 'metadata_of_host'],
                         self.records.reads)

    def test_of_a_host_in_no_site(self):
        self.records.host = 'c1'
        self.assertIsNone(self.site())

    def test_of_a_host_in_aggregates_about_something_else(self):
        self.aggregates.append(self.aggregate({'ssd': 'true'}, 'c1'))
        self.records.host = 'c1'
        self.assertIsNone(self.site())

    def test_of_the_host_it_was_shelved_on(self):
        self.records.host = None
        self.records.system_metadata = {'shelved_host': 'h21'}
        self.assertEqual('dcn2', self.site())

    def test_present_host_outranks_a_former_shelving(self):
        self.records.system_metadata = {'shelved_host': 'h21'}
        self.assertEqual('dcn1', self.site())

    def test_host_that_was_deleted(self):
        self.records.host = 'gone'
        self.assert_unknown('its host gone does not exist any more')

    def test_host_in_two_sites(self):
        self.aggregates[1].hosts.append('h11')
        self.assert_unknown(
            'its host h11 is in the sites dcn1 and dcn2 at once')

    def test_other_cell_is_looked_up(self):
        spec = self.spec(requested_destination=objects.Destination(
            host='h21', cell=None, allow_cross_cell_move=True))
        self.assertEqual('dcn1', server_record.read(spec).site)
        self.assertEqual('InstanceMapping_get_by_instance_uuid',
                         self.records.reads[0])
        self.records.cell = None
        error = self.assertRaises(server_record.Unknown, server_record.read,
                                  spec)
        self.assertEqual('it is mapped to no cell', str(error))

    def test_errors_of_the_database_are_not_hidden(self):
        self.records.error = exception.CellTimeout()
        self.assertRaises(exception.CellTimeout, self.site)

    def test_database_of_the_api_is_read_outside_of_the_cell(self):
        spec = self.move()
        server_record.read(spec)
        context = site_maps.metadata_of_host.call_args.args[0]
        self.assertIsNone(context.cell_uuid)
        self.assertTrue(context.is_admin)
        self.assertFalse(spec._context.is_admin)


class BootFromVolumeTest(records.NovaTestCase):
    """A shelved-offloaded server whose record names no host at all."""

    def setUp(self):
        super().setUp()
        self.records.host = None
        self.records.volumes = [records.volume(uuids.data, 1),
                                records.volume(uuids.root, 0)]
        self.records.zone_of_volume = {uuids.root: 'dcn2', uuids.data: 'dcn1'}

    def site(self):
        return server_record.read(self.move()).site

    def assert_unknown(self, reason):
        error = self.assertRaises(server_record.Unknown, self.site)
        self.assertEqual(reason, str(error))

    def test_root_volume_tells(self):
        self.assertEqual('dcn2', self.site())

    def test_first_volume_tells_without_a_root_volume(self):
        self.records.volumes.pop()
        self.assertEqual('dcn1', self.site())

    def test_local_disks_tell_nothing(self):
        self.records.volumes[1] = records.local_disk(0)
        self.assertEqual('dcn1', self.site())

    def test_zone_is_mapped_by_its_label(self):
        self.aggregates[1].metadata = {'availability_zone': 'dcn2',
                                       'dcn:site': 'north'}
        self.assertEqual('north', self.site())

    def test_zone_of_a_site_that_spans_several(self):
        for aggregate in self.aggregates:
            aggregate.metadata['dcn:site'] = 'north'
        self.assertEqual('north', self.site())

    def test_zone_of_several_sites(self):
        self.aggregates.append(self.aggregate({'dcn:site': 'north'}, 'h21'))
        self.assert_unknown(f'the availability zone dcn2 of its volume '
                            f'{uuids.root} spans the sites dcn2 and north')

    def test_zone_with_a_host_in_two_sites(self):
        for name in ('north', 'south'):
            self.aggregates.append(
                self.aggregate({'dcn:site': name}, 'h21', 'h22'))
        self.assert_unknown(f'the availability zone dcn2 of its volume '
                            f'{uuids.root} spans the sites north and south')

    def test_zone_that_no_host_is_in(self):
        self.records.zone_of_volume = {uuids.root: 'cinder'}
        self.assert_unknown(f'the availability zone cinder of its volume '
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

    def test_present_host_needs_no_cinder(self):
        self.records.host = 'h11'
        self.assertEqual('dcn1', self.site())
        self.assertNotIn('cinder_get', self.records.reads)
        self.assertNotIn('BlockDeviceMappingList_get_by_instance_uuid',
                         self.records.reads)


class RecordTest(records.NovaTestCase):

    def operation(self, **fields):
        return server_record.read(self.move(**fields)).operation

    def test_operations(self):
        bigger = {'flavor': records.flavor('m2')}
        self.assertIs(Operation.MIGRATE, self.operation())
        self.assertIs(Operation.RESIZE, self.operation(**bigger))
        self.records.task_state = 'migrating'
        self.assertIs(Operation.MIGRATE, self.operation())
        self.records.task_state = 'resize_prep'
        self.assertIs(Operation.RESIZE, self.operation(**bigger))
        self.assertIs(Operation.MIGRATE, self.operation())
        # What Nova calls so although nothing is built anew.
        self.records.task_state = 'rebuilding'
        self.assertIs(Operation.EVACUATE, self.operation())
        self.records.task_state = 'unshelving'
        self.records.host = None
        self.records.system_metadata = {'shelved_host': 'h21'}
        self.assertIs(Operation.UNSHELVE, self.operation())
        self.records.task_state = None
        self.assertIs(Operation.UNSHELVE, self.operation())

    def test_shelved_image(self):
        self.assertIsNone(server_record.read(self.move()).shelved_image_id)
        self.records.system_metadata = {'shelved_image_id': uuids.snapshot}
        self.assertEqual(uuids.snapshot,
                         server_record.read(self.move()).shelved_image_id)

    def test_volumes_are_read_when_they_are_wanted(self):
        self.records.volumes = [
            records.volume(uuids.data, 1), records.local_disk(2),
            records.volume(uuids.root, 0), records.volume(None, 3)]
        self.assertEqual((), server_record.read(self.move()).volume_ids)
        self.assertEqual(
            (uuids.root, uuids.data),
            server_record.read(self.move(), has_volumes=True).volume_ids)
