# SPDX-License-Identifier: Apache-2.0

from keystoneauth1 import exceptions as ks_exceptions

from dcn_plugins.glance import location_api
from tests.unit.glance import test_image_api

PATH = 'DELETE /v2/stores/dcn0/image-1'


class LocationAPITest(test_image_api.ImageAPITestCase):

    def setUp(self):
        super().setUp()
        api = self.make(
            '[dcn]\nauth_type = none\ncopy_request_timeout_seconds = 5\n'
            f'copy_endpoint_override = {self.service.url}/\n')
        self.api = location_api.LocationAPI(api._conf)

    def remove(self, status):
        self.answers[PATH] = status, {'message': 'the reason'}
        return self.api.remove('image-1', 'dcn0')

    def test_it_is_removed(self):
        self.assertEqual('', self.remove(204))
        self.assertEqual(PATH, self.service.requests[-1][0])

    def test_one_that_is_gone(self):
        self.assertEqual('', self.remove(404))

    def test_refusals(self):
        for status in (403, 409):
            self.assertIn(f'HTTP {status}', self.remove(status))

    def test_nobody_knows(self):
        self.assertRaises(ks_exceptions.ClientException, self.remove, 500)
