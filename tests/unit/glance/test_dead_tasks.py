# SPDX-License-Identifier: Apache-2.0
"""On Glance's own database, in memory."""

import types

import fixtures
from glance.common import exception
from glance import context as glance_context
from glance.db.sqlalchemy import api as db_api
from glance.db.sqlalchemy import models
from oslo_config import cfg
from oslo_db import options as db_options
import testtools

from dcn_plugins.glance import dead_tasks
from dcn_plugins.glance import task_watch
from dcn_plugins.placement import image_import
from tests.unit.glance import fakes

CONF = cfg.CONF
IMAGE = '11111111-1111-1111-1111-111111111111'
TASK = '22222222-2222-2222-2222-222222222222'
OTHER = '33333333-3333-3333-3333-333333333333'
MESSAGE = task_watch.MARK + 'dcn0 53%'


class Killed(BaseException):
    """What nobody catches."""


class Before:
    """A database that has something happen before a call that writes."""

    WRITES = ('image_update', 'image_delete_property_atomic', 'task_update')

    def __init__(self, number, happen):
        self._left = number
        self._happen = happen

    def __getattr__(self, name):
        function = getattr(db_api, name)

        def call(*args, **kwargs):
            self._left -= 1
            if self._left == 0:
                self._happen()
            return function(*args, **kwargs)

        return call if name in self.WRITES else function


class DeadTasksTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        db_options.set_defaults(CONF)
        CONF.set_override('connection', 'sqlite://', group='database')
        self.addCleanup(CONF.clear_override, 'connection', group='database')
        db_api.clear_db_env()
        self.addCleanup(db_api.clear_db_env)
        models.register_models(db_api.get_engine())
        self.context = glance_context.get_admin_context()
        self.clock = fakes.FakeClock()
        self.tasks = self.make()

    def make(self, database=db_api):
        return dead_tasks.DeadTasks(database, self.context, self.clock)

    def leave(self, message=MESSAGE, lock=TASK, task_id=TASK, **task):
        """Leave what a glance-api that was killed leaves."""
        db_api.image_create(self.context, {
            'id': IMAGE, 'status': 'active', 'disk_format': 'raw',
            'container_format': 'bare', 'owner': 'project',
            'locations': [{'url': f'rbd://{store}', 'status': 'active',
                           'metadata': {'store': store}}
                          for store in ('central', 'dcn1')],
            'properties': {
                image_import.TASK: lock,
                image_import.IMPORTING: 'dcn0,dcn1,other',
                image_import.FAILED: 'dcn9'}})
        self.add_task(message, task_id, **task)

    def add_task(self, message, task_id, **task):
        db_api.task_create(self.context, {
            'id': task_id, 'type': 'api_image_import', 'status': 'processing',
            'owner': 'project', 'message': message, 'image_id': IMAGE,
            'input': {'image_id': IMAGE, 'import_req': {},
                      'backend': ['dcn0', 'dcn1']}, **task})

    def pass_away(self, *all_tasks):
        for tasks in all_tasks:
            tasks.look()
        self.clock.now += dead_tasks.SILENT_SECONDS
        for tasks in all_tasks:
            tasks.look()

    def task(self, task_id=TASK):
        return db_api.task_get(self.context, task_id)

    def properties(self):
        return {row['name']: row['value'] for row in db_api.image_get(
            self.context, IMAGE)['properties'] if not row['deleted']}

    def check_cleared(self):
        task = self.task()
        self.assertEqual('failure', task['status'])
        self.assertEqual(
            'The glance-api that made the copies has ended, or was away for '
            '45 s. Not copied to: dcn0. Ask again: what is there of a copy '
            'is gone on with. Last heard: dcn0 53%', task['message'])
        self.assertEqual({image_import.IMPORTING: 'other',
                          image_import.FAILED: 'dcn0,dcn9'},
                         self.properties())

    def check_untouched(self):
        self.assertEqual('processing', self.task()['status'])
        self.assertEqual({image_import.TASK: TASK,
                          image_import.IMPORTING: 'dcn0,dcn1,other',
                          image_import.FAILED: 'dcn9'}, self.properties())

    def test_a_dead_one(self):
        self.leave()
        self.pass_away(self.tasks)
        self.check_cleared()
        self.assertIn(f'Image {IMAGE}, task {TASK}: The glance-api that',
                      self.log.output)

    def test_nothing_is_judged_by_one_look(self):
        self.leave()
        self.clock.now += 3600
        self.tasks.look()
        self.check_untouched()
        self.clock.now += dead_tasks.SILENT_SECONDS - 1
        self.tasks.look()
        self.check_untouched()

    def test_one_that_is_not_marked(self):
        for number, message in enumerate(('', 'Copied 15 MiB', 'dcn0 53%')):
            self.add_task(message, f'{number}{OTHER[1:]}')
        self.leave(message='Copied 15 MiB')
        for _hour in range(3):
            self.pass_away(self.tasks)
            self.clock.now += 3600
        self.check_untouched()
        self.assertEqual('', self.log.output)

    def leave_unbegun(self, message=None, method='copy-image',
                      stores=('dcn7', 'dcn8')):
        """Leave a task that was killed before its first line."""
        self.leave(message=message, input={
            'image_id': IMAGE, 'import_req': {'method': {'name': method}},
            'backend': list(stores)})

    def test_one_that_has_never_begun(self):
        self.leave_unbegun()
        self.tasks.look()
        self.clock.now += dead_tasks.SILENT_SECONDS - 1
        self.tasks.look()
        self.check_untouched()
        self.clock.now += 1
        self.tasks.look()
        self.assertEqual('failure', self.task()['status'])
        self.assertIn('Not copied to: dcn7,dcn8', self.task()['message'])
        found = self.properties()
        self.assertNotIn(image_import.TASK, found)
        self.assertEqual('dcn7,dcn8,dcn9', found[image_import.FAILED])
        self.assertEqual('dcn0,dcn1,other', found[image_import.IMPORTING])

    def leave_waiting(self, method='copy-image'):
        """Leave a task whose glance-api was killed before its turn."""
        self.leave(message=None, status='pending', input={
            'image_id': IMAGE, 'import_req': {'method': {'name': method}},
            'backend': ['dcn7', 'dcn8']})

    def wait(self, seconds=dead_tasks.PENDING_SECONDS):
        self.tasks.look()
        self.clock.now += seconds
        self.tasks.look()

    def test_one_that_waits_for_its_turn(self):
        self.leave_waiting()
        self.wait(dead_tasks.PENDING_SECONDS - 1)
        self.assertEqual('pending', self.task()['status'])
        self.clock.now += 1
        self.tasks.look()
        task = self.task()
        self.assertEqual('failure', task['status'])
        self.assertEqual(
            'The glance-api that was asked has ended, or has not begun for '
            '180 s. Not copied to: dcn7,dcn8. Ask again: what is there of a '
            'copy is gone on with.', task['message'])
        found = self.properties()
        self.assertNotIn(image_import.TASK, found)
        self.assertEqual('dcn7,dcn8,dcn9', found[image_import.FAILED])

    def check_left(self, **options):
        self.leave_waiting(**options)
        self.wait()
        self.assertEqual('pending', self.task()['status'])
        self.assertEqual(TASK, self.properties()[image_import.TASK])

    def test_an_import_that_waits(self):
        self.check_left(method='web-download')

    def test_threads_that_are_fewer(self):
        self.tasks = dead_tasks.DeadTasks(db_api, self.context, self.clock,
                                          few=1)
        self.add_task('0', OTHER, type='location_import')
        self.check_left()
        db_api.task_update(self.context, OTHER, {'status': 'success'})
        self.wait()
        self.assertEqual('failure', self.task()['status'])

    def test_one_that_waits_while_others_are_processed(self):
        self.leave_waiting()
        for number in range(dead_tasks.FEW):
            self.add_task(f'{number}', f'{number}{OTHER[1:]}')
        self.wait()
        self.assertEqual('pending', self.task()['status'])
        # Who goes on with the next one is not busy for a moment.
        db_api.task_update(self.context, f'0{OTHER[1:]}',
                           {'status': 'success'})
        self.wait(dead_tasks.PENDING_SECONDS - 1)
        self.assertEqual('pending', self.task()['status'])
        self.clock.now += 1
        self.tasks.look()
        self.assertEqual('failure', self.task()['status'])

    def test_tasks_that_died_long_ago_keep_nobody_waiting(self):
        self.leave_waiting()
        for number in range(dead_tasks.FEW):
            self.add_task('', f'{number}{OTHER[1:]}', type='location_import')
        self.wait()
        self.assertEqual('pending', self.task()['status'])
        with db_api.get_engine().begin() as connection:
            connection.exec_driver_sql(
                "UPDATE tasks SET updated_at = '2020-01-01 00:00:00' "
                "WHERE type = 'location_import'")
        self.wait()
        self.assertEqual('failure', self.task()['status'])

    def test_a_success_that_has_its_lock_still(self):
        self.leave(status='success')
        self.pass_away(self.tasks)
        self.assertNotIn(image_import.TASK, self.properties())
        self.assertEqual('success', self.task()['status'])

    def test_a_success_spares_the_lock_of_another(self):
        self.leave(status='success', lock=OTHER)
        before = self.properties()
        self.pass_away(self.tasks)
        self.assertEqual(before, self.properties())

    def check_brought_back(self, status):
        self.leave(status=status)
        db_api.image_delete_property_atomic(IMAGE, image_import.TASK, TASK)
        self.assertEqual('dcn0,dcn1,other',
                         self.properties()[image_import.IMPORTING])
        self.pass_away(self.tasks)
        self.assertEqual('other', self.properties()[image_import.IMPORTING])
        self.assertEqual('dcn9', self.properties()[image_import.FAILED])

    def test_what_a_request_has_brought_back_of_a_success(self):
        self.check_brought_back('success')

    def test_what_a_request_has_brought_back_of_a_failure(self):
        self.check_brought_back('failure')

    def test_an_image_that_was_deleted_after_its_task(self):
        self.leave(status='success')
        db_api.image_destroy(self.context, IMAGE)
        self.pass_away(self.tasks)
        self.assertNotIn('was not cleared up', self.log.output)

    def test_one_that_begins_after_all(self):
        self.leave_waiting()
        self.tasks.look()
        self.clock.now += dead_tasks.PENDING_SECONDS
        db_api.task_update(self.context, TASK, {
            'status': 'processing', 'message': MESSAGE})
        self.tasks.look()
        self.assertEqual('processing', self.task()['status'])
        self.assertEqual(TASK, self.properties()[image_import.TASK])

    def test_those_that_may_have_begun(self):
        for options in ({'message': 'Copied 15 MiB'},
                        {'method': 'web-download'},
                        # On its way, there, failed.
                        {'stores': ('dcn7', 'dcn0')},
                        {'stores': ('dcn7', 'central')},
                        {'stores': ('dcn7', 'dcn9')}):
            self.leave_unbegun(**options)
            for _hour in range(2):
                self.pass_away(self.tasks)
                self.clock.now += 3600
            self.check_untouched()
            db_api.task_delete(self.context, TASK)
            db_api.image_destroy(self.context, IMAGE)
            db_api.clear_db_env()
            models.register_models(db_api.get_engine())
            self.tasks = self.make()

    def test_one_that_is_marked_later(self):
        self.leave(message='')
        self.pass_away(self.tasks)
        db_api.task_update(self.context, TASK, {'message': MESSAGE})
        self.tasks.look()
        self.check_untouched()
        self.pass_away(self.tasks)
        self.check_cleared()

    def test_one_that_beats_while_it_is_judged(self):
        self.leave()
        get = self.tasks._repo.get

        def beat_and_get(task_id):
            db_api.task_update(self.context, task_id, {'message': MESSAGE})
            return get(task_id)

        self.tasks._repo.get = beat_and_get
        self.pass_away(self.tasks)
        self.check_untouched()

    def test_tasks_of_other_kinds(self):
        self.leave(type='location_import')
        self.pass_away(self.tasks)
        self.check_untouched()

    def test_a_lock_that_is_anothers(self):
        self.leave(lock=OTHER)
        before = self.properties()
        self.pass_away(self.tasks)
        self.assertEqual('failure', self.task()['status'])
        self.assertEqual(before, self.properties())

    def test_an_image_that_is_gone(self):
        self.leave()
        db_api.image_destroy(self.context, IMAGE)
        self.pass_away(self.tasks)
        self.assertEqual('failure', self.task()['status'])
        self.assertNotIn('Not copied to', self.task()['message'])

    def test_a_task_that_is_gone(self):
        self.leave()
        self.tasks.look()
        self.clock.now += dead_tasks.SILENT_SECONDS
        self.tasks._repo.get = lambda task_id: (_ for _ in ()).throw(
            exception.NotFound())
        self.tasks.look()
        self.check_untouched()

    def test_one_that_is_broken_is_not_in_the_way_of_others(self):
        self.leave()
        self.add_task(MESSAGE, OTHER, input={'image_id': IMAGE})
        self.pass_away(self.tasks)
        self.check_cleared()
        self.assertEqual('processing', self.task(OTHER)['status'])
        self.assertIn(f'Task {OTHER}, which is dead, was not cleared up',
                      self.log.output)

    def test_killed_before_each_write(self):
        def kill():
            raise Killed()

        self.leave()
        # The stores; the lock; what is left then is the task.
        for number, is_locked in ((1, True), (2, True), (2, False)):
            self.assertRaises(Killed, self.pass_away,
                              self.make(Before(number, kill)))
            self.assertEqual('processing', self.task()['status'])
            self.assertEqual(is_locked,
                             image_import.TASK in self.properties())
        self.pass_away(self.tasks)
        self.check_cleared()

    def check_two(self, number):
        self.leave()
        second = self.make()
        second.look()
        self.pass_away(self.make(Before(number, second.look)))
        self.check_cleared()

    def test_two_at_once_before_the_stores(self):
        self.check_two(1)

    def test_two_at_once_before_the_lock(self):
        self.check_two(2)

    def test_two_at_once_before_the_task(self):
        self.check_two(3)

    def test_a_new_task_is_not_disturbed(self):
        self.leave()

        def begin():
            # Another has cleared up, and the user has asked again.
            self.another.look()
            db_api.image_set_property_atomic(IMAGE, image_import.TASK, OTHER)
            self.add_task(MESSAGE, OTHER)

        self.another = self.make()
        self.another.look()
        first = self.make(Before(2, begin))
        self.pass_away(first)
        self.assertEqual(OTHER, self.properties()[image_import.TASK])
        self.assertEqual('processing', self.task(OTHER)['status'])
        self.assertEqual('failure', self.task()['status'])

    def test_a_glance_that_nobody_knows(self):
        self.conf = types.SimpleNamespace(wsgi=types.SimpleNamespace(
            task_pool_threads=16))
        self.assertIsNotNone(dead_tasks.of_this_glance(self.conf))
        self.useFixture(fixtures.MonkeyPatch(
            'glance.db.sqlalchemy.api.task_get_all', None))
        self.assertIsNone(dead_tasks.of_this_glance(self.conf))
        self.assertIn('does not know this release (there is no glance.db',
                      self.log.output)
