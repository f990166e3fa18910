# SPDX-License-Identifier: Apache-2.0
"""Names of locks."""

import fnmatch
import string
import unittest

import hypothesis
from hypothesis import strategies as st

from dcn_plugins.locking import names

SITE = names.Scope('0c7f', 'volumes')

text = st.text(min_size=1, max_size=100).filter(
    lambda value: value.isprintable())
# Few letters, so that equal and nearly equal parts do come up.
part = st.text(alphabet='ab:@/%é', min_size=1, max_size=4) | text


class NamesTest(unittest.TestCase):

    def test_name_of_an_image(self):
        self.assertEqual('dcn:image:0c7f:volumes:volume-1',
                         SITE.image('volume-1'))

    def test_name_of_a_snapshot(self):
        self.assertEqual('dcn:snapshot:0c7f:volumes:volume-1:snapshot-2',
                         SITE.snapshot('volume-1', 'snapshot-2'))

    def test_two_backends_have_two_names(self):
        self.assertEqual(4, len({
            names.Scope(cluster, pool).image('volume-1')
            for cluster in ('0c7f', '99aa') for pool in ('gold', 'iron')}))

    @hypothesis.given(st.tuples(part, part, part), st.tuples(part, part, part))
    @hypothesis.example(('a', 'b:c', 'd'), ('a:b', 'c', 'd'))
    @hypothesis.example(('a', 'b', 'c' * 300), ('a', 'b', 'c' * 301))
    def test_different_images_have_different_names(self, one, other):
        hypothesis.assume(one != other)
        self.assertNotEqual(names.Scope(*one[:2]).image(one[2]),
                            names.Scope(*other[:2]).image(other[2]))

    @hypothesis.given(part, part, part, part)
    def test_a_snapshot_never_shares_the_name_of_an_image(
            self, cluster, pool, image, snapshot):
        scope = names.Scope(cluster, pool)
        self.assertNotEqual(scope.image(image),
                            scope.snapshot(image, snapshot))

    @hypothesis.given(text, text, text)
    def test_a_name_suits_files_and_etcd(self, cluster, pool, image):
        name = names.Scope(cluster, pool).image(image)
        self.assertLessEqual(len(name), names.MAX_LENGTH)
        self.assertLessEqual(set(name), set(string.ascii_letters
                                            + string.digits + '_.-~%:'))

    @hypothesis.given(st.lists(text))
    def test_all_take_the_names_in_one_order_and_once(self, wanted):
        ordered = names.ordered(wanted)
        self.assertEqual(ordered, names.ordered(reversed(wanted)))
        self.assertEqual(set(wanted), set(ordered))
        self.assertEqual(len(set(wanted)), len(ordered))
        self.assertEqual(sorted(ordered), list(ordered))

    def test_globs_find_the_locks_of_one_object(self):
        self.assertTrue(fnmatch.fnmatchcase(
            SITE.image('volume-1'), names.image_glob('volume-1')))
        self.assertFalse(fnmatch.fnmatchcase(
            SITE.image('volume-11'), names.image_glob('volume-1')))
        self.assertTrue(fnmatch.fnmatchcase(
            SITE.snapshot('volume-1', 'snapshot-2'),
            names.snapshot_glob('snapshot-2')))
        self.assertFalse(fnmatch.fnmatchcase(
            SITE.image('snapshot-2'), names.snapshot_glob('snapshot-2')))
