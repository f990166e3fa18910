# SPDX-License-Identifier: Apache-2.0

import collections
import hashlib

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins import ranking

# No deadline: how long one example takes says more about the machine.
SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=60)

SITES = [f'dcn{number}' for number in range(8)]
SHARES = strategies.floats(0, 1)
PROJECTS = strategies.uuids().map(str) | strategies.sampled_from(['', None])

CANDIDATES = strategies.lists(
    strategies.builds(
        ranking.Candidate, name=strategies.none() | strategies.sampled_from(
            SITES),
        priority=strategies.integers(-3, 3),
        headroom=strategies.sampled_from([0.0, 0.5, 1.0]) | SHARES,
        is_full=strategies.booleans(), is_near=strategies.booleans(),
        is_away=strategies.booleans()),
    unique_by=lambda candidate: candidate.name, max_size=8)
ORDERS = strategies.sampled_from(ranking.ORDERS)


def names(candidates):
    return [candidate.name for candidate in candidates]


class RankedTest(testtools.TestCase):

    # The better one first, with all that is worse about it.
    PAIRS = [
        ({'is_near': False, 'is_full': True, 'priority': -1, 'headroom': 0.0},
         {'is_away': True, 'priority': 9}),
        ({'is_full': True, 'priority': -1, 'headroom': 0.0},
         {'is_near': False, 'priority': 9}),
        ({'priority': -1, 'headroom': 0.1},
         {'is_full': True, 'priority': 9, 'headroom': 0.2}),
        ({'priority': 10, 'headroom': 0.2}, {'priority': 9}),
        ({'priority': 0, 'headroom': 0.2}, {'priority': -1}),
    ]

    def test_each_tier_beats_all_below_it(self):
        for order in ranking.ORDERS:
            for better, worse in self.PAIRS:
                # Both ways round, so that the hash decides nothing.
                for first, second in (('dcn1', 'dcn2'), ('dcn2', 'dcn1')):
                    pair = [ranking.Candidate(second, **worse),
                            ranking.Candidate(first, **better)]
                    self.assertEqual([first, second], names(
                        ranking.ranked(pair, 'p1', order)))

    def test_project_outranks_headroom_or_the_other_way_round(self):
        first = max('dcn1', 'dcn2',
                    key=lambda name: ranking.affinity('p1', name))
        second, = {'dcn1', 'dcn2'} - {first}
        pair = [ranking.Candidate(second, headroom=0.9),
                ranking.Candidate(first, headroom=0.2)]
        self.assertEqual([first, second],
                         names(ranking.ranked(pair, 'p1')))
        self.assertEqual([first, second], names(
            ranking.ranked(pair, 'p1', ranking.PROJECT)))
        self.assertEqual([second, first], names(
            ranking.ranked(pair, 'p1', ranking.HEADROOM)))

    def test_project_decides_between_equal_headrooms(self):
        pair = [ranking.Candidate('dcn1'), ranking.Candidate('dcn2')]
        orders = {tuple(names(ranking.ranked(
            pair, f'p{number}', ranking.HEADROOM))) for number in range(32)}
        self.assertEqual({('dcn1', 'dcn2'), ('dcn2', 'dcn1')}, orders)

    def test_nothing(self):
        self.assertEqual([], ranking.ranked([], 'p1'))

    @SETTINGS
    @hypothesis.given(CANDIDATES, PROJECTS, ORDERS, strategies.randoms())
    def test_is_a_permutation_that_shuffling_does_not_change(
            self, candidates, project, order, random):
        ranked = ranking.ranked(candidates, project, order)
        self.assertEqual(collections.Counter(candidates),
                         collections.Counter(ranked))
        shuffled = list(candidates)
        random.shuffle(shuffled)
        self.assertEqual(ranked, ranking.ranked(shuffled, project, order))
        self.assertEqual(ranked, ranking.ranked(
            iter(candidates), project, order))

    @SETTINGS
    @hypothesis.given(CANDIDATES, PROJECTS, ORDERS)
    def test_a_site_that_goes_changes_no_other_rank(
            self, candidates, project, order):
        ranked = ranking.ranked(candidates, project, order)
        for gone in candidates:
            self.assertEqual(
                [one for one in ranked if one != gone],
                ranking.ranked([one for one in candidates if one != gone],
                               project, order))


class AffinityTest(testtools.TestCase):

    PROJECT = '9f3c1e5ad0e64a3fb6d2a0c7be5f1d42'

    def test_number_never_changes(self):
        """A server of this release has to meet the volume of the last one."""
        self.assertEqual(
            int.from_bytes(hashlib.blake2b(
                f'{self.PROJECT}\0dcn1'.encode('utf-8'),
                digest_size=8).digest(), 'big'),
            ranking.affinity(self.PROJECT, 'dcn1'))
        self.assertEqual(16477378246264882727,
                         ranking.affinity(self.PROJECT, 'dcn1'))

    def test_no_site_and_no_project_are_as_good_as_any(self):
        self.assertEqual(ranking.affinity('', ''),
                         ranking.affinity(None, None))
        self.assertNotEqual(ranking.affinity('p1', None),
                            ranking.affinity('p2', None))

    def test_project_and_site_do_not_run_together(self):
        self.assertNotEqual(ranking.affinity('p1', '1dcn'),
                            ranking.affinity('p11', 'dcn'))

    def test_projects_are_spread_evenly(self):
        firsts = collections.Counter(
            max(SITES, key=lambda name: ranking.affinity(project, name))
            for project in map(str, range(4000)))
        self.assertEqual(set(SITES), firsts.keys())
        for count in firsts.values():
            self.assertAlmostEqual(500, count, delta=120)

    @SETTINGS
    @hypothesis.given(
        strategies.lists(PROJECTS, min_size=1, unique=True),
        strategies.lists(strategies.sampled_from(SITES), min_size=2,
                         unique=True))
    def test_site_that_goes_moves_only_the_projects_that_it_had(
            self, projects, sites):
        def home(project, names):
            return ranking.ranked(map(ranking.Candidate, names),
                                  project)[0].name

        gone, *rest = sites
        for project in projects:
            if home(project, sites) != gone:
                self.assertEqual(home(project, sites), home(project, rest))


class FullnessTest(testtools.TestCase):

    def test_thresholds(self):
        # Powers of two, so that nothing is rounded.
        fullness = ranking.Fullness(full_at=0.75, free_at=0.5)
        for free, is_full in (
                (1.0, False), (0.375, False),   # never was full
                (0.25, True), (0.0, True),      # full from here on
                (0.375, True), (0.5, True),     # still, as in between
                (0.625, False),                 # room again
                (0.375, False)):
            self.assertIs(is_full, fullness.is_full('dcn1', free), free)

    def test_sites_are_told_apart(self):
        fullness = ranking.Fullness(0.75, 0.5)
        self.assertTrue(fullness.is_full('dcn1', 0.0))
        self.assertFalse(fullness.is_full('dcn2', 0.375))
        self.assertFalse(fullness.is_full(None, 0.375))
        self.assertTrue(fullness.is_full('dcn1', 0.375))

    def test_equal_thresholds(self):
        fullness = ranking.Fullness(0.5, 0.5)
        self.assertEqual([False, True, False], [
            fullness.is_full('dcn1', free) for free in (0.75, 0.5, 0.625)])

    def test_full_at_the_very_last(self):
        fullness = ranking.Fullness(1.0, 0.5)
        self.assertFalse(fullness.is_full('dcn1', 0.0625))
        self.assertTrue(fullness.is_full('dcn1', 0.0))

    def test_refuses_thresholds_that_contradict_each_other(self):
        for full_at, free_at in ((0.8, 0.9), (0.9, 0.0), (0.9, -1.0),
                                 (1.1, 0.9)):
            error = self.assertRaises(ValueError, ranking.Fullness,
                                      full_at, free_at)
            self.assertIn(f'free_at={free_at:g} and full_at={full_at:g}',
                          str(error))

    @SETTINGS
    @hypothesis.given(
        strategies.tuples(SHARES, SHARES).map(sorted),
        strategies.lists(strategies.tuples(
            strategies.sampled_from(SITES[:2]), SHARES)))
    def test_changes_beyond_a_threshold_only(self, thresholds, measured):
        free_at, full_at = thresholds
        hypothesis.assume(free_at > 0)
        fullness = ranking.Fullness(full_at, free_at)
        was_full = collections.defaultdict(bool)
        for name, headroom in measured:
            used = 1 - headroom
            is_full = fullness.is_full(name, headroom)
            if used >= full_at:
                self.assertTrue(is_full)
            elif used < free_at:
                self.assertFalse(is_full)
            else:
                self.assertIs(was_full[name], is_full)
            was_full[name] = is_full
