# SPDX-License-Identifier: Apache-2.0
"""Sites that are chosen, closed and named, as a user meets them."""

import time

import openstack

from dcn_plugins import map_cache
from tests.integration import lab_case
from tests.lab import catalogue
from tests.lab import deadline

# [dcn] site_map_seconds has its default; a site that was opened may be passed
# over for that long, one that somebody names is not.
MAP_SECONDS = 10


class SchedulingCase(lab_case.LabCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = cls.user.import_image(
            cls.__name__, cls.image_url, cls.lab.sites)
        cls.addClassCleanup(
            cls.user.cloud.image.delete_image, cls.image)

    def server(self, **kwargs):
        made = self.user.server(self.name(), image_id=self.image, **kwargs)
        self.addCleanup(self.user.delete_server, made.id)
        return made

    def refusal(self, **kwargs):
        """Return the reason that the user of a refused server reads."""
        name = self.name()
        with self.assertRaises(deadline.LabError) as caught:
            self.user.server(name, image_id=self.image, **kwargs)
        failed = self.user.cloud.compute.find_server(name)
        self.addCleanup(self.user.delete_server, failed.id)
        return str(caught.exception)


class OpenSitesTest(SchedulingCase):
    """No site is closed: these tests may run side by side."""

    def test_hint_chooses_the_site(self):
        for site in self.lab.sites:
            server = self.server(hints={'dcn_site': site})
            self.assertTrue(server.compute_host.startswith(f'{site}-'),
                            server.compute_host)

    def test_hint_that_names_no_site(self):
        reason = self.refusal(hints={'dcn_site': 'dcn77'})
        self.assertIn('the scheduler hint dcn_site names dcn77, which does '
                      'not exist; name a live site', reason)

    def test_flavor_chooses_the_site_and_is_checked(self):
        compute = self.user.cloud.compute
        flavor = compute.create_flavor(name=self.name(), ram=128, vcpus=1,
                                       disk=0)
        self.addCleanup(compute.delete_flavor, flavor)
        for wrong in ({'dcn:sites': self.far}, {'dcn:site': 'dcn 1;'},
                      {'dcn:image_locality': 'maybe'}):
            with self.assertRaises(openstack.exceptions.BadRequestException):
                compute.create_flavor_extra_specs(flavor, wrong)
        compute.create_flavor_extra_specs(flavor, {'dcn:site': self.far})
        server = self.server(flavor=flavor.name)
        self.assertTrue(server.compute_host.startswith(f'{self.far}-'),
                        server.compute_host)

    def test_image_that_must_be_there(self):
        compute = self.user.cloud.compute
        flavor = compute.create_flavor(name=self.name(), ram=128, vcpus=1,
                                       disk=0)
        self.addCleanup(compute.delete_flavor, flavor)
        compute.create_flavor_extra_specs(
            flavor, {'dcn:image_locality': 'require'})
        self.image = self.import_image([self.lab.sites[0], self.far])
        server = self.server(flavor=flavor.name, hints={
            'dcn_site': [self.near, self.far]})
        self.assertTrue(server.compute_host.startswith(f'{self.far}-'),
                        server.compute_host)
        reason = self.refusal(flavor=flavor.name, zone=self.near)
        self.assertIn('the image is not there but in '
                      f'{", ".join(sorted([self.lab.sites[0], self.far]))}; '
                      f'copy the image to store {self.near}', reason)

    def test_servers_of_one_request_are_in_one_site(self):
        name = self.name()
        flavor = self.user.cloud.compute.find_flavor(catalogue.FLAVOR)
        answer = self.user.cloud.compute.post(
            '/servers', microversion='2.90', json={'server': {
                'name': name, 'flavorRef': flavor.id, 'networks': 'none',
                'imageRef': self.image, 'min_count': 3, 'max_count': 3}})
        openstack.exceptions.raise_from_response(answer)

        def made():
            found = [s for s in self.user.cloud.compute.servers()
                     if s.name.startswith(name)]
            return found if len(found) == 3 and all(
                s.status == 'ACTIVE' for s in found) else None

        servers = deadline.wait('three servers', made, 120, 1)
        for server in servers:
            self.addCleanup(self.user.delete_server, server.id)
        sites = {s.compute_host.rsplit('-compute-', 1)[0] for s in servers}
        self.assertEqual(1, len(sites), sites)


class ClosedSitesTest(SchedulingCase):

    def close(self, site, state):
        self.user.set_site(site, state=state)
        self.addCleanup(self.user.set_site, site, state=None)

    def test_draining_site_takes_no_new_server(self):
        self.close(self.far, 'draining')
        reason = self.refusal(zone=self.far)
        self.assertIn(f'site {self.far}: it is draining and takes no new '
                      'servers', reason)
        self.assertIn('have dcn:state set to enabled', reason)
        # And again when it is opened, though the map is older: it is only
        # refused from a map that has just been read.
        self.user.set_site(self.far, state=None)
        time.sleep(map_cache.FRESH_SECONDS)
        self.assertTrue(self.server(zone=self.far).compute_host.startswith(
            f'{self.far}-'))

    def test_draining_site_takes_no_new_volume(self):
        log = self.log_since(self.cloud['cinder-scheduler'])
        self.close(self.far, 'draining')
        # Twice [dcn] site_map_seconds of the lab's cinder-scheduler.
        time.sleep(5)
        self.volume(self.near)
        with self.assertRaises(deadline.LabError):
            self.volume(self.far)
        for volume in self.user.cloud.block_storage.volumes():
            if volume.status == 'error':
                self.user.delete_volume(volume.id)
        self.assert_logs(log, 'DCNSiteFilter', 'state')

    def test_server_without_a_wish_avoids_a_closed_site(self):
        self.close(self.near, 'disabled')
        self.close(self.lab.sites[0], 'disabled')
        time.sleep(MAP_SECONDS)
        for _number in range(3):
            self.assertTrue(self.server().compute_host.startswith(
                f'{self.far}-'))

    def test_migration_inside_a_draining_site(self):
        server = self.server(zone=self.near)
        self.close(self.near, 'draining')
        before = server.compute_host
        moved = self.user.migrate(server.id)
        self.assertNotEqual(before, moved.compute_host)
        self.assertTrue(moved.compute_host.startswith(f'{self.near}-'))
        self.user.confirm(server.id)
