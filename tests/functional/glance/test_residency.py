# SPDX-License-Identifier: Apache-2.0
"""The paste filter in Glance's own pipeline, behind Glance's own contexts."""

import os

from tests.functional.glance import glance_api

POLICY = '''\
version: 1
central: store1
residency:
  - name: stays in store1 and store2
    projects: [{project}]
    stores: [store1, store2]
default: {{stores: store1, may_ask: all}}
'''


class ResidencyTest(glance_api.FilteredTestCase):

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.test_dir, 'placement.yaml')

    def begin(self, text=POLICY):
        with open(self.path, 'w') as file:
            file.write(text.format(project=self.TENANT))
        self.config(group='dcn', placement_policy_file=self.path)
        self.start_server()

    def check_refused(self, response):
        self.assertEqual(403, response.status_code, response.text)
        self.assertIn('stays in store1 and store2', response.text)
        self.assertIn('It may be in: store1, store2.', response.text)

    def wait_and_check_stores(self, image_id, *stores):
        self.wait_for_import(image_id)
        self.wait_for_stores(image_id, *stores)

    def test_copy(self):
        self.begin()
        image_id = self.upload()
        for stores in (['store3'], ['store2', 'store3']):
            self.check_refused(self._import_copy(image_id, stores))
        self.assertEqual(
            202, self._import_copy(image_id, ['store2']).status_code)
        self.wait_and_check_stores(image_id, 'store1', 'store2')
        response = self.api_post(f'/v2/images/{image_id}/import', json={
            'method': {'name': 'copy-image'}, 'all_stores': True})
        self.check_refused(response)
        # Nothing was begun, so nothing holds the image.
        self.wait_and_check_stores(image_id, 'store1', 'store2')

    def test_property_does_not_help(self):
        self.begin()
        image_id = self.upload(dcn_sites='all', image_type='backup')
        self.check_refused(self._import_copy(image_id, ['store3']))

    def test_upload_and_import(self):
        self.begin()
        image_id = self.create()
        data = {'data': b'IMAGEDATA', 'headers': {
            'Content-Type': 'application/octet-stream',
            'X-Image-Meta-Store': 'store3'}}
        self.check_refused(self.api_put(f'/v2/images/{image_id}/file',
                                        **data))
        data['headers']['X-Image-Meta-Store'] = 'store2'
        self.assertEqual(204, self.api_put(
            f'/v2/images/{image_id}/file', **data).status_code)
        self.assertEqual({'store2'}, self.stores_of(image_id))
        image_id = self._create_and_stage()
        self.check_refused(self._import_direct(image_id, ['store3']))
        self.assertEqual(202, self._import_direct(
            image_id, ['store1', 'store2']).status_code)
        self.wait_and_check_stores(image_id, 'store1', 'store2')

    def test_other_projects_are_not_bound(self):
        self.begin(POLICY.replace('{project}', 'another'))
        image_id = self.upload()
        self.assertEqual(
            202, self._import_copy(image_id, ['store3']).status_code)
        self.wait_and_check_stores(image_id, 'store1', 'store3')

    def test_rule_that_is_changed_while_glance_runs(self):
        self.begin(POLICY.replace('{project}', 'another'))
        image_id = self.upload()
        with open(self.path, 'w') as file:
            file.write(POLICY.format(project=self.TENANT))
        self.wait_for(
            lambda: self._import_copy(image_id, ['store3', 'nothing']
                                      ).status_code == 403,
            'the new policy')

    def test_glance_answers_for_what_it_refuses(self):
        self.begin()
        nobody = '00000000-0000-4000-8000-000000000000'
        self.assertEqual(
            404, self._import_copy(nobody, ['store3']).status_code)
        queued = self.create()
        # Nor is it told apart from one that may not be seen.
        others = self._headers({'X-Tenant-Id': 'other', 'X-Roles': 'member'})
        response = self.api_request(
            'POST', f'/v2/images/{queued}/import',
            headers={**others, 'Content-Type': 'application/json'},
            json={'method': {'name': 'copy-image'}, 'stores': ['store3']})
        self.assertEqual(404, response.status_code, response.text)
        self.assertNotIn('stays', response.text)
        self.assertEqual(
            409, self._import_copy(queued, ['store2']).status_code)

    def test_no_policy_at_all(self):
        self.begin('version: 3\n')
        image_id = self.upload()
        response = self._import_copy(image_id, ['store2'])
        self.assertEqual(503, response.status_code, response.text)
        self.assertEqual({'store1'}, self.stores_of(image_id))
        self.assertIn("line 1: version '3' is not known", self.log.output)
