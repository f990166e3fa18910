# SPDX-License-Identifier: Apache-2.0

import pathlib
import shutil
import sys
from unittest import mock

from dcn_plugins.cmd import etcd_checks
from dcn_plugins.cmd import glance_checks
from dcn_plugins.health import verdict
from tests.unit.cmd import service_files

STORES = '[DEFAULT]\nenabled_backends = central:rbd,dcn0:rbd,web:http\n' \
         '[glance_store]\ndefault_backend = central\n'
POLICY = 'version: 1\ncentral: central\ndefault: {stores: %s}\n'
FILTER = '\n[filter:dcn_placement]\nuse = egg:dcn_plugins#dcn_placement\n'


class GlanceTestCase(service_files.ServiceTestCase):

    module = glance_checks
    name = 'glance-api.conf'

    def checks(self, text=''):
        return glance_checks.GlanceChecks(self.conf(text))

    def with_policy(self, more='', text=POLICY % 'central'):
        path = self.write('placement.yaml', text)
        return self.checks(
            f'{STORES}[dcn]\nplacement_policy_file = {path}\n{more}')


class OptionsTest(GlanceTestCase):

    def test_good(self):
        self.assert_success(self.checks(
            '[dcn]\nauth_type = password\nusername = glance\n'
            'health_stores = central').options())

    def test_misspelt(self):
        self.assert_warns(self.checks('[dcn]\ncopy_path = dcn').options(),
                          'copy_path is not an option')

    def test_no_such_plugin(self):
        self.assert_fails(self.checks('[dcn]\nauth_type = pasword').options(),
                          'pasword')


class DriverTest(GlanceTestCase):

    def driver(self, *names):
        return self.checks('[oslo_messaging_notifications]\n' + ''.join(
            f'driver = {name}\n' for name in names)).driver()

    def test_good(self):
        self.assert_success(self.driver('messagingv2', 'dcn_copy'))

    def test_missing(self):
        self.assert_warns(self.driver('messagingv2'), 'dcn_copy is no driver')

    def test_misspelt(self):
        self.assert_warns(self.driver('dcn_copy', 'mesaging'),
                          'mesaging is no notification driver')


class DataPathTest(GlanceTestCase):

    def test_stock(self):
        self.assert_success(self.checks().data_path(), 'its own way')

    def test_this_glance_is_known(self):
        self.assert_success(self.checks(
            '[dcn]\ncopy_data_path = dcn\n[image_import_opts]\n'
            'image_import_plugins = [image_conversion,dcn_fan_out]'
        ).data_path())

    def test_another_glance(self):
        with mock.patch('dcn_plugins.glance.upstream_shape.differences',
                        return_value=['there is no x']):
            self.assert_warns(self.checks(
                '[dcn]\ncopy_data_path = dcn').data_path(), 'there is no x')

    def test_fan_out_is_not_the_last(self):
        self.assert_warns(self.checks(
            '[dcn]\ncopy_data_path = dcn\n[image_import_opts]\n'
            'image_import_plugins = [dcn_fan_out,image_conversion]'
        ).data_path(), '(image_conversion)', 'Put it last')


class PolicyTest(GlanceTestCase):

    def test_none(self):
        self.assert_success(self.checks().policy())

    def test_good(self):
        self.assert_success(self.with_policy().policy())

    def test_unreadable(self):
        self.assert_fails(
            self.checks('[dcn]\nplacement_policy_file = /gone').policy(),
            '/gone', '503')

    def test_mistake(self):
        self.assert_fails(self.with_policy(text='version: 9\n').policy(),
                          'placement.yaml', 'line 1')

    def test_no_such_store(self):
        self.assert_warns(
            self.with_policy(text=POLICY % 'dcn9').policy(),
            "line 3: there is no store 'dcn9'")

    def test_one_store(self):
        path = self.write('placement.yaml', POLICY % 'central')
        self.assert_warns(self.checks(
            f'[dcn]\nplacement_policy_file = {path}').policy(),
            'no enabled_backends')


class JobsTest(GlanceTestCase):

    def test_none(self):
        self.assert_success(self.checks().jobs())

    def test_policy_without_jobs(self):
        self.assert_warns(self.with_policy().jobs(), 'nothing is copied')

    def test_jobs_without_policy(self):
        self.assert_warns(self.checks(
            '[dcn]\nplacement_jobs_url = dcn-etcd3+http://a').jobs(),
            'has no effect')

    def test_answers(self):
        with mock.patch.object(etcd_checks.dlm.Question, '__call__',
                               return_value=verdict.Verdict(True)):
            self.assert_success(self.with_policy(
                'placement_jobs_url = dcn-etcd3+http://127.0.0.1:1').jobs())

    def test_nobody_listens(self):
        self.assert_warns(
            self.with_policy('placement_jobs_url = '
                             'dcn-etcd3+http://127.0.0.1:1').jobs(),
            '[dcn] placement_jobs_url', 'takes no writes')

    def test_no_etcd_of_ours(self):
        self.assert_fails(
            self.with_policy('placement_jobs_url = redis://a').jobs(),
            'its scheme is none of', 'Images are not copied')


class PasteTest(GlanceTestCase):
    """On the paste file of the Glance that is installed."""

    def setUp(self):
        super().setUp()
        self.paste = pathlib.Path(self.path, 'glance-api-paste.ini')
        shutil.copy(pathlib.Path(
            sys.prefix, 'etc/glance/glance-api-paste.ini'), self.paste)

    def change(self, *changes):
        text = self.paste.read_text()
        for before, after in changes:
            self.assertIn(before, text)
            text = text.replace(before, after)
        self.paste.write_text(text + FILTER)

    def found(self, flavor='keystone'):
        return self.with_policy(
            f'[paste_deploy]\nflavor = {flavor}').paste_filter()

    def test_behind_context(self):
        self.change((' context rootapp', ' context dcn_placement rootapp'))
        self.assert_success(self.found())

    def test_missing_in_this_flavor(self):
        self.change((' context rootapp', ' context dcn_placement rootapp'))
        self.assert_fails(self.found('keystone+caching'),
                          'flavor = keystone+caching',
                          'no residency is enforced')

    def test_before_context(self):
        self.change((' context rootapp', ' dcn_placement context rootapp'))
        self.assert_fails(self.found(), 'is not behind "context"')

    def test_stock(self):
        self.assert_fails(self.found(), 'dcn_placement is not in the pipeline')

    def test_no_such_flavor(self):
        self.assert_warns(self.found('keystoned'), 'has no pipeline')

    def test_no_file(self):
        self.paste.unlink()
        self.assert_warns(self.found(), 'cannot be read')

    def test_no_policy(self):
        self.assert_success(self.checks().paste_filter())

    def health(self, backends, text=''):
        self.change(('backends = disable_by_file',
                     f'backends = disable_by_file,{backends}'))
        return self.checks(STORES + text).health()

    def test_health(self):
        self.assertIsNone(self.health(
            'dcn_dlm,dcn_stores', '[dcn]\n'
            'health_etcd_url = dcn-etcd3+http://a').details)

    def test_health_without_etcd(self):
        self.assert_warns(self.health('dcn_dlm'),
                          '[dcn] health_etcd_url is not set')

    def test_health_of_other_stores(self):
        self.assert_warns(
            self.health('dcn_stores', '[dcn]\nhealth_stores = central,web,x'),
            'web, x is no RBD store')

    def test_stock_health(self):
        self.assert_success(self.checks(STORES).health(), 'None of ours')
