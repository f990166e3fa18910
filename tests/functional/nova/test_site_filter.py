# SPDX-License-Identifier: Apache-2.0
"""The site filter inside Nova's own services.

API, conductor, scheduler, placement and compute manager are Nova's; only the
hypervisor, Glance, Cinder and Neutron are Nova's own fakes.
"""

import os
import sys

import fixtures
# First of Nova's modules: it selects threads or eventlet for all the others.
import nova.tests.functional  # noqa: F401
import nova.conf  # noqa: H306
from nova import exception
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import fixtures as func_fixtures
from nova.tests.functional import integrated_helpers
from oslo_config import cfg

from dcn_plugins.conf import sites as site_options
from dcn_plugins.nova import site_filter

FILTER = 'dcn_plugins.nova.site_filter.DCNSiteFilter'

SITES = {'dcn1': ['h11', 'h12'], 'dcn2': ['h21', 'h22']}
CENTRAL = ['c1', 'c2']

# Stock Nova takes the host of the greatest weight, and that is never one of
# the site where a server is created here. So crossing is what happens, not
# what may happen.
WEIGHTS = {'h21': 100, 'h22': 90, 'c2': 80, 'c1': 70, 'h12': 60, 'h11': 50}


class VolumesInZones(nova_fixtures.CinderFixture):
    """Nova's fake Cinder with a zone per volume instead of one for all."""

    def __init__(self, testcase):
        super().__init__(testcase)
        self.zones = {}

    def fake_get(self, context, volume_id, microversion=None):
        volume = super().fake_get(context, volume_id, microversion)
        return dict(volume, availability_zone=self.zones.get(volume_id))


class SiteFilterTestCase(test.TestCase,
                         integrated_helpers.InstanceHelperMixin):
    """A cloud of two sites and two central hosts in no aggregate."""

    filters = ['ComputeFilter', 'DCNSiteFilter']

    def setUp(self):
        super().setUp()
        # Nova's wheel puts it below the prefix, Nova's tests look elsewhere.
        self.flags(api_paste_config=os.path.join(
            sys.prefix, 'etc/nova/api-paste.ini'), group='wsgi')
        self.flags(compute_driver='fake.MediumFakeDriver')
        self.flags(shelved_offload_time=0)
        self.flags(available_filters=['nova.scheduler.filters.all_filters',
                                      FILTER],
                   enabled_filters=self.filters, group='filter_scheduler')
        self.useFixture(nova_fixtures.HostNameWeigherFixture(WEIGHTS))
        self.policy = self.useFixture(nova_fixtures.RealPolicyFixture())
        self.useFixture(nova_fixtures.GlanceFixture(self))
        self.useFixture(nova_fixtures.NeutronFixture(self))
        self.cinder = self.useFixture(VolumesInZones(self))
        self.useFixture(func_fixtures.PlacementFixture())
        api = self.useFixture(nova_fixtures.OSAPIFixture(api_version='v2.1'))
        self.api = self.admin_api = api.admin_api
        self.api.microversion = 'latest'
        self.start_service('conductor')

    def start_cloud(self):
        self.start_service('scheduler')
        self.services = {
            host: self.start_service('compute', host=host)
            for hosts in [*SITES.values(), CENTRAL] for host in hosts}
        self.aggregates = []
        for site, hosts in SITES.items():
            aggregate = self._create_aggregate(site, availability_zone=site)
            self.aggregates.append(aggregate)
            for host in hosts:
                self.api.add_host_to_aggregate(aggregate, host)

    def update_service(self, host, **fields):
        service, = self.api.get_services(binary='nova-compute', host=host)
        self.api.put_service(service['id'], fields)

    def close(self, *hosts):
        """Take hosts out of scheduling, so that their site is full."""
        for host in hosts:
            self.update_service(host, status='disabled')

    def create_server(self, host='h11'):
        # By host and not by zone: a zone would pin the server to it, and
        # stock Nova keeps pinned servers in their zone.
        server = self._create_server(host=host, networks='none')
        self.assertEqual(host, self.host_of(server))
        self.assertIsNone(self.show(server)['pinned_availability_zone'])
        return server

    def create_server_on_volume(self):
        volume_id = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL
        self.cinder.zones[volume_id] = 'dcn1'
        body = self._build_server(networks='none', host='h11')
        del body['imageRef']
        body['block_device_mapping_v2'] = [{
            'source_type': 'volume', 'destination_type': 'volume',
            'boot_index': 0, 'uuid': volume_id}]
        server = self.api.post_server({'server': body})
        return self._wait_for_state_change(server, 'ACTIVE')

    def show(self, server):
        return self.api.get_server(server['id'])

    def host_of(self, server):
        return self.show(server)['OS-EXT-SRV-ATTR:host']

    def act(self, server, action, body=None):
        self.api.post_server_action(server['id'], {action: body})

    def kill(self, host):
        """Stop a host, so that its servers can be evacuated."""
        self.services[host].stop()
        self.update_service(host, forced_down=True)

    # The operations: each leaves the server where the scheduler sent it.

    def live_migrate(self, server):
        self.act(server, 'os-migrateLive',
                 {'host': None, 'block_migration': 'auto'})
        self._wait_for_migration_status(server, ['completed'])

    def cold_migrate(self, server):
        self.act(server, 'migrate')
        self._wait_for_state_change(server, 'VERIFY_RESIZE')

    def resize(self, server):
        self.act(server, 'resize', {'flavorRef': '2'})
        self._wait_for_state_change(server, 'VERIFY_RESIZE')

    def evacuate(self, server):
        self.kill(self.host_of(server))
        self._evacuate_server(server)

    def shelve(self, server):
        self.act(server, 'shelve')
        self._wait_for_server_parameter(
            server, {'status': 'SHELVED_OFFLOADED',
                     'OS-EXT-SRV-ATTR:host': None,
                     'OS-EXT-STS:task_state': None})

    def unshelve(self, server):
        self.shelve(server)
        self.act(server, 'unshelve')
        self._wait_for_state_change(server, 'ACTIVE')

    def assert_refused(self, server, action, event):
        """Wait until the scheduler has found no host for an action."""
        self._wait_for_action_fail_completion(server, action, event)
        self.assertIn('Filter DCNSiteFilter returned 0 hosts',
                      self.stdlog.logger.output)


class CrossCellTest(SiteFilterTestCase):
    """A cold migration that names a host and may leave the cell.

    It is the one move for which the conductor names no cell.
    """

    def test_named_host_of_another_site_is_refused(self):
        self.policy.set_rules(
            {'compute:servers:resize:cross_cell': '@'}, overwrite=False)
        self.start_cloud()
        server = self.create_server()
        specs = []
        filter_all = site_filter.DCNSiteFilter.filter_all

        def spy(site, host_states, spec_obj):
            specs.append(spec_obj)
            return filter_all(site, host_states, spec_obj)

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.nova.site_filter.DCNSiteFilter.filter_all', spy))
        self.act(server, 'migrate', {'host': 'h21'})
        self.assert_refused(server, 'migrate', 'conductor_migrate_server')
        self.assertIsNone(specs[0].requested_destination.cell)
        self._wait_for_server_parameter(server, {
            'status': 'ACTIVE', 'OS-EXT-SRV-ATTR:host': 'h11'})
        self.assertIn('stays in site dcn1: 0 of 1 hosts passed',
                      self.stdlog.logger.output)


class StockTest(SiteFilterTestCase):
    """What Nova does alone: every move of an unpinned server crosses."""

    filters = ['ComputeFilter']

    def setUp(self):
        super().setUp()
        self.start_cloud()

    def test_g01_live_migrate(self):
        server = self.create_server()
        self.live_migrate(server)
        self.assertEqual('h21', self.host_of(server))

    def test_g02_cold_migrate(self):
        server = self.create_server()
        self.cold_migrate(server)
        self.assertEqual('h21', self.host_of(server))

    def test_g02b_resize(self):
        server = self.create_server()
        self.resize(server)
        self.assertEqual('h21', self.host_of(server))

    def test_g03_evacuate(self):
        server = self.create_server()
        self.evacuate(server)
        self.assertEqual('h21', self.host_of(server))

    def test_g04_unshelve(self):
        server = self.create_server()
        self.unshelve(server)
        self.assertEqual('h21', self.host_of(server))

    def test_g04_unshelve_on_volume(self):
        server = self.create_server_on_volume()
        self.unshelve(server)
        self.assertEqual('h21', self.host_of(server))

    def test_central_server_goes_to_a_site(self):
        server = self.create_server(host='c1')
        self.live_migrate(server)
        self.assertEqual('h21', self.host_of(server))


class StayTest(SiteFilterTestCase):
    """With the filter the same moves end in the same site."""

    def setUp(self):
        super().setUp()
        self.start_cloud()

    def test_g01_live_migrate(self):
        server = self.create_server()
        self.live_migrate(server)
        self.assertEqual('h12', self.host_of(server))
        self.assertIn(
            f'DCNSiteFilter: server {server["id"]} stays in site dcn1: 1 of 5 '
            'hosts passed; rejected: ', self.stdlog.logger.output)

    def test_g02_cold_migrate(self):
        server = self.create_server()
        self.cold_migrate(server)
        self.assertEqual('h12', self.host_of(server))

    def test_g02b_resize(self):
        server = self.create_server()
        self.resize(server)
        self.assertEqual('h12', self.host_of(server))

    def test_g03_evacuate(self):
        server = self.create_server()
        self.evacuate(server)
        self.assertEqual('h12', self.host_of(server))

    def test_g04_unshelve(self):
        server = self.create_server()
        self.unshelve(server)
        self.assertEqual('h12', self.host_of(server))

    def test_g04_unshelve_on_volume(self):
        server = self.create_server_on_volume()
        self.unshelve(server)
        self.assertEqual('h12', self.host_of(server))

    def test_central_server_stays_central(self):
        server = self.create_server(host='c1')
        self.live_migrate(server)
        self.assertEqual('c2', self.host_of(server))

    def test_create_is_free(self):
        server = self._create_server(networks='none')
        self.assertEqual('h21', self.host_of(server))

    def test_labels_are_seen_at_once(self):
        # Two zones become one site while the scheduler runs.
        for aggregate in self.aggregates:
            self.api.post_aggregate_action(aggregate, {
                'set_metadata': {'metadata': {'dcn:site': 'metro'}}})
        server = self.create_server()
        self.live_migrate(server)
        self.assertEqual('h21', self.host_of(server))


class SiteIsFullTest(SiteFilterTestCase):
    """Without room in its site a server stays where and what it is."""

    def setUp(self):
        super().setUp()
        self.start_cloud()

    def assert_untouched(self, server, status='ACTIVE'):
        self._wait_for_server_parameter(server, {
            'status': status, 'OS-EXT-SRV-ATTR:host': 'h11',
            'OS-EXT-STS:task_state': None})

    def test_g01_live_migrate(self):
        server = self.create_server()
        self.close('h12')
        self.act(server, 'os-migrateLive',
                 {'host': None, 'block_migration': 'auto'})
        self._wait_for_migration_status(server, ['error'])
        self.assert_refused(server, 'live-migration',
                            'conductor_live_migrate_instance')
        self.assert_untouched(server)

    def test_g02_cold_migrate(self):
        server = self.create_server()
        self.close('h12')
        self.act(server, 'migrate')
        self.assert_refused(server, 'migrate', 'conductor_migrate_server')
        self.assert_untouched(server)

    def test_g02b_resize(self):
        server = self.create_server()
        self.close('h12')
        self.act(server, 'resize', {'flavorRef': '2'})
        self.assert_refused(server, 'resize', 'conductor_migrate_server')
        self.assert_untouched(server)
        self.assertNotEqual('m1.small',
                            self.show(server)['flavor']['original_name'])

    def test_g03_evacuate(self):
        server = self.create_server()
        self.close('h12')
        self.kill('h11')
        self.act(server, 'evacuate', {})
        self.assert_refused(server, 'evacuate', 'rebuild_server')
        # Nova itself sets ERROR when an evacuation finds no host, whatever
        # the filter; the server is still recorded on its host.
        self.assert_untouched(server, status='ERROR')

    def test_g04_unshelve(self):
        server = self.create_server()
        self.assert_stays_shelved(server)

    def test_g04_unshelve_on_volume(self):
        server = self.create_server_on_volume()
        self.assert_stays_shelved(server)

    def assert_stays_shelved(self, server):
        self.shelve(server)
        self.close('h11', 'h12')
        self.act(server, 'unshelve')
        self._wait_for_log('Filter DCNSiteFilter returned 0 hosts')
        self._wait_for_server_parameter(server, {
            'status': 'SHELVED_OFFLOADED', 'OS-EXT-SRV-ATTR:host': None,
            'OS-EXT-STS:task_state': None})


class ConfigurationTest(SiteFilterTestCase):
    """The scheduler starts with our filter, or says why it does not."""

    def start_scheduler(self):
        self.start_service('scheduler')
        return self.stdlog.logger.output

    def read_config(self, text):
        """Read ``text`` as nova.conf, as the command line does."""
        path = os.path.join(self.useFixture(fixtures.TempDir()).path,
                            'nova.conf')
        with open(path, 'w', encoding='utf-8') as conf_file:
            conf_file.write(text)
        nova.conf.CONF(['--config-file', path], project='nova',
                       default_config_files=[])
        return path

    def test_loads_by_configuration_only(self):
        output = self.start_scheduler()
        self.assertRegex(
            output, r'DCNSiteFilter loaded \(dcn_plugins \S+\), '
            r'move_policy=strict unknown_site=refuse')

    def test_options_of_the_file_are_taken(self):
        self.read_config('[dcn]\nmove_policy = off\nunknown_site = allow\n')
        self.assertIn('move_policy=off unknown_site=allow',
                      self.start_scheduler())

    def test_enabled_but_not_available(self):
        self.flags(available_filters=['nova.scheduler.filters.all_filters'],
                   group='filter_scheduler')
        error = self.assertRaises(exception.SchedulerHostFilterNotFound,
                                  self.start_scheduler)
        self.assertIn('DCNSiteFilter', str(error))

    def test_wrong_class_path(self):
        self.flags(available_filters=[FILTER + 's'], group='filter_scheduler')
        error = self.assertRaises(ImportError, self.start_scheduler)
        self.assertIn('DCNSiteFilters', str(error))

    def test_invalid_value(self):
        self.read_config('[dcn]\nmove_policy = sticky\n')
        error = self.assertRaises(cfg.ConfigFileValueError,
                                  self.start_scheduler)
        self.assertIn('move_policy', str(error))
        self.assertIn('sticky', str(error))

    def test_misspelt_option(self):
        path = self.read_config('[dcn]\nmove_polcy = off\n')
        output = self.start_scheduler()
        self.assertIn(f'{path}: [dcn] move_polcy is not an option', output)
        self.assertIn('Did you mean move_policy?', output)
        self.assertIn('move_policy=strict', output)


class PolicyOffTest(SiteFilterTestCase):

    def test_moves_cross_as_without_the_filter(self):
        site_options.register_opts(nova.conf.CONF)
        self.flags(move_policy='off', group='dcn')
        self.start_cloud()
        server = self.create_server()
        self.live_migrate(server)
        self.assertEqual('h21', self.host_of(server))
