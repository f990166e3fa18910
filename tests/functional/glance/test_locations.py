# SPDX-License-Identifier: Apache-2.0

import os

from glance.async_.flows import _internal_plugins  # noqa: F401 (its options)

from tests.functional.glance import glance_api
from tests.unit.glance import http_service


class LocationsTest(glance_api.GlanceTestCase):
    """Nova's direct snapshots: data that are there, and then a location.

    A read-only http store stands for the Ceph cluster of the edge site.
    """

    def config(self, **options):
        if 'enabled_backends' in options:
            options['enabled_backends']['web'] = 'http'
        super().config(**options)

    def setUp(self):
        super().setUp()
        self.web = self.useFixture(http_service.HTTPService())
        for method in ('GET', 'HEAD'):
            self.web.answers[f'{method} /data'] = 200, 'IMAGEDATA'
        # Glance 33.0.0 asks the filter of web-download here too.
        self.config(group='import_filtering_opts',
                    allowed_hosts=['127.0.0.1'],
                    allowed_ports=[int(self.web.url.rpartition(':')[2])])
        self.location = {'url': self.web.url + '/data', 'metadata': {}}

    def test_patch(self):
        self.config(show_multiple_locations=True)
        self.start_glance()
        image_id = self.create(dcn_sites='store2')
        image = self.patch(image_id, 'add', '/locations/-', self.location)
        self.assertIsNone(image['os_hash_value'])
        self.wait_for_stores(image_id, 'web', 'store2')
        self.wait_until_idle()
        with open(os.path.join(self._store_dir('store2'), image_id)) as file:
            self.assertEqual('IMAGEDATA', file.read())

    def test_post(self):
        self.start_glance()
        image_id = self.create(dcn_sites='store2')
        response = self.api_post(f'/v2/images/{image_id}/locations',
                                 headers={'X-Roles': 'admin,member,service'},
                                 json={'url': self.location['url']})
        self.assertEqual(202, response.status_code, response.text)
        self.wait_for_stores(image_id, 'web', 'store2')
        self.wait_until_idle()
        image = self.api_get(f'/v2/images/{image_id}').json
        self.assertEqual(128, len(image['os_hash_value']))

    def test_all_is_without_read_only_stores(self):
        self.start_glance()
        image_id = self.upload(dcn_sites='all')
        self.wait_for_stores(image_id, 'store1', 'store2', 'store3')
        self.wait_until_idle()
        self.assertEqual(1, len(self.asked))
