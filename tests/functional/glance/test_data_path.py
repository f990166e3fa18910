# SPDX-License-Identifier: Apache-2.0
"""copy-image between RBD stores by our engine, inside Glance."""

import importlib
import sys
import threading

import fixtures
from glance.async_.flows import api_image_import
from glance import context as glance_context
from glance import db
from glance.db.sqlalchemy import api as db_api
from oslo_config import cfg
from stevedore import extension

from dcn_plugins import exceptions
from dcn_plugins.glance import data_path
from dcn_plugins.imagecopy import request
from tests.fakes import rbd
from tests.functional.glance import glance_api
from tests.functional.glance import rbd_stores

CONF = cfg.CONF
NAMESPACE = 'glance.image_import.internal_plugins'
OURS = 'dcn_plugins.glance.copy_image'


class DataPathCase(rbd_stores.RBDStoresCase):

    def setUp(self):
        super().setUp()
        self.start_server()
        self.context = glance_context.RequestContext(is_admin=True)

    def hold(self, *stores):
        """Have copies to stores go on until the event returned is set."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        for store in stores:
            self.copier.before[store] = lambda: not go_on.is_set()
        return go_on

    def break_store(self, store):
        def fail():
            raise exceptions.ClusterUnreachable('writing', 'test')

        self.copier.before[store] = fail

    def held(self, image_id, *stores):
        """Return what ends a copy to stores that goes on now."""
        go_on = self.hold(*stores)
        self.ask(image_id, *stores)
        self.wait_for_importing(image_id)
        return go_on

    def wait_for_importing(self, image_id):
        self.wait_for(lambda: self.copier.asked
                      and self.bookkeeping(image_id)[0],
                      'the copy to begin')

    def delete_from(self, image_id, store):
        response = self.api_delete(f'/v2/stores/{store}/{image_id}')
        self.assertEqual(204, response.status_code, response.text)


class StockTest(DataPathCase):

    data_path = 'stock'

    def test_nothing_is_touched(self):
        image_id = self.upload_to('central')
        task = self.copied(image_id, 'dcn0', 'store2')
        self.assertEqual('success', task['status'])
        self.assertEqual({'central', 'dcn0', 'store2'},
                         self.stores_of(image_id))
        self.assertEqual([], self.copier.asked)
        self.assertEqual([], self.staged())
        self.assertNotIn('dcn_plugins', self.log.output)
        self.assertIn('Copied', task['message'])


class CopyTest(DataPathCase):

    def test_two_stores_in_one_request_to_the_engine(self):
        image_id = self.upload_to('central')
        task = self.copied(image_id, 'dcn0', 'dcn1')
        self.assertEqual('success', task['status'], self.log.output)
        self.assertEqual({'central', 'dcn0', 'dcn1'},
                         self.stores_of(image_id))
        for store in ('dcn0', 'dcn1'):
            self.assertEqual(rbd_stores.DATA, self.content(store, image_id))
        asked, = self.copier.asked
        self.assertEqual(
            (request.Place('central', '/etc/ceph/central.conf', 'glance',
                           'images', 5.0),), asked.sources)
        self.assertEqual(['dcn0', 'dcn1'],
                         [target.store for target in asked.targets])
        self.assertEqual(8 << 20, asked.object_bytes)
        self.assertEqual(self.image(image_id)['os_hash_value'],
                         asked.hash_value)
        self.assertEqual([], self.staged())
        self.assertEqual(('', ''), self.bookkeeping(image_id))
        self.assertIn(f'INFO Image {image_id} is copied by dcn_plugins from '
                      'central to dcn0,dcn1', self.log.output)

    def test_the_record_of_the_task(self):
        image_id = self.upload_to('central')
        task = self.copied(image_id, 'dcn0', 'dcn1')
        self.assertEqual(['dcn0', 'dcn1'], task['input']['backend'])
        self.assertEqual({'image_id': image_id}, task['result'])
        self.assertIn('dcn0 copied 0 MiB in 1s', task['message'])
        self.assertIn('dcn1 copied 0 MiB in 1s', task['message'])

    def test_a_copy_is_like_one_of_glance(self):
        image_id = self.upload_to('central')
        self.copied(image_id, 'dcn0')
        location = [found for found in db_api.image_get(
            self.context, image_id)['locations']
            if found['metadata']['store'] == 'dcn0'][0]
        del location['id']
        self.assertEqual(
            {'url': f'rbd://fsid-dcn0/images/{image_id}/snap',
             'metadata': {'store': 'dcn0'}, 'status': 'active'}, location)
        self.delete_from(image_id, 'central')
        data = self.api_get(f'/v2/images/{image_id}/file')
        self.assertEqual(rbd_stores.DATA, data.body)
        self.assertEqual(204, self.api_delete(
            f'/v2/images/{image_id}').status_code)
        self.assertEqual([], self.images_in('dcn0'))

    def test_locations_that_are_encrypted(self):
        self.config(metadata_encryption_key='0123456789abcdef')
        image_id = self.upload_to('central')
        self.copied(image_id, 'dcn0')
        urls = [found['url'] for found in db_api.image_get(
            self.context, image_id)['locations']]
        self.assertEqual([], [url for url in urls if 'rbd' in url])
        self.delete_from(image_id, 'central')
        data = self.api_get(f'/v2/images/{image_id}/file')
        self.assertEqual(rbd_stores.DATA, data.body)

    def test_stores_of_another_kind_are_left_to_glance(self):
        image_id = self.upload_to('central')
        task = self.copied(image_id, 'store2', 'dcn0', 'store3')
        self.assertEqual('success', task['status'], self.log.output)
        self.assertEqual({'central', 'dcn0', 'store2', 'store3'},
                         self.stores_of(image_id))
        asked, = self.copier.asked
        self.assertEqual(['dcn0'], [target.store for target in asked.targets])
        self.assertEqual([], self.staged())
        self.assertEqual(('', ''), self.bookkeeping(image_id))
        self.assertEqual(['store2', 'dcn0', 'store3'],
                         task['input']['backend'])

    def test_an_image_that_is_in_no_rbd_store(self):
        image_id = self.upload_to('store1')
        task = self.copied(image_id, 'dcn0', 'store2')
        self.assertEqual('success', task['status'], self.log.output)
        self.assertEqual({'store1', 'dcn0', 'store2'},
                         self.stores_of(image_id))
        self.assertEqual([], self.copier.asked)
        self.assertIn('none of its copies is in an RBD store',
                      self.log.output)

    def test_all_stores(self):
        image_id = self.upload_to('central')
        response = self.api_post(
            f'/v2/images/{image_id}/import', json={
                'method': {'name': 'copy-image'}, 'all_stores': True,
                'all_stores_must_succeed': False})
        self.assertEqual(202, response.status_code)
        self.assertEqual('success', self.ended(image_id)['status'])
        self.assertEqual({*rbd_stores.STORES, 'store1', 'store2', 'store3'},
                         self.stores_of(image_id))
        self.assertEqual(1, len(self.copier.asked))

    def test_no_store(self):
        image_id = self.upload_to('central')
        self.assertEqual('success', self.copied(image_id)['status'])
        self.assertEqual([], self.copier.asked)

    def test_each_store_is_listed_as_soon_as_it_is_whole(self):
        image_id = self.upload_to('central')
        go_on = self.hold('dcn1')
        self.ask(image_id, 'dcn0', 'dcn1')
        self.wait_for_stores(image_id, 'central', 'dcn0')
        self.wait_for(lambda: self.bookkeeping(image_id) == ('dcn1', ''),
                      'the end of the copy to dcn0')
        go_on.set()
        self.ended(image_id)
        self.wait_for_stores(image_id, 'central', 'dcn0', 'dcn1')

    def test_progress(self):
        image_id = self.upload_to('central')
        go_on = self.held(image_id, 'dcn0')
        self.wait_for(lambda: self.task(image_id)['message'] == (
            'dcn_plugins: dcn0 50% 0/0 MiB 1 MB/s ETA 0s'), 'progress')
        before = self.task(image_id)['updated_at']
        self.wait_for(lambda: self.task(image_id)['updated_at'] > before,
                      'a later time in the task')
        go_on.set()
        self.ended(image_id)

    def test_rates_also_of_a_copy_that_goes_on(self):
        self.config(group='dcn', copy_store_bytes_per_second=5)
        image_id = self.upload_to('central')
        go_on = self.held(image_id, 'dcn0')
        each = dict.fromkeys(rbd_stores.STORES, 5)
        self.assertEqual([{'total': None, 'stores': each}], self.rates)
        self.config(group='dcn', copy_bytes_per_second=7)
        self.wait_for(lambda: self.rates[-1] == {'total': 7, 'stores': each},
                      'the new rate')
        go_on.set()
        self.ended(image_id)
        self.assertEqual(2, len(self.rates))

    def test_the_default_store_is_the_first_source(self):
        image_id = self.upload_to('dcn1')
        self.copied(image_id, 'dcn0')
        self.copied(image_id, 'central')
        self.delete_from(image_id, 'dcn0')
        self.copied(image_id, 'dcn0')
        self.assertEqual(['central', 'dcn1'], [
            source.store for source in self.copier.asked[-1].sources])

    def test_a_source_that_does_not_answer(self):
        image_id = self.upload_to('central')
        self.copied(image_id, 'dcn0')
        self.cluster('central').is_up = False
        task = self.copied(image_id, 'dcn1')
        # Glance itself connects to all stores when a task ends.
        self.assertIn('dcn1', self.stores_of(image_id), self.log.output)
        self.assertEqual(rbd_stores.DATA, self.content('dcn1', image_id))
        self.assertEqual(('', ''), self.bookkeeping(image_id))
        self.assertIn('dcn1 copied', task['message'])

    def test_a_base_is_named(self):
        base = self.upload_to('central')
        for value, expected in ((base, base), ('volumes/x', None)):
            image_id = self.upload_to('central', base_image_ref=value)
            self.copied(image_id, 'dcn0')
            self.assertEqual(expected, self.copier.asked[-1].base)

    def test_what_is_there_and_was_not_registered(self):
        image_id = self.upload_to('central')
        pool = self.pool('dcn0')
        self.copier._write(pool, request.CopyRequest(image_id, image_id, (),
                                                     ()),
                           self.pool('central'),
                           self.pool('central').header(image_id))
        task = self.copied(image_id, 'dcn0')
        self.assertIn('dcn0 present', task['message'])
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))

    def test_details_of_stores(self):
        response = self.api_get('/v2/info/stores/detail')
        self.assertEqual(200, response.status_code, response.text)
        self.assertEqual({'rbd'}, {
            store['type'] for store in response.json['stores']
            if store['id'] in rbd_stores.STORES})

    def test_two_sizes_of_objects(self):
        self.config(group='dcn1', rbd_store_chunk_size=4)
        image_id = self.upload_to('central')
        self.copied(image_id, 'dcn0', 'dcn1')
        self.assertEqual(
            [('dcn0', 8 << 20), ('dcn1', 4 << 20)],
            [(asked.targets[0].store, asked.object_bytes)
             for asked in self.copier.asked])
        self.assertEqual({'central', 'dcn0', 'dcn1'},
                         self.stores_of(image_id))


class HashTest(DataPathCase):

    def test_one_that_nobody_knew_is_noted(self):
        self.config(show_multiple_locations=True)
        image_id = self.create()
        pool = self.pool('central')
        rbd.RBD().create(pool, image_id, len(rbd_stores.DATA))
        with rbd.Image(pool, image_id) as image:
            image.write(rbd_stores.DATA, 0)
            image.create_snap('snap')
            image.protect_snap('snap')
        self.patch(image_id, 'add', '/locations/-', {
            'url': f'rbd://fsid-central/images/{image_id}/snap',
            'metadata': {'store': 'central'}})
        self.assertIsNone(self.image(image_id)['os_hash_value'])
        self.copied(image_id, 'dcn0')
        self.assertIsNone(self.copier.asked[0].hash_value)
        found = self.image(image_id)
        self.assertEqual(128, len(found['os_hash_value']))
        self.assertEqual('sha512', found['os_hash_algo'])
        self.assertEqual(len(rbd_stores.DATA), found['size'])

    def test_a_source_of_another_content(self):
        image_id = self.upload_to('central')
        with rbd.Image(self.pool('central'), image_id) as image:
            image.write(b'other', 0)
        task = self.copied(image_id, 'dcn0')
        self.assertEqual('failure', task['status'])
        self.assertIn('the hash differs', task['message'])
        self.assertEqual([], self.images_in('dcn0'))


class FailureTest(DataPathCase):

    def test_one_of_two(self):
        image_id = self.upload_to('central')
        self.break_store('dcn1')
        task = self.copied(image_id, 'dcn0', 'dcn1')
        self.assertEqual('failure', task['status'])
        self.assertIn('dcn1: writing: Ceph does not answer: test',
                      task['message'])
        # What is whole stays, which is not so in Glance.
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))
        self.assertEqual(['dcn0', 'dcn1'], task['input']['backend'])
        self.assertEqual(('', 'dcn1'), self.bookkeeping(image_id))
        self.assertEqual('active', self.image(image_id)['status'])

    def test_one_of_two_that_need_not_all_succeed(self):
        image_id = self.upload_to('central')
        self.break_store('dcn1')
        task = self.copied(image_id, 'dcn0', 'dcn1',
                           all_stores_must_succeed=False)
        self.assertEqual('success', task['status'])
        self.assertIn('dcn1 failed: writing', task['message'])
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))
        self.assertEqual(('', 'dcn1'), self.bookkeeping(image_id))

    def test_a_store_of_ours_beside_one_of_glance(self):
        image_id = self.upload_to('central')
        self.break_store('dcn1')
        task = self.copied(image_id, 'store2', 'dcn1')
        self.assertEqual('failure', task['status'])
        self.assertEqual({'central'}, self.stores_of(image_id))
        self.assertEqual(('', 'dcn1'), self.bookkeeping(image_id))
        self.assertEqual([], self.staged())

    def test_the_next_request_succeeds_and_forgets(self):
        image_id = self.upload_to('central')
        self.break_store('dcn1')
        self.copied(image_id, 'dcn1')
        self.copier.before.clear()
        self.assertEqual('success', self.copied(image_id, 'dcn1')['status'])
        self.assertEqual(('', ''), self.bookkeeping(image_id))

    def test_no_source_answers(self):
        image_id = self.upload_to('central')
        self.pool('central').images.clear()
        task = self.copied(image_id, 'dcn0', 'dcn1')
        self.assertEqual('failure', task['status'])
        self.assertIn('is in no store that answers', task['message'])
        self.assertEqual(('', 'dcn0,dcn1'), self.bookkeeping(image_id))

    def test_quota(self):
        image_id = self.upload_to('central')
        self.config(user_storage_quota='100B')
        task = self.copied(image_id, 'dcn0')
        self.assertEqual('failure', task['status'])
        self.assertIn('100 bytes remaining', task['message'])
        self.assertEqual([], self.copier.asked)
        self.assertEqual(('', 'dcn0'), self.bookkeeping(image_id))

    def test_policy(self):
        image_id = self.upload_to('central')
        response = self.api_post(
            f'/v2/images/{image_id}/import',
            headers={'X-Roles': 'member,reader'},
            json={'method': {'name': 'copy-image'}, 'stores': ['dcn0']})
        self.assertEqual(403, response.status_code)
        self.assertEqual([], self.copier.asked)

    def test_an_error_that_nobody_expects(self):
        image_id = self.upload_to('central')

        def fail(*_args, **_kwargs):
            raise ZeroDivisionError('test')

        self.copier.copy = fail
        task = self.copied(image_id, 'dcn0')
        self.assertEqual('failure', task['status'])
        self.assertEqual(('', 'dcn0'), self.bookkeeping(image_id))


class MeanwhileTest(DataPathCase):
    """What happens to an image while it is copied."""

    def test_a_change(self):
        image_id = self.upload_to('central')
        go_on = self.held(image_id, 'dcn0')
        self.patch(image_id, 'add', '/colour', 'blue')
        go_on.set()
        self.assertEqual('success', self.ended(image_id)['status'])
        self.assertEqual('blue', self.image(image_id)['colour'])
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))

    def change_within(self, step):
        """Have a step of Glance's own read, and write after a change.

        Steps are numbered as they come: what ends the making of the flow,
        and the one that looks whether the image is active.
        """
        wrapper = api_image_import.ImportActionWrapper
        leave, steps = wrapper.__exit__, []

        def changed(wrapper, *exc):
            steps.append(wrapper)
            if len(steps) == step:
                self.patch(wrapper.image_id, 'add', '/colour', 'blue')
            return leave(wrapper, *exc)

        self.useFixture(fixtures.MonkeyPatch(
            'glance.async_.flows.api_image_import.ImportActionWrapper.'
            '__exit__', changed))
        image_id = self.upload_to('central')
        self.assertEqual('success',
                         self.copied(image_id, 'dcn0', 'dcn1')['status'])
        self.assertEqual(2, len(steps))
        self.assertEqual({'central', 'dcn0', 'dcn1'},
                         self.stores_of(image_id))
        self.assertEqual(('', ''), self.bookkeeping(image_id))
        return self.image(image_id).get('colour')

    def test_a_change_while_glance_begins(self):
        self.assertEqual('blue', self.change_within(1))

    def test_a_change_while_glance_ends(self):
        self.assertEqual('blue', self.change_within(2))

    def test_a_change_that_has_read_before_and_writes_after(self):
        image_id = self.upload_to('central')
        written = threading.Event()
        is_read = threading.Event()
        save = db.ImageRepo.save

        def late(repo, image, from_state=None):
            if image.extra_properties.get('colour') and not is_read.is_set():
                is_read.set()
                written.wait(glance_api.WAIT_SECONDS)
            return save(repo, image, from_state=from_state)

        self.useFixture(fixtures.MonkeyPatch('glance.db.ImageRepo.save', late))
        go_on = self.hold('dcn1')
        self.hold('dcn0').set()
        change = threading.Thread(target=self.patch, args=(
            image_id, 'add', '/colour', 'blue'))
        change.start()
        self.assertTrue(is_read.wait(glance_api.WAIT_SECONDS))
        self.ask(image_id, 'dcn0', 'dcn1')
        self.wait_for_stores(image_id, 'central', 'dcn0')
        written.set()
        change.join(glance_api.WAIT_SECONDS)
        self.assertEqual({'central'}, self.stores_of(image_id))
        go_on.set()
        self.ended(image_id)
        self.assertEqual({'central', 'dcn0', 'dcn1'},
                         self.stores_of(image_id))
        self.assertEqual('blue', self.image(image_id)['colour'])
        self.assertIn('it is listed again', self.log.output)

    def test_a_copy_elsewhere_that_is_deleted(self):
        image_id = self.upload_to('central')
        self.copied(image_id, 'dcn0')
        go_on = self.held(image_id, 'dcn1')
        self.delete_from(image_id, 'dcn0')
        go_on.set()
        self.assertEqual('success', self.ended(image_id)['status'])
        self.assertEqual({'central', 'dcn1'}, self.stores_of(image_id))
        self.assertEqual([], self.images_in('dcn0'))

    def test_a_copy_of_this_request_that_is_deleted(self):
        image_id = self.upload_to('central')
        go_on = self.hold('dcn1')
        self.ask(image_id, 'dcn0', 'dcn1')
        self.wait_for_stores(image_id, 'central', 'dcn0')
        self.delete_from(image_id, 'dcn0')
        go_on.set()
        self.assertEqual('success', self.ended(image_id)['status'])
        self.assertEqual({'central', 'dcn1'}, self.stores_of(image_id))
        self.assertEqual([], self.images_in('dcn0'))
        self.assertIn('was deleted from dcn0 meanwhile', self.log.output)

    def test_deletion_of_the_image(self):
        image_id = self.upload_to('central')
        go_on = self.held(image_id, 'dcn0', 'dcn1')
        response = self.api_delete(f'/v2/images/{image_id}')
        self.assertEqual(204, response.status_code, response.text)
        go_on.set()
        self.wait_for_log('Nothing more is written about image')
        for store in rbd_stores.STORES:
            self.wait_for(lambda store=store: not self.images_in(store),
                          f'{store} to be empty')

    def test_deletion_of_the_image_at_the_last_moment(self):
        image_id = self.upload_to('central')
        add = db_api.image_location_add

        def late(context, image_id, location):
            self.assertEqual(204, self.api_delete(
                f'/v2/images/{image_id}').status_code)
            return add(context, image_id, location)

        self.useFixture(fixtures.MonkeyPatch(
            'glance.db.sqlalchemy.api.image_location_add', late))
        self.ask(image_id, 'dcn0')
        self.wait_for_log('Nothing more is written about image')
        self.wait_for(lambda: not self.images_in('dcn0'), 'no orphan')
        rows = db_api.image_get(self.context, image_id,
                                force_show_deleted=True)['locations']
        self.assertEqual({'deleted'}, {row['status'] for row in rows})

    def test_a_task_that_somebody_ends(self):
        image_id = self.upload_to('central')
        self.held(image_id, 'dcn0', 'dcn1')
        task_id = self.task(image_id)['id']
        db_api.task_update(self.context, task_id, {'status': 'failure'})
        self.wait_for_import(image_id)
        self.assertEqual({'central'}, self.stores_of(image_id))
        self.assertEqual('', self.bookkeeping(image_id)[0])
        self.assertEqual([], self.images_in('dcn0'))

    def test_a_copy_that_is_whole_after_its_task_was_ended(self):
        image_id = self.upload_to('central')
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_watch.BEAT_SECONDS', 3600.0))
        go_on = self.held(image_id, 'dcn0')
        db_api.task_update(self.context, self.task(image_id)['id'],
                           {'status': 'failure'})
        go_on.set()
        self.wait_for_import(image_id)
        self.assertEqual({'central'}, self.stores_of(image_id))
        self.assertEqual([], self.images_in('dcn0'))

    def test_the_lock_that_another_takes(self):
        image_id = self.upload_to('central')
        go_on = self.held(image_id, 'dcn0')
        task_id = self.task(image_id)['id']
        db_api.image_delete_property_atomic(
            image_id, 'os_glance_import_task', task_id)
        db_api.image_set_property_atomic(
            image_id, 'os_glance_import_task', 'other')
        self.wait_for_log('Nothing more is written about image')
        go_on.set()
        self.wait_for(lambda: self.task(image_id)['status'] == 'failure',
                      'the end of the task')
        self.assertEqual([], self.images_in('dcn0'))
        # They belong to the other task now.
        self.assertEqual('dcn0', self.bookkeeping(image_id)[0])


class SeamTest(DataPathCase):
    """Two entry points of one name, and Glance as it should not be."""

    def load(self, *order):
        """Have both entry points loaded anew, in an order."""
        from glance.async_.flows._internal_plugins import copy_image
        ours = sys.modules.pop(OURS, None)
        upstream = getattr(copy_image.get_flow, 'upstream',
                           copy_image.get_flow)
        before = copy_image.get_flow
        copy_image.get_flow = upstream
        self.addCleanup(setattr, copy_image, 'get_flow', before)
        if ours is not None:
            self.addCleanup(sys.modules.__setitem__, OURS, ours)
        found = [point for point
                 in extension.ExtensionManager(NAMESPACE).list_entry_points()
                 if point.name == 'copy_image']
        sys.modules.pop(OURS, None)
        copy_image.get_flow = upstream
        by_owner = {point.value.partition('.')[0]: point for point in found}
        self.assertEqual({'glance', 'dcn_plugins'}, set(by_owner))
        points = [by_owner[owner] for owner in order]
        listed = extension.ExtensionManager.list_entry_points

        def in_order(manager):
            return (points if manager.namespace == NAMESPACE
                    else listed(manager))

        self.useFixture(fixtures.MonkeyPatch(
            'stevedore.extension.ExtensionManager.list_entry_points',
            in_order))

    def check(self, *order):
        self.load(*order)
        image_id = self.upload_to('central')
        self.assertEqual('success',
                         self.copied(image_id, 'dcn0')['status'])
        self.assertEqual(1, len(self.copier.asked))
        self.assertEqual('success',
                         self.copied(image_id, 'dcn1', 'store2')['status'])
        self.assertEqual(2, len(self.copier.asked))
        self.assertEqual({'central', 'dcn0', 'dcn1', 'store2'},
                         self.stores_of(image_id))
        self.assertEqual([], self.staged())

    def test_ours_first(self):
        self.check('dcn_plugins', 'glance')

    def test_glance_first(self):
        self.check('glance', 'dcn_plugins')

    def test_imported_twice_it_does_not_call_itself(self):
        self.load('dcn_plugins', 'glance')
        ours = importlib.import_module(OURS)
        importlib.reload(ours)
        self.assertEqual('glance.async_.flows._internal_plugins.copy_image',
                         ours._upstream.__module__)

    def test_a_glance_that_nobody_knows(self):
        self.useFixture(fixtures.MonkeyPatch(
            'glance.async_.flows.api_image_import.ImportActionWrapper.'
            'assert_task_lock', None))
        data_path._is_fit.cache_clear()
        self.addCleanup(data_path._is_fit.cache_clear)
        self.assertFalse(data_path.is_on(CONF))
        self.assertFalse(data_path.is_on(CONF))
        self.assertEqual(1, self.log.output.count(
            'ERROR [dcn] copy_data_path = dcn has no effect'))

    def test_a_glance_that_nobody_knows_copies_by_itself(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.image_import.FAILED', 'other'))
        data_path._is_fit.cache_clear()
        self.addCleanup(data_path._is_fit.cache_clear)
        image_id = self.upload_to('central')
        self.assertEqual('success', self.copied(image_id, 'dcn0')['status'])
        self.assertEqual([], self.copier.asked)
        self.assertIn('the properties of an import have other names',
                      self.log.output)

    def test_this_glance_is_known(self):
        self.assertTrue(data_path.is_on(CONF), self.log.output)
        self.assertIsNotNone(api_image_import.get_flow)

    def test_an_error_of_ours_leaves_the_copy_to_glance(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.rbd_stores.sources', None))
        image_id = self.upload_to('central')
        self.assertEqual('success', self.copied(image_id, 'dcn0')['status'])
        self.assertEqual([], self.copier.asked)
        self.assertIn(f"ERROR Image {image_id} is copied in Glance's own way",
                      self.log.output)
