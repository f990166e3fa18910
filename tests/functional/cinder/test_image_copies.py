# SPDX-License-Identifier: Apache-2.0
"""A volume from an image as cinder-volume makes it, Glance over HTTP.

The manager, its flow and Cinder's client of Glance are Cinder's own. The
driver does nothing but to look for what it could clone.
"""

import threading
import uuid

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
from dcn_plugins.cinder import job_flight
from dcn_plugins.conf import volume_images
from dcn_plugins import exceptions
from dcn_plugins.locking import connection
from dcn_plugins.placement import jobs
from tests.fakes import glance
from tests.fakes import lock
from tests.fakes import placement_worker
from tests.functional.locking import etcd_server

CONF = cfg.CONF
VOLUMES = 20
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


class JobsTest(ImageCopiesTest):
    """The same with the jobs of image placement, on a real etcd.

    A worker of glance-api does the jobs; cinder-volume itself asks Glance for
    no copy.
    """

    def setUp(self):
        self.etcd = etcd_server.EtcdServer()
        self.useFixture(self.etcd)
        self.namespace = f'/{uuid.uuid4()}'
        self.url = f'dcn-etcd3+http://{self.etcd.hosts}?namespace=' + (
            self.namespace)
        super().setUp()
        self.stop = threading.Event()
        self.connection = connection.Connection(
            connection.settings_of(self.url, 'a test'))
        self.addCleanup(self.connection.close)
        prefix = f'{self.namespace}/placement'
        self.jobs = jobs.Jobs(self.connection.client, prefix)
        self.worker = placement_worker.Worker.of(
            self.connection.client, self.connection.session, prefix,
            self.jobs, self.glance.url)
        thread = threading.Thread(target=self.work)
        self.addCleanup(thread.join, 60)
        self.addCleanup(self.stop.set)
        thread.start()

    def work(self):
        while not self.stop.wait(0.05):
            try:
                self.worker.step()
            except exceptions.EtcdError:
                # It was stopped by the test.
                pass

    def configure(self):
        super().configure()
        volume_images.register_opts(CONF)
        self.override_config('placement_jobs_url', self.url, 'dcn')

    def sources(self):
        """Return what the driver of another node has; no lock in common."""
        return image_sources.of_backend(
            CONF, 'dcn1',
            lambda *_where: image_locations.Snapshot(9, True),
            lock.LockService().get_lock)

    def test_volumes_of_many_nodes_at_once_are_one_transfer(self):
        self.glance.looks = 2 * VOLUMES
        # It is about how many copies there are, on however slow a machine.
        self.override_config('glance_request_timeout', 600)
        self.useFixture(fixtures.MockPatchObject(
            job_flight, 'UNCLAIMED_SECONDS', 600.0))
        found, errors = [], []

        def find(sources):
            try:
                found.append(sources.find(
                    self.user, (None, None), dict(
                        self.glance.images[IMAGE_ID], stores='central'),
                    FSID))
            except Exception as exc:
                errors.append(exc)

        threads = [threading.Thread(target=find, args=[self.sources()])
                   for _volume in range(VOLUMES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        self.assertEqual(([], [URL] * VOLUMES), (errors, found))
        self.assertEqual([(IMAGE_ID, 'dcn1')], self.glance.accepted)
        self.assertEqual([], self.warnings())

    def test_an_etcd_that_is_gone_is_no_reason_to_stream(self):
        self.stop.set()
        self.etcd.members[0].kill()
        self.assertEqual('available', self.create())
        self.assertEqual([URL], self.driver.cloned)
        self.streamed.assert_not_called()
        self.assertEqual([(IMAGE_ID, 'dcn1')], self.glance.accepted)
        [warning] = self.warnings()
        self.assertIn('Glance is asked directly', warning)
