# SPDX-License-Identifier: Apache-2.0
"""What copies before a clone rely on, in Glance itself."""

import os

from dcn_plugins.cinder import image_api
from dcn_plugins import exceptions
from tests.contracts import image_api_contract
from tests.fakes import glance
from tests.functional.glance import glance_api


class ImageAPITest(image_api_contract.ImageAPIContract,
                   glance_api.GlanceTestCase):
    """Without our hook; the token says who asks."""

    store = 'store2'
    context = None
    roles = {'token-cinder': 'admin,service', 'token-glance': 'service',
             'token-user': 'member,reader'}

    def setUp(self):
        super().setUp()
        self.start_glance(drivers=['noop'])
        self.images = self.make()

    def make(self, **kwargs):
        return image_api.ImageAPI(glance.KnownTokens(
            glance_api.CONF.dcn.copy_endpoint_override, **kwargs))

    def _serve(self, environ, start_response):
        self.service_roles = self.roles[environ['HTTP_X_AUTH_TOKEN']]
        self.roles_beside = self.roles.get(
            environ.get('HTTP_X_SERVICE_TOKEN'), '')
        return super()._serve(environ, start_response)

    def new_image(self):
        return self.upload(visibility='public')

    def break_copy(self, image_id):
        # As a partial copy of a glance-api that was killed.
        open(os.path.join(self._store_dir(self.store), image_id), 'x').close()

    def test_roles_that_suffice(self):
        image_id = self.new_image()
        user = self.make(services=())
        service = self.make(services=['glance'])
        for api in (user, service):
            self.assertRaises(exceptions.CopyRefused, api.request_copy,
                              None, image_id, self.store)
        self.assertRaises(exceptions.CopyRefused, user.locations, None,
                          image_id)
        self.assertEqual(1, len(service.locations(None, image_id)))
