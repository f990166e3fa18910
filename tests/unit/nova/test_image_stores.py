# SPDX-License-Identifier: Apache-2.0

import threading

import fixtures
from nova import exception
from nova.image import glance
from oslo_utils.fixture import uuidsentinel as uuids
import testtools

from dcn_plugins import image_store_cache
from dcn_plugins.nova import image_stores
from tests.unit.nova import records

WAIT_SECONDS = 30


class Glance(fixtures.Fixture):
    """Nova's client of Glance; it can fail, and be held until let go."""

    def __init__(self):
        self.image = {'stores': 'central,dcn1'}
        self.error = None
        self.asked = []
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self.lock = threading.Lock()
        self.busy = self.most_busy = 0

    def _setUp(self):
        self.useFixture(fixtures.MockPatchObject(
            glance.API, 'get', side_effect=self.get))
        self.addCleanup(self.may_end.set)

    def get(self, context, image_id):
        with self.lock:
            self.asked.append((context, image_id))
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        self.has_begun.set()
        assert self.may_end.wait(WAIT_SECONDS)
        with self.lock:
            self.busy -= 1
        if self.error:
            raise self.error
        return self.image


class ImageStoresTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(records.Clock(image_store_cache))
        self.glance = self.useFixture(Glance())
        self.stores = image_stores.ImageStores(30.0)
        self.context = records.NovaTestCase.context()

    def get(self, image_id=uuids.image):
        return self.stores.get(self.context, image_id)


class AnswerTest(ImageStoresTestCase):

    def test_is_split(self):
        self.assertEqual({'central', 'dcn1'}, self.get())
        self.assertIsInstance(self.get(), frozenset)
        self.glance.image = {'stores': ' dcn10 , central,'}
        self.assertEqual({'dcn10', 'central'}, self.get(uuids.other))

    def test_may_stand_among_the_properties(self):
        self.glance.image = {'properties': {'stores': 'dcn2'}}
        self.assertEqual({'dcn2'}, self.get())

    def test_image_in_no_store(self):
        for number, image in enumerate((
                {}, {'stores': None}, {'stores': ''}, {'properties': None},
                {'properties': {}})):
            self.glance.image = image
            self.assertEqual(frozenset(), self.get(f'image{number}'))

    def test_is_asked_for_with_the_token_of_the_request(self):
        self.get()
        self.assertEqual([(self.context, uuids.image)], self.glance.asked)


class KeepTest(ImageStoresTestCase):

    def test_kept_for_a_while(self):
        self.get()
        self.clock.now += 29.9
        self.glance.image = {'stores': 'dcn2'}
        self.assertEqual({'central', 'dcn1'}, self.get())
        self.assertEqual(1, len(self.glance.asked))
        self.clock.now += 0.2
        self.assertEqual({'dcn2'}, self.get())
        self.assertEqual(2, len(self.glance.asked))

    def test_images_are_told_apart(self):
        self.get()
        self.glance.image = {'stores': 'dcn2'}
        self.assertEqual({'dcn2'}, self.get(uuids.other))
        self.assertEqual({'central', 'dcn1'}, self.get())

    def test_never_kept_when_told_so(self):
        self.stores = image_stores.ImageStores(0.0)
        for _ in range(3):
            self.get()
        self.assertEqual(3, len(self.glance.asked))

    def test_failure_is_not_kept(self):
        self.glance.error = exception.ImageNotFound(image_id=uuids.image)
        self.assertRaises(exception.ImageNotFound, self.get)
        self.assertRaises(exception.ImageNotFound, self.get)
        self.glance.error = None
        self.assertEqual({'central', 'dcn1'}, self.get())
        self.assertEqual(3, len(self.glance.asked))

    def test_oldest_images_are_forgotten(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.image_store_cache.MAX_IMAGES', 3))
        for image_id in ('i1', 'i2', 'i3', 'i4', 'i5'):
            self.get(image_id)
        self.assertEqual(3, len(self.stores._answers))
        self.glance.asked.clear()
        for image_id in ('i3', 'i4', 'i5'):
            self.get(image_id)
        self.assertEqual([], self.glance.asked)
        self.get('i1')
        self.assertEqual(1, len(self.glance.asked))
        self.assertEqual(3, len(self.stores._answers))

    def test_there_is_a_limit(self):
        for number in range(image_stores.MAX_IMAGES + 10):
            self.get(f'image{number}')
        self.assertEqual(image_stores.MAX_IMAGES, len(self.stores._answers))


class ManyThreadsTest(ImageStoresTestCase):

    def ask(self, count=20):
        """Return the threads that ask and the list of what they are told."""
        answers = []

        def ask():
            try:
                answers.append(self.get())
            except BaseException as exc:
                answers.append(exc)

        threads = [threading.Thread(target=ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads, answers

    def join(self, threads):
        for thread in threads:
            thread.join(WAIT_SECONDS)
            self.assertFalse(thread.is_alive())

    def hold(self):
        self.glance.may_end.clear()

    def wait_for(self, count):
        """Wait until so many threads are inside of Glance, or for a while."""
        end = threading.Event()
        for _ in range(20):
            if self.glance.most_busy >= count:
                return
            end.wait(0.01)

    def test_one_asks_for_all(self):
        self.hold()
        threads, answers = self.ask()
        self.assertTrue(self.glance.has_begun.wait(WAIT_SECONDS))
        self.wait_for(2)
        self.glance.may_end.set()
        self.join(threads)
        self.assertEqual([{'central', 'dcn1'}] * 20, answers)
        self.assertEqual(1, len(self.glance.asked))

    def test_failure_is_told_to_all_that_wait(self):
        self.hold()
        self.glance.error = exception.ImageNotFound(image_id=uuids.image)
        threads, answers = self.ask()
        self.assertTrue(self.glance.has_begun.wait(WAIT_SECONDS))
        self.wait_for(2)
        self.glance.may_end.set()
        self.join(threads)
        self.assertEqual([self.glance.error] * 20, answers)
        self.assertEqual(1, len(self.glance.asked))
        self.glance.error = None
        self.assertEqual({'central', 'dcn1'}, self.get())

    def test_thread_that_is_ended_does_not_end_the_others(self):
        """Nobody expects more than an Exception of a question."""
        self.hold()
        self.glance.error = SystemExit()
        threads, answers = self.ask()
        self.assertTrue(self.glance.has_begun.wait(WAIT_SECONDS))
        self.wait_for(2)
        self.glance.may_end.set()
        self.join(threads)
        self.assertEqual(20, len(answers))
        self.assertEqual(1, len(self.glance.asked))
        self.assertEqual([self.glance.error], [
            answer for answer in answers if not isinstance(answer, Exception)])

    def test_glance_that_hangs_is_not_waited_for_for_ever(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.image_store_cache.WAIT_SECONDS', 0.01))
        self.hold()
        threads, answers = self.ask(count=2)
        self.assertTrue(self.glance.has_begun.wait(WAIT_SECONDS))
        # One asks, and the other waits for it no longer than that.
        for _ in range(WAIT_SECONDS * 100):
            if answers:
                break
            threads[0].join(0.01)
        self.assertEqual(
            [f'the stores of image {uuids.image} were not known after '
             '0.01 s'], [str(answer) for answer in answers])
        self.assertIsInstance(answers[0], TimeoutError)
        self.glance.may_end.set()
        self.join(threads)
        self.assertEqual({'central', 'dcn1'}, answers[1])

    def test_one_asks_at_a_time_however_long_it_takes(self):
        """Also longer than an answer is kept."""
        self.hold()
        threads, answers = self.ask(count=1)
        self.assertTrue(self.glance.has_begun.wait(WAIT_SECONDS))
        self.clock.now += 31.0
        others, _answers = self.ask(count=3)
        self.wait_for(2)
        self.glance.may_end.set()
        self.join([*threads, *others])
        self.assertEqual(1, self.glance.most_busy)

    def test_one_asks_at_a_time_when_nothing_is_kept(self):
        self.stores = image_stores.ImageStores(0.0)
        self.hold()
        threads, answers = self.ask(count=5)
        self.wait_for(2)
        self.glance.may_end.set()
        self.join(threads)
        self.assertEqual(5, len(answers))
        self.assertEqual(1, self.glance.most_busy)

    def test_other_images_are_not_held_up(self):
        self.hold()
        threads, _answers = self.ask(count=1)
        self.assertTrue(self.glance.has_begun.wait(WAIT_SECONDS))
        other = threading.Thread(target=self.get, args=(uuids.other,))
        other.start()
        self.wait_for(2)
        self.assertEqual(2, self.glance.most_busy)
        self.glance.may_end.set()
        self.join([*threads, other])
