# SPDX-License-Identifier: Apache-2.0
"""Many who need an image at once, at a site that has none of it."""

import time

import openstack

from tests.chaos import image_cloud
from tests.integration import lab_case
from tests.lab import catalogue
from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab.services import nova

NUMBER = 20
_SIZE, _DATA, _PLACE = 512 << 20, 384 << 20, 8 << 20
# Of what a line may carry beside the data: the headers of packets are 4 %, and
# all that the services of the site are told meanwhile counts as well.
_OVERHEAD = 0.05
_SECONDS = 600


class BurstCase(lab_case.LabCase):
    """An image that only the central store has."""

    def setUp(self):
        super().setUp()
        self.line = self.line_of(self.near)
        self.image_id = self.upload()

    def upload(self):
        """Return the id of a raw image of which most are data."""
        path = self.lab.path('state', self.name())
        self.addCleanup(path.unlink)
        # A glance-api at the edge reads whatever is stored, also zeros.
        image_cloud.scattered(path, _SIZE, _DATA, 1, _PLACE)
        image = self.user.cloud.image
        answer = image.post('/images', json={
            'name': path.name, 'disk_format': 'raw',
            'container_format': 'bare', 'visibility': 'public'})
        openstack.exceptions.raise_from_response(answer)
        image_id = answer.json()['id']
        self.addCleanup(image.delete_image, image_id)
        with path.open('rb') as file:
            answer = image.put(
                f'/images/{image_id}/file', data=file, headers={
                    'Content-Type': 'application/octet-stream',
                    'X-Image-Meta-Store': layouts.CENTRAL}, timeout=_SECONDS)
        openstack.exceptions.raise_from_response(answer)
        self.assertEqual([layouts.CENTRAL], self.user.stores(image_id))
        return image_id

    def assert_one_transfer(self, ask):
        """Have something asked for, and look what the line has carried."""
        before = self.line.tell('stat')['ab_bytes']
        began = time.monotonic()
        ask()
        seconds = time.monotonic() - began
        ratio = (self.line.tell('stat')['ab_bytes'] - before) / _DATA
        # For whoever runs it by hand.
        print(f'\n{NUMBER} in {seconds:.0f} s, the line has carried '
              f'{ratio:.3f} of {_DATA >> 20} MiB', flush=True)
        self.assertEqual(sorted([layouts.CENTRAL, self.near]),
                         self.user.stores(self.image_id))
        self.assertLessEqual(ratio, 1 + _OVERHEAD)

    def assert_clones(self, pool, names):
        for name in names:
            self.assertEqual(f'images/{self.image_id}@snap',
                             self.user.parent(self.near, pool, name))


class VolumesTest(BurstCase):

    def test_twenty_volumes_are_one_transfer_and_clones(self):
        made = []
        self.assert_one_transfer(lambda: self.create(made))
        self.assert_clones('volumes', [f'volume-{one}' for one in made])

    def create(self, made):
        storage = self.user.cloud.block_storage
        self.allow(storage, volumes=2 * NUMBER)
        self.addCleanup(lambda: self.user.delete_volume(
            *made, seconds=_SECONDS))
        for _number in range(NUMBER):
            made.append(storage.create_volume(
                name=self.name(), size=1, availability_zone=self.near,
                image_id=self.image_id).id)

        def are_made():
            found = {volume.id: volume.status for volume in storage.volumes()}
            bad = [one for one in made if 'error' in found[one]]
            if bad:
                raise deadline.LabError(f'volumes in error: {bad}')
            return all(found[one] == 'available' for one in made)

        deadline.wait('all volumes being available', are_made, _SECONDS, 1)


class ServersTest(BurstCase):
    """Only with real guests: Nova's fake driver has no disks."""

    def test_twenty_servers_are_one_transfer_and_clones(self):
        self.assertTrue(self.lab.has_real_guests,
                        'the lab was made without --guests real')
        made = []
        self.assert_one_transfer(lambda: self.boot(made))
        self.assert_clones('vms', [f'{one}_disk' for one in made])

    def make_room(self, ratio):
        """Have placement take so many vCPUs of the site for each real one.

        nova-compute keeps what it finds there.

        :return: the ratio before.
        """
        placement = self.user.cloud.placement
        hosts = [nova.compute_host(self.near, number)
                 for number in range(nova.computes(self.lab, self.near))]
        for provider in placement.resource_providers():
            if provider.name in hosts:
                path = f'/resource_providers/{provider.id}/inventories/VCPU'
                told = placement.get(path).json()
                openstack.exceptions.raise_from_response(placement.put(
                    path, json={**told, 'allocation_ratio': ratio}))
        return told['allocation_ratio']

    def boot(self, made):
        compute = self.user.cloud.compute
        self.allow(compute, instances=2 * NUMBER, cores=2 * NUMBER)
        self.addCleanup(self.make_room, self.make_room(float(NUMBER)))
        self.addCleanup(lambda: self.user.delete_server(
            *made, seconds=_SECONDS))
        flavor = compute.find_flavor(catalogue.FLAVOR)
        for _number in range(NUMBER):
            answer = compute.post('/servers', microversion='2.90', json={
                'server': {'name': self.name(), 'flavorRef': flavor.id,
                           'imageRef': self.image_id, 'networks': 'none',
                           'availability_zone': self.near}})
            openstack.exceptions.raise_from_response(answer)
            made.append(answer.json()['server']['id'])

        def are_active():
            found = {server.id: server.status for server in compute.servers()}
            bad = [one for one in made if found[one] == 'ERROR']
            if bad:
                raise deadline.LabError(f'servers in ERROR: {bad}')
            return all(found[one] == 'ACTIVE' for one in made)

        deadline.wait('all servers being ACTIVE', are_active, _SECONDS, 2)
