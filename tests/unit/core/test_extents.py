# SPDX-License-Identifier: Apache-2.0
"""Byte ranges."""

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import extents

RANGES = strategies.lists(strategies.tuples(
    strategies.integers(0, 300), strategies.integers(0, 300)), max_size=8)


def covered(ranges):
    return {place for start, end in ranges for place in range(start, end)}


class ExtentsTest(testtools.TestCase):

    @hypothesis.given(ranges=RANGES)
    def test_merged_ranges_cover_the_same(self, ranges):
        found = extents.merged(ranges)
        self.assertEqual(covered(ranges), covered(found))
        for (_start, end), (start, _end) in zip(found, found[1:]):
            self.assertLess(end, start)

    @hypothesis.given(ranges=RANGES, step=strategies.integers(1, 50))
    def test_aligned_ranges_cover_no_less_and_whole_steps(self, ranges, step):
        found = extents.aligned(extents.merged(ranges), step, 300)
        self.assertLessEqual(covered(ranges), covered(found))
        self.assertTrue(all(start % step == 0 and (
            end % step == 0 or end == 300) for start, end in found))

    @hypothesis.given(ranges=RANGES)
    def test_a_complement_is_the_rest(self, ranges):
        found = extents.merged(ranges)
        rest = extents.complement(found, 300)
        self.assertEqual(set(range(300)) - covered(found), covered(rest))

    @hypothesis.given(ranges=RANGES, step=strategies.integers(1, 50))
    def test_parts_lie_between_steps(self, ranges, step):
        found = extents.merged(ranges)
        parts = list(extents.cut(found, step))
        self.assertEqual(covered(found), covered(parts))
        self.assertTrue(all(start // step == (end - 1) // step
                            for start, end in parts))
        self.assertEqual(extents.total_bytes(found),
                         extents.total_bytes(parts))

    @hypothesis.given(ranges=RANGES)
    def test_all_positions_are_all_places(self, ranges):
        found = extents.merged(ranges)
        self.assertEqual(sorted(covered(ranges)), extents.places(
            found, range(extents.total_bytes(found))))

    def test_a_small_gap(self):
        self.assertEqual([(0, 30)], extents.merged([(0, 10), (15, 30)], 5))
        self.assertEqual([(0, 10), (15, 30)],
                         extents.merged([(0, 10), (15, 30)], 4))


class CutTest(testtools.TestCase):

    def test_at_multiples_of_the_step(self):
        self.assertEqual([], list(extents.cut([], 10)))
        self.assertEqual(
            [(3, 10), (10, 20), (20, 21), (25, 28), (30, 40)],
            list(extents.cut([(3, 21), (25, 28), (30, 40)], 10)))
