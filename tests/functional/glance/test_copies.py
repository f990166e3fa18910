# SPDX-License-Identifier: Apache-2.0

import threading

import fixtures

from dcn_plugins.glance import copy_request
from tests.functional.glance import glance_api


class CopiesTest(glance_api.GlanceTestCase):

    def hold_looks(self):
        """Return an event before which no image is looked at."""
        go_on = threading.Event()
        advance = copy_request.CopyRequest.advance

        def held(*args):
            go_on.wait(60)
            return advance(*args)

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_request.CopyRequest.advance',
            held))
        self.addCleanup(go_on.set)
        return go_on

    def test_upload(self):
        self.start_glance()
        image_id = self.upload(dcn_sites='store2,store3')
        self.wait_for_stores(image_id, 'store1', 'store2', 'store3')
        self.wait_for_log(f'INFO Image {image_id} is in all wanted stores '
                          '(store2,store3) after')
        self.wait_until_idle()
        self.assertEqual([f'/v2/images/{image_id}/import'], self.asked)

    def test_import(self):
        self.start_glance()
        image_id = self._create_and_import(
            stores=['store1'], extra={'dcn_sites': 'store3'})
        self.wait_for_stores(image_id, 'store1', 'store3')
        self.wait_until_idle()

    def test_all(self):
        self.start_glance()
        image_id = self.upload(dcn_sites='all')
        self.wait_for_stores(image_id, 'store1', 'store2', 'store3')

    def test_data_of_the_copy(self):
        self.start_glance()
        image_id = self.upload(dcn_sites='store2')
        self.wait_for_stores(image_id, 'store1', 'store2')
        with open(f'{self._store_dir("store2")}/{image_id}', 'rb') as file:
            self.assertEqual(b'IMAGEDATA', file.read())

    def test_property_that_is_set_later(self):
        self.start_glance()
        image_id = self.upload()
        self.patch(image_id, 'add', '/dcn_sites', 'store2')
        self.wait_for_stores(image_id, 'store1', 'store2')

    def test_property_that_is_changed_later(self):
        self.start_glance()
        image_id = self.upload(dcn_sites='store2')
        self.wait_for_stores(image_id, 'store1', 'store2')
        self.wait_until_idle()
        self.wait_for_import(image_id)
        self.patch(image_id, 'replace', '/dcn_sites', 'store2,store3')
        self.wait_for_stores(image_id, 'store1', 'store2', 'store3')

    def test_unknown_store(self):
        self.start_glance()
        image_id = self.upload(dcn_sites='store2,store33')
        self.wait_for_stores(image_id, 'store1', 'store2')
        self.assertIn(
            f'WARNING Image {image_id}: property dcn_sites=store2,store33 '
            'names store33, which is no store that can be written to; the '
            'stores are store1,store2,store3', self.log.output)

    def test_no_property(self):
        self.start_glance()
        plain = self.upload()
        wanted = self.upload(dcn_sites='store2')
        self.wait_for_stores(wanted, 'store1', 'store2')
        self.wait_until_idle()
        self.assertEqual({'store1'}, self.stores_of(plain))
        self.assertNotIn(plain, ''.join(self.asked))

    def test_image_that_is_everywhere_is_not_asked_for(self):
        self.start_glance()
        image_id = self.upload(dcn_sites='store1')
        self.wait_for_log(f'Image {image_id} is in all wanted stores')
        self.wait_until_idle()
        self.assertEqual([], self.asked)

    def test_task_that_holds_the_image(self):
        look = self.hold_looks()
        self.start_glance()
        go_on = self.hold('store2')
        image_id = self.upload(dcn_sites='store3')
        self.assertEqual(
            202, self._import_copy(image_id, ['store2']).status_code)
        look.set()
        self.wait_for_log(f'copy of image {image_id} has to wait: Conflict '
                          '(HTTP 409)')
        self.assertEqual({'store1'}, self.stores_of(image_id))
        go_on.set()
        self.wait_for_stores(image_id, 'store1', 'store2', 'store3')
        self.wait_until_idle()

    def test_deletion_while_waiting(self):
        look = self.hold_looks()
        self.start_glance()
        go_on = self.hold('store2')
        image_id = self.upload(dcn_sites='store3')
        self.assertEqual(
            202, self._import_copy(image_id, ['store2']).status_code)
        look.set()
        self.wait_for_log(f'copy of image {image_id} has to wait: Conflict '
                          '(HTTP 409)')
        response = self.api_delete(f'/v2/images/{image_id}')
        self.assertEqual(204, response.status_code, response.text)
        self.wait_until_idle()
        go_on.set()
        self.assertNotIn('ERROR', self.log.output)
        self.assertNotIn('WARNING', self.log.output)

    def test_store_that_fails_once_is_tried_again(self):
        self.start_glance()
        self.hold('store2', failures=1).set()
        image_id = self.upload(dcn_sites='store2,store3')
        self.wait_for_stores(image_id, 'store1', 'store2', 'store3')
        self.assertIn(f'WARNING Glance failed to copy image {image_id} to '
                      'store2', self.log.output)

    def test_store_that_always_fails_is_given_up(self):
        self.start_glance(copy_retry_seconds=15.0)
        self.hold('store2', failures=1000).set()
        image_id = self.upload(dcn_sites='store2,store3')
        self.wait_for_log(f'ERROR Image {image_id} was not copied within')
        self.wait_until_idle()
        self.assertEqual({'store1', 'store3'}, self.stores_of(image_id))
        self.assertIn('and lacks store2:', self.log.output)
        # Glance announces its own failures; they must not begin anew.
        self.assertEqual(1, self.log.output.count('was not copied within'))
        # Once a second would be more, and some are made before store3 is
        # there, at the pace of the machine.
        self.assertLess(len(self.asked), 12)

    def test_user_who_must_not_copy(self):
        self.service_roles = 'member,reader'
        self.start_glance()
        image_id = self.upload(dcn_sites='store2')
        self.wait_for_log(f'ERROR copy of image {image_id} to store2 was '
                          'refused: Forbidden (HTTP 403)')
        self.assertIn('policy copy_image', self.log.output)
        self.wait_until_idle()
        self.assertEqual(1, len(self.asked))

    def test_user_who_sees_nothing(self):
        self.service_roles = 'nothing'
        self.start_glance()
        image_id = self.upload(dcn_sites='store2')
        self.wait_for_log(f'WARNING Image {image_id}, just announced, was '
                          'not found')
        self.wait_until_idle()
        self.assertEqual([], self.asked)
