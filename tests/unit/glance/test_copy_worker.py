# SPDX-License-Identifier: Apache-2.0

import threading

import fixtures
import testtools

from dcn_plugins.glance import copy_worker
from tests.unit.glance import fakes

WAIT_SECONDS = 20


class AnsweringImageAPI(fakes.FakeImageAPI):
    """Copies at once, and tells when an image has been dealt with."""

    def __init__(self):
        super().__init__()
        self.threads = set()
        self.seen = {}

    def get_image(self, image_id):
        self.threads.add(threading.current_thread().name)
        image = super().get_image(image_id)
        self.event(image_id).set()
        if image == 'broken':
            raise RuntimeError('broken image')
        return image

    def request_copy(self, image_id, stores):
        super().request_copy(image_id, stores)
        self.end_copy(image_id)

    def event(self, image_id):
        return self.seen.setdefault(image_id, threading.Event())

    def wait(self, image_id):
        return self.event(image_id).wait(WAIT_SECONDS)


class CopyWorkerTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_request.FIRST_LOOK_SECONDS', 0.0))
        self.api = AnsweringImageAPI()

    def make(self, size=10):
        worker = copy_worker.CopyWorker(self.api, size, 60.0)
        self.addCleanup(self.check_end, worker)
        return worker

    def check_end(self, worker):
        self.assertTrue(worker.stop(WAIT_SECONDS))

    def test_images_are_copied_by_one_thread(self):
        worker = self.make()
        for number in range(5):
            self.api.add_image(f'image-{number}', 'dcn0')
            self.assertTrue(worker.add(f'image-{number}'))
        for number in range(5):
            self.assertTrue(self.api.wait(f'image-{number}'))
        self.assertTrue(worker.stop(WAIT_SECONDS))
        self.assertEqual(5, len(self.api.asked))
        self.assertEqual({'dcn_copy'}, self.api.threads)

    def test_no_thread_before_the_first_image(self):
        before = threading.active_count()
        worker = self.make()
        worker.drop('image-1')
        self.assertEqual(before, threading.active_count())

    def test_image_that_waits_does_not_hold_up_others(self):
        self.api.add_image('image-1', 'dcn0', status='saving')
        self.api.add_image('image-2', 'dcn0')
        worker = self.make()
        worker.add('image-1')
        self.assertTrue(self.api.wait('image-1'))
        worker.add('image-2')
        self.assertTrue(self.api.wait('image-2'))

    def test_one_broken_image_does_not_end_the_thread(self):
        self.api.images['image-1'] = 'broken'
        self.api.add_image('image-2', 'dcn0')
        worker = self.make()
        worker.add('image-1')
        worker.add('image-2')
        self.assertTrue(self.api.wait('image-2'))
        self.assertIn('The copies of image image-1 were given up',
                      self.log.output)
        self.assertIn('RuntimeError: broken image', self.log.output)

    def test_full_list_is_told(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_request.FIRST_LOOK_SECONDS', 3600.0))
        worker = self.make(size=1)
        self.assertTrue(worker.add('image-1'))
        self.assertTrue(worker.add('image-1'))
        self.assertFalse(worker.add('image-2'))
        worker.drop('image-1')
        self.assertTrue(worker.add('image-2'))
