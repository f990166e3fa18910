# SPDX-License-Identifier: Apache-2.0
"""A volume from an image as cinder-volume makes it, Glance over HTTP.

The manager, its flow and Cinder's client of Glance are Cinder's own. The
driver does nothing but to look for what it could clone.
"""

from cinder import context
from cinder import coordination
from cinder import exception
from cinder import objects
from cinder.tests.unit import test
from cinder.tests.unit import utils as tests_utils
from cinder.volume import configuration
from cinder.volume.drivers import rbd
from cinder.volume.flows.manager import create_volume
from cinder.volume import manager
import fixtures
from keystoneauth1 import loading
from oslo_config import cfg

from dcn_plugins.cinder import image_locations
from dcn_plugins.cinder import image_sources
from dcn_plugins.conf import volume_images
from tests.fakes import glance
from tests.fakes import lock

CONF = cfg.CONF
IMAGE_ID = 'c7a8b8d4-3c0f-4d5e-9f6a-1b2c3d4e5f60'
FSID = 'fsid-1'
URL = f'rbd://{FSID}/images/{IMAGE_ID}/snap'


class LookingDriver(rbd.RBDDriver):
    """Remembers what it would have cloned."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        volume_images.register_opts(CONF)
        self.cloned = []
        self.sources = image_sources.of_backend(
            CONF, 'dcn1',
            lambda *_where: image_locations.Snapshot(9, True),
            coordination.COORDINATOR.get_lock)

    def clone_image(self, context, volume, image_location, image_meta,
                    image_service):
        found = self.sources.find(context, image_location, image_meta, FSID)
        self.cloned.append(found)
        return {}, found is not None


class ImageCopiesTest(test.TestCase):

    def setUp(self):
        self.addCleanup(self.forget)
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            name='dcn_plugins', format='%(levelname)s %(message)s'))
        self.glance = self.useFixture(glance.FakeGlance())
        self.glance.add_image(IMAGE_ID, 'central')
        self.configure()
        self.useFixture(fixtures.MockPatchObject(
            coordination.COORDINATOR, 'get_lock',
            lock.LockService().get_lock))
        self.useFixture(fixtures.MockPatchObject(
            rbd.RBDDriver, '_update_volume_stats', lambda _driver: None))
        # What follows the driver's "no" is a download.
        self.streamed = self.useFixture(fixtures.MockPatchObject(
            create_volume.CreateVolumeFromSpecTask,
            '_create_from_image_cache_or_download', return_value={})).mock
        self.override_config('volume_driver', f'{__name__}.LookingDriver',
                             configuration.SHARED_CONF_GROUP)
        self.manager = manager.VolumeManager()
        self.driver = self.manager.driver
        self.driver.set_initialized()
        self.manager.stats = {'allocated_capacity_gb': 0, 'pools': {}}
        self.scheduler = self.useFixture(fixtures.MockPatchObject(
            self.manager, 'scheduler_rpcapi')).mock
        self.admin = context.get_admin_context()
        self.user = context.RequestContext(
            user_id='u', project_id='p', is_admin=False,
            auth_token='token-user', service_catalog=[])

    @staticmethod
    def forget():
        # Registered when the credentials are used, and required ever after.
        CONF.reset()
        CONF.unregister_opts(
            loading.get_auth_plugin_conf_options('v3password'),
            'service_user')

    def configure(self):
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write(f'''[service_user]
auth_type = v3password
auth_url = {self.glance.url}/v3
username = cinder
password = SECRET
user_domain_id = default
project_name = service
project_domain_id = default
''')
        CONF([], default_config_files=[path])
        self.override_config('auth_strategy', 'keystone')
        self.override_config('glance_api_servers', [self.glance.url])

    def on_miss(self, what):
        self.override_config('image_on_miss', what, 'dcn')

    def create(self):
        """Create a volume from the image; return its status then."""
        self.volume = tests_utils.create_volume(
            self.user, host=CONF.host, status='creating')
        self.manager.create_volume(
            self.user, self.volume,
            {'image_id': IMAGE_ID, 'volume_properties': {'size': 1}},
            {'retry': {'num_attempts': 1}}, allow_reschedule=True)
        return self.status()

    def status(self):
        return objects.Volume.get_by_id(self.admin, self.volume.id).status

    def warnings(self):
        return [line for line in self.log.output.splitlines()
                if line.startswith('WARNING')]

    def test_the_image_comes_and_the_volume_is_a_clone(self):
        self.assertEqual('available', self.create())
        self.assertEqual([URL], self.driver.cloned)
        self.assertEqual([(IMAGE_ID, 'dcn1')], self.glance.accepted)
        self.streamed.assert_not_called()
        self.assertEqual([], self.warnings())

    def test_the_next_volume_finds_it(self):
        self.create()
        self.create()
        self.assertEqual([URL, URL], self.driver.cloned)
        self.assertEqual([(IMAGE_ID, 'dcn1')], self.glance.accepted)

    def test_it_is_found_whatever_users_are_shown(self):
        self.glance.add_copy(IMAGE_ID, 'dcn1')
        for shows in ((False, False), (False, True), (True, True)):
            (self.glance.are_locations_shown,
             self.glance.is_direct_url_shown) = shows
            self.create()
        self.assertEqual([URL] * 3, self.driver.cloned)
        self.assertEqual([], self.glance.accepted)

    def test_it_is_found_where_nobody_is_told_locations(self):
        self.glance.roles['cinder'] = []
        self.glance.add_copy(IMAGE_ID, 'dcn1')
        self.create()
        self.assertEqual([URL], self.driver.cloned)

    def test_what_does_not_come_is_streamed_with_one_warning(self):
        self.glance.broken.add(IMAGE_ID)
        self.assertEqual('available', self.create())
        self.assertEqual([None], self.driver.cloned)
        self.streamed.assert_called_once()
        [warning] = self.warnings()
        self.assertIn(IMAGE_ID, warning)

    def test_stock_streams_without_a_word(self):
        self.on_miss('stream')
        self.assertEqual('available', self.create())
        self.streamed.assert_called_once()
        self.assertEqual(([], []), (self.glance.accepted, self.warnings()))

    def test_a_refused_volume_is_in_error_and_not_tried_elsewhere(self):
        self.on_miss('fail')
        error = self.assertRaises(exception.ImageCopyFailure, self.create)
        self.assertIn('copy-image --store dcn1', str(error))
        self.assertEqual('error', self.status())
        self.scheduler.create_volume.assert_not_called()
        self.streamed.assert_not_called()
