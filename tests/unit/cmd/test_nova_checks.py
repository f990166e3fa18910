# SPDX-License-Identifier: Apache-2.0

import logging
import os
import sys

import fixtures
from nova.conf import scheduler
from nova.scheduler import request_filter
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
import testtools

from dcn_plugins.cmd import nova_checks
from tests.unit.cmd import nova_files

ALL_FILTERS = 'nova.scheduler.filters.all_filters'
SITE_FILTER = 'dcn_plugins.nova.site_filter.DCNSiteFilter'
ONE_SITE_FILTER = 'dcn_plugins.nova.one_site_filter.DCNOneSiteFilter'
ALL_WEIGHERS = 'nova.scheduler.weights.all_weighers'
SITE_WEIGHER = 'dcn_plugins.nova.site_weigher.DCNSiteWeigher'


class NovaChecksTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.files = self.useFixture(nova_files.NovaFiles())
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))

    def checks(self, text=''):
        self.files.write_conf(text)
        conf = cfg.ConfigOpts()
        nova_checks.register_opts(conf)
        conf(['--config-file', self.files.conf], project='nova')
        return nova_checks.NovaChecks(conf)

    def assert_success(self, result, details=None):
        self.assertEqual((upgradecheck.Code.SUCCESS, details),
                         (result.code, result.details))

    def assert_warns(self, result, *texts):
        self.assertEqual(upgradecheck.Code.WARNING, result.code,
                         result.details)
        for text in texts:
            self.assertIn(text, result.details)

    def assert_fails(self, result, *texts):
        self.assertEqual(upgradecheck.Code.FAILURE, result.code,
                         result.details)
        for text in texts:
            self.assertIn(text, result.details)
        self.assertNotIn('Traceback', result.details)


class OptionsTest(NovaChecksTestCase):

    def options(self, text):
        return self.checks(f'[dcn]\n{text}').options()

    def test_good(self):
        self.assert_success(self.options('move_policy = prefer'))

    def test_no_file(self):
        conf = cfg.ConfigOpts()
        nova_checks.register_opts(conf)
        conf([], default_config_files=[], default_config_dirs=[])
        self.assert_warns(nova_checks.NovaChecks(conf).options(),
                          'No configuration file was found')

    def test_misspelt(self):
        self.assert_warns(
            self.options('move_polcy = off\nnothing_like_it = 1'),
            f'{self.files.conf}: move_polcy is not an option of [dcn] and '
            'has no effect. Did you mean move_policy?',
            'nothing_like_it is not an option of [dcn] and has no effect. '
            'Remove it.')

    def test_invalid_value(self):
        error = self.assertRaises(
            cfg.ConfigFileValueError, self.options, 'move_policy = sticky')
        self.assertIn('move_policy', str(error))

    def test_spill_back_above_spill_over(self):
        text = 'spill_back_percent = 91\nspill_over_percent = '
        self.assert_fails(self.options(f'{text}90'), 'does not start')
        self.assert_success(self.options(f'{text}91'))


class FiltersTest(NovaChecksTestCase):

    def filters(self, enabled, available=(ALL_FILTERS, SITE_FILTER,
                                          ONE_SITE_FILTER)):
        lines = ''.join(f'available_filters = {name}\n' for name in available)
        return self.checks(f'[filter_scheduler]\n{lines}'
                           f'enabled_filters = {enabled}\n').filters()

    def test_in_order(self):
        self.assert_success(self.filters('DCNSiteFilter,ComputeFilter'))
        self.assert_success(self.filters(
            'DCNSiteFilter,ComputeFilter,DCNOneSiteFilter'))

    def test_not_enabled(self):
        self.assert_warns(self.filters('ComputeFilter'),
                          'DCNSiteFilter is not in enabled_filters')

    def test_not_first(self):
        result = self.filters(
            'ComputeFilter,ImagePropertiesFilter,DCNSiteFilter')
        self.assert_warns(result, 'DCNSiteFilter is not the first',
                          'ComputeFilter, ImagePropertiesFilter work on')
        self.assertNotIn('DCNOneSiteFilter', result.details)

    def test_one_site_filter_not_last(self):
        result = self.filters(
            'DCNSiteFilter,DCNOneSiteFilter,ComputeFilter')
        self.assert_warns(result, 'DCNOneSiteFilter is not the last',
                          ': ComputeFilter may refuse')
        self.assertNotIn('is not the first', result.details)

    def test_both_in_the_wrong_place(self):
        self.assert_warns(
            self.filters('DCNOneSiteFilter,DCNSiteFilter,ComputeFilter'),
            'DCNSiteFilter is not the first', 'DCNOneSiteFilter is not the l')

    def test_enabled_but_not_available(self):
        self.assert_fails(
            self.filters('DCNSiteFilter,ComputeFilter', [ALL_FILTERS]),
            'DCNSiteFilter of enabled_filters is in none of the',
            'does not start')

    def test_class_path_is_wrong(self):
        for path, text in (
                ('dcn_plugins.nova.site_filter.DCNSiteFiltre',
                 "(AttributeError: module 'dcn_plugins.nova.site_filter'"),
                ('dcn_plugins.nowhere.DCNSiteFilter',
                 "(ModuleNotFoundError: No module named 'dcn_plugins.now"),
                ('dcn_plugins.nova.site_filter.LOG', '(ClassNotFound: '),
                ('nonsense', '(')):
            self.assert_fails(
                self.filters('ComputeFilter', [ALL_FILTERS, path]),
                f'available_filters: {path} cannot be loaded {text}',
                'does not start')

    def test_module_that_breaks_when_it_is_imported(self):
        self.files.write('dcn_test_broken.py', 'def (\n')
        self.useFixture(fixtures.MonkeyPatch(
            'sys.path', [self.files.path, *sys.path]))
        self.assert_fails(
            self.filters('ComputeFilter', ['dcn_test_broken.Filter']),
            'dcn_test_broken.Filter cannot be loaded (SyntaxError: ')


class WeighersTest(NovaChecksTestCase):

    def weighers(self, *names, dcn=''):
        line = f'weight_classes = {",".join(names)}\n' if names else ''
        return self.checks(
            f'[filter_scheduler]\n{line}[dcn]\n{dcn}\n').weighers()

    def test_default(self):
        self.assert_success(self.weighers())

    def test_both(self):
        self.assert_success(self.weighers(ALL_WEIGHERS, SITE_WEIGHER))

    def test_all_are_named_one_by_one(self):
        self.assert_success(self.weighers(SITE_WEIGHER, *(
            f'{each.__module__}.{each.__name__}'
            for each in nova_checks.weights.all_weighers())))

    def test_ours_alone(self):
        self.assert_warns(self.weighers(SITE_WEIGHER),
                          'replaces its default', 'RAMWeigher',
                          f'Add {ALL_WEIGHERS}')

    def test_choice_of_an_operator_without_ours(self):
        self.assert_success(
            self.weighers('nova.scheduler.weights.ram.RAMWeigher'))

    def test_preference_without_ours(self):
        for option in ('move_policy', 'image_locality', 'volume_locality'):
            self.assert_warns(self.weighers(dcn=f'{option} = prefer'),
                              f'{option} = prefer of [dcn] needs',
                              SITE_WEIGHER)
            self.assert_success(self.weighers(
                ALL_WEIGHERS, SITE_WEIGHER, dcn=f'{option} = prefer'))

    def test_class_path_is_wrong(self):
        self.assert_fails(
            self.weighers('dcn_plugins.nova.site_weigher.DCNWeigher'),
            'weight_classes: dcn_plugins.nova.site_weigher.DCNWeigher cannot')


class PreFilterTest(NovaChecksTestCase):

    def test_fits(self):
        self.assert_success(self.checks().prefilter())

    def test_does_not_fit(self):
        self.useFixture(fixtures.MockPatchObject(
            request_filter, 'ALL_REQUEST_FILTERS', ()))
        self.assert_warns(self.checks().prefilter(), 'cannot be told about',
                          'ALL_REQUEST_FILTERS', 'max_placement_results')

    def test_switched_off(self):
        self.useFixture(fixtures.MockPatchObject(
            request_filter, 'ALL_REQUEST_FILTERS', ()))
        self.assert_success(
            self.checks('[dcn]\npush_to_placement = false').prefilter(),
            'Switched off with push_to_placement.')


class IsolationTest(NovaChecksTestCase):

    def isolation(self, text='', is_retired=True, enabled=(
            'DCNSiteFilter,AggregateImagePropertiesIsolation')):
        option, = (opt for opt in scheduler.filter_scheduler_opts
                   if opt.dest == nova_checks.ISOLATION_OPTION)
        self.useFixture(fixtures.MockPatchObject(
            option, 'deprecated_for_removal', is_retired))
        return self.checks(f'[filter_scheduler]\nenabled_filters = {enabled}\n'
                           f'{text}').isolation()

    def test_not_enabled(self):
        self.assert_success(self.isolation(enabled='DCNSiteFilter'))

    def test_without_namespace(self):
        self.assert_warns(self.isolation(is_retired=False),
                          'for each dcn: key',
                          f'Set {nova_checks.ISOLATION_OPTION} to')

    def test_with_namespace(self):
        self.assert_success(self.isolation(
            f'{nova_checks.ISOLATION_OPTION} = mine', is_retired=False))

    def test_namespace_that_holds_our_keys(self):
        self.assert_warns(
            self.isolation(
                f'{nova_checks.ISOLATION_OPTION} = dcn\n'
                'aggregate_image_properties_isolation_separator = :\n',
                is_retired=False), 'for each dcn: key')

    def test_release_that_warns_of_the_namespace(self):
        self.assert_warns(
            self.isolation(f'{nova_checks.ISOLATION_OPTION} = mine'),
            'warning per host and request. Replace the filter with')
        self.assert_warns(self.isolation(), 'for each dcn: key',
                          'Replace it with')


class VolumeZonesTest(NovaChecksTestCase):

    def test_closed(self):
        self.assert_success(self.checks(
            '[cinder]\ncross_az_attach = false').volume_zones())

    def test_open_as_by_default(self):
        self.assert_warns(self.checks().volume_zones(),
                          '[cinder] cross_az_attach is true', 'nova-compute')


class DatabaseTestCase(NovaChecksTestCase):

    def connected(self, *aggregates, text=''):
        url = self.files.write_database(*aggregates)
        return self.checks(
            f'[DEFAULT]\n{text}\n[api_database]\nconnection = {url}\n')

    def assert_skipped(self, connection, *texts):
        checks = self.checks('[DEFAULT]\ndefault_schedule_zone = dcn1\n'
                             f'[api_database]\nconnection = {connection}\n')
        for result in (checks.default_zone(), checks.sites()):
            self.assert_warns(result, 'skipped: ', *texts)
            self.assertNotIn('secret', result.details)
            self.assertNotIn('Traceback', result.details)

    def test_no_connection(self):
        checks = self.checks('[DEFAULT]\ndefault_schedule_zone = dcn1')
        for result in (checks.default_zone(), checks.sites()):
            self.assert_warns(
                result, 'skipped: [api_database] connection is not set')

    def test_no_server(self):
        self.assert_skipped(
            'mysql+pymysql://nova:secret@127.0.0.1:1/nova_api',
            'the API database does not answer: ')

    def test_no_file(self):
        self.assert_skipped(
            f'sqlite:///{self.files.path}/nowhere/nova_api.db',
            'the API database does not answer: ')

    def test_no_tables(self):
        self.assert_skipped(
            f'sqlite:///{self.files.path}/empty.db',
            'the API database does not answer: ', 'no such table')

    def test_no_url(self):
        for url in ('nova:secret@127.0.0.1', 'mysql://nova:secret@h:port/db'):
            self.assert_skipped(
                url, '[api_database] connection is no address of a database')

    def test_no_driver(self):
        self.assert_skipped('mysql+nothing://nova:secret@127.0.0.1/db',
                            '[api_database] connection is no address')
        self.useFixture(fixtures.MonkeyPatch(
            'sys.modules', {**sys.modules, 'pymysql': None}))
        self.assert_skipped('mysql+pymysql://nova:secret@127.0.0.1/db',
                            'the API database does not answer: ', 'pymysql')

    def test_is_asked_once(self):
        checks = self.connected(({'availability_zone': 'dcn1'}, ['h1']),
                                text='default_schedule_zone = dcn1')
        self.assert_success(checks.default_zone())
        os.remove(os.path.join(self.files.path, 'nova_api.db'))
        self.assert_success(checks.sites())


class DefaultZoneTest(DatabaseTestCase):

    def zone(self, zone, *aggregates):
        return self.connected(*aggregates, text=(
            f'default_schedule_zone = {zone}')).default_zone()

    def test_none(self):
        self.assert_success(self.checks().default_zone())

    def test_live_zone(self):
        self.assert_success(self.zone(
            'dcn1', ({'availability_zone': 'dcn1'}, ['h1'])))

    def test_unknown_zone(self):
        self.assert_fails(
            self.zone('dcn2', ({'availability_zone': 'dcn1'}, ['h1'])),
            'default_schedule_zone = dcn2, but no host is in this zone')

    def test_zone_without_hosts(self):
        self.assert_fails(self.zone('dcn1', ({'availability_zone': 'dcn1'},
                                             [])), 'no host is in this zone')

    def test_zone_of_hosts_in_no_site(self):
        checks = self.checks('[DEFAULT]\ndefault_schedule_zone = nova')
        self.assert_success(checks.default_zone(),
                            'nova stands for the hosts in no site.')


class SitesTest(DatabaseTestCase):

    def test_good(self):
        self.assert_success(self.connected(
            ({'availability_zone': 'metro'}, ['h1', 'h2']),
            ({'dcn:site': 'dcn1', 'dcn:state': 'draining'}, ['h1']),
            ({'dcn:site': 'dcn2'}, ['h2'])).sites())

    def test_host_in_two_sites(self):
        self.assert_warns(
            self.connected(({'dcn:site': 'dcn1'}, ['h1', 'h2']),
                           ({'dcn:site': 'dcn2'}, ['h2'])).sites(),
            'its aggregates name the sites dcn1 and dcn2')

    def test_misspelt_state(self):
        self.assert_warns(
            self.connected(({'dcn:site': 'dcn1', 'dcn:state': 'drained'},
                            ['h1'])).sites(),
            'site dcn1: dcn:state=drained is none of')

    def test_many(self):
        result = self.connected(*(
            ({'dcn:site': f'dcn{number:02}', 'dcn:state': 'no'},
             [f'h{number}'])
            for number in range(12))).sites()
        self.assert_warns(result, 'site dcn09: ', 'And 2 more.')
        self.assertNotIn('site dcn10: ', result.details)
