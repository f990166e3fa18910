# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.placement import image
from dcn_plugins.placement import policy
from tests.unit.placement import policies


class ImageTest(testtools.TestCase):

    def test_of_glance(self):
        found = image.image_of({
            'id': 'i', 'owner': 'p', 'visibility': 'shared',
            'image_type': 'snapshot', 'dcn_sites': 'dcn0',
            'created_at': '1970-01-02T00:00:01Z'})
        self.assertEqual(image.Image(
            'i', 'p', 'shared', policy.Kind.SNAPSHOT, 'dcn0', 86401.0), found)

    def test_kinds(self):
        for text, kind in (('backup', policy.Kind.BACKUP),
                           ('base', policy.Kind.BASE),
                           ('Snapshot', policy.Kind.BASE),
                           (None, policy.Kind.BASE), ([], policy.Kind.BASE)):
            self.assertIs(kind, image.image_of({'image_type': text}).kind)

    def test_words(self):
        self.assertEqual(('a', 'b c'), image.words(' a ,,b c,a, '))

    @hypothesis.given(strategies.dictionaries(
        strategies.sampled_from(['owner', 'visibility', 'image_type',
                                 'dcn_sites', 'created_at']),
        strategies.text(policies.SIGNS) | strategies.none()
        | strategies.integers()
        | strategies.datetimes().map(str)))
    def test_any_answer_is_an_image(self, answer):
        found = image.image_of(answer)
        self.assertIsInstance(found.asked, (str, type(None)))
        self.assertIsInstance(found.created_at, (float, type(None)))
