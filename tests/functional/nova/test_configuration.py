# SPDX-License-Identifier: Apache-2.0
"""The scheduler starts with our plugins, or says why it does not."""

import os

import fixtures
import nova.conf
from nova import exception
from nova.scheduler import request_filter
from oslo_config import cfg

from dcn_plugins import exceptions
from dcn_plugins.nova import placement_prefilter
from tests.functional.nova import cloud


class StartTest(cloud.SiteFilterTestCase):

    def start(self, **options):
        self.start_scheduler(**options)
        return self.log()

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
        before = len(request_filter.ALL_REQUEST_FILTERS)
        output = self.start(weighers=[
            'nova.scheduler.weights.all_weighers', cloud.WEIGHER])
        self.assertRegex(
            output, r'DCNSiteFilter loaded \(dcn_plugins \S+\), '
            r'move_policy=strict unknown_site=refuse push_to_placement=True')
        self.assertRegex(
            output, r'DCNOneSiteFilter loaded \(dcn_plugins \S+\)')
        self.assertRegex(
            output, r'DCNSiteWeigher loaded \(dcn_plugins \S+\), '
            r'site_order=project site_weight_multiplier=1e\+08')
        # Once, however often filters are built in the process.
        self.assertEqual(before + 1, len(request_filter.ALL_REQUEST_FILTERS))
        self.assertIsInstance(request_filter.ALL_REQUEST_FILTERS[-1],
                              placement_prefilter.PlacementPreFilter)

    def test_options_of_the_file_are_taken(self):
        before = list(request_filter.ALL_REQUEST_FILTERS)
        self.read_config('[dcn]\nmove_policy = off\nunknown_site = allow\n'
                         'push_to_placement = false\n')
        self.assertIn('move_policy=off unknown_site=allow '
                      'push_to_placement=False', self.start())
        self.assertEqual(before, request_filter.ALL_REQUEST_FILTERS)

    def test_enabled_but_not_available(self):
        error = self.assertRaises(
            exception.SchedulerHostFilterNotFound, self.start, available=[])
        self.assertIn('DCNSiteFilter', str(error))

    def test_wrong_class_path(self):
        error = self.assertRaises(
            ImportError, self.start, available=[cloud.FILTER + 's'])
        self.assertIn('DCNSiteFilters', str(error))

    def test_invalid_value(self):
        self.read_config('[dcn]\nmove_policy = sticky\n')
        error = self.assertRaises(cfg.ConfigFileValueError, self.start)
        self.assertIn('move_policy', str(error))
        self.assertIn('sticky', str(error))

    def test_values_that_contradict_each_other(self):
        self.read_config('[dcn]\nspill_over_percent = 70\n')
        error = self.assertRaises(exceptions.ConfigError, self.start)
        self.assertEqual(
            'nova.conf, [dcn] spill_back_percent: 80 is greater than '
            'spill_over_percent=70. Set it to the same or less', str(error))

    def test_misspelt_option(self):
        path = self.read_config('[dcn]\nmove_polcy = off\n')
        output = self.start()
        self.assertIn(f'{path}: [dcn] move_polcy is not an option', output)
        self.assertIn('Did you mean move_policy?', output)
        self.assertIn('move_policy=strict', output)


class SeamTest(cloud.SiteFilterTestCase):
    """Nova without the list of request filters that we add ours to."""

    def assert_works_alone(self, fault):
        self.start_cloud(cloud.TWO_SITES)
        self.assertRegex(
            self.log(), 'WARNING .*DCN: placement cannot be told about '
            rf'sites, as Nova has changed \({fault}\): set \[dcn\] '
            'push_to_placement = false')
        self.assertIn('push_to_placement=False', self.log())
        self.assertEqual('h12', self.outcome(
            self.create_at('h11'), *cloud.LIVE))

    def test_no_list(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.scheduler.request_filter.ALL_REQUEST_FILTERS',
            tuple(request_filter.ALL_REQUEST_FILTERS)))
        self.assert_works_alone(
            'request_filter.ALL_REQUEST_FILTERS is no list')

    def test_other_arguments(self):
        process = request_filter.process_reqspec

        def process_another(context, spec):
            return process(context, spec)

        self.useFixture(fixtures.MonkeyPatch(
            'nova.scheduler.request_filter.process_reqspec',
            process_another))
        self.assert_works_alone(
            'request_filter.process_reqspec takes other arguments')


class SiteMapTest(cloud.SiteFilterTestCase):
    """How soon a state that is set while the scheduler runs is known."""

    def fault(self):
        server = self.create(api=self.member, availability_zone='dcn1')
        return self.member.get_server(server['id']).get(
            'fault', {'message': ''})['message']

    def test_state_is_known_in_time(self):
        self.flags(site_map_seconds=1.0, group='dcn')
        self.start_cloud(cloud.TWO_SITES)
        self.assertEqual('', self.fault())
        self.tag('dcn1', state='draining')
        # The filter knows at once, placement when the map is read again.
        self.assertNotEqual('', self.fault())
        cloud.wait_until(
            lambda: 'site dcn1: it is draining' in self.fault(),
            'the text of the pre-filter')
        self.tag('dcn1', state='enabled')
        cloud.wait_until(lambda: self.fault() == '', 'a server')
