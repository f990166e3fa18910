# SPDX-License-Identifier: Apache-2.0
"""Images that come where a policy wants them, by jobs in a real etcd."""

import os

import fixtures

from dcn_plugins.placement import jobs
from tests.functional.glance import glance_api
from tests.functional.locking import etcd_server

POLICY = '''\
version: 1
central: store1
default: {stores: [store1, store2], may_ask: all}
'''


class PlacementTest(glance_api.FilteredTestCase):

    def setUp(self):
        super().setUp()
        self.etcd = self.useFixture(etcd_server.EtcdServer())
        self.client = self.etcd.client()
        self.addCleanup(self.client.close)
        self.jobs = jobs.Jobs(self.client, '/dcn/placement')
        for name, seconds in (('FIRST_LOOK', 0.1), ('LOOK', 0.2),
                              ('LIST', 0.5), ('PAUSE', 0.5)):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.glance.placement_worker.{name}_SECONDS',
                seconds))
        path = os.path.join(self.test_dir, 'placement.yaml')
        with open(path, 'w') as file:
            file.write(POLICY)
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.placement_jobs._shared', {}))
        self.start_glance(
            placement_policy_file=path, placement_jobs_url=(
                f'dcn-etcd3+http://{self.etcd.hosts}?ttl=5&timeout=1'))

    def wait_for_no_jobs(self):
        self.wait_for(lambda: not self.jobs.entries(), 'the end of all jobs')

    def test_policy_without_a_property(self):
        image_id = self.upload()
        self.wait_for_stores(image_id, 'store1', 'store2')
        self.wait_for_no_jobs()
        self.assertEqual({}, self.jobs.claims())
        self.assertEqual(1, self.asked.count(f'/v2/images/{image_id}/import'))

    def test_image_that_nobody_has_announced(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_hook.CopyHook.notify',
            lambda *_arguments: None))
        image_id = self.upload()
        # The first request has woken the thread, and it has compared already,
        # before there was an image.
        with self.worker()._changed:
            self.worker()._due['all'] = 0.0
        self.wait_for_stores(image_id, 'store1', 'store2')

    def test_user_who_asks_for_another_store_meanwhile(self):
        go_on = self.hold('store2')
        image_id = self.upload()
        self.wait_for_log(f'Glance was asked to copy image {image_id}')
        self.wait_for(lambda: 'os_glance_import_task' in self.api_get(
            f'/v2/images/{image_id}').json, 'our copy')
        response = self._import_copy(image_id, ['store3'])
        self.assertEqual(202, response.status_code, response.text)
        self.assertEqual({'store2', 'store3'}, {
            entry.job.store for entry in self.jobs.entries(image_id)})
        # What is no lock is answered by Glance.
        self.assertEqual(
            409, self._import_copy(image_id, ['nothing']).status_code)
        go_on.set()
        self.wait_for_stores(image_id, 'store1', 'store2', 'store3')
        self.wait_for_no_jobs()

    def test_import_of_somebody_else_is_left_to_glance(self):
        go_on = self.hold('store3')
        image_id = self.upload(dcn_sites='none')
        self.assertEqual(
            202, self._import_copy(image_id, ['store3']).status_code)
        self.assertEqual(
            409, self._import_copy(image_id, ['store2']).status_code)
        go_on.set()
        self.wait_for_import(image_id)

    def test_deletion(self):
        go_on = self.hold('store2')
        image_id = self.upload()
        self.wait_for_log(f'Glance was asked to copy image {image_id}')
        self.assertEqual(
            204, self.api_delete(f'/v2/images/{image_id}').status_code)
        self.wait_for(lambda: image_id in self.jobs.tombstones(),
                      'the tombstone')
        go_on.set()
        self.wait_for(lambda: not self.jobs.claims(), 'the end of the work')
        self.assertEqual([], self.jobs.entries())

    def test_etcd_that_is_away(self):
        member, = self.etcd.members
        member.kill()
        image_id = self.upload()
        self.assertEqual({'store1'}, self.stores_of(image_id))
        self.wait_for_log('WARNING Image placement waits: etcd does not')
        member.start()
        member.wait_ready()
        self.wait_for_stores(image_id, 'store1', 'store2')
        self.wait_for_no_jobs()
