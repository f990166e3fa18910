# SPDX-License-Identifier: Apache-2.0

import logging

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_request
from tests.unit.glance import fakes


class CopyRequestTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            format='%(levelname)s %(message)s', level=logging.INFO))
        self.api = fakes.FakeImageAPI()
        self.clock = fakes.FakeClock()
        self.began = self.clock()

    def make(self, retry_seconds=3600.0):
        return copy_request.CopyRequest('image-1', self.clock(),
                                        retry_seconds)

    def look(self, request):
        """Look once and go on to the time of the next look."""
        due = request.advance(self.api, self.clock)
        if due is not None:
            self.clock.now = due
        return due

    def test_copy_until_it_is_there(self):
        self.api.add_image('image-1', 'dcn0,dcn1')
        request = self.make()
        self.assertIsNotNone(self.look(request))
        self.assertIsNotNone(self.look(request))
        self.api.end_copy('image-1')
        self.assertIsNone(self.look(request))
        self.assertEqual([('image-1', ('dcn0', 'dcn1'))], self.api.asked)
        self.assertIn('INFO Image image-1 is in all wanted stores '
                      '(dcn0,dcn1) after 3.0 s', self.log.output)

    def test_complete_image_is_no_news(self):
        self.api.add_image('image-1', 'dcn0', stores='central,dcn0')
        self.assertIsNone(self.look(self.make()))
        self.assertEqual(([], ''), (self.api.asked, self.log.output))

    def test_waits_between_looks_grow_to_half_a_minute(self):
        self.api.add_image('image-1', 'dcn0', status='saving')
        request = self.make()
        waits = []
        for _ in range(8):
            before = self.clock()
            waits.append(self.look(request) - before)
        self.assertEqual([1, 2, 4, 8, 16, 30, 30, 30], waits)
        self.assertEqual(1, self.log.output.count('its status is saving'))

    def test_failed_store_is_asked_for_again(self):
        self.api.add_image('image-1', 'dcn0,dcn1')
        request = self.make()
        self.look(request)
        self.api.end_copy('image-1', failed=['dcn1'])
        self.look(request)
        self.assertEqual([('image-1', ('dcn0', 'dcn1')),
                          ('image-1', ('dcn1',))], self.api.asked)
        self.assertIn('WARNING Glance failed to copy image image-1 to dcn1',
                      self.log.output)

    def test_store_that_always_fails_is_given_up(self):
        self.api.add_image('image-1', 'dcn0')
        request = self.make(retry_seconds=100.0)
        while self.look(request) is not None:
            if self.api.images['image-1'].get(
                    'os_glance_importing_to_stores'):
                self.api.end_copy('image-1', failed=['dcn0'])
        self.assertEqual(self.began + 100.0, self.clock())
        self.assertEqual(8, len(self.api.asked))
        self.assertIn('ERROR Image image-1 was not copied within 100 s and '
                      'lacks dcn0:', self.log.output)

    def test_copy_that_hangs_is_given_up(self):
        self.api.add_image('image-1', 'dcn0')
        request = self.make(retry_seconds=100.0)
        while self.look(request) is not None:
            pass
        self.assertEqual(1, len(self.api.asked))
        self.assertIn('lacks dcn0: Glance is copying it to dcn0',
                      self.log.output)

    def test_store_that_got_the_image_gives_new_time(self):
        self.api.add_image('image-1', 'dcn0')
        request = self.make(retry_seconds=10.0)
        for _ in range(3):
            self.look(request)
        self.api.images['image-1']['dcn_sites'] = 'dcn0,dcn1'
        self.api.end_copy('image-1')
        arrived = self.clock()
        self.assertIsNotNone(self.look(request))
        while self.look(request) is not None:
            pass
        self.assertEqual(arrived + 10.0, self.clock())

    def test_copy_of_somebody_else_is_waited_for(self):
        self.api.add_image('image-1', 'dcn0',
                           os_glance_importing_to_stores='dcn0')
        request = self.make()
        self.look(request)
        self.api.end_copy('image-1')
        self.assertIsNone(self.look(request))
        self.assertEqual([], self.api.asked)

    def test_busy_image_is_asked_for_later(self):
        self.api.add_image('image-1', 'dcn0',
                           os_glance_importing_to_stores='dcn1')
        request = self.make()
        self.assertIsNotNone(self.look(request))
        self.api.end_copy('image-1')
        self.look(request)
        self.api.end_copy('image-1')
        self.assertIsNone(self.look(request))
        self.assertEqual('central,dcn1,dcn0',
                         self.api.images['image-1']['stores'])

    def test_no_answer_until_the_time_is_over(self):
        self.api.add_image('image-1', 'dcn0')
        self.api.errors = [exceptions.CopyPostponed('image-1', 'no route')
                           for _ in range(100)]
        request = self.make(retry_seconds=60.0)
        while self.look(request) is not None:
            pass
        self.assertIn('lacks the stores in its dcn_sites: no route',
                      self.log.output)

    def test_refusal_is_final(self):
        self.api.add_image('image-1', 'dcn0')
        self.api.errors = [exceptions.CopyRefused(
            'image-1', ['dcn0'], '403 Forbidden')]
        self.assertIsNone(self.look(self.make()))
        self.assertEqual('ERROR copy of image image-1 to dcn0 was refused: '
                         '403 Forbidden\n', self.log.output)

    def test_unknown_store_is_named_once_and_others_are_copied(self):
        self.api.add_image('image-1', 'dcn0,dcn7')
        request = self.make()
        self.look(request)
        self.look(request)
        self.assertEqual([('image-1', ('dcn0',))], self.api.asked)
        self.assertEqual(1, self.log.output.count(
            'WARNING Image image-1: property dcn_sites=dcn0,dcn7 names dcn7, '
            'which is no store that can be written to; the stores are '
            'central,dcn0,dcn1'))

    def test_only_unknown_stores(self):
        self.api.add_image('image-1', 'dcn7')
        self.assertIsNone(self.look(self.make()))
        self.assertEqual([], self.api.asked)

    def test_gone_at_once_may_be_a_missing_role(self):
        self.assertIsNone(self.look(self.make()))
        self.assertIn('WARNING Image image-1, just announced, was not found',
                      self.log.output)
        self.assertIn('admin', self.log.output)

    def test_deleted_while_waiting_is_silent(self):
        self.api.add_image('image-1', 'dcn0')
        request = self.make()
        self.look(request)
        del self.api.images['image-1']
        before = self.log.output
        self.assertIsNone(self.look(request))
        self.assertEqual(before, self.log.output)

    def test_property_taken_away_while_waiting(self):
        self.api.add_image('image-1', 'dcn0', status='saving')
        request = self.make()
        self.look(request)
        del self.api.images['image-1']['dcn_sites']
        self.assertIsNone(self.look(request))
        self.assertEqual([], self.api.asked)

    def test_deactivated_image_is_left_alone(self):
        self.api.add_image('image-1', 'dcn0', status='deactivated')
        self.assertIsNone(self.look(self.make()))
        self.assertEqual([], self.api.asked)

    def test_one_try_only(self):
        self.api.add_image('image-1', 'dcn0')
        self.assertIsNone(self.look(self.make(retry_seconds=0.0)))
        self.assertEqual([('image-1', ('dcn0',))], self.api.asked)
        self.assertNotIn('ERROR', self.log.output)

    def test_one_try_that_does_not_get_through(self):
        self.api.add_image('image-1', 'dcn0', status='saving')
        self.assertIsNone(self.look(self.make(retry_seconds=0.0)))
        self.assertIn('ERROR', self.log.output)
