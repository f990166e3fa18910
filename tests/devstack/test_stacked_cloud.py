# SPDX-License-Identifier: Apache-2.0
"""The services start with what the plugin of DevStack has written."""

import http.client

import openstack

from tests.devstack import stack as stacks
from tests.integration import lab_case
from tests.lab import layout as layouts
from tests.lab.services import etcd


class StackedCloudTest(lab_case.LabCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack = stacks.Stack(cls.lab, cls.cloud)
        logs = {one.name: cls.log_since(one)
                for one in cls.stack.services}
        cls.stack.up()
        cls.logs = logs
        # To one store, as it is DevStack's Glance that stages and copies it.
        cls.image = cls.user.import_image(cls.__name__, cls.image_url,
                                          [layouts.CENTRAL])
        cls.addClassCleanup(cls.user.cloud.image.delete_image, cls.image)
        cls.user.copy(cls.image, cls.near)

    def site_of(self, host):
        """Return the site whose aggregate has a host: they are spread."""
        return next(found.availability_zone for found
                    in self.user.cloud.compute.aggregates()
                    if host in (found.hosts or ()))

    def server(self, **wishes):
        made = self.user.server(self.name(), **wishes)
        self.addCleanup(self.user.delete_server, made.id)
        return made

    def test_each_service_has_loaded_us(self):
        for name, word in (('nova-scheduler', 'DCNSiteFilter loaded'),
                           ('cinder-volume-devstack', 'DCNRBDDriver loaded'),
                           (self.stack.glance.name, 'dcn_copy loaded')):
            self.assert_logs(self.logs[name], f'{word} (dcn_plugins ')

    def test_sites_are_zones_of_nova_and_cinder(self):
        cloud = self.user.cloud
        found = {zone.name for zone in cloud.compute.availability_zones()
                 if zone.name != 'internal'}
        self.assertEqual(set(self.lab.sites), found)
        self.assertEqual(set(self.lab.sites), {
            zone.name for zone in cloud.block_storage.availability_zones()})
        self.assertEqual({f'dcn-{site}' for site in self.lab.sites}, {
            one.name for one in cloud.compute.aggregates()})

    def test_scheduling(self):
        """Zone, hint, one call, and a move that stays in its site."""
        self.assertEqual(self.near, self.site_of(self.server(
            zone=self.near, image_id=self.image).compute_host))
        self.assertEqual(self.far, self.site_of(self.server(
            hints={'dcn_site': self.far}, image_id=self.image).compute_host))
        both = self.server(zone=self.near, volume_from_image=self.image)
        volume = self.user.cloud.block_storage.get_volume(
            both.attached_volumes[0].id)
        self.assertEqual((self.near, f'{stacks.HOST}@{self.near}'), (
            volume.availability_zone, volume.host.partition('#')[0]))
        self.assertEqual(
            f'images/{self.image}@snap', self.user.parent(
                self.near, 'volumes', f'volume-{volume.id}'))
        # Four computes in three sites, or more: the first has two.
        free = self.server(host=self.stack.hosts_of(layouts.CENTRAL)[0],
                           image_id=self.image)
        moved = self.user.migrate(free.id)
        self.assertNotEqual(free.compute_host, moved.compute_host)
        self.assertEqual(layouts.CENTRAL, self.site_of(moved.compute_host))
        self.user.confirm(free.id)

    def test_the_way_around_the_filter_is_closed(self):
        host = self.stack.hosts_of(self.far)[0]
        with self.assertRaises(openstack.exceptions.ForbiddenException):
            self.user.server(self.name(), zone=f'{self.near}:{host}',
                             image_id=self.image)

    def test_copies(self):
        """By the API, and by a property; both by our engine."""
        self.assert_copied(self.image, self.near)
        image_id = self.import_image([layouts.CENTRAL], dcn_sites=self.far)
        self.user.wait_copies(image_id, [layouts.CENTRAL, self.far])
        self.assert_copied(image_id, self.far)
        self.assertEqual(sorted([layouts.CENTRAL, self.far]),
                         self.user.stores(image_id))

    def assert_copied(self, image_id, store):
        self.assert_logs(self.logs[self.stack.glance.name],
                         f'Image {image_id} is in {store}: copied')

    def test_volumes_land_in_their_sites(self):
        for site in self.lab.sites:
            made = self.volume(site)
            self.assertEqual(f'{stacks.HOST}@{site}',
                             made.host.partition('#')[0])

    def test_health_is_that_of_etcd(self):
        member = self.cloud[f'etcd-{layouts.CENTRAL}-0']
        self.assertEqual(1, etcd.members(self.lab, layouts.CENTRAL))
        # The services have just been started; each question has 2 s.
        lab_case.deadline.wait('the health check being good',
                               lambda: self.health() == 200, 60)
        member.stop()
        self.addCleanup(member.start)
        lab_case.deadline.wait('the health check telling of etcd',
                               lambda: self.health() == 503, 60)

    def health(self):
        connection = http.client.HTTPConnection(
            self.lab.address(), self.stack.glance.listening_port, timeout=30)
        try:
            connection.request('GET', '/healthcheck')
            return connection.getresponse().status
        finally:
            connection.close()
