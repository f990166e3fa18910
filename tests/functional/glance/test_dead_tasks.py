# SPDX-License-Identifier: Apache-2.0
"""What is left of a copy whose glance-api was killed, and who puts it right.

The glance-api that is killed is a process of its own: a fork of the test that
asks for the copy, and has itself killed by the kernel at a step of it.
"""

import os
import signal
import threading
import time
import types

import fixtures
from glance.api import common
from glance.async_.flows import api_image_import
from glance import context as glance_context
from glance.db.sqlalchemy import api as db_api
from glance import domain
import glance.location
from oslo_config import cfg

from dcn_plugins.glance import copy_hook
from dcn_plugins.glance import dead_tasks
from dcn_plugins.glance import image_facts
from dcn_plugins.glance import image_record
from dcn_plugins.glance import task_watch
from tests.fakes import copier
from tests.functional.glance import glance_api
from tests.functional.glance import test_data_path
from tests.unit.glance import fakes

CONF = cfg.CONF
LOCK = 'os_glance_import_task'
_set_data = glance.location.ImageProxy.set_data


class DeadTasksCase(test_data_path.DataPathCase):

    def setUp(self):
        super().setUp()
        self.clock = fakes.FakeClock()
        self.tasks = self.another()

    def another(self):
        """Return what a process looks for dead tasks with."""
        return dead_tasks.DeadTasks(
            db_api, glance_context.get_admin_context(), self.clock)

    def pass_away(self, *all_tasks):
        """Have some look, wait, and look again."""
        all_tasks = all_tasks or (self.tasks,)
        for tasks in all_tasks:
            tasks.look()
        self.clock.now += dead_tasks.SILENT_SECONDS
        for tasks in all_tasks:
            tasks.look()

    def killed(self, image_id, *stores, before=(), after=(), skip=0):
        """Ask for copies in a process that is killed.

        :param before: class and name of the function that it is killed at;
            ``after``: at its end. ``skip`` calls are let pass.
        """
        pid = os.fork()
        if pid == 0:
            try:
                self._be_killed(*(before or after), bool(before), skip)
                self.ask(image_id, *stores)
            finally:
                # It should not have come so far.
                os._exit(1)
        deadline = time.monotonic() + glance_api.WAIT_SECONDS
        found, status = os.waitpid(pid, os.WNOHANG)
        while not found and time.monotonic() < deadline:
            time.sleep(0.05)
            found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self.fail('the process was not killed at the step')
        self.assertEqual(signal.SIGKILL, os.WTERMSIG(status), status)

    @staticmethod
    def _be_killed(owner, name, is_before, skip):
        # The threads of the pool have not come along.
        common.get_thread_pool = lambda *_args: types.SimpleNamespace(
            spawn=lambda function, *args: function(*args))
        function = getattr(owner, name)
        left = [skip]

        def last(*args, **kwargs):
            left[0] -= 1
            if is_before and left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, last)

    def check_locked(self, image_id, *stores):
        """See that nothing can be asked for, as it is without us."""
        self.assertIn(LOCK, self.image(image_id))
        response = self.api_post(f'/v2/images/{image_id}/import', json={
            'method': {'name': 'copy-image'}, 'stores': list(stores)})
        self.assertEqual(409, response.status_code)

    def check_failure(self, image_id, *stores):
        """See that the task has failed for some stores, and all is free."""
        task = self.task(image_id)
        self.assertEqual('failure', task['status'], task)
        self.assertIn('The glance-api that made the copies has ended',
                      task['message'])
        if stores:
            self.assertIn(f'Not copied to: {",".join(stores)}. Ask again',
                          task['message'])
        self.assertNotIn(LOCK, self.image(image_id))
        self.assertEqual(('', ','.join(stores)), self.bookkeeping(image_id))

    def check_retry(self, image_id, *stores):
        task = self.copied(image_id, *stores)
        self.assertEqual('success', task['status'], task)
        self.assertEqual(('', ''), self.bookkeeping(image_id))
        self.assertLessEqual({'central', *stores}, self.stores_of(image_id))
        rows = [location['metadata']['store'] for location
                in db_api.image_get(self.context, image_id)['locations']]
        self.assertEqual(sorted(set(rows)), sorted(rows))


class KilledTest(DeadTasksCase):

    def check(self, *missing, **step):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', 'dcn1', **step)
        self.check_locked(image_id, *missing[:1])
        self.pass_away()
        self.check_failure(image_id, *missing)
        self.check_retry(image_id, *missing)

    def test_before_the_first_beat(self):
        self.check('dcn0', 'dcn1', before=(task_watch.TaskWatch, 'beat'))

    def test_after_the_first_beat(self):
        self.check('dcn0', 'dcn1', after=(task_watch.TaskWatch, 'beat'))

    def test_with_the_stores_noted(self):
        self.check('dcn0', 'dcn1', after=(image_record.ImageRecord, 'begin'))

    def test_while_data_are_copied(self):
        self.check('dcn0', 'dcn1', before=(copier.Copier, '_copied'))

    def test_with_a_copy_that_is_not_registered(self):
        self.check('dcn0', 'dcn1', before=(image_record.ImageRecord,
                                           'publish'))

    def test_with_one_store_registered_and_on_its_way(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', 'dcn1',
                    after=(image_record.ImageRecord, '_add'))
        self.assertEqual('dcn0,dcn1', self.bookkeeping(image_id)[0])
        there = self.stores_of(image_id) - {'central'}
        missing, = {'dcn0', 'dcn1'} - there
        self.pass_away()
        self.check_failure(image_id, missing)
        self.check_retry(image_id, missing)

    def test_with_one_store_done(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', 'dcn1',
                    after=(image_record.ImageRecord, 'publish'))
        missing = self.bookkeeping(image_id)[0]
        self.pass_away()
        self.check_failure(image_id, missing)
        self.check_retry(image_id, missing)

    def test_with_all_registered(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', before=(task_watch.TaskWatch, 'end'))
        self.pass_away()
        self.check_failure(image_id)
        self.check_retry(image_id, 'dcn1')

    def test_with_stores_that_are_left_to_glance(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'store2', 'dcn0',
                    after=(image_record.ImageRecord, 'publish'))
        self.check_locked(image_id, 'store2')
        self.pass_away()
        self.check_failure(image_id, 'store2')
        self.check_retry(image_id, 'store2')

    def test_two_processes_look(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', after=(task_watch.TaskWatch, 'beat'))
        self.pass_away(self.tasks, self.another(), self.another())
        self.check_failure(image_id, 'dcn0')
        self.assertEqual(1, self.log.output.count(
            'The glance-api that made the copies has ended'))

    def test_the_image_was_deleted_meanwhile(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', after=(task_watch.TaskWatch, 'beat'))
        self.assertEqual(204, self.api_delete(
            f'/v2/images/{image_id}').status_code)
        self.pass_away()
        self.assertEqual('failure', self.task(image_id)['status'])

    def test_after_the_last_beat(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', after=(task_watch.TaskWatch, 'end'))
        self.check_locked(image_id, 'dcn1')
        self.pass_away()
        self.check_failure(image_id)
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))
        self.check_retry(image_id, 'dcn1')

    def test_between_the_success_and_the_lock(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', before=(
            api_image_import.ImportActionWrapper, 'drop_lock_for_task'))
        self.check_locked(image_id, 'dcn1')
        self.pass_away()
        self.assertEqual('success', self.task(image_id)['status'])
        self.check_retry(image_id, 'dcn1')

    def test_after_the_last_beat_stores_of_glance_are_left_to_it(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'store2', 'dcn0',
                    after=(task_watch.TaskWatch, 'end'))
        self.pass_away()
        self.assertEqual('processing', self.task(image_id)['status'])
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))


class LivingTest(DeadTasksCase):

    def setUp(self):
        super().setUp()
        self.over = []
        run = domain.Task.run

        def noted(task, executor):
            try:
                run(task, executor)
            finally:
                self.over.append(task.task_id)

        self.useFixture(fixtures.MonkeyPatch('glance.domain.Task.run', noted))

    def end(self, tasks):
        """Wait until so many tasks have ended in this process."""
        self.wait_for(lambda: len(self.over) == tasks,
                      'the end of all tasks')

    def test_a_slow_one(self):
        image_id = self.upload_to('central')
        go_on = self.held(image_id, 'dcn0')
        for _pass in range(3):
            before = self.task(image_id)['updated_at']
            self.tasks.look()
            self.wait_for(lambda before=before: self.task(
                image_id)['updated_at'] > before, 'a beat')
            self.clock.now += dead_tasks.SILENT_SECONDS
        self.tasks.look()
        self.assertEqual('processing', self.task(image_id)['status'])
        go_on.set()
        self.assertEqual('success', self.ended(image_id)['status'])
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))

    def test_one_that_stands_still_registers_nothing(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_watch.BEAT_SECONDS', 3600.0))
        image_id = self.upload_to('central')
        go_on = self.held(image_id, 'dcn0', 'dcn1')
        self.pass_away()
        self.check_failure(image_id, 'dcn0', 'dcn1')
        go_on.set()
        self.end(1)
        self.assertEqual('failure', self.task(image_id)['status'])
        self.assertEqual({'central'}, self.stores_of(image_id))

    def test_one_that_wakes_up_spares_what_another_has_registered(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_watch.BEAT_SECONDS', 3600.0))
        image_id = self.upload_to('central')
        is_whole, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)
        fill = copier.Copier._copied

        def late(*args):
            result = fill(*args)
            if not is_whole.is_set():
                is_whole.set()
                end = time.monotonic() + glance_api.WAIT_SECONDS
                # It is a thread of the system that waits for a green one.
                while not go_on.is_set() and time.monotonic() < end:
                    time.sleep(copier.TICK_SECONDS)
            return result

        self.useFixture(fixtures.MonkeyPatch(
            'tests.fakes.copier.Copier._copied', late))
        self.ask(image_id, 'dcn0')
        self.wait_for(is_whole.is_set, 'the copy to be whole')
        self.pass_away()
        self.check_failure(image_id, 'dcn0')
        self.check_retry(image_id, 'dcn0')
        go_on.set()
        self.end(2)
        self.assertIn('is not registered by this task', self.log.output)
        self.assertEqual([image_id], self.images_in('dcn0'))
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))
        self.assertEqual(('', ''), self.bookkeeping(image_id))

    def test_one_that_stands_still_after_its_last_beat(self):
        image_id = self.upload_to('central')
        is_there, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)
        delete = api_image_import._DeleteFromFS.execute

        # taskflow goes by the names of its parameters.
        def late(task, file_path):
            is_there.set()
            go_on.wait(glance_api.WAIT_SECONDS)
            return delete(task, file_path)

        self.useFixture(fixtures.MonkeyPatch(
            'glance.async_.flows.api_image_import._DeleteFromFS.execute',
            late))
        self.ask(image_id, 'dcn0')
        self.wait_for(is_there.is_set, 'the last beat')
        self.pass_away()
        self.check_failure(image_id)
        self.patch(image_id, 'add', '/meanwhile', 'x')
        go_on.set()
        self.end(1)
        self.assertEqual('x', self.image(image_id)['meanwhile'])
        self.assertEqual({'central', 'dcn0'}, self.stores_of(image_id))
        self.assertEqual('failure', self.task(image_id)['status'])

    def test_one_that_has_come_to_the_stores_of_glance(self):
        image_id = self.upload_to('central')
        is_there, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def set_data(proxy, data, size=None, backend=None, set_active=True):
            if backend == 'store2':
                is_there.set()
                go_on.wait(glance_api.WAIT_SECONDS)
            return _set_data(proxy, data, size=size, backend=backend,
                             set_active=set_active)

        self.useFixture(fixtures.MonkeyPatch(
            'glance.location.ImageProxy.set_data', set_data))
        self.ask(image_id, 'dcn0', 'store2')
        self.wait_for(is_there.is_set, 'the turn of store2')
        self.pass_away()
        self.clock.now += 3600
        self.pass_away()
        self.assertEqual('processing', self.task(image_id)['status'])
        go_on.set()
        self.assertEqual('success', self.ended(image_id)['status'])
        self.assertEqual({'central', 'dcn0', 'store2'},
                         self.stores_of(image_id))


class DeletedTest(DeadTasksCase):
    """What Glance's database says of images that were deleted."""

    def test_those_that_were_deleted_since(self):
        began = time.time()
        facts = image_facts.of_this_glance(CONF)
        living, deleted = self.upload_to('central'), self.upload_to('central')
        self.assertEqual({}, facts.deleted_since(began - 60))
        self.assertEqual(204, self.api_delete(
            f'/v2/images/{deleted}').status_code)
        (image_id, deleted_at), = facts.deleted_since(began - 60).items()
        self.assertEqual(deleted, image_id)
        self.assertLess(abs(deleted_at - time.time()), 60)
        self.assertEqual({}, facts.deleted_since(time.time() + 60))
        self.assertEqual({living}, set(facts.live()))


class StartTest(DeadTasksCase):
    """From the start of a process, and without being told."""

    def setUp(self):
        super().setUp()
        self.set_times(0.2)

    def set_times(self, pass_seconds, silent_seconds=1.0):
        for name, seconds in (('task_reaper.PASS_SECONDS', pass_seconds),
                              ('dead_tasks.SILENT_SECONDS', silent_seconds)):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.glance.{name}', seconds))

    def test_a_process_that_starts(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', after=(task_watch.TaskWatch, 'beat'))
        self.assertIsNone(copy_hook._shared)
        self.start_glance()
        self.wait_for(lambda: self.task(image_id)['status'] == 'failure',
                      'the end of the task')
        # SQLite has one writer, and another one stops all of the process while
        # it waits for it. On a busy machine a copy that lives is silent for
        # longer, too.
        self.assertTrue(self.reaper().stop(glance_api.WAIT_SECONDS))
        self.check_failure(image_id, 'dcn0')
        self.check_retry(image_id, 'dcn0')

    def test_a_worker_that_uwsgi_forks(self):
        # Whoever looks all the time keeps SQLite busy.
        self.set_times(3600.0)
        self.start_glance()
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', after=(task_watch.TaskWatch, 'beat'))
        self.assertTrue(self.reaper().stop(glance_api.WAIT_SECONDS))
        self.assertEqual('processing', self.task(image_id)['status'])
        self.set_times(0.2)
        pid = os.fork()
        if pid == 0:
            copy_hook._in_worker()
            time.sleep(glance_api.WAIT_SECONDS)
            os._exit(1)
        try:
            self.wait_for(lambda: self.task(image_id)['status'] == 'failure',
                          'the end of the task')
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.check_failure(image_id, 'dcn0')


class StockTest(DeadTasksCase):

    data_path = 'stock'

    def test_its_tasks_are_glances(self):
        image_id = self.upload_to('central')
        self.killed(image_id, 'dcn0', before=(
            glance.location.ImageProxy, 'set_data'))
        self.pass_away()
        self.clock.now += 3600
        self.pass_away()
        self.assertEqual('processing', self.task(image_id)['status'])
        self.check_locked(image_id, 'dcn0')
