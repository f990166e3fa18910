# SPDX-License-Identifier: Apache-2.0
"""Filter and weigher inside Cinder's own scheduler, operation by operation."""

import json
import threading
import types

# First of Cinder's modules: it registers the objects that all others need.
import cinder.tests.unit  # noqa: F401
from cinder import exception  # noqa: H306
from cinder import objects
from cinder.scheduler import host_manager
from cinder.tests.unit import utils
from cinder.volume import group_types
import fixtures

from dcn_plugins.cinder import site_filter
from dcn_plugins.cinder import site_maps
from dcn_plugins.cinder import site_weigher
from dcn_plugins import map_cache
from dcn_plugins import ranking
from tests.functional.cinder import volume_cloud

CLOSED = ('draining', 'disabled', 'down')


class LoadingTest(volume_cloud.VolumeCloudTestCase):

    def test_both_are_found_by_the_names_of_their_entry_points(self):
        found = host_manager.HostManager()
        self.assertIs(site_filter.DCNSiteFilter, found.enabled_filters[0])
        self.assertIn(site_weigher.DCNSiteWeigher,
                      found._choose_backend_weighers(None))

    def test_a_misspelt_name_keeps_the_scheduler_from_starting(self):
        self.override_config('scheduler_default_filters', ['DCNSitefilter'])
        self.assertRaises(exception.SchedulerHostFilterNotFound,
                          host_manager.HostManager)


class StockTest(volume_cloud.VolumeCloudTestCase):
    """What these tests would see without us."""

    filters = volume_cloud.STOCK_FILTERS
    weighers = ['CapacityWeigher']

    def test_stock_cinder_knows_nothing_of_sites(self):
        self.say(2, state='down', projects='q', priority='-1')
        self.assertEqual('b2', self.host_of(
            scheduler_hints={'dcn_site': 'edge1'}))

    def test_a_retype_leaves_the_site(self):
        silver = self.make_type('silver', volume_backend_name='<in> RBD')
        volume = self.existing()
        self.scheduler.driver.host_manager.service_states['b1@rbd'][
            'volume_backend_name'] = 'OLD'
        self.api.retype(self.admin, volume, silver.id, 'on-demand')
        self.assertEqual('b2', volume_cloud.short(
            self.sent['retype'].call_args.args[3].host))


class CreateTest(volume_cloud.VolumeCloudTestCase):

    def test_the_order_of_sites_is_that_of_the_project(self):
        seen = set()
        for number in range(12):
            self.user.project_id = f'project{number}'
            best = max(('edge1', 'edge2'), key=lambda site: ranking.affinity(
                self.user.project_id, site))
            seen.add(best)
            # In edge1 there are two, and Cinder takes the one with more room.
            self.assertEqual({'edge1': 'b1x', 'edge2': 'b2'}[best],
                             self.host_of())
        self.assertEqual({'edge1', 'edge2'}, seen)

    def test_priority_comes_before_room(self):
        self.say(1, priority='1')
        self.assertEqual('b1x', self.host_of())

    def test_a_closed_site_takes_nothing_new(self):
        for state in CLOSED:
            self.say(2, state=state)
            self.assertEqual('b1x', self.host_of())
        self.say(1, state='draining')
        self.assertEqual('error', self.host_of())
        self.assertIn('create: 1 of 4 backends passed; rejected: state 3',
                      self.log.output)

    def infos(self, text):
        return [line for line in self.log.output.splitlines() if text in line]

    def test_a_site_may_be_for_some_projects(self):
        self.say(2, projects='q')
        self.assertEqual('b1x', self.host_of())
        self.user.project_id = 'q'
        self.assertEqual('b2', self.host_of())

    def test_a_hint_names_the_site(self):
        for site, expected in (('edge1', 'b1x'), ('edge2', 'b2'),
                               (['edge1', 'edge9'], 'b1x'),
                               ('edge9', 'error')):
            self.assertEqual(expected, self.host_of(
                scheduler_hints={'dcn_site': site}))

    def test_the_zone_is_cinders_business(self):
        self.assertEqual('b3', self.host_of(availability_zone='east'))
        self.assertEqual('error', self.host_of(
            availability_zone='east', scheduler_hints={'dcn_site': 'edge1'}))

    def test_a_zone_is_a_site_without_any_label(self):
        self.say(3, state='draining')
        self.assertEqual('error', self.host_of(availability_zone='east'))

    def test_a_clone_and_a_snapshot_need_an_open_site_too(self):
        source = self.existing()
        snapshot = utils.create_snapshot(self.user, source.id,
                                         status='available')
        for request in ({'source_volume': source}, {'snapshot': snapshot}):
            # The type is that of the source.
            request['volume_type'] = None
            self.say(1, state='enabled')
            self.assertEqual('b1', self.host_of(**request))
            self.say(1, state='draining')
            self.assertEqual('error', self.host_of(**request))

    def test_one_line_for_each_request(self):
        self.host_of()
        self.assertEqual(1, len(self.infos('DCNSiteFilter: volume')))

    def test_nothing_is_left_in_what_goes_to_cinder_volume(self):
        self.create(scheduler_hints={'dcn_site': 'edge1'})
        _context, _volume, _spec, properties = self.sent[
            'create_volume'].call_args.args
        self.assertEqual({'dcn_site': 'edge1'}, properties['scheduler_hints'])
        json.dumps(volume_cloud.Bus.serializer.serialize_entity(
            self.user, properties))


class ImageTest(volume_cloud.VolumeCloudTestCase):

    def setUp(self):
        super().setUp()
        self.stores = 'edge1'
        self.useFixture(fixtures.MonkeyPatch(
            'cinder.image.glance.GlanceClientWrapper.call',
            lambda _client, *args, **kwargs: self.call(*args, **kwargs)))
        self.api.image_service = volume_cloud.api.glance.GlanceImageService()

    def call(self, _context, method, *args, **kwargs):
        """Answer like Glance's client, one level below Cinder's service."""
        if kwargs.get('controller') == 'schemas':
            return Schema()
        self.assertEqual('get', method)
        return Image(id=args[0], status='active', min_disk=0, size=1,
                     name='image', visibility='public', stores=self.stores,
                     disk_format='raw', container_format='bare', tags=[])

    def from_image(self, **request):
        return self.host_of(image_id=utils.fake.IMAGE_ID, **request)

    def test_a_volume_type_sends_volumes_to_their_image(self):
        near = self.make_type('near', dcn__image_locality='require')
        for self.stores, expected in (('edge1', 'b1x'), ('x,edge2', 'b2'),
                                      ('edge9', 'error')):
            self.option()
            self.assertEqual(expected, self.from_image(volume_type=near))

    def test_prefer_takes_another_site_when_there_is_no_room(self):
        self.option(image_locality='prefer')
        self.say(2, priority='9')
        self.assertEqual('b1x', self.from_image())
        self.say(1, state='disabled')
        self.assertEqual('b2', self.from_image())

    def test_without_it_priority_decides(self):
        self.say(2, priority='9')
        self.assertEqual('b2', self.from_image())


class Image(dict):
    """As glanceclient returns one."""

    __getattr__ = dict.__getitem__


class Schema:
    """The part of Glance's schema that Cinder asks."""

    def is_base_property(self, name):
        return name not in ('os_distro',)


class ExistingTest(volume_cloud.VolumeCloudTestCase):
    """Volumes that are there already, in edge1 on b1."""

    def setUp(self):
        super().setUp()
        self.volume = self.existing()

    def test_it_is_extended_in_any_site_that_is_not_down(self):
        for state, is_open in self.by_state():
            self.volume.update({'status': 'available'})
            self.volume.save()
            self.sent['extend_volume'].reset_mock()
            self.api.extend(self.admin, self.volume, 2)
            self.assertEqual(is_open, self.sent['extend_volume'].called,
                             state)

    def test_so_a_snapshot_is_made(self):
        for state, is_open in self.by_state():
            self.sent['create_snapshot'].reset_mock()
            self.api.create_snapshot(self.user, self.volume, 'n', 'd')
            self.assertEqual(is_open, self.sent['create_snapshot'].called,
                             state)

    def by_state(self):
        for state in ('enabled', *CLOSED):
            # Neither project nor order matters.
            self.say(1, state=state, projects='q')
            yield state, state != 'down'

    def test_so_an_image_of_ceph_is_managed(self):
        for state, is_open in self.by_state():
            self.sent['manage_existing'].reset_mock()
            self.api.manage_existing(
                self.admin, 'b1@rbd#RBD', None, {'source-name': 'x'},
                volume_type=self.gold)
            self.assertEqual(is_open, self.sent['manage_existing'].called,
                             state)

    def test_so_a_snapshot_of_ceph_is_managed(self):
        for state, is_open in self.by_state():
            self.sent['manage_existing_snapshot'].reset_mock()
            self.api.manage_existing_snapshot(
                self.admin, {'source-name': 'x'}, self.volume)
            self.assertEqual(
                is_open, self.sent['manage_existing_snapshot'].called, state)

    def migrated(self, host):
        """Ask for a migration to a backend; tell whether it began."""
        volume = self.existing()
        self.api.migrate_volume(self.admin, volume, f'{host}@rbd#RBD', None,
                                False, False)
        if self.sent['migrate_volume'].called:
            _context, _volume, backend, _force = self.sent[
                'migrate_volume'].call_args.args
            self.assertEqual(host, volume_cloud.short(backend.host))
        began = self.sent['migrate_volume'].called
        self.sent['migrate_volume'].reset_mock()
        return began

    def test_it_is_migrated_to_whatever_backend_is_named(self):
        self.assertTrue(self.migrated('b1x'))
        self.assertTrue(self.migrated('b2'))
        self.assertTrue(self.migrated('b3'))

    def test_into_another_site_only_if_that_is_open(self):
        for state in CLOSED:
            self.say(2, state=state)
            self.assertFalse(self.migrated('b2'), state)
        self.say(2, state='enabled', projects='q')
        self.assertFalse(self.migrated('b2'))

    def test_inside_a_site_that_is_drained(self):
        for state, is_open in (('draining', True), ('disabled', False)):
            self.say(1, state=state)
            self.assertEqual(is_open, self.migrated('b1x'))
            # And out of it.
            self.assertTrue(self.migrated('b2'))

    def retyped(self, policy='on-demand', backends=('b1x', 'b2')):
        """Retype to a type that only some backends have; return where to."""
        states = self.scheduler.driver.host_manager.service_states
        for host in volume_cloud.BACKENDS:
            states[f'{host}@rbd']['silver'] = str(host in backends)
        silver = self.make_type(f'silver{len(self.log.output)}',
                                silver='True')
        volume = self.existing()
        self.sent['retype'].reset_mock()
        self.api.retype(self.admin, volume, silver.id, policy)
        if not self.sent['retype'].called:
            return None
        return volume_cloud.short(self.sent['retype'].call_args.args[3].host)

    def test_a_retype_stays_in_the_site(self):
        self.assertEqual('b1x', self.retyped())
        self.assertIsNone(self.retyped(backends=['b2']))
        self.assertIn('retype stays in site edge1', self.log.output)

    def test_a_retype_in_place_needs_no_open_site(self):
        for state, is_open in self.by_state():
            self.assertEqual('b1' if is_open else None,
                             self.retyped('never', ['b1', 'b1x', 'b2']))

    def test_no_retype_moves_inside_a_site_that_is_disabled(self):
        self.say(1, state='draining')
        self.assertEqual('b1x', self.retyped())
        self.say(1, state='disabled')
        self.assertIsNone(self.retyped())


class GroupTest(volume_cloud.VolumeCloudTestCase):

    def test_a_group_is_created_in_an_open_site(self):
        self.say(2, state='draining')
        self.assertEqual('b1x', self.created())
        self.say(1, projects='q')
        self.assertEqual('error', self.created())

    def created(self):
        group_type = group_types.create(self.admin,
                                        f'type{len(self.log.output)}')
        group = self.groups.create(self.user, 'n', 'd', group_type.id,
                                   [self.gold.id], availability_zone='west')
        group = objects.Group.get_by_id(self.admin, group.id)
        return volume_cloud.short(group.host) if group.host else group.status


class PoolsTest(volume_cloud.VolumeCloudTestCase):

    # Cinder's CapacityFilter wants a size, which a list does not have.
    filters = ['DCNSiteFilter', 'CapabilitiesFilter']

    def test_the_pools_of_a_type_are_listed_whatever_the_sites(self):
        self.say(1, state='down')
        found = self.scheduler.get_pools(self.admin,
                                         {'volume_type': self.gold.id})
        self.assertEqual(4, len(found))
        self.assertNotIn('DCNSiteFilter: ', self.log.output)


class RenewalTest(volume_cloud.VolumeCloudTestCase):

    def test_the_map_is_renewed_in_a_thread_of_cinders_kind(self):
        now = [1000.0]
        clock = types.SimpleNamespace(monotonic=lambda: now[0])
        for module in (map_cache, site_maps):
            self.useFixture(fixtures.MockPatchObject(module, 'time', clock))
        self.metadata[1]['dcn:priority'] = '1'
        self.assertEqual('b1x', self.host_of())
        self.metadata[1]['dcn:state'] = 'draining'
        now[0] += 31
        self.assertEqual('b1x', self.host_of())
        for thread in threading.enumerate():
            if thread.name == 'dcn-site-map':
                thread.join(30)
        self.assertEqual('b2', self.host_of())


class NovaAwayTest(volume_cloud.VolumeCloudTestCase):

    def test_without_nova_volumes_are_made_and_it_is_told(self):
        self.http.get(f'{volume_cloud.NOVA}/os-aggregates', status_code=503)
        self.assertIn(self.host_of(), ('b1x', 'b2'))
        self.assertEqual('b1x', self.host_of(
            scheduler_hints={'dcn_site': 'edge1'}))
        self.assertEqual(1, self.log.output.count(
            'Nova did not tell its aggregates'))

    def test_a_user_without_the_right_is_told(self):
        self.http.get(f'{volume_cloud.NOVA}/os-aggregates', status_code=403)
        self.assertIn(self.host_of(), ('b1x', 'b2'))
        self.assertIn('whose user must be allowed to list them',
                      self.log.output)

    def test_without_credentials_it_is_told(self):
        self.override_config('auth_type', None, 'nova')
        self.assertIn(self.host_of(), ('b1x', 'b2'))
        self.assertIn('[nova] auth_type is not set', self.log.output)
