# SPDX-License-Identifier: Apache-2.0
"""Volumes of images that their site lacks, on real Glance, etcd and Ceph."""

from keystoneauth1.identity import v3
from keystoneauth1 import session

from dcn_plugins.cinder import image_api
from dcn_plugins.cinder import image_locations
from tests.contracts import image_api_contract
from tests.integration import lab_case
from tests.lab import catalogue
from tests.lab import deadline
from tests.lab import inifile
from tests.lab import layout as layouts
from tests.lab.services import ceph
from tests.lab.services import cinder
from tests.lab.services import settings

POOL = 'images'


class ServiceAccess:
    """What ``image_access.Access`` offers, for Cinder's own user."""

    def __init__(self, lab, site):
        credentials = settings.credentials(lab, 'cinder')
        del credentials['auth_type']
        self._auth = v3.Password(**credentials)
        self._url = lab.url('glance', site)
        self.session = session.Session(timeout=60)

    def url(self, _context):
        return self._url

    def user(self, _context):
        return self._auth

    def services(self):
        return []


class ImageCopiesCase(lab_case.LabCase):
    """The site is the far one, with two cinder-volumes in a cluster."""

    def setUp(self):
        super().setUp()
        self.glance = self.cloud[f'glance-{self.far}']
        self.volume_services = [
            self.cloud[f'cinder-volume-{cinder.volume_host(self.far, number)}']
            for number in range(cinder.volumes(self.lab, self.far))]

    def new_image(self):
        """Return the id of a raw image that only the central site has."""
        image_id = self.import_image([layouts.CENTRAL])
        self.assertEqual('raw', self.user.image(image_id)['disk_format'])
        return image_id

    def break_copy(self, image_id):
        """Leave at the far site what a glance-api that is killed leaves."""
        name = f'{POOL}/{image_id}'
        ceph.rbd(self.lab, self.far, 'create', '--size', '1M', name)
        self.addCleanup(ceph.rbd, self.lab, self.far, 'rm', '--no-progress',
                        name)

    def parent(self, volume):
        return self.user.parent(self.far, 'volumes', f'volume-{volume.id}')

    def assert_clone(self, volume, image_id):
        self.assertEqual(f'{POOL}/{image_id}@{image_locations.SNAPSHOT}',
                         self.parent(volume))


class ContractTest(image_api_contract.ImageAPIContract, ImageCopiesCase):

    context = None

    # These have nothing to do with Ceph; tests/functional/glance runs them on
    # Glance's own API.
    test_a_second_request_is_not_taken = None
    test_a_copy_that_fails_is_told = None
    test_stores_are_told = None
    test_a_store_that_does_not_exist_looks_like_a_busy_image = None
    test_an_image_that_does_not_exist = None

    def setUp(self):
        super().setUp()
        self.store = self.far
        self.images = image_api.ImageAPI(ServiceAccess(self.lab, self.far))

    def test_every_copy_has_the_name_that_a_guess_relies_on(self):
        image_id = self.new_image()
        self.ask(image_id)
        self.wait_idle(image_id)
        self.assertEqual(
            {image_locations.Location(ceph.fsid(self.lab, site), POOL,
                                      image_id, image_locations.SNAPSHOT).url
             for site in (layouts.CENTRAL, self.far)},
            {location['url'] for location in self.images.locations(
                None, image_id)})


class CopyTest(ImageCopiesCase):

    def test_the_image_comes_and_the_volume_is_a_clone(self):
        image_id = self.new_image()
        volume = self.volume(self.far, image_id=image_id)
        self.assertEqual(sorted([layouts.CENTRAL, self.far]),
                         self.user.stores(image_id))
        self.assert_clone(volume, image_id)

    def test_six_volumes_at_once_are_one_request(self):
        image_id = self.new_image()
        text = self.log_since(self.glance)
        storage = self.user.cloud.block_storage
        asked = [storage.create_volume(
            name=self.name(), size=1, availability_zone=self.far,
            image_id=image_id) for _number in range(6)]
        self.addCleanup(self.user.delete_volume, *(v.id for v in asked))

        def are_made():
            return all(storage.get_volume(volume.id).status == 'available'
                       for volume in asked)

        deadline.wait('six volumes being available', are_made, 180)
        for volume in asked:
            self.assert_clone(volume, image_id)
        self.assertEqual(1, text().count(
            f'"POST /v2/images/{image_id}/import '), text())

    def test_what_does_not_come_is_streamed_and_a_warning_says_so(self):
        image_id = self.new_image()
        self.break_copy(image_id)
        texts = [self.log_since(service) for service in self.volume_services]
        volume = self.volume(self.far, image_id=image_id)
        self.assertEqual('', self.parent(volume))
        lines = [line for text in texts for line in text().splitlines()
                 if 'WARNING' in line and image_id in line
                 and 'dcn_plugins' in line]
        self.assertEqual(1, len(lines), lines)
        self.assertIn('Glance has failed to copy it', lines[0])


class HiddenTest(ImageCopiesCase):

    def test_a_copy_that_is_there_is_found_though_users_are_not_told(self):
        self.glance.stop()
        self.restored(self.glance)
        write = self.glance.prepare

        def hiding():
            write()
            with self.glance.conf.open('a') as conf:
                conf.write(inifile.text({'DEFAULT': {
                    'show_multiple_locations': 'false',
                    'show_image_direct_url': 'false'}}))

        self.glance.prepare = hiding
        self.glance.start()
        text = self.log_since(self.glance)
        image_id = self.new_image()
        for _number in range(2):
            self.assert_clone(self.volume(self.far, image_id=image_id),
                              image_id)
        self.assertEqual(1, text().count(
            f'"POST /v2/images/{image_id}/import '), text())


class FailTest(ImageCopiesCase):

    def setUp(self):
        super().setUp()
        self.restored(*self.volume_services)
        lab_case.stop(*self.volume_services)
        for service in self.volume_services:
            service.override = {'dcn': {'image_on_miss': 'fail'}}
        lab_case.start(*self.volume_services)
        catalogue.wait_services(self.lab, self.cloud.expected())

    def test_a_volume_of_an_image_that_is_elsewhere_is_refused(self):
        image_id = self.new_image()
        texts = [self.log_since(service) for service in self.volume_services]
        made = self.user.cloud.block_storage.create_volume(
            name=self.name(), size=1, availability_zone=self.far,
            image_id=image_id)
        self.addCleanup(self.user.delete_volume, made.id)
        deadline.wait('the volume being in error', lambda: (
            self.user.cloud.block_storage.get_volume(made.id).status
            == 'error'), 60)
        self.assertTrue(any('copy-image --store' in text()
                            for text in texts))
        self.assertEqual([layouts.CENTRAL], self.user.stores(image_id))
        # The remedy that the message names.
        self.user.copy(image_id, self.far)
        self.assert_clone(self.volume(self.far, image_id=image_id), image_id)
