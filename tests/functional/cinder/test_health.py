# SPDX-License-Identifier: Apache-2.0
"""``dcn_dlm`` in the paste file that Cinder comes with."""

import os
import shutil
import sys
import time

# It registers [coordination], as cinder-api does.
from cinder import coordination  # noqa: F401
from cinder.tests.unit import test
import fixtures
from oslo_config import cfg
from paste import deploy
import webob

from tests.functional.locking import etcd_server

CONF = cfg.CONF

#: Of a machine that has much else to do.
LIMIT_SECONDS = 30.0


class HealthTest(test.TestCase):

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(etcd_server.EtcdServer())
        # Of the healthcheck that is loaded here; it is global to the process.
        self.addCleanup(CONF.clear_override, 'backends', 'healthcheck')
        self.paste = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'api-paste.ini')
        shutil.copy(os.path.join(sys.prefix, 'etc/cinder/api-paste.ini'),
                    self.paste)
        with open(self.paste) as file:
            text = file.read()
        changed = text.replace('backends = disable_by_file',
                               'backends = disable_by_file,dcn_dlm')
        self.assertNotEqual(text, changed)
        with open(self.paste, 'w') as file:
            file.write(changed)

    def load(self, url):
        self.override_config('backend_url', url, group='coordination')
        return deploy.loadapp(f'config:{self.paste}', name='healthcheck')

    def ask(self, app):
        return webob.Request.blank('/healthcheck').get_response(app)

    def test_the_etcd_of_coordination(self):
        for scheme, query in (('dcn-etcd3+http', 'ttl=15'),
                              ('etcd3+http', 'api_version=v3')):
            url = f'{scheme}://{self.server.hosts}?{query}'
            self.assertEqual(200, self.ask(self.load(url)).status_int)
        self.server.members[0].kill()
        app = self.load(url)
        self.assertEqual(503, self.ask(app).status_int)
        # On a busy machine the first one may be that there was no answer.
        deadline = time.monotonic() + LIMIT_SECONDS
        while ('the DLM of the site takes no writes'
               not in self.ask(app).text):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_locks_of_a_file_pass(self):
        answer = self.ask(self.load('file:///var/lib/cinder'))
        self.assertEqual(200, answer.status_int)
        self.assertIn('dcn_dlm does not check all it should', answer.text)
