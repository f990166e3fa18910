# SPDX-License-Identifier: Apache-2.0

import importlib.metadata
from unittest import mock

from dcn_plugins.cmd import cinder_checks
from dcn_plugins.cmd import etcd_checks
from dcn_plugins.health import verdict
from tests.unit.cmd import service_files

OURS = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'
BACKEND = f'[DEFAULT]\nenabled_backends = ceph\n[ceph]\nvolume_driver = {OURS}'
CLUSTER = f'[DEFAULT]\ncluster = dcn0\nenabled_backends = ceph\n[ceph]\n' \
          f'volume_driver = {OURS}\n[coordination]\nbackend_url = '
PASTE = '''
[pipeline:healthcheck]
pipeline = request_id healthcheckapp
[app:healthcheckapp]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
backends = disable_by_file, %s
'''


class CinderTestCase(service_files.ServiceTestCase):

    module = cinder_checks
    name = 'cinder.conf'

    def checks(self, text=''):
        return cinder_checks.CinderChecks(self.conf(text))


class OptionsTest(CinderTestCase):

    def test_good(self):
        self.assert_success(self.checks(
            '[dcn]\nlock_wait_seconds = 5\nhealth_deadline_seconds = 1\n'
            'image_locality = prefer').options())

    def test_misspelt(self):
        self.assert_warns(self.checks('[dcn]\nlock_wait = 5').options(),
                          'lock_wait is not an option of [dcn]',
                          'Did you mean lock_wait_seconds?')


class DriversTest(CinderTestCase):

    def test_ours(self):
        self.assert_success(self.checks(BACKEND).drivers())

    def test_stock(self):
        self.assert_warns(
            self.checks(BACKEND.replace(
                OURS, 'cinder.volume.drivers.rbd.RBDDriver')).drivers(),
            '[ceph] has the stock RBD driver', OURS)

    def test_misspelt(self):
        self.assert_fails(
            self.checks(BACKEND.replace('rbd_driver', 'rbd')).drivers(),
            'there is no such driver')

    def test_another_kind(self):
        self.assert_success(self.checks(BACKEND.replace(
            OURS, 'cinder.volume.drivers.lvm.LVMVolumeDriver')).drivers())

    def test_no_backend(self):
        self.assert_warns(self.checks().drivers(), 'enabled_backends')


class CoordinationTest(CinderTestCase):

    def test_ours(self):
        self.assert_success(self.checks(
            CLUSTER + 'dcn-etcd3+http://a,b,c?ttl=15').coordination())

    def test_ours_with_a_mistake(self):
        self.assert_fails(
            self.checks(CLUSTER + 'dcn-etcd3+http://a?tll=15').coordination(),
            'there is no option tll')

    def test_cluster_with_locks_of_one_node(self):
        for url in ('file:///var/lib/cinder', 'ipc://', ''):
            self.assert_fails(self.checks(CLUSTER + url).coordination(),
                              'cluster = dcn0', 'end at this node')

    def test_cluster_and_the_default(self):
        self.assert_fails(
            self.checks('[DEFAULT]\ncluster = dcn0').coordination(), 'file')

    def test_one_node(self):
        self.assert_success(self.checks(BACKEND).coordination(), 'by itself')

    def test_not_ours(self):
        found = self.checks(
            CLUSTER + 'etcd3+http://u:geheim@a:1').coordination()
        self.assert_warns(found, 'not cut off from Ceph')
        self.assertNotIn('geheim', found.details)


class ZonesTest(CinderTestCase):

    def test_no_fallback(self):
        self.assert_success(self.checks().zones())

    def test_fallback(self):
        self.assert_warns(
            self.checks('[DEFAULT]\nallow_availability_zone_fallback = '
                        'true').zones(), 'is made at another one')


class EtcdTest(CinderTestCase):

    def test_nobody_listens(self):
        for scheme in ('dcn-etcd3', 'etcd3'):
            self.assert_warns(
                self.checks(CLUSTER + f'{scheme}+http://127.0.0.1:1').etcd(),
                'takes no writes', '127.0.0.1:1')

    def test_answers(self):
        with mock.patch.object(etcd_checks.dlm.Question, '__call__',
                               return_value=verdict.Verdict(True)):
            self.assert_success(self.checks(
                CLUSTER + 'dcn-etcd3+http://127.0.0.1:1').etcd())

    def test_no_etcd(self):
        self.assert_success(self.checks(CLUSTER + 'redis://a').etcd())

    def test_files_of_tls(self):
        self.assert_fails(
            self.checks(CLUSTER + 'dcn-etcd3+https://a?ca_cert=/no').etcd(),
            'is of no use', 'cinder-volume does not start')


class ToozTest(CinderTestCase):

    def test_of_this_environment(self):
        self.assert_success(etcd_checks.tooz())

    def test_the_one_that_does_not_wait(self):
        with mock.patch.object(importlib.metadata, 'version',
                               return_value='9.0.0'):
            self.assert_fails(etcd_checks.tooz(), 'tooz 9.0.0')

    def test_none(self):
        with mock.patch.object(
                importlib.metadata, 'version',
                side_effect=importlib.metadata.PackageNotFoundError('tooz')):
            self.assert_fails(etcd_checks.tooz(), 'is not installed')


class SchedulerTest(CinderTestCase):

    def filters(self, names):
        return self.checks(
            f'[DEFAULT]\nscheduler_default_filters = {names}').filters()

    def test_good(self):
        self.assert_success(self.filters(
            'DCNSiteFilter,AvailabilityZoneFilter'))
        self.assert_success(self.checks(
            '[DEFAULT]\nscheduler_default_weighers = '
            'CapacityWeigher,DCNSiteWeigher').weighers())

    def test_default(self):
        self.assert_warns(self.checks().filters(), 'DCNSiteFilter is not in')
        self.assert_warns(self.checks().weighers(), 'DCNSiteWeigher is not')

    def test_not_the_first(self):
        self.assert_warns(
            self.filters('AvailabilityZoneFilter,DCNSiteFilter'),
            'Put it first')

    def test_misspelt(self):
        self.assert_fails(self.filters('DCNSitesFilter,CapacityFilter'),
                          'DCNSitesFilter of scheduler_default_filters is not '
                          'installed')


class HealthTest(CinderTestCase):

    def health(self, backends, url='dcn-etcd3+http://a'):
        path = self.write('api-paste.ini', PASTE % backends)
        return self.checks(
            f'[DEFAULT]\napi_paste_config = {path}\n[coordination]\n'
            f'backend_url = {url}').health()

    def test_good(self):
        self.assertIsNone(self.health('dcn_dlm').details)

    def test_none_of_ours(self):
        self.assert_success(self.health('disable_by_file'),
                            'None of ours')

    def test_misspelt(self):
        self.assert_warns(self.health('dcn_dml'),
                          'dcn_dml is no health check')

    def test_nothing_to_ask(self):
        self.assert_warns(self.health('dcn_dlm', 'file:///tmp'),
                          'dcn_dlm checks nothing and passes')

    def test_of_the_other_service(self):
        self.assert_warns(self.health('dcn_stores'), 'it is for glance-api')

    def test_no_file(self):
        self.assert_success(self.checks(
            '[DEFAULT]\napi_paste_config = gone.ini').health(), 'skipped')
