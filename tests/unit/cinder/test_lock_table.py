# SPDX-License-Identifier: Apache-2.0
"""What an operation touches, and what others need to end it."""

import json

import hypothesis
from hypothesis import strategies
from oslo_config import cfg
import testtools

from dcn_plugins.cinder import lock_table
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import names
from tests.unit.cinder import rbd_site

SCOPE = names.Scope('0c7f', 'gold')
VOLUME, OTHER = rbd_site.volume(1), rbd_site.volume(2)
SNAPSHOT = rbd_site.snapshot(3, VOLUME)
HOST = {'capabilities': {'location_info': 'ceph:/c.conf:0c7f:cinder:iron'}}
ONE, TWO = SCOPE.image('volume-1'), SCOPE.image('volume-2')
SNAP = SCOPE.snapshot('volume-1', 'snapshot-3')
REFERENCE = {'source-name': 'old'}

# operation: its arguments, modes of its locks, what its intent says
TOUCHED = {
    'create_volume': ({'volume': VOLUME}, {ONE: 'x'},
                      {'image': 'volume-1'}),
    'create_volume_from_snapshot': (
        {'volume': OTHER, 'snapshot': SNAPSHOT}, {TWO: 'x', SNAP: 's'},
        {'image': 'volume-2', 'source': 'volume-1',
         'snapshot': 'snapshot-3'}),
    'create_cloned_volume': (
        {'volume': OTHER, 'src_vref': VOLUME}, {TWO: 'x', ONE: 'x'},
        {'image': 'volume-2', 'source': 'volume-1'}),
    'clone_image': ({'volume': VOLUME}, {ONE: 'x'}, {'image': 'volume-1'}),
    'copy_image_to_volume': ({'volume': VOLUME}, {ONE: 'x'},
                             {'image': 'volume-1'}),
    'copy_image_to_encrypted_volume': (
        {'volume': VOLUME, 'disable_sparse': True}, {ONE: 'x'},
        {'image': 'volume-1', 'is_overwritten': True}),
    'delete_volume': ({'volume': VOLUME}, {ONE: 'x'}, {'image': 'volume-1'}),
    'extend_volume': ({'volume': VOLUME}, {ONE: 'x'}, {'image': 'volume-1'}),
    'retype': ({'volume': VOLUME}, {ONE: 'x'}, {'image': 'volume-1'}),
    'update_rbd_image_qos': ({'volume': VOLUME}, {ONE: 'x'},
                             {'image': 'volume-1'}),
    'delete_rbd_image_qos_keys': ({'volume': VOLUME}, {ONE: 'x'},
                                  {'image': 'volume-1'}),
    'migrate_volume': (
        {'volume': VOLUME, 'host': HOST},
        {ONE: 'x', names.Scope('0c7f', 'iron').image('volume-1'): 'x'},
        {'image': 'volume-1', 'target_pool': 'iron'}),
    'update_migrated_volume': (
        {'volume': VOLUME, 'new_volume': OTHER}, {ONE: 'x', TWO: 'x'}, {}),
    'manage_existing': (
        {'volume': VOLUME, 'existing_ref': REFERENCE},
        {ONE: 'x', SCOPE.image('old'): 'x'},
        {'image': 'volume-1', 'existing': 'old'}),
    'create_snapshot': (
        {'snapshot': SNAPSHOT}, {SNAP: 'x', ONE: 'x'},
        {'source': 'volume-1', 'snapshot': 'snapshot-3'}),
    'delete_snapshot': (
        {'snapshot': SNAPSHOT}, {SNAP: 'x', ONE: 'x'},
        {'source': 'volume-1', 'snapshot': 'snapshot-3'}),
    'revert_to_snapshot': (
        {'volume': VOLUME, 'snapshot': SNAPSHOT}, {SNAP: 's', ONE: 'x'},
        {'image': 'volume-1', 'snapshot': 'snapshot-3'}),
    'manage_existing_snapshot': (
        {'snapshot': SNAPSHOT, 'existing_ref': REFERENCE},
        {SNAP: 'x', ONE: 'x', SCOPE.snapshot('volume-1', 'old'): 'x'},
        {'source': 'volume-1', 'snapshot': 'snapshot-3', 'existing': 'old'}),
    'unmanage_snapshot': (
        {'snapshot': SNAPSHOT}, {SNAP: 'x', ONE: 'x'},
        {'source': 'volume-1', 'snapshot': 'snapshot-3'}),
}


class TouchedTest(testtools.TestCase):

    def touched(self, operation, **changes):
        call = {**TOUCHED[operation][0], **changes}
        return lock_table.touched(operation, SCOPE, call)

    def intent(self, operation, **changes):
        found, = self.touched(operation, **changes).intents
        # Of a migration there is more, which is no two times the same.
        found.pop('migration', None)
        return found

    def test_each_operation(self):
        self.assertEqual(set(lock_table.LOCKS), set(TOUCHED))
        for operation, (_call, wishes, intent) in TOUCHED.items():
            found = self.touched(operation)
            self.assertEqual(wishes, found.wishes, operation)
            self.assertEqual({'operation': operation, **intent},
                             self.intent(operation))
            self.assertFalse(found.is_found)

    def test_each_has_a_lock_for_itself(self):
        # Who settles it has to keep off others who do.
        for operation in TOUCHED:
            self.assertIn('x', self.touched(operation).wishes.values())

    def test_each_intent_can_be_written_and_read(self):
        for operation in TOUCHED:
            found = list(self.touched(operation).intents)
            self.assertEqual(found, json.loads(json.dumps(found)))

    def test_an_image_that_is_made_anew_is_told_from_a_new_one(self):
        self.assertNotIn('is_overwritten', self.intent(
            'copy_image_to_volume', disable_sparse=False))
        self.assertTrue(self.intent(
            'copy_image_to_volume', disable_sparse=True)['is_overwritten'])

    def test_each_migration_is_another_one(self):
        found = [self.touched('migrate_volume').intents[0]['migration']
                 for _time in range(2)]
        self.assertNotEqual(*found)

    def test_a_migration_to_another_cluster_is_none_of_ours(self):
        host = {'capabilities': {
            'location_info': 'ceph:/c.conf:beef:cinder:iron'}}
        self.assertEqual(
            {ONE: 'x', names.Scope('beef', 'iron').image('volume-1'): 'x'},
            self.touched('migrate_volume', host=host).wishes)
        self.assertEqual({'operation': 'migrate_volume', 'image': 'volume-1'},
                         self.intent('migrate_volume', host=host))

    def test_what_upstream_refuses_is_locked_as_far_as_it_goes(self):
        for host in (None, {}, {'capabilities': None}, {
                'capabilities': {'location_info': 'odd'}}):
            self.assertEqual({ONE: 'x'}, self.touched(
                'migrate_volume', host=host).wishes)
        for reference in (None, {}, {'source-name': ''}, ''):
            self.assertEqual({ONE: 'x'}, self.touched(
                'manage_existing', existing_ref=reference).wishes)
            self.assertEqual({SNAP: 'x', ONE: 'x'}, self.touched(
                'manage_existing_snapshot', existing_ref=reference).wishes)

    def test_a_bare_name_is_as_good(self):
        self.assertEqual('old', self.intent(
            'manage_existing', existing_ref='old')['existing'])

    def test_a_migrated_volume_has_the_name_of_its_id(self):
        template = cfg.CONF.volume_name_template
        renamed = rbd_site.volume(1, name=template % 'else')
        self.assertEqual({ONE: 'x', TWO: 'x'}, self.touched(
            'update_migrated_volume', volume=renamed).wishes)


ANCESTORS = strategies.lists(strategies.tuples(
    strategies.sampled_from(['volume-1', 'volume-2', 'volume-2.deleted',
                             'volume-4.deleted']),
    strategies.just('s')), max_size=4)


class AncestorsTest(testtools.TestCase):

    @hypothesis.settings(deadline=None, database=None, max_examples=100)
    @hypothesis.given(ANCESTORS)
    def test_who_may_remove_one_has_it_for_himself(self, ancestors):
        for found in (
                lock_table.touched('delete_volume', SCOPE,
                                   {'volume': VOLUME}, ancestors),
                lock_table.of_image('collect', SCOPE, 'volume-1.deleted',
                                    ancestors)):
            self.assertTrue(found.is_found)
            self.assertEqual('x', found.wishes[ONE])
            for image, _snapshot in ancestors:
                mode = found.wishes[lock_table.image_lock(SCOPE, image)]
                self.assertTrue(
                    mode == 'x' or not lock_table.is_deleted(image))
            self.assertEqual(
                [list(pair) for pair in ancestors],
                found.intents[0].get('ancestors', []))

    def test_to_have_none_is_not_to_have_looked(self):
        for ancestors, is_found in ((None, False), ((), True)):
            self.assertEqual(is_found, lock_table.touched(
                'delete_volume', SCOPE, {'volume': VOLUME},
                ancestors).is_found)
            self.assertEqual(is_found, lock_table.of_image(
                'collect', SCOPE, 'volume-1', ancestors).is_found)


class NamesTest(testtools.TestCase):

    def test_a_deleted_image_has_the_lock_of_its_volume(self):
        self.assertEqual(ONE, lock_table.image_lock(SCOPE, 'volume-1'))
        self.assertEqual(ONE, lock_table.image_lock(SCOPE,
                                                    'volume-1.deleted'))

    def test_deleted(self):
        for name in ('volume-1', 'volume-1.deleted'):
            self.assertEqual('volume-1.deleted', lock_table.deleted(name))
        self.assertFalse(lock_table.is_deleted('volume-1'))
        self.assertTrue(lock_table.is_deleted('volume-1.deleted'))

    def test_several_images(self):
        found = lock_table.of_images('reclaim', SCOPE,
                                     ['volume-2', 'volume-1.deleted'])
        self.assertEqual({ONE: 'x', TWO: 'x'}, found.wishes)
        self.assertEqual(({'operation': 'reclaim', 'images': [
            'volume-1.deleted', 'volume-2']},), found.intents)

    def test_modes_are_those_of_the_queue(self):
        self.assertEqual((lock_queue.EXCLUSIVE, lock_queue.SHARED),
                         (lock_table.EXCLUSIVE, lock_table.SHARED))
