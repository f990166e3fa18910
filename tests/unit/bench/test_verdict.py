# SPDX-License-Identifier: Apache-2.0

import json

import hypothesis
from hypothesis import strategies
import testtools

from tests.bench import verdict

FIGURES = {'ours': 1.0, 'dear': 8.0, 'cheap': 4.0, 'other': 0.5}


class BarTest(testtools.TestCase):

    def test_at_the_limit_is_met(self):
        self.assertTrue(verdict.Bar('queries', 0, 0).is_met)
        self.assertTrue(verdict.Bar('ratio', 0.35, 0.35).is_met)

    def test_beyond_the_limit_is_missed(self):
        self.assertFalse(verdict.Bar('queries', 1, 0).is_met)
        self.assertFalse(verdict.Bar('ratio', 0.3500001, 0.35).is_met)

    def test_not_a_number_is_missed(self):
        self.assertFalse(verdict.Bar('ratio', float('nan'), 0.35).is_met)

    def test_text_of_one_that_is_met(self):
        self.assertEqual(
            'ok      pinned: 0.612 us per host, at most 1 us per host',
            str(verdict.Bar('pinned', 0.6123, 1.0, 'us per host')))

    def test_text_of_one_that_is_missed(self):
        self.assertEqual('FAILED  share: 0.512, at most 0.35',
                         str(verdict.Bar('share', 0.5119, 0.35)))

    def test_record(self):
        record = verdict.Bar('share', 0.5, 0.35).to_record()
        self.assertEqual(
            {'name': 'share', 'value': 0.5, 'limit': 0.35, 'unit': '',
             'is_met': False}, json.loads(json.dumps(record)))


class RatioTest(testtools.TestCase):

    def test_cheapest_of_the_peers_and_of_no_others(self):
        self.assertEqual('cheap', verdict.cheapest(FIGURES,
                                                   ['dear', 'cheap']))

    def test_is_that_to_the_cheapest_peer(self):
        self.assertEqual(0.25, verdict.ratio(FIGURES, 'ours',
                                             ['dear', 'cheap']))

    def test_without_peers_there_is_none(self):
        self.assertRaises(ValueError, verdict.ratio, FIGURES, 'ours', [])

    def test_of_a_figure_that_is_missing(self):
        self.assertRaises(KeyError, verdict.ratio, FIGURES, 'ours',
                          ['cheap', 'gone'])
        self.assertRaises(KeyError, verdict.ratio, FIGURES, 'gone',
                          ['cheap'])

    def test_peer_that_took_no_time_was_not_measured(self):
        exc = self.assertRaises(ValueError, verdict.ratio,
                                {'ours': 0.0, 'none': 0.0}, 'ours', ['none'])
        self.assertIn('none', str(exc))

    @hypothesis.given(
        strategies.floats(0.001, 1000), strategies.lists(
            strategies.floats(0.001, 1000), min_size=1, max_size=5))
    def test_another_peer_never_makes_it_smaller(self, ours, peers):
        figures = {'ours': ours, **{str(number): peer for number, peer
                                    in enumerate(peers)}}
        names = [str(number) for number in range(len(peers))]
        self.assertGreaterEqual(
            verdict.ratio(figures, 'ours', names),
            verdict.ratio(figures, 'ours', names[:1]))
