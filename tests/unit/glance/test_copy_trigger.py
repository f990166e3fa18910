# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins.glance import copy_trigger

LOOK = copy_trigger.Verdict.LOOK
NOTHING = copy_trigger.Verdict.NOTHING
FORGET = copy_trigger.Verdict.FORGET


class CopyTriggerTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.trigger = copy_trigger.CopyTrigger(3)

    def judge(self, event='update', status='active', sites='dcn0',
              task=None, image_id='image-1'):
        properties = {'os_type': 'linux'}
        if sites is not None:
            properties['dcn_sites'] = sites
        if task:
            properties['os_glance_import_task'] = task
        return self.trigger.judge(
            f'image.{event}', {'id': image_id, 'status': status,
                               'properties': properties})

    def test_events_of_an_upload(self):
        self.assertEqual(NOTHING, self.judge('create', 'queued'))
        self.assertEqual(NOTHING, self.judge('update', 'saving'))
        self.assertEqual(NOTHING, self.judge('prepare', 'saving'))
        self.assertEqual(LOOK, self.judge('upload'))
        self.assertEqual(LOOK, self.judge('activate'))
        self.assertEqual(LOOK, self.judge('update'))

    def test_events_of_an_import(self):
        self.assertEqual(NOTHING, self.judge(status='importing', task='t'))
        self.assertEqual(LOOK, self.judge('activate', task='t'))
        self.assertEqual(NOTHING, self.judge(task='t'))

    def test_events_of_a_parallel_import_lack_activate(self):
        self.assertEqual(NOTHING, self.judge(status='importing', task='t'))
        self.assertEqual(LOOK, self.judge(task='t'))

    def test_copies_are_looked_at_once_in_another_process(self):
        self.assertEqual(LOOK, self.judge(task='t1'))
        for task in ('t1', 't2', 't3'):
            self.assertEqual(NOTHING, self.judge('prepare', task=task))
            self.assertEqual(NOTHING, self.judge('upload', task=task))
            self.assertEqual(NOTHING, self.judge(task=task))

    def test_copies_asked_for_here_are_no_news(self):
        self.assertEqual(LOOK, self.judge())
        self.assertEqual(NOTHING, self.judge(task='t1'))

    def test_change_of_the_property_during_a_copy(self):
        self.judge()
        self.assertEqual(LOOK, self.judge(sites='dcn0,dcn1', task='t1'))
        self.assertEqual(NOTHING, self.judge(sites='dcn0,dcn1', task='t1'))

    def test_any_update_by_a_user(self):
        self.judge()
        self.assertEqual(LOOK, self.judge())

    def test_second_activation_is_news(self):
        self.judge()
        self.judge(status='importing', task='t1')
        self.assertEqual(LOOK, self.judge(task='t1'))

    def test_image_without_the_property(self):
        self.assertEqual(NOTHING, self.judge(sites=None))
        self.assertEqual(NOTHING, self.judge(sites=' , '))

    def test_image_without_the_property_if_all_are_wanted(self):
        self.trigger = copy_trigger.CopyTrigger(3, is_for_all=True)
        self.assertEqual(NOTHING, self.judge('create', 'queued', None))
        self.assertEqual(LOOK, self.judge(sites=None, task='t'))
        self.assertEqual(NOTHING, self.judge(sites=None, task='t'))
        self.assertEqual(LOOK, self.judge(sites='dcn0', task='t'))

    def test_deletion(self):
        self.judge()
        self.assertEqual(FORGET, self.judge('delete', 'deleted'))
        self.assertEqual(LOOK, self.judge(task='t1'))

    def test_memory_is_bounded(self):
        for number in range(5):
            self.judge(image_id=f'image-{number}')
        self.assertEqual(NOTHING, self.judge(image_id='image-4', task='t'))
        self.assertEqual(LOOK, self.judge(image_id='image-0', task='t'))

    def test_other_notifications(self):
        for event, payload in (
                ('image.upload', 'Image storage media is full: x'),
                ('image.send', {'image_id': 'image-1'}),
                ('image.update', {'status': 'active', 'properties': {
                    'dcn_sites': 'dcn0'}}),
                ('image.update', {'id': 'image-1', 'status': 'active'}),
                ('image.member.update', {'image_id': 'image-1'}),
                ('task.create', {'id': 'task-1', 'status': 'active'}),
                (None, None)):
            self.assertEqual(NOTHING, self.trigger.judge(event, payload))
