# SPDX-License-Identifier: Apache-2.0
"""Both checks in the pipeline of a real glance-api."""

import os
import textwrap
import time

from oslo_config import cfg

from dcn_plugins.conf import health
from tests.functional.glance import glance_api

CONF = cfg.CONF

#: Of a machine that has much else to do.
LIMIT_SECONDS = 30.0

_HEALTHCHECK = '''
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
backends = disable_by_file
'''


class HealthTestCase(glance_api.GlanceTestCase):

    backends = 'dcn_dlm, dcn_stores'

    def setUp(self):
        super().setUp()
        health.register_store_opts(CONF)
        # Others would find the backends of this test.
        self.addCleanup(CONF.clear_override, 'backends', 'healthcheck')

    def setup_simple_paste(self):
        super().setup_simple_paste()
        with open(self.paste_config) as file:
            text = textwrap.dedent(file.read())
        if '[app:healthcheck]' not in text:
            # Glance has it in the file that it comes with, but not in that of
            # its tests, up to 30.0.
            text = text.replace('/v2: apiv2app', '/v2: apiv2app\n'
                                '/healthcheck: healthcheck') + _HEALTHCHECK
        changed = text.replace('backends = disable_by_file',
                               f'backends = {self.backends}')
        self.assertNotEqual(text, changed)
        with open(self.paste_config, 'w') as file:
            file.write(changed)

    def begin(self, **options):
        self.config(group='dcn', **options)
        self.start_server()

    def ask(self):
        return self.api_get('/healthcheck')


class HealthTest(HealthTestCase):

    def test_nothing_to_ask(self):
        self.begin()
        response = self.ask()
        self.assertEqual(200, response.status_code, response.text)
        self.assertIn('dcn_dlm does not check all it should', response.text)
        self.assertIn('dcn_stores does not check all it should',
                      response.text)
        self.assertIn('ERROR The health check dcn_dlm', self.log.output)
        self.assertIn('store1 is no RBD store', self.log.output)

    def test_etcd_is_away(self):
        self.begin(health_etcd_url='dcn-etcd3+http://127.0.0.1:1')
        response = self.ask()
        self.assertEqual(503, response.status_code, response.text)
        # On a busy machine the first one may be that there was no answer.
        deadline = time.monotonic() + LIMIT_SECONDS
        while 'the DLM of the site takes no writes' not in response.text:
            self.assertLess(time.monotonic(), deadline, response.text)
            time.sleep(0.05)
            response = self.ask()
        self.assertNotIn('127.0.0.1', response.text)
        # Only what is asked of it is refused.
        self.assertEqual(200, self.api_get('/v2/images').status_code)


class RBDStoreTest(HealthTestCase):

    backends = 'dcn_stores'

    def test_no_cluster(self):
        conf = os.path.join(self.test_dir, 'ceph.conf')
        with open(conf, 'w') as file:
            file.write('[global]\nmon_host = 127.0.0.1:1\n'
                       'auth_client_required = none\n')
        CONF.register_opts([
            cfg.StrOpt('rbd_store_user'), cfg.StrOpt('rbd_store_ceph_conf'),
            cfg.StrOpt('rbd_store_pool'),
            cfg.IntOpt('rados_connect_timeout', default=-1)], 'far')
        self.config(group='far', rbd_store_user='glance',
                    rbd_store_ceph_conf=conf, rbd_store_pool='images')
        self.begin(health_stores=['far', 'store1'])
        self.config(enabled_backends={**CONF.enabled_backends, 'far': 'rbd'})
        response = self.ask()
        self.assertEqual(503, response.status_code, response.text)
        self.assertIn('Ceph of store far', response.text)
        self.assertIn('store1 is no RBD store', self.log.output)
