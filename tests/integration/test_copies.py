# SPDX-License-Identifier: Apache-2.0
"""The copy hook in each site's real glance-api."""

import openstack

from tests.integration import lab_case
from tests.lab import layout as layouts


class CopyHookTest(lab_case.LabCase):

    def upload(self, site, data, **properties):
        """Upload an image to a site's own glance-api, without an import."""
        base = self.lab.url('glance', site) + '/v2'
        client = self.user.cloud.session
        endpoint = {'endpoint_override': base, 'endpoint_filter':
                    {'service_type': 'image'}}
        answer = client.post('/images', json={
            'name': self.name(), 'disk_format': 'raw',
            'container_format': 'bare', **properties}, **endpoint)
        openstack.exceptions.raise_from_response(answer)
        image = answer.json()['id']
        self.addCleanup(self.user.cloud.image.delete_image, image)
        answer = client.put(
            f'/images/{image}/file', data=data,
            headers={'Content-Type': 'application/octet-stream'}, **endpoint)
        openstack.exceptions.raise_from_response(answer)
        return image

    def test_upload_at_an_edge_reaches_another_edge(self):
        # The edge's glance-api does not have that store: the central one
        # is asked.
        image = self.upload(self.near, b'x' * (1 << 20),
                            dcn_sites=f'{layouts.CENTRAL},{self.far}')
        self.user.wait_copies(image, self.lab.sites, 120)

    def test_all_means_every_store(self):
        image = self.import_image([layouts.CENTRAL], dcn_sites='all')
        self.user.wait_copies(
            image, [*self.lab.sites, layouts.ARCHIVE], 180)

    def test_a_property_that_is_set_later_counts(self):
        image = self.import_image([layouts.CENTRAL])
        answer = self.user.cloud.image.patch(
            f'/images/{image}',
            headers={'Content-Type':
                     'application/openstack-images-v2.1-json-patch'},
            json=[{'op': 'add', 'path': '/dcn_sites', 'value': self.far}])
        openstack.exceptions.raise_from_response(answer)
        self.user.wait_copies(image, [layouts.CENTRAL, self.far], 120)
        self.assertEqual(sorted([layouts.CENTRAL, self.far]),
                         self.user.stores(image))

    def test_a_store_that_does_not_exist_is_told_the_others_are_served(self):
        text = self.log_since(self.cloud[f'glance-{layouts.CENTRAL}'])
        # "dcn" is the beginning of real names, and no name itself.
        image = self.import_image([layouts.CENTRAL],
                                  dcn_sites=f'dcn,{self.near}')
        self.user.wait_copies(image, [layouts.CENTRAL, self.near], 120)
        self.assert_logs(text, image, 'dcn_sites')
        self.assertEqual(sorted([layouts.CENTRAL, self.near]),
                         self.user.stores(image))

    def test_no_property_no_copy(self):
        image = self.import_image([self.near])
        marker = self.import_image([layouts.CENTRAL], dcn_sites=self.near)
        self.user.wait_copies(marker, [layouts.CENTRAL, self.near], 120)
        self.assertEqual([self.near], self.user.stores(image))
