# SPDX-License-Identifier: Apache-2.0

import logging
import os
import signal
import subprocess
import threading
import time
import types

import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_hook
from dcn_plugins.glance import copy_worker
from dcn_plugins.glance import placement_worker
from tests.unit.glance import http_service


class CopyHookTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_hook._shared', None))

    def make_conf(self, text):
        path = self.useFixture(fixtures.TempDir()).join('glance-api.conf')
        with open(path, 'w') as file:
            file.write(text)
        conf = cfg.ConfigOpts()
        conf(['--config-file', path])
        return conf

    def make(self, conf):
        hook = copy_hook.CopyHook(conf, topics=[], transport=None)
        self.addCleanup(lambda: self.worker_of(hook).stop())
        self.addCleanup(lambda: self.reaper_of(hook).stop())
        return hook

    def worker_of(self, hook):
        return hook._shared.of_this_process().worker

    def reaper_of(self, hook):
        return hook._shared.of_this_process().reaper

    def wait_until_idle(self, hook):
        deadline = time.monotonic() + 20
        while (len(self.worker_of(hook)._list)
                and time.monotonic() < deadline):
            time.sleep(0.01)

    def notify(self, hook, event='image.update', image_id='image-1',
               status='active'):
        hook.notify({}, {'event_type': event, 'payload': {
            'id': image_id, 'status': status,
            'properties': {'dcn_sites': 'dcn0'}}}, 'INFO', None)

    def test_drivers_of_a_process_are_loaded_once_and_share(self):
        # oslo.messaging gives each of them another wrapper.
        text = '[dcn]\nauth_type = none\n'
        first = self.make(self.make_conf(text))
        second = self.make(self.make_conf(text))
        self.assertEqual(1, self.log.output.count('dcn_copy loaded ('
                                                  'dcn_plugins '))
        self.assertIs(self.worker_of(first), self.worker_of(second))

    def test_placement_needs_a_policy_and_an_etcd(self):
        for text, kind in (
                ('', copy_worker.CopyWorker),
                ('placement_policy_file = /p\n', copy_worker.CopyWorker),
                ('placement_jobs_url = dcn-etcd3+http://192.0.2.1\n',
                 copy_worker.CopyWorker),
                ('placement_policy_file = /p\nplacement_jobs_url = '
                 'dcn-etcd3+http://192.0.2.1\n',
                 placement_worker.PlacementWorker)):
            copy_hook._shared = None
            hook = self.make(self.make_conf(f'[dcn]\n{text}'))
            self.assertIs(kind, type(self.worker_of(hook)), text)
        self.assertEqual(1, self.log.output.count(
            'placement_jobs_url has no effect'))

    def test_placement_looks_at_images_without_the_property(self):
        hook = self.make(self.make_conf(
            '[dcn]\nplacement_policy_file = /p\nplacement_jobs_url = '
            'dcn-etcd3+http://192.0.2.1\n'))
        worker = self.worker_of(hook)
        worker._start = lambda: None
        payload = {'id': 'image-1', 'status': 'active', 'properties': {}}
        for event in ('image.update', 'image.delete'):
            hook.notify({}, {'event_type': event, 'payload': payload},
                        'INFO', None)
            self.assertEqual(
                (['image-1'], []) if event == 'image.update' else (
                    [], ['image-1']),
                (list(worker._announced), list(worker._deleted)))

    def test_wake(self):
        copy_hook.wake()
        hook = self.make(self.make_conf('[dcn]\nauth_type = none\n'))
        copy_hook.wake()
        self.assertFalse(self.worker_of(hook)._thread.is_begun)
        copy_hook._shared = None
        hook = self.make(self.make_conf(
            '[dcn]\nplacement_policy_file = /p\nplacement_jobs_url = '
            'dcn-etcd3+http://192.0.2.1\n'))
        started = []
        self.worker_of(hook)._start = lambda: started.append(1)
        copy_hook.wake()
        self.assertEqual([1], started)
        self.worker_of(hook)._start = lambda: 1 / 0
        copy_hook.wake()
        self.assertIn('Image placement has not begun', self.log.output)

    def test_misspelt_option_is_warned_of(self):
        self.make(self.make_conf('[dcn]\ncopy_retry_second = 5\n'))
        self.assertIn('Did you mean copy_retry_seconds?', self.log.output)

    def test_options_of_the_auth_plugin_are_known(self):
        self.make(self.make_conf(
            '[dcn]\nauth_type = password\nauth_url = http://127.0.0.1/\n'
            'username = u\npassword = p\nuser-name = u\ncafile = /f\n'
            'project_name = service\nuser_domain_name = Default\n'))
        self.assertNotIn('has no effect', self.log.output)

    def test_options_of_no_chosen_plugin_are_not(self):
        self.make(self.make_conf('[dcn]\nusername = u\n'))
        self.assertIn('[dcn] username is not an option', self.log.output)

    def test_bad_values_say_where(self):
        for line, name in (('copy_retry_seconds = soon', 'copy_retry_seconds'),
                           ('copy_interface = internl', 'copy_interface'),
                           ('copy_endpoint_override = host', 'override'),
                           ('copy_queue_size = 0', 'copy_queue_size'),
                           ('placement_parallel_images = 0', 'parallel'),
                           ('placement_jobs_url = etcd3+http://h',
                            'placement_jobs_url'),
                           ('placement_jobs_url = dcn-etcd3+https://h?'
                            'ca_cert=/nothing', 'ca_cert'),
                           ('auth_type = psword', 'psword')):
            conf = self.make_conf(f'[dcn]\n{line}\n')
            error = self.assertRaises(
                exceptions.ConfigError, copy_hook.CopyHook, conf, [], None)
            self.assertIn('glance-api.conf [dcn]', str(error))
            self.assertIn(name, str(error))

    def test_full_queue_names_the_image(self):
        hook = self.make(self.make_conf('[dcn]\ncopy_queue_size = 1\n'))
        self.notify(hook)
        self.notify(hook, image_id='image-2')
        self.assertIn('Image image-2 is not copied: the queue is full',
                      self.log.output)
        self.notify(hook, 'image.delete', status='deleted')
        self.notify(hook, image_id='image-3')
        self.assertNotIn('Image image-3', self.log.output)

    def test_notify_never_raises(self):
        hook = self.make(self.make_conf(''))
        hook.notify({}, {'event_type': 'image.update', 'payload': {
            'id': ['no', 'hash'], 'status': 'active',
            'properties': {'dcn_sites': 'dcn0'}}}, 'INFO', None)
        self.assertIn('The notification image.update was not looked at',
                      self.log.output)

    def look_at(self, function):
        """Have each pass of a reaper call a function, at once."""
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.task_reaper.PASS_SECONDS', 0.01))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_hook._dead_tasks',
            lambda conf: types.SimpleNamespace(look=function)))

    def test_dead_tasks_are_looked_for_without_any_notification(self):
        is_looking = threading.Event()
        self.look_at(is_looking.set)
        self.make(self.make_conf(''))
        self.assertTrue(is_looking.wait(20))

    def test_program_that_is_started_changes_nothing(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        is_looking = threading.Event()
        self.look_at(is_looking.set)
        self.make(self.make_conf(''))
        subprocess.run(['true'], check=True, preexec_fn=lambda: os.write(
            write_end, b'%d' % threading.active_count()))
        os.close(write_end)
        self.assertEqual(b'1', os.read(read_end, 10))
        is_looking.clear()
        self.assertTrue(is_looking.wait(20))

    def test_worker_of_uwsgi_looks_for_them(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        self.look_at(lambda: os.write(write_end, b'%d\n' % os.getpid()))
        hook = self.make(self.make_conf(''))
        self.assertTrue(self.reaper_of(hook).stop(20))
        pid = os.fork()
        if pid == 0:
            copy_hook._in_worker()
            time.sleep(20)
            os._exit(0)
        try:
            os.close(write_end)
            found = b''
            while b'%d\n' % pid not in found:
                part = os.read(read_end, 1000)
                self.assertNotEqual(b'', part, 'the child has ended')
                found += part
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_the_master_of_uwsgi_leaves_it_to_its_workers(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.forks.is_master', lambda: True))
        hook = copy_hook.CopyHook(self.make_conf(''), [], None)
        self.assertEqual({}, hook._shared._processes)

    def test_child_process_has_its_own_thread(self):
        service = self.useFixture(http_service.HTTPService())
        service.answers['GET /v2/images/child'] = 200, {'id': 'child'}
        service.answers['GET /v2/images/parent'] = 200, {'id': 'parent'}
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_request.FIRST_LOOK_SECONDS', 0.0))
        hook = self.make(self.make_conf(
            '[dcn]\nauth_type = none\n'
            f'copy_endpoint_override = {service.url}\n'))
        self.notify(hook, image_id='parent')
        pid = os.fork()
        if pid == 0:
            try:
                self.notify(hook, image_id='child')
                self.wait_until_idle(hook)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        self.assertIn('GET /v2/images/child',
                      [name for name, _, _ in service.requests])
