# SPDX-License-Identifier: Apache-2.0
"""One copy for all who want it, and an end to every wait for it."""

import threading

import testtools

from dcn_plugins.cinder import image_api
from dcn_plugins.cinder import image_copies
from dcn_plugins import exceptions
from tests.fakes import glance
from tests.fakes import lock

WAIT_SECONDS = 20.0
LOCK = 'dcn:imagecopy:dcn1:i'


class Clock:
    """A clock that goes on only while somebody pauses."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []
        self.at = {}

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds
        for when in [when for when in self.at if when <= self.now]:
            self.at.pop(when)()


class CopiesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.glance = self.useFixture(glance.FakeGlance())
        self.glance.add_image('i', 'central')
        self.dlm = lock.LockService()
        self.clock = Clock()
        self.started = self.clock.now
        self.copies = self.service()

    def service(self):
        """Return what one cinder-volume has."""
        return image_copies.ImageCopies(
            image_api.ImageAPI(glance.KnownTokens(self.glance.url)),
            self.dlm.get_lock, self.clock, self.clock.pause)

    def bring(self, copies=None, seconds=WAIT_SECONDS, store='dcn1'):
        image = (copies or self.copies).bring(None, 'i', store, seconds)
        self.assertIn(store, image_api.names(image, 'stores'))
        self.assertEqual({}, self.dlm.owners)

    def fail_to_bring(self, kind, *args, **kwargs):
        error = self.assertRaises(kind, self.bring, *args, **kwargs)
        return error.reason

    @property
    def elapsed(self):
        return self.clock.now - self.started

    def requests(self):
        """Return how often a copy was asked for."""
        return len([name for name, _body, _headers in self.glance.requests
                    if name.startswith('POST')])


class BringTest(CopiesTestCase):

    def test_it_comes(self):
        self.bring()
        self.assertEqual(['i'], self.glance.copies_to('dcn1'))
        self.assertEqual([('acquire', LOCK), ('release', LOCK)],
                         self.dlm.journal)

    def test_it_is_there(self):
        self.glance.add_copy('i', 'dcn1')
        self.bring()
        self.assertEqual((0, []), (self.requests(), self.clock.pauses))

    def test_looks_become_rarer(self):
        self.glance.looks = 15
        self.bring(seconds=1000)
        self.assertEqual(sorted(self.clock.pauses), self.clock.pauses)
        self.assertEqual((0.25, 5.0), (self.clock.pauses[0],
                                       self.clock.pauses[-1]))

    def test_many_volumes_of_many_services_are_one_request(self):
        self.glance.looks = 50
        services = [self.service(), self.service()]
        failures = []

        def create(number):
            try:
                services[number % 2].bring(None, 'i', 'dcn1', 1000)
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=create, args=[number])
                   for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([], failures)
        self.assertEqual(1, self.requests())
        self.assertEqual(12, len(self.dlm.journal))

    def test_copies_to_other_stores_and_of_other_images_do_not_wait(self):
        for name in ('dcn:imagecopy:dcn0:i', 'dcn:imagecopy:dcn1:j'):
            self.assertTrue(self.dlm.get_lock(name).acquire(blocking=False))
        image = self.copies.bring(None, 'i', 'dcn1', 5)
        self.assertIn('dcn1', image['stores'])


class BusyTest(CopiesTestCase):
    """Somebody else has Glance copy the image at the time."""

    def test_to_our_store_it_is_waited_for(self):
        self.glance.begin('i', 'dcn1')
        self.bring()
        self.assertEqual([], self.glance.accepted)
        self.assertEqual(1, self.requests())

    def test_to_another_store_ours_comes_next(self):
        self.glance.looks = 5
        self.glance.begin('i', 'dcn0')
        self.bring()
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)
        self.assertEqual(2, self.requests())

    def test_a_task_that_died_long_ago_is_replaced(self):
        self.glance.looks = 10**6
        self.glance.begin('i', 'dcn1')
        self.glance.dead.add('task')
        self.glance.looks = 3
        self.bring()
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)

    def test_our_request_is_not_repeated_when_its_answer_is_lost(self):
        self.glance.looks = 6
        self.glance.answers['POST /v2/images/i/import'] = 504, None
        self.glance.begin('i', 'dcn1')
        self.bring()
        self.assertEqual(1, self.requests())


class FailureTest(CopiesTestCase):

    def test_glance_fails(self):
        self.glance.broken.add('i')
        reason = self.fail_to_bring(exceptions.CopyRefused)
        self.assertIn('failed to copy', reason)
        self.assertEqual({}, self.dlm.owners)

    def test_it_is_not_tried_again_at_once(self):
        self.glance.broken.add('i')
        first = self.fail_to_bring(exceptions.CopyRefused)
        self.glance.broken.clear()
        self.assertIn(first, self.fail_to_bring(exceptions.CopyPostponed))
        self.assertEqual(1, self.requests())
        # Nor does anybody queue for it.
        self.assertEqual(2, len(self.dlm.journal))
        self.clock.now += image_copies.KEEP_FAILURE_SECONDS
        self.bring()

    def test_those_who_have_waited_do_not_try_it_either(self):
        self.glance.broken.add('i')
        self.glance.looks = 50
        errors = []

        def create():
            try:
                self.copies.bring(None, 'i', 'dcn1', 1000)
            except exceptions.CopyError as exc:
                errors.append(exc.reason)

        threads = [threading.Thread(target=create) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual((4, 1), (len(errors), self.requests()))

    def test_a_failure_of_one_copy_is_none_of_another(self):
        self.glance.broken.add('i')
        self.fail_to_bring(exceptions.CopyRefused)
        self.glance.broken.clear()
        self.bring(store='dcn0')

    def test_a_task_that_ends_without_a_word(self):
        self.glance.looks = 10**6
        self.clock.at[self.clock.now + 5] = lambda: self.glance.images[
            'i'].pop('os_glance_import_task')
        self.assertIn('ended without a copy',
                      self.fail_to_bring(exceptions.CopyRefused))

    def test_an_image_that_is_read_from_an_older_database_is_given_time(self):
        stale = dict(self.glance.images['i'], stores='central')
        del stale['locations']
        self.glance.answers['GET /v2/images/i'] = 200, stale
        self.fail_to_bring(exceptions.CopyRefused)
        self.assertGreater(self.elapsed, image_copies.UNSEEN_SECONDS)

    def test_time_is_over(self):
        self.glance.looks = 10**6
        self.assertIn('image_copy_seconds',
                      self.fail_to_bring(exceptions.CopyPostponed))
        self.assertAlmostEqual(WAIT_SECONDS, self.elapsed)

    def test_the_image_is_no_longer_active(self):
        self.glance.images['i']['status'] = 'deactivated'
        self.assertIn('it is deactivated',
                      self.fail_to_bring(exceptions.CopyRefused))
        self.assertEqual(0, self.requests())

    def test_the_image_goes_meanwhile(self):
        self.glance.looks = 10**6
        self.clock.at[self.clock.now + 5] = lambda: self.glance.images.pop(
            'i')
        self.assertIn('404', self.fail_to_bring(exceptions.CopyRefused))

    def test_a_store_that_glance_does_not_have(self):
        reason = self.fail_to_bring(exceptions.CopyRefused, store='dcn')
        self.assertIn('dcn_store', reason)
        self.assertEqual(0, self.requests())

    def test_nobody_may_copy(self):
        self.glance.roles['cinder'] = ['service']
        self.assertIn('policy copy_image',
                      self.fail_to_bring(exceptions.CopyRefused))
        self.assertEqual([], self.clock.pauses)


class AwayTest(CopiesTestCase):

    def away(self, seconds):
        self.glance.answers['GET /v2/images/i'] = 503, None
        self.clock.at[self.clock.now + seconds] = self.glance.answers.clear

    def test_a_glance_that_comes_back_in_time(self):
        self.away(image_copies.AWAY_SECONDS - 10)
        self.bring(seconds=1000)

    def test_one_that_goes_away_during_the_copy(self):
        self.glance.looks = 20
        self.clock.at[self.clock.now + 20] = lambda: self.away(
            image_copies.AWAY_SECONDS - 10)
        self.bring(seconds=1000)
        self.assertEqual(1, self.requests())

    def test_one_that_does_not(self):
        self.away(1000)
        self.assertIn('503', self.fail_to_bring(
            exceptions.CopyPostponed, seconds=1000))
        self.assertLess(self.elapsed, image_copies.AWAY_SECONDS
                        + image_copies.MOST_PAUSE_SECONDS + 1)


class LockTest(CopiesTestCase):

    def test_a_lock_that_is_not_granted_in_time(self):
        self.assertTrue(self.dlm.get_lock(LOCK).acquire(blocking=False))
        error = self.assertRaises(exceptions.CopyPostponed, self.copies.bring,
                                  None, 'i', 'dcn1', 0.2)
        self.assertIn('image_copy_seconds', error.reason)
        self.assertEqual([], self.glance.requests)

    def test_a_lock_service_that_is_away(self):
        self.dlm.fail('acquire', LOCK, RuntimeError('no etcd'))
        self.assertIn('no etcd',
                      self.fail_to_bring(exceptions.CopyPostponed))

    def test_a_lock_that_was_lost_takes_nothing_from_the_copy(self):
        self.clock.at[self.clock.now] = lambda: self.dlm.take_away(LOCK)
        self.bring()
        self.assertEqual([('acquire', LOCK)], self.dlm.journal)

    def test_the_name_is_one_part_for_each_part(self):
        self.assertEqual('dcn:imagecopy:a%3Ab:i',
                         image_copies.lock_name('a:b', 'i'))
