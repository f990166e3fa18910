# SPDX-License-Identifier: Apache-2.0
"""Three sites that evict at the same time, on a real etcd.

Glance is one in memory that does what Glance does: it reads the locations of
an image, removes data, and saves the locations as it has read them, with other
requests in between.
"""

import threading
import time

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_removal
from dcn_plugins.glance import evictor
from dcn_plugins.glance import placement_jobs
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import removals
from tests.functional.locking import etcd_case

STORES = ('store1', 'store2', 'store3')
IMAGES, TIMES = 10, 20
WAIT_SECONDS = 600


class Glance:
    """Images with their data, and requests that come between each other."""

    def __init__(self):
        self.listed = {}
        self.data = {}
        self.removed = 0
        self.is_lost = False

    def spread(self, image_id):
        self.listed[image_id] = self.data[image_id] = STORES

    def get_image(self, image_id):
        return {'id': image_id, 'status': 'active', 'owner': 'a',
                'visibility': 'private', 'size': 1,
                'stores': ','.join(self.listed[image_id])}

    def get_stores(self, _image_id):
        return STORES

    def list_images(self):
        return [self.get_image(image_id) for image_id in list(self.listed)]

    def remove_copy(self, image_id, store):
        read = self.listed[image_id]
        if store not in read:
            return
        if len(read) == 1:
            raise exceptions.RemovalRefused(image_id, store, '403')
        time.sleep(0.001)
        self.data[image_id] = tuple(
            name for name in self.data[image_id] if name != store)
        self.removed += 1
        self.is_lost |= not self.data[image_id]
        time.sleep(0.001)
        self.listed[image_id] = tuple(
            name for name in read if name != store)


class Users:
    """Nothing was cloned from anything."""

    def check(self, image_id, store):
        """Do nothing."""

    reach = check


class EvictionTest(etcd_case.EtcdCase, testtools.TestCase):
    """Each site would take the last copy, if the others let it.

    To each of them another store is the central one, so that it is the others
    whose copies are to stay.
    """

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(name='dcn_plugins'))
        self.glance = Glance()
        self.sites = [self.site(number) for number in range(len(STORES))]

    def site(self, number):
        store = STORES[number]
        policy = policy_text.policy_of(
            f'version: 1\ncentral: {STORES[number - 1]}\n'
            'default: {stores: none}\n'
            f'evict: [{{name: {store}, stores: {store}, leave: unwanted}}]\n')
        found = placement_jobs.PlacementJobs(
            f'dcn-etcd3+http://{self.server.hosts}?ttl=60&timeout=20'
            f'&namespace={self.prefix[1:]}')
        self.addCleanup(found.close)
        return evictor.Evictor(
            found, self.glance, lambda: policy, frozenset([store]),
            copy_removal.CopyRemover(found.removals, self.glance, Users(),
                                     lambda: policy, found.holder),
            0, 1_000_000)

    def work(self, site, barrier):
        for _number in range(4):
            barrier.wait(WAIT_SECONDS)
            site.round()

    def evict(self):
        """Have all sites evict at once, until nothing leaves any more."""
        for store, site in zip(STORES, self.sites, strict=True):
            site._found.removals.write_notes(store, dict.fromkeys(
                self.glance.listed, copy_note.Note(1.0)))
        barrier = threading.Barrier(len(self.sites))
        threads = [threading.Thread(target=self.work, args=(site, barrier))
                   for site in self.sites]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
            self.assertFalse(thread.is_alive(), self.log.output)

    def test_last_copy_stays(self):
        for _time in range(TIMES):
            for number in range(IMAGES):
                self.glance.spread(f'image-{number}')
            self.evict()
            self.assertFalse(self.glance.is_lost)
            for image_id, stores in self.glance.listed.items():
                self.assertEqual((1, stores), (
                    len(stores), self.glance.data[image_id]))
        self.assertEqual(2 * IMAGES * TIMES, self.glance.removed)
        self.assertEqual([], self.sites[0]._found.removals.all())
        self.assertNotIn('has failed', self.log.output)

    def test_without_the_removal_in_etcd_it_is_lost(self):
        # What proves that the other test would see it.
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.removals.Removals.begin',
            lambda _removals, removal: removals.Held(removal, 1)))
        for name in ('change', 'end', 'gone'):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.placement.removals.Removals.{name}',
                lambda _removals, held, *_arguments: held))
        for _time in range(TIMES):
            for number in range(IMAGES):
                self.glance.spread(f'image-{number}')
            self.evict()
            if self.glance.is_lost:
                return
        self.fail('no copy was lost')
