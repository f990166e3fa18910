# SPDX-License-Identifier: Apache-2.0
"""Copies that leave stores of a real Glance, by way of a real etcd."""

import os
import threading
import time

import fixtures
from glance import context
from glance.db.sqlalchemy import api as database
from oslo_config import cfg

from dcn_plugins.conf import placement
from dcn_plugins.glance import copy_removal
from dcn_plugins.glance import copy_users
from dcn_plugins.glance import evictor
from dcn_plugins.glance import image_api
from dcn_plugins.glance import placement_jobs
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import policy_text
from tests.functional.glance import glance_api
from tests.functional.locking import etcd_server

CONF = cfg.CONF
STORES = ('store1', 'store2', 'store3')
DATA = b'IMAGEDATA'
POLICY = '''\
version: 1
central: store1
default: {stores: store1, may_ask: all}
evict:
  - {name: nothing else, stores: all, leave: unwanted, unused_for: 1s}
'''

#: Images, and how often each has copies in all stores that leave again. More
#: often is tests/functional/locking/test_eviction.py.
IMAGES, TIMES = 10, 4


class EvictionCase(glance_api.GlanceTestCase):

    def setUp(self):
        super().setUp()
        self.etcd = self.useFixture(etcd_server.EtcdServer())
        placement.register_opts(CONF)
        self.url = f'dcn-etcd3+http://{self.etcd.hosts}?ttl=10&timeout=5'

    def site(self, store, policy):
        """Return the evictor of one store, as of a process of its own."""
        found = placement_jobs.PlacementJobs(self.url)
        self.addCleanup(found.close)
        api = image_api.ImageAPI(CONF)
        return evictor.Evictor(
            found, api, lambda: policy, frozenset([store]),
            copy_removal.CopyRemover(
                found.removals, api, copy_users.CopyUsers(CONF),
                lambda: policy, found.holder), 0, 1_000_000)

    def path(self, store, image_id):
        return os.path.join(CONF[store].filesystem_store_datadir, image_id)

    def spread(self, image_id):
        """Have an image in all stores, as after copies to them."""
        admin = context.RequestContext(is_admin=True)
        there = self.stores_of(image_id)
        for store in set(STORES) - there:
            with open(self.path(store, image_id), 'wb') as file:
                file.write(DATA)
            database.image_location_add(admin, image_id, {
                'url': f'file://{self.path(store, image_id)}',
                'metadata': {'store': store}, 'status': 'active'})
        self.assertEqual(set(STORES), self.stores_of(image_id))

    def keys_of_removals(self):
        found = placement_jobs.PlacementJobs(self.url)
        try:
            return found.removals.all()
        finally:
            found.close()


class ConcurrentTest(EvictionCase):
    """Each site would take the last copy, if the others let it.

    To each of them another store is the central one, so that it is the others
    whose copies are to stay.
    """

    def setUp(self):
        super().setUp()
        self.start_glance(drivers=())
        self.sites = [
            self.site(store, policy_text.policy_of(
                f'version: 1\ncentral: {STORES[number - 1]}\n'
                'default: {stores: none}\n'
                f'evict: [{{name: {store}, stores: {store}, leave: unwanted, '
                'unused_for: 1s}]\n'))
            for number, store in enumerate(STORES)]

    def evict(self, images):
        """Have all sites evict at once, until nothing leaves any more."""
        old = dict.fromkeys(images, copy_note.Note(1.0))
        for store, site in zip(STORES, self.sites, strict=True):
            site._found.removals.write_notes(store, old)
        barrier = threading.Barrier(len(self.sites))

        def work(site):
            for _number in range(4):
                barrier.wait(glance_api.WAIT_SECONDS)
                site.round()

        threads = [threading.Thread(target=work, args=(site,))
                   for site in self.sites]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10 * glance_api.WAIT_SECONDS)
            self.assertFalse(thread.is_alive(), self.log.output)

    def test_last_copy_stays(self):
        images = [self.upload() for _number in range(IMAGES)]
        count = 0
        for _time in range(TIMES):
            for image_id in images:
                self.spread(image_id)
            self.evict(images)
            for image_id in images:
                store, = self.stores_of(image_id)
                with open(self.path(store, image_id), 'rb') as file:
                    self.assertEqual(DATA, file.read())
                self.assertEqual(1, sum(
                    os.path.exists(self.path(name, image_id))
                    for name in STORES))
                count += 1
        self.assertEqual(IMAGES * TIMES, count)
        self.assertEqual([], self.keys_of_removals())
        self.assertNotIn('has failed', self.log.output)


class PlacedTest(EvictionCase, glance_api.FilteredTestCase):
    """From the file of the policy to the end of a copy."""

    def test_copy_that_nobody_wants_leaves(self):
        for name, seconds in (('placement_worker.FIRST_LOOK', 0.1),
                              ('placement_worker.LOOK', 0.2),
                              ('placement_worker.LIST', 0.5),
                              ('evictor.LOOK', 0.2)):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.glance.{name}_SECONDS', seconds))
        path = os.path.join(self.test_dir, 'placement.yaml')
        with open(path, 'w') as file:
            file.write(POLICY.partition('evict')[0])
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.placement_jobs._shared', {}))
        self.start_glance(placement_policy_file=path,
                          placement_jobs_url=self.url,
                          placement_reconcile_seconds=10)
        image_id = self.upload(dcn_sites='store2')
        self.wait_for_stores(image_id, 'store1', 'store2')
        self.wait_for_import(image_id)
        self.patch(image_id, 'replace', '/dcn_sites', 'none')
        time.sleep(3)
        # Without "evict" nothing leaves.
        self.assertEqual({'store1', 'store2'}, self.stores_of(image_id))
        with open(path, 'w') as file:
            file.write(POLICY)
        self.wait_for_stores(image_id, 'store1')
        self.assertFalse(os.path.exists(self.path('store2', image_id)))
        self.wait_for_log(f'Image {image_id} has left store2: no rule')
        self.assertEqual([], self.keys_of_removals())
        # What is asked for again comes again.
        self.patch(image_id, 'replace', '/dcn_sites', 'store3')
        self.wait_for_stores(image_id, 'store1', 'store3')
        self.wait_for_import(image_id)
