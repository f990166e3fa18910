# SPDX-License-Identifier: Apache-2.0
"""Stuck states in Cinder's own database, and Cinder's manager that ends them.

The clock is ours, etcd is a set of names, Ceph is a driver that deletes
everything at once. All else is Cinder: its database, its objects, its RPC and
its manager.
"""

import datetime
import time

from cinder.common import constants
from cinder import context
from cinder import coordination
from cinder.db import api as db
from cinder import exception
from cinder import objects
from cinder.objects import base
from cinder import rpc
from cinder import service
from cinder.tests.unit import fake_constants as fake
from cinder.tests.unit import test
from cinder.tests.unit import utils as tests_utils
from cinder.volume import configuration
from cinder.volume.drivers import rbd
from cinder.volume import manager
import fixtures
import oslo_messaging
from oslo_utils import timeutils
from sqlalchemy.engine import default

from dcn_plugins.cinder import stuck_objects
from dcn_plugins.cinder import takeover
from dcn_plugins.locking import names
from tests.functional.locking import etcd_server

CLUSTER = 'dcn0@ceph'
NODE = 'dcn0-vol-0@ceph'
PEER = 'dcn0-vol-1@ceph'
QUIET_SECONDS = 120
DEADLINE_SECONDS = 30


class TakeoverTestCase(test.TestCase):

    # The rows of workers and the locks are what it is about.
    MOCK_WORKER = False
    MOCK_TOOZ = False

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.context = context.get_admin_context()
        self.context.user_id = fake.USER_ID
        self.context.project_id = fake.PROJECT_ID
        self.now = 1000.0
        self.claimed = set()
        self.present = None
        self.is_healthy = True
        self.at_claims = lambda: None
        self.own = self.create_service(NODE)
        self.peer = self.create_service(PEER)
        self.useFixture(fixtures.MockPatchObject(
            service.Service, 'service_id', self.own.id))
        self.takeover = self.create_takeover()

    def create_takeover(self, **kwargs):
        return takeover.Takeover(
            NODE, CLUSTER, self.is_claimed, lambda: names.Scope('f', 'p'),
            QUIET_SECONDS, presence=lambda: self.present,
            is_healthy=lambda: self.is_healthy, clock=lambda: self.now,
            **kwargs)

    def is_claimed(self, wanted):
        self.at_claims()
        return bool(self.claimed & set(wanted))

    def claim(self, name):
        self.claimed.add(coordination.COORDINATOR.prefix + name)

    def create_service(self, host, silent_seconds=0, **values):
        return tests_utils.create_service(self.context, {
            'host': host, 'cluster_name': CLUSTER,
            'binary': constants.VOLUME_BINARY,
            'topic': constants.VOLUME_TOPIC,
            'rpc_current_version': manager.VolumeManager.RPC_API_VERSION,
            'object_current_version': self.latest_ovo_version,
            'updated_at': timeutils.utcnow() - datetime.timedelta(
                seconds=silent_seconds), **values})

    def create_volume(self, status, **values):
        return tests_utils.create_volume(self.context, **{
            'host': f'{NODE}#p', 'cluster_name': f'{CLUSTER}#p',
            'status': status, **values})

    def create_snapshot(self, status, volume, **values):
        return tests_utils.create_snapshot(
            self.context, volume.id, status=status,
            volume_type_id=volume.volume_type_id, **values)

    def attach(self, volume):
        attachment = volume.begin_attach('rw')
        db.volume_attached(self.context, attachment.id, fake.INSTANCE_ID,
                           None, '/dev/vda')

    def create_row(self, obj, service_id=None):
        # As old as all that is stuck: requests tell whole seconds.
        return db.worker_create(
            self.context, status=obj.status, resource_id=obj.id,
            resource_type=type(obj).__name__, service_id=service_id,
            updated_at=timeutils.utcnow() - datetime.timedelta(minutes=1))

    def pass_time(self, seconds=QUIET_SECONDS + 60):
        """Let time go on, with a look every few seconds."""
        step_seconds = 5 if seconds < 10 * QUIET_SECONDS else 60
        end = self.now + seconds
        while self.now < end:
            self.takeover.run()
            self.now += step_seconds

    def status(self, obj):
        return type(obj).get_by_id(self.context, obj.id).status

    def rows(self):
        return db.worker_get_all(self.context)

    def wait_until(self, predicate):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not predicate():
            self.assertLess(time.monotonic(), deadline, self.log.output)
            time.sleep(0.02)

    def is_gone(self, obj):
        try:
            self.status(obj)
        except exception.NotFound:
            return True
        return False


class Casts:
    """Stand for the cluster's queue; keep what is sent to it."""

    def __init__(self, case):
        self.sent = []
        for name in ('delete_volume', 'delete_snapshot', 'do_cleanup'):
            case.useFixture(fixtures.MockPatch(
                f'cinder.volume.rpcapi.VolumeAPI.{name}',
                side_effect=self.keep(name)))

    def keep(self, name):
        def cast(_context, obj, *args, **kwargs):
            self.sent.append((name, obj, args, kwargs))
        return cast

    def of(self, name):
        return [sent[1:] for sent in self.sent if sent[0] == name]


class VolumeStatesTest(TakeoverTestCase):

    def test_each_state_is_ended(self):
        volumes = [
            (self.create_volume(status), end) for status, end in (
                ('creating', 'error'), ('extending', 'error_extending'),
                ('retyping', 'available'), ('reverting', 'error'),
                ('managing', 'error_managing'))]
        self.pass_time()
        for volume, end in volumes:
            self.assertEqual(end, self.status(volume))
            self.assertIn(f'volume {volume.id} was "{volume.status}" and '
                          f'nobody worked on it: it is "{end}" now',
                          self.log.output)

    def test_what_others_work_on_or_nobody_is_left_alone(self):
        volumes = [self.create_volume(status) for status in (
            'available', 'in-use', 'error', 'attaching', 'detaching',
            'reserved', 'backing-up', 'restoring-backup', 'maintenance',
            'awaiting-transfer', 'uploading', 'error_deleting')]
        self.pass_time(QUIET_SECONDS * 40)
        for volume in volumes:
            self.assertEqual(volume.status, self.status(volume))

    def test_it_is_not_ended_too_early(self):
        volume = self.create_volume('extending')
        self.pass_time(QUIET_SECONDS - 5)
        self.assertEqual('extending', self.status(volume))

    def test_other_clusters_are_left_alone(self):
        volumes = [
            self.create_volume('extending', host='dcn1-vol-0@ceph#p',
                               cluster_name='dcn1@ceph#p'),
            self.create_volume('extending', cluster_name='dcn0@other#p'),
            self.create_volume('extending', cluster_name=None)]
        self.pass_time()
        for volume in volumes:
            self.assertEqual('extending', self.status(volume))

    def test_without_a_cluster_it_ends_what_is_of_its_host(self):
        self.takeover = takeover.Takeover(
            NODE, None, self.is_claimed, lambda: names.Scope('f', 'p'),
            QUIET_SECONDS, clock=lambda: self.now)
        volume = self.create_volume('extending', cluster_name=None)
        other = self.create_volume('extending', cluster_name=None,
                                   host=f'{PEER}#p')
        self.pass_time()
        self.assertEqual(('error_extending', 'extending'),
                         (self.status(volume), self.status(other)))

    def test_a_lock_that_is_held_or_waited_for_protects_it(self):
        volume = self.create_volume('extending')
        for name in (names.Scope('f', 'p').image(volume.name),
                     f'cinder-{volume.id}-delete_volume'):
            self.claimed = {name}
            self.pass_time()
            self.assertEqual('extending', self.status(volume))
        self.claimed.clear()
        self.pass_time()
        self.assertEqual('error_extending', self.status(volume))

    def test_a_migrated_volume_has_two_names(self):
        volume = self.create_volume('extending', _name_id=fake.UUID1)
        for name in (f'volume-{fake.UUID1}', f'volume-{volume.id}'):
            self.claimed = {names.Scope('f', 'p').image(name)}
            self.pass_time()
            self.assertEqual('extending', self.status(volume))

    def test_a_lock_now_and_then_protects_it(self):
        volume = self.create_volume('extending')
        for _time in range(4):
            self.pass_time(QUIET_SECONDS - 30)
            self.claim(f'{volume.id}-delete_volume')
            self.pass_time(20)
            self.claimed.clear()
        self.assertEqual('extending', self.status(volume))

    def test_a_change_begins_the_time_anew(self):
        volume = self.create_volume('extending')
        self.pass_time(QUIET_SECONDS - 20)
        volume.display_name = 'changed'
        volume.save()
        self.pass_time(QUIET_SECONDS - 20)
        self.assertEqual('extending', self.status(volume))

    def test_a_change_between_the_look_and_the_end_wins(self):
        volume = self.create_volume('extending')

        def finish():
            if self.now >= 1000 + QUIET_SECONDS:
                db.volume_update(self.context, volume.id, {
                    'status': 'available', 'size': 2})

        self.at_claims = finish
        self.pass_time()
        self.assertEqual('available', self.status(volume))

    def test_an_extension_that_was_asked_for_again_meanwhile_wins(self):
        volume = self.create_volume('extending')

        def extend_again():
            if self.now == 1000 + QUIET_SECONDS:
                volume.display_name = 'again'
                volume.save()

        self.at_claims = extend_again
        self.pass_time(QUIET_SECONDS + 30)
        self.assertEqual('extending', self.status(volume))

    def test_an_attached_volume_is_in_use_again(self):
        volume = self.create_volume('available')
        self.attach(volume)
        db.volume_update(self.context, volume.id, {'status': 'retyping'})
        self.pass_time()
        self.assertEqual('in-use', self.status(volume))

    def test_a_revert_frees_its_snapshot_and_no_other(self):
        volume = self.create_volume('reverting')
        snapshot = self.create_snapshot('restoring', volume)
        other = self.create_snapshot('available', volume)
        self.pass_time()
        self.assertEqual(
            ('error', 'available', 'available'),
            (self.status(volume), self.status(snapshot), self.status(other)))

    def test_an_upload_needs_its_lock_to_be_told_from_a_stuck_one(self):
        self.takeover = self.create_takeover(has_upload_locks=True)
        running, stuck = (self.create_volume('uploading') for _ in range(2))
        self.claimed.add(stuck_objects.upload_lock(running.id))
        self.pass_time()
        self.assertEqual(('uploading', 'available'),
                         (self.status(running), self.status(stuck)))


class MigrationTest(TakeoverTestCase):

    def test_a_migration_within_the_driver_is_ended(self):
        for status, end in (('retyping', 'available'),
                            ('maintenance', 'available'),
                            ('available', 'available')):
            volume = self.create_volume(status, migration_status='migrating')
            self.pass_time()
            volume.refresh()
            self.assertEqual((end, 'error'),
                             (volume.status, volume.migration_status))

    def test_a_copy_to_another_volume_is_left_alone(self):
        volume = self.create_volume('retyping', migration_status='migrating')
        self.create_volume('available', cluster_name='dcn1@ceph#p',
                           migration_status=f'target:{volume.id}')
        self.pass_time(QUIET_SECONDS * 40)
        self.assertEqual('retyping', self.status(volume))


class CreationTest(TakeoverTestCase):

    def test_one_that_nobody_has_taken_over_is_an_error(self):
        volume = self.create_volume('creating')
        self.create_row(volume)
        self.pass_time()
        self.assertEqual('error', self.status(volume))
        self.assertEqual([], self.rows())

    def test_the_row_of_a_scheduler_is_that_of_nobody(self):
        scheduler = self.create_service(
            'central', binary=constants.SCHEDULER_BINARY, cluster_name=None)
        volume = self.create_volume('creating')
        self.create_row(volume, scheduler.id)
        self.pass_time()
        self.assertEqual('error', self.status(volume))

    def test_one_without_its_source_s_lock_is_an_error(self):
        """What a creation is when its manager did not get the lock."""
        source = self.create_volume('available')
        volume = self.create_volume('creating', source_volid=source.id)
        self.create_row(volume, self.peer.id)
        self.pass_time()
        self.assertEqual('error', self.status(volume))

    def test_the_source_s_lock_may_be_that_of_another_clone(self):
        source = self.create_volume('available')
        volume = self.create_volume('creating', source_volid=source.id)
        self.create_row(volume, self.peer.id)
        self.claim(f'{source.id}-delete_volume')
        self.pass_time(QUIET_SECONDS * 29)
        self.assertEqual('creating', self.status(volume))
        self.pass_time(QUIET_SECONDS * 2)
        self.assertEqual('error', self.status(volume))

    def test_one_from_an_image_may_take_an_hour_under_no_lock(self):
        volume = self.create_volume('creating')
        self.create_row(volume, self.peer.id)
        self.pass_time(QUIET_SECONDS * 29)
        self.assertEqual('creating', self.status(volume))
        self.pass_time(QUIET_SECONDS * 2)
        self.assertEqual('error', self.status(volume))

    def test_one_that_a_backup_is_restored_to_is_left_alone(self):
        volume = self.create_volume('creating')
        self.create_row(volume, self.peer.id)
        backup = tests_utils.create_backup(
            self.context, volume.id, status='restoring',
            restore_volume_id=volume.id)
        self.pass_time(QUIET_SECONDS * 40)
        self.assertEqual('creating', self.status(volume))
        backup.status = 'available'
        backup.save()
        self.pass_time(QUIET_SECONDS)
        self.assertEqual('error', self.status(volume))

    def test_a_process_that_takes_it_over_meanwhile_wins(self):
        volume = self.create_volume('creating')
        self.create_row(volume)

        def take_over():
            if self.now >= 1000 + QUIET_SECONDS and not volume.worker:
                volume.set_worker()

        self.at_claims = take_over
        self.pass_time()
        self.assertEqual('creating', self.status(volume))
        [row] = self.rows()
        self.assertEqual(self.own.id, row.service_id)

    def test_the_row_is_given_back_when_the_volume_has_changed(self):
        volume = self.create_volume('creating')
        row = self.create_row(volume, self.peer.id)
        volume.source_volid = self.create_volume('available').id
        volume.save()

        def finish():
            if self.now >= 1000 + QUIET_SECONDS:
                db.volume_update(self.context, volume.id,
                                 {'status': 'available'})

        self.at_claims = finish
        self.pass_time()
        self.assertEqual('available', self.status(volume))
        [left] = self.rows()
        self.assertEqual((self.peer.id, row.updated_at),
                         (left.service_id, left.updated_at))

    def test_a_volume_that_the_scheduler_lost_is_an_error(self):
        self.takeover = self.create_takeover(zone='az0')
        lost, elsewhere = (self.create_volume(
            'creating', host=None, cluster_name=None, availability_zone=zone)
            for zone in ('az0', 'az1'))
        again = self.create_volume('creating', host=None,
                                   availability_zone='az0')
        placed = self.create_volume(
            'creating', host='dcn1-vol-0@ceph#p', availability_zone='az0',
            cluster_name='dcn1@ceph#p')
        self.pass_time()
        # The scheduler may have their messages when it comes back.
        self.assertEqual('creating', self.status(lost))
        self.assertEqual('creating', self.status(again))
        self.create_service('central', binary=constants.SCHEDULER_BINARY,
                            cluster_name=None)
        self.pass_time()
        self.assertEqual(
            ['error', 'creating', 'error', 'creating'],
            list(map(self.status, (lost, elsewhere, again, placed))))

    def test_a_snapshot_is_an_error(self):
        volume = self.create_volume('available')
        snapshot = self.create_snapshot('creating', volume)
        busy = self.create_snapshot('creating', volume)
        self.create_row(snapshot)
        self.claimed.add(names.Scope('f', 'p').snapshot(volume.name,
                                                        busy.name))
        self.pass_time()
        self.assertEqual(('error', 'creating'),
                         (self.status(snapshot), self.status(busy)))

    def test_snapshots_of_a_group_are_made_one_after_the_other(self):
        volume = self.create_volume('available')
        group = tests_utils.create_group_snapshot(
            self.context, tests_utils.create_group(
                self.context, group_type_id=fake.GROUP_TYPE_ID,
                volume_type_ids=[volume.volume_type_id]).id)
        snapshots = [self.create_snapshot(
            'creating', volume, group_snapshot_id=group.id)
            for _number in range(3)]
        self.claimed.add(names.Scope('f', 'p').snapshot(
            volume.name, snapshots[0].name))
        self.pass_time()
        self.assertEqual({'creating'}, set(map(self.status, snapshots)))
        self.claimed.clear()
        self.pass_time()
        self.assertEqual({'error'}, set(map(self.status, snapshots)))


class DeletionTest(TakeoverTestCase):

    def test_it_is_asked_for_again_and_given_up_in_the_end(self):
        casts = Casts(self)
        volume = self.create_volume('deleting')
        self.pass_time(QUIET_SECONDS * 3 + 60)
        self.assertEqual([((), {'cascade': True})] * 3,
                         [(args[1:], kwargs) for _volume, args, kwargs
                          in casts.of('delete_volume')])
        self.assertEqual('deleting', self.status(volume))
        self.pass_time(QUIET_SECONDS + 30)
        self.assertEqual('error_deleting', self.status(volume))

    def test_one_that_is_at_work_is_not_asked_for_again(self):
        casts = Casts(self)
        volume = self.create_volume('deleting')
        snapshot = self.create_snapshot(
            'deleting', self.create_volume('available'))
        self.claim(f'{volume.id}-delete_volume')
        self.claim(f'{snapshot.id}-delete_snapshot')
        self.pass_time()
        self.assertEqual([], casts.sent)

    def test_unmanaging_is_asked_for_again_as_such(self):
        casts = Casts(self)
        self.create_volume('unmanaging')
        self.create_snapshot('unmanaging', self.create_volume('available'))
        self.pass_time()
        [(_volume, args, kwargs)] = casts.of('delete_volume')
        self.assertEqual(((True,), {'cascade': False}), (args, kwargs))
        [(_snapshot, args, _kwargs)] = casts.of('delete_snapshot')
        self.assertEqual((True,), args)

    def test_unmanaging_is_given_up_with_states_that_there_are(self):
        Casts(self)
        volume = self.create_volume('unmanaging')
        snapshot = self.create_snapshot(
            'unmanaging', self.create_volume('available'))
        self.pass_time(QUIET_SECONDS * 6)
        self.assertEqual(('error_unmanaging', 'error_deleting'),
                         (self.status(volume), self.status(snapshot)))

    def test_the_snapshots_of_a_volume_are_deleted_with_it_only(self):
        casts = Casts(self)
        self.create_snapshot('deleting', self.create_volume('deleting'))
        self.pass_time()
        self.assertEqual(['delete_volume'], [sent[0] for sent in casts.sent])

    def test_a_backlog_of_messages_is_waited_for(self):
        casts = Casts(self)
        # The option is there once there is a server.
        rpc.get_server(oslo_messaging.Target(topic='t', server='s'), [])
        self.override_config('executor_thread_pool_size', 2)
        self.takeover = self.create_takeover()
        busy = [self.create_volume('deleting') for _number in range(2)]
        for volume in busy:
            self.claim(f'{volume.id}-delete_volume')
        waiting = self.create_volume('deleting')
        self.pass_time(QUIET_SECONDS * 10)
        self.assertEqual([], casts.sent)
        busy[0].destroy()
        self.pass_time()
        self.assertEqual([waiting.id], [
            volume.id for volume, _args, _kwargs in casts.of('delete_volume')])


class OutageTest(TakeoverTestCase):

    def test_nothing_is_done_while_claims_cannot_be_told(self):
        volume = self.create_volume('extending')
        self.pass_time(QUIET_SECONDS - 20)

        def fail():
            raise OSError('no etcd')

        self.at_claims = fail
        self.pass_time()
        self.at_claims = lambda: None
        self.assertEqual(1, self.log.output.count('OSError: no etcd'))
        # What came before does not count.
        self.pass_time(QUIET_SECONDS - 20)
        self.assertEqual('extending', self.status(volume))
        self.pass_time(60)
        self.assertEqual('error_extending', self.status(volume))

    def test_nothing_is_done_while_the_backend_is_away(self):
        volume = self.create_volume('extending')
        self.pass_time(QUIET_SECONDS - 20)
        self.is_healthy = False
        self.pass_time(40)
        self.assertEqual('extending', self.status(volume))
        self.is_healthy = True
        self.pass_time(QUIET_SECONDS - 20)
        self.assertEqual('extending', self.status(volume))

    def test_nothing_is_done_after_a_long_pause(self):
        volume = self.create_volume('extending')
        self.pass_time(20)
        self.now += 10 * QUIET_SECONDS
        self.pass_time(QUIET_SECONDS - 20)
        self.assertEqual('extending', self.status(volume))

    def test_without_a_database_it_does_not_raise(self):
        self.useFixture(fixtures.MockPatchObject(
            objects.ServiceList, 'get_all', side_effect=OSError('no DB')))
        self.takeover.run()
        self.assertIn('OSError: no DB', self.log.output)

    def test_without_rabbitmq_it_tries_again(self):
        casts = Casts(self)
        is_away = [True]
        keep = casts.keep('delete_volume')

        def cast(*args, **kwargs):
            if is_away[0]:
                raise oslo_messaging.MessageDeliveryFailure('no RabbitMQ')
            keep(*args, **kwargs)

        self.useFixture(fixtures.MockPatch(
            'cinder.volume.rpcapi.VolumeAPI.delete_volume', side_effect=cast))
        self.create_volume('deleting')
        self.pass_time(QUIET_SECONDS * 3)
        self.assertEqual(1, self.log.output.count('no RabbitMQ'))
        is_away[0] = False
        self.pass_time(30)
        self.assertEqual(1, len(casts.sent))

    def test_one_broken_object_is_not_in_the_way_of_the_others(self):
        broken, volume = (self.create_volume('extending') for _ in range(2))
        update = objects.Volume.conditional_update

        def conditional_update(obj, *args, **kwargs):
            if obj.id == broken.id:
                raise ValueError('broken')
            return update(obj, *args, **kwargs)

        self.useFixture(fixtures.MockPatchObject(
            objects.Volume, 'conditional_update', conditional_update))
        self.pass_time()
        self.assertEqual('error_extending', self.status(volume))
        self.assertIn(f'{broken.id} is stuck and cannot be ended',
                      self.log.output)

    def test_messages_are_not_tried_for_ever(self):
        self.assertEqual(takeover.SEND_RETRIES,
                         takeover.Takeover._rpcapi().client.retry)

    def test_it_asks_little_when_nothing_is_wrong(self):
        self.create_volume('available')
        self.create_snapshot('available', self.create_volume('in-use'))
        execute = default.DefaultDialect.do_execute
        asked = []

        def do_execute(dialect, cursor, statement, *args):
            if statement.startswith('SELECT'):
                asked.append(statement)
            execute(dialect, cursor, statement, *args)

        self.useFixture(fixtures.MockPatchObject(
            default.DefaultDialect, 'do_execute', do_execute))
        self.takeover.run()
        self.assertEqual(4, len(asked))
        # The next time only for peers.
        self.now += 5
        self.takeover.run()
        self.assertEqual(5, len(asked))


class DeadPeerTest(TakeoverTestCase):

    def setUp(self):
        super().setUp()
        self.casts = Casts(self)
        self.volume = self.create_volume('creating')
        self.create_row(self.volume, self.peer.id)

    def silence(self, seconds):
        """Let the peer have written its row for the last time long ago."""
        db.service_update(self.context, self.peer.id, {
            'updated_at': timeutils.utcnow() - datetime.timedelta(
                seconds=seconds)})

    def beat(self):
        db.service_update(self.context, self.peer.id,
                          {'updated_at': timeutils.utcnow()})

    def requests(self):
        return [sent[0] for sent in self.casts.of('do_cleanup')]

    def test_one_that_is_down_is_cleaned_up_once(self):
        self.silence(61)
        self.pass_time(30)
        [request] = self.requests()
        self.assertEqual((self.peer.id, CLUSTER, PEER), (
            request.service_id, request.cluster_name, request.host))
        self.assertIsNotNone(request.until)
        self.assertIn(f'{PEER} is dead', self.log.output)

    def test_one_whose_request_was_lost_is_cleaned_up_again(self):
        self.silence(61)
        self.pass_time(QUIET_SECONDS + 30)
        self.assertEqual(2, len(self.requests()))

    def test_one_that_has_nothing_to_clean_up_is_left(self):
        self.volume.status = 'available'
        self.volume.save()
        [row] = self.rows()
        db.worker_destroy(self.context, id=row.id)
        self.silence(61)
        self.pass_time()
        self.assertEqual([], self.requests())

    def test_one_that_is_up_is_left(self):
        self.pass_time()
        self.assertEqual([], self.requests())

    def test_one_that_has_a_lease_is_left_though_it_is_down(self):
        self.silence(61)
        self.present = {NODE, PEER}
        self.pass_time()
        self.assertEqual([], self.requests())

    def test_one_without_lease_that_is_silent_is_dead_at_once(self):
        self.present = {NODE}
        self.pass_time(15)
        self.assertEqual([], self.requests())
        self.pass_time(10)
        self.assertEqual(1, len(self.requests()))

    def test_one_without_lease_that_writes_its_row_is_left(self):
        self.present = {NODE}
        for _beat in range(12):
            self.beat()
            self.pass_time(10)
        self.assertEqual([], self.requests())

    def test_ourselves_and_others_are_left(self):
        db.service_update(self.context, self.own.id, {
            'updated_at': timeutils.utcnow() - datetime.timedelta(hours=1)})
        foreign = self.create_service('dcn1-vol-0@ceph', 3600,
                                      cluster_name='dcn1@ceph')
        for service_id in (self.own.id, foreign.id):
            self.create_row(self.create_volume('creating'), service_id)
        self.pass_time(QUIET_SECONDS - 20)
        self.assertEqual([], self.requests())


class EtcdTest(TakeoverTestCase):
    """The names of the locks are those that are in etcd."""

    def setUp(self):
        super().setUp()
        server = self.useFixture(etcd_server.EtcdServer())
        coordination.COORDINATOR.stop()
        self.override_config('backend_url', f'dcn-etcd3+http://{server.hosts}',
                             group='coordination')
        coordination.COORDINATOR.start()
        self.locks = coordination.COORDINATOR.coordinator.locks
        self.scope = names.Scope('f', 'p')
        self.takeover = takeover.Takeover(
            NODE, CLUSTER, self.locks.is_claimed, lambda: self.scope,
            QUIET_SECONDS, clock=lambda: self.now)

    def test_what_the_manager_or_the_driver_holds_is_left_alone(self):
        source = self.create_volume('available')
        held = [self.create_volume('extending'),
                self.create_snapshot('creating', source)]
        self.locks.acquire([(self.scope.image(held[0].name), 'x')])
        self.locks.acquire([(self.scope.snapshot(
            source.name, held[1].name), 's')])
        clone = self.create_volume('creating', source_volid=source.id)
        free = self.create_volume('extending')
        casts = Casts(self)
        self.create_volume('deleting')
        deleting = self.create_volume('deleting')
        self.create_snapshot('deleting', source)
        snapshot = self.create_snapshot('deleting', source)
        for name in (f'{deleting.id}-delete_volume',
                     f'{source.id}-delete_volume',
                     f'{snapshot.id}-delete_snapshot'):
            coordination.COORDINATOR.get_lock(name).acquire()
        self.pass_time()
        self.assertEqual(['extending', 'creating', 'creating'],
                         list(map(self.status, [*held, clone])))
        self.assertEqual('error_extending', self.status(free))
        self.assertEqual(
            ['delete_snapshot', 'delete_volume'],
            sorted(name for name, _obj, _args, _kwargs in casts.sent))
        self.assertNotIn(deleting.id, [obj.id for _n, obj, _a, _k
                                       in casts.sent])
        self.assertNotIn(snapshot.id, [obj.id for _n, obj, _a, _k
                                       in casts.sent])


class ManagerTest(TakeoverTestCase):
    """What Cinder's manager makes of our messages, and what it does alone."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            rbd.RBDDriver, '_get_fsid', lambda _driver: 'f'))
        self.deleted = []
        for operation in ('delete_volume', 'delete_snapshot'):
            self.useFixture(fixtures.MockPatchObject(
                rbd.RBDDriver, operation,
                lambda _driver, obj: self.deleted.append(obj.id)))
        self.useFixture(fixtures.MockPatchObject(
            rbd.RBDDriver, 'unmanage_snapshot', lambda _driver, _obj: None))
        self.override_config(
            'volume_driver', 'cinder.volume.drivers.rbd.RBDDriver',
            configuration.SHARED_CONF_GROUP)
        self.manager = manager.VolumeManager(host=NODE, cluster=CLUSTER)
        self.manager.service_id = self.own.id
        self.manager.driver.set_initialized()
        self.manager.stats = {'allocated_capacity_gb': 0, 'pools': {}}
        self.useFixture(fixtures.MockPatchObject(
            self.manager, 'publish_service_capabilities'))

    def serve(self):
        server = rpc.get_server(
            oslo_messaging.Target(
                topic=f'{constants.VOLUME_TOPIC}.{CLUSTER}', server='dcn0'),
            [self.manager], base.CinderObjectSerializer())
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)

    def clean(self, peer):
        self.manager.do_cleanup(self.context, objects.CleanupRequest(
            service_id=peer.id))

    def test_stock_leaves_what_nobody_has_taken_over(self):
        volumes = [self.create_volume('deleting'),
                   self.create_volume('creating')]
        for volume in volumes:
            self.create_row(volume)
        for peer in (self.own, self.peer):
            self.clean(peer)
        self.assertEqual(['deleting', 'creating'],
                         list(map(self.status, volumes)))

    def test_stock_leaves_what_it_has_no_rows_for(self):
        volume = self.create_volume('available')
        stuck = [self.create_volume('extending'),
                 self.create_volume('retyping'),
                 self.create_volume('reverting'),
                 self.create_volume('managing'),
                 self.create_volume('unmanaging'),
                 self.create_snapshot('deleting', volume),
                 self.create_snapshot('restoring', volume)]
        before = list(map(self.status, stuck))
        self.manager.init_host(service_id=self.own.id)
        self.clean(self.peer)
        self.assertEqual(before, list(map(self.status, stuck)))

    def test_stock_loses_a_deletion_whose_lock_cannot_be_had(self):
        volume = self.create_volume('deleting')
        volume.create_worker()
        with fixtures.MockPatchObject(
                coordination.COORDINATOR, 'get_lock',
                side_effect=OSError('no etcd')):
            self.assertRaises(OSError, self.manager.delete_volume,
                              self.context, volume)
        [row] = self.rows()
        self.assertIsNone(row.service_id)
        self.serve()
        self.pass_time()
        self.wait_until(lambda: self.is_gone(volume))

    def test_stock_loses_a_clone_whose_lock_cannot_be_had(self):
        source = self.create_volume('available')
        volume = self.create_volume('creating', source_volid=source.id)
        volume.create_worker()
        with fixtures.MockPatchObject(
                coordination.COORDINATOR, 'get_lock',
                side_effect=OSError('no etcd')):
            self.assertRaises(
                OSError, self.manager.create_volume, self.context, volume,
                objects.RequestSpec(source_volid=source.id))
        self.assertEqual('creating', self.status(volume))
        [row] = self.rows()
        self.assertEqual(self.own.id, row.service_id)
        self.pass_time()
        self.assertEqual('error', self.status(volume))

    def test_a_deletion_is_done(self):
        volume = self.create_volume('deleting')
        with_snapshot = self.create_volume('deleting')
        snapshot = self.create_snapshot('deleting', with_snapshot)
        of_error = self.create_volume('error_managing_deleting')
        gone = [volume, with_snapshot, snapshot, of_error]
        self.serve()
        self.pass_time(QUIET_SECONDS + 30)
        self.wait_until(lambda: all(map(self.is_gone, gone)))
        self.assertEqual({obj.id for obj in gone}, set(self.deleted))

    def test_a_deletion_of_a_snapshot_is_done(self):
        volume = self.create_volume('available')
        snapshot = self.create_snapshot('deleting', volume)
        unmanaging = self.create_snapshot('unmanaging', volume)
        self.serve()
        self.pass_time(QUIET_SECONDS + 30)
        self.wait_until(lambda: self.is_gone(snapshot)
                        and self.is_gone(unmanaging))
        self.assertEqual([snapshot.id], self.deleted)

    def test_a_volume_that_is_unmanaged_stays_in_ceph(self):
        volume = self.create_volume('unmanaging')
        self.serve()
        self.pass_time(QUIET_SECONDS + 30)
        self.wait_until(lambda: self.is_gone(volume))
        self.assertEqual([], self.deleted)

    def test_the_first_message_may_come_after_all(self):
        volume = self.create_volume('deleting')
        message = objects.Volume.get_by_id(self.context, volume.id)
        self.serve()
        self.pass_time(QUIET_SECONDS + 30)
        self.wait_until(lambda: self.is_gone(volume))
        self.manager.delete_volume(self.context, message)
        self.assertEqual([volume.id], self.deleted)

    def test_a_creation_may_come_after_all(self):
        volume = self.create_volume('creating')
        message = objects.Volume.get_by_id(self.context, volume.id)
        self.pass_time()
        self.assertEqual('error', self.status(volume))
        self.useFixture(fixtures.MockPatchObject(
            rbd.RBDDriver, 'create_volume', lambda _driver, _volume: None))
        self.manager.create_volume(self.context, message,
                                   objects.RequestSpec())
        self.assertEqual('available', self.status(volume))

    def test_what_a_dead_process_had_begun_is_ended(self):
        self.peer = self.create_service('dcn0-vol-2@ceph', 61)
        deleting = self.create_volume('deleting')
        creating = self.create_volume('creating')
        begun = self.create_volume('creating')
        for volume in (deleting, creating):
            self.create_row(volume, self.peer.id)
        self.create_row(begun, self.own.id)
        self.serve()
        self.takeover.run()
        self.wait_until(lambda: self.is_gone(deleting)
                        and self.status(creating) == 'error')
        self.assertEqual('creating', self.status(begun))
        # The row of what goes on.
        self.wait_until(lambda: len(self.rows()) == 1)
