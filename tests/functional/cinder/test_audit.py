# SPDX-License-Identifier: Apache-2.0
"""What the audit reads in Cinder's own database, and makes of it."""

import time
import uuid

# First of Cinder's modules: it registers the objects that all others need.
import cinder.tests.unit  # noqa: F401
from cinder import context as cinder_context  # noqa: H306
from cinder import objects
from cinder.tests.unit import test
from cinder.tests.unit import utils
from oslo_config import cfg

from dcn_plugins.cinder import audit
from dcn_plugins.cinder import findings
from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_audit
from dcn_plugins.cinder import pool_contents
from dcn_plugins.cinder import volume_records

CONF = cfg.CONF
LATER = 7200


class RecordsTestCase(test.TestCase):

    def setUp(self):
        super().setUp()
        self.context = cinder_context.get_admin_context()

    def volume(self, **values):
        return utils.create_volume(self.context, testcase_instance=self, **{
            'host': 'here@ceph#pool', 'status': 'available', **values})

    def known(self, *volume_ids, snapshots=(), filters=None):
        return volume_records.known(set(volume_ids), set(snapshots), filters)

    def test_a_volume_is_known_with_its_state_and_its_backend(self):
        alone = self.volume(status='error')
        of_cluster = self.volume(cluster_name='site@ceph#pool')
        nowhere = self.volume(host=None)
        known = self.known(alone.id, of_cluster.id, nowhere.id).volumes
        self.assertEqual(
            ('error', 'here@ceph', alone.id, False, False),
            (known[alone.id].status, known[alone.id].backend,
             known[alone.id].name_id, known[alone.id].is_deleted,
             known[alone.id].is_migrating))
        self.assertEqual('site@ceph', known[of_cluster.id].backend)
        self.assertEqual('', known[nowhere.id].backend)
        self.assertAlmostEqual(time.time(), known[alone.id].changed,
                               delta=60)

    def test_what_is_not_there_is_not_known(self):
        other = str(uuid.uuid4())
        known = self.known(other, snapshots=[other])
        self.assertEqual(({}, {}), (known.volumes, known.snapshots))

    def test_a_deleted_volume_is_known_as_deleted(self):
        gone = self.volume()
        gone.destroy()
        record = self.known(gone.id).volumes[gone.id]
        self.assertEqual((True, 'deleted'),
                         (record.is_deleted, record.status))
        self.assertAlmostEqual(time.time(), record.changed, delta=60)

    def test_the_image_of_a_migrated_volume_belongs_to_it(self):
        # As Cinder leaves it if the image could not be renamed: the row that
        # had the image is deleted.
        target = self.volume(migration_status='target:x')
        moved = self.volume(_name_id=target.id)
        target.destroy()
        known = self.known(target.id, moved.id).volumes
        self.assertEqual(moved.id, known[target.id].id)
        self.assertFalse(known[target.id].is_deleted)
        self.assertEqual(target.id, known[moved.id].name_id)

    def test_of_two_that_could_have_an_image_the_one_that_lives_has_it(self):
        there = self.volume()
        gone = self.volume(_name_id=there.id)
        gone.destroy()
        self.assertEqual(there.id, self.known(there.id).volumes[there.id].id)
        moved = self.volume(_name_id=there.id)
        self.assertEqual(moved.id, self.known(there.id).volumes[there.id].id)

    def test_a_volume_on_its_way_is_known_as_such(self):
        moving = self.volume(migration_status='migrating')
        done = self.volume(migration_status='success')
        known = self.known(moving.id, done.id).volumes
        self.assertTrue(known[moving.id].is_migrating)
        self.assertFalse(known[done.id].is_migrating)

    def test_volumes_of_all_projects_and_of_the_cache_are_known(self):
        theirs = self.volume(project_id=str(uuid.uuid4()))
        temporary = self.volume(use_quota=False)
        self.assertEqual({theirs.id, temporary.id}, set(
            self.known(theirs.id, temporary.id).volumes))

    def test_many_are_asked_for_in_parts(self):
        self.patch('dcn_plugins.cinder.volume_records._MOST_IDS', 2)
        volumes = [self.volume().id for _number in range(5)]
        self.assertEqual(set(volumes), set(self.known(*volumes).volumes))

    def test_snapshots_are_known_whatever_backend_they_are_on(self):
        here = utils.create_snapshot(self.context, self.volume().id)
        there = utils.create_snapshot(
            self.context, self.volume(host='there@ceph#pool').id)
        gone = utils.create_snapshot(self.context, self.volume().id)
        gone.destroy()
        wanted = [here.id, there.id, gone.id]
        for filters in (None, {'host': 'here@ceph'}):
            known = self.known(snapshots=wanted, filters=filters).snapshots
            self.assertEqual(
                {here.id: False, there.id: False, gone.id: True},
                {found: record.is_deleted
                 for found, record in known.items()})
            self.assertEqual('creating', known[here.id].status)

    def test_a_snapshot_of_a_group_is_one_of_its_own(self):
        found = utils.create_snapshot(
            self.context, self.volume().id,
            group_snapshot_id=str(uuid.uuid4()))
        self.assertIn(found.id, self.known(snapshots=[found.id]).snapshots)

    def test_one_query_serves_all_snapshots_of_the_backend(self):
        snapshots = [utils.create_snapshot(self.context, self.volume().id).id
                     for _number in range(3)]
        asked = []
        get = objects.Snapshot.get_by_id
        self.patch('cinder.objects.Snapshot.get_by_id',
                   side_effect=lambda *args: asked.append(args) or get(*args))
        known = self.known(snapshots=snapshots,
                           filters={'host': 'here@ceph'})
        self.assertEqual(set(snapshots), set(known.snapshots))
        self.assertEqual([], asked)

    def test_what_cinder_has_is_not_found_and_what_it_lacks_is(self):
        names = pool_audit.names()
        there, gone = self.volume(), self.volume()
        taken = utils.create_snapshot(self.context, there.id)
        image = pool_contents.Image(
            there.name, '1', 1, (pool_contents.Snapshot(taken.name, 0.0),))
        other = pool_contents.Image(gone.name, '2', 1)
        gone.destroy()
        listing = pool_contents.Listing(
            'pool', {found.name: found for found in (image, other)})
        report = leftovers.find(
            listing, names, self.known(*leftovers.ids(listing, names)[0],
                                       snapshots=[taken.id]),
            leftovers.Policy(time.time() + LATER, 60,
                             frozenset(['here@ceph'])))
        self.assertEqual([(findings.UNKNOWN_VOLUME, gone.name)], [
            (found.kind, found.image) for found in report.findings])


class BackendTestCase(test.TestCase):
    """Which Ceph cluster a backend has after a failover."""

    def setUp(self):
        super().setUp()
        self.context = cinder_context.get_admin_context()

    def test_the_service_or_its_cluster_says_which(self):
        utils.create_service(self.context, {
            'host': 'here@ceph', 'binary': 'cinder-volume',
            'topic': 'cinder-volume', 'active_backend_id': 'second'})
        cluster = objects.Cluster(self.context, name='site@ceph',
                                  binary='cinder-volume',
                                  active_backend_id='third')
        cluster.create()
        self.assertEqual('second', audit.active_backend('here@ceph', None))
        self.assertEqual('third',
                         audit.active_backend('here@ceph', 'site@ceph'))
        self.assertIsNone(audit.active_backend('new@ceph', None))
        self.assertIsNone(audit.active_backend('new@ceph', 'new@ceph'))
