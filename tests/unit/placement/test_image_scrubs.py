# SPDX-License-Identifier: Apache-2.0
"""Requests to compare copies, in a fake etcd."""

import dataclasses

import testtools

from dcn_plugins.locking import etcd_requests
from dcn_plugins.placement import image_scrub as steps
from dcn_plugins.placement import image_scrubs
from tests.fakes import etcd

SCRUB = steps.ImageScrub('i/1', 'a', True, 60.0, 1000.0)


class ImageScrubTest(testtools.TestCase):

    def test_text(self):
        for scrub in (SCRUB, steps.answered(SCRUB, {'findings': []}),
                      steps.failed(SCRUB, 'no "way"\n')):
            self.assertEqual(scrub, steps.scrub_of(steps.text_of(scrub)))
        self.assertEqual(
            [False, True, True], [SCRUB.is_answered, steps.answered(
                SCRUB, {}).is_answered, steps.failed(SCRUB, '').is_answered])

    def test_a_later_version_may_say_more(self):
        text = steps.text_of(SCRUB).replace('{', '{"more": 1, ', 1)
        self.assertEqual(SCRUB, steps.scrub_of(text))

    def test_what_is_no_request(self):
        for text in ('', '{}', '[]', 'null', '1',
                     steps.text_of(dataclasses.replace(
                         SCRUB, registered_at='soon'))):
            self.assertIsNone(steps.scrub_of(text), text)

    def test_the_end_of_a_long_error_is_kept(self):
        found = steps.failed(SCRUB, 'x' * 1000 + 'why').error
        self.assertEqual((500, 'why'), (len(found), found[-3:]))

    def test_it_is_forgotten(self):
        self.assertEqual([False, True], [
            steps.is_over(SCRUB, 1000 + seconds) for seconds in (3599, 3600)])


class ImageScrubsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.etcd = etcd.Client()
        self.scrubs = image_scrubs.ImageScrubs(self.etcd, '/t')

    def test_one_at_a_time_for_an_image(self):
        asked = self.scrubs.ask(SCRUB)
        self.assertEqual(SCRUB, asked.scrub)
        self.assertIsNone(self.scrubs.ask(
            dataclasses.replace(SCRUB, id='b')))
        self.assertIsNotNone(self.scrubs.ask(
            dataclasses.replace(SCRUB, image_id='i')))
        self.assertEqual(asked, self.scrubs.of('i/1'))
        self.assertEqual(2, len(self.scrubs.all()))

    def test_an_answer_is_only_for_who_still_waits(self):
        asked = self.scrubs.ask(SCRUB)
        answer = steps.answered(SCRUB, {'a': 1})
        self.assertTrue(self.scrubs.answer(asked, answer))
        found = self.scrubs.of('i/1')
        self.assertEqual(answer, found.scrub)
        # As it was before nobody ends it.
        self.assertFalse(self.scrubs.end(asked))
        self.assertTrue(self.scrubs.end(found))
        self.assertIsNone(self.scrubs.of('i/1'))
        self.assertFalse(self.scrubs.answer(found, answer))
        self.assertEqual([], self.scrubs.all())

    def test_keys_that_nobody_can_read(self):
        self.etcd.transaction(etcd_requests.transaction(success=[
            etcd_requests.put('/t/s/x', 'no request')]), 1)
        self.assertEqual([], self.scrubs.all())
        self.assertIsNone(self.scrubs.of('x'))
        self.assertIsNone(self.scrubs.ask(
            dataclasses.replace(SCRUB, image_id='x')))
