# SPDX-License-Identifier: Apache-2.0

import copy

import testtools

from tests.bench import nova_bars


def record():
    """Return figures that meet all bars, each with room for one more."""
    peers = {name: 4.0 for names in nova_bars.PEERS.values()
             for name in names}
    filters = {**peers, nova_bars.FILTER_PINNED: 0.8,
               nova_bars.FILTER_MOVE: 0.8, nova_bars.FILTER_OPEN: 2.0}
    return {
        'microseconds_per_host': {
            1000: dict(filters), nova_bars.HOSTS: dict(filters)},
        'select_milliseconds': {
            nova_bars.STOCK: 1000.0, nova_bars.SELECT_PINNED: 20.0},
        'ranking_milliseconds': {
            nova_bars.STOCK: 100.0, nova_bars.SELECT_OPEN: 110.0,
            nova_bars.SELECT_RANKED: 120.0, nova_bars.SELECT_ONE_SITE: 40.0},
        'move_milliseconds': {
            nova_bars.MOVE_OURS: 4.0, nova_bars.MOVE_NOVA: 8.0},
        'map_milliseconds': {
            nova_bars.MAP_OURS: 30.0, nova_bars.MAP_NOVA: 600.0},
        'prefilter_milliseconds': {
            nova_bars.PRE_PINNED: 0.1, nova_bars.PRE_NOVA: 2.0},
        'bytes_per_host': 60.0,
        'queries': {nova_bars.CREATE: 0, nova_bars.CREATE_PINNED: 0,
                    nova_bars.MOVE: 3}}


class BarsTest(testtools.TestCase):

    def missed(self, *path_and_value):
        """Return the names of the bars missed when one figure is another."""
        figures = record()
        *path, last, value = path_and_value
        place = figures
        for key in path:
            place = place[key]
        self.assertIn(last, place)
        place[last] = value
        return [bar.name for bar in nova_bars.bars(figures)
                if not bar.is_met]

    def test_all_met(self):
        self.assertEqual([], self.missed('bytes_per_host', 64.0))

    def test_time_per_host(self):
        for name in (nova_bars.FILTER_PINNED, nova_bars.FILTER_MOVE):
            # Not in the share: its peers take 4.
            self.assertEqual(
                [f'{name}, 10,000 hosts'],
                self.missed('microseconds_per_host', nova_bars.HOSTS, name,
                            1.001))

    def test_time_at_another_size_has_no_bar(self):
        self.assertEqual([], self.missed(
            'microseconds_per_host', 1000, nova_bars.FILTER_PINNED, 1.5))

    def test_share_of_the_cheapest_filter(self):
        for name in nova_bars.PEERS[nova_bars.FILTER_PINNED]:
            # 0.8 is 0.349 of the one and 0.352 of the other.
            self.assertEqual([], self.missed(
                'microseconds_per_host', nova_bars.HOSTS, name, 2.29))
            missed = self.missed('microseconds_per_host', nova_bars.HOSTS,
                                 name, 2.27)
            self.assertEqual(2, len(missed), missed)
            self.assertThat(missed[0], testtools.matchers.StartsWith(
                f'{nova_bars.FILTER_PINNED}, 10,000 hosts, share'))
            self.assertThat(missed[1], testtools.matchers.StartsWith(
                f'{nova_bars.FILTER_MOVE}, 10,000 hosts, share'))

    def test_share_of_a_selection(self):
        missed, = self.missed('select_milliseconds', nova_bars.SELECT_PINNED,
                              30.1)
        self.assertIn('share of stock', missed)

    def test_memory(self):
        self.assertEqual(['memory of filter and map, 10,000 hosts'],
                         self.missed('bytes_per_host', 64.1))

    def test_queries_of_a_create(self):
        for name in (nova_bars.CREATE, nova_bars.CREATE_PINNED):
            self.assertEqual([f'queries of a {name}'],
                             self.missed('queries', name, 1))

    def test_look_up_of_a_move(self):
        self.assertEqual(
            ['look-up of a move, median'],
            self.missed('move_milliseconds', nova_bars.MOVE_OURS, 5.01))

    def test_figure_that_is_missing_is_an_error(self):
        for key in record():
            figures = record()
            del figures[key]
            self.assertRaises(KeyError, nova_bars.bars, figures)
        figures = record()
        del figures['microseconds_per_host'][nova_bars.HOSTS]
        self.assertRaises(KeyError, nova_bars.bars, figures)


class RatiosTest(testtools.TestCase):

    def test_peers_end_with_the_same_answer(self):
        figures = record()
        filters = figures['microseconds_per_host'][1000]
        for name in nova_bars.PEERS[nova_bars.FILTER_OPEN]:
            filters[name] = 100.0
        before = nova_bars.ratios(record())
        changed = {name for name, share in nova_bars.ratios(figures).items()
                   if share != before[name]}
        self.assertEqual({f'{nova_bars.FILTER_OPEN}, 1,000 hosts'}, changed)

    def test_each_is_ours_as_a_share_of_nova(self):
        found = nova_bars.ratios(record())
        self.assertEqual(0.5, found['look-up of a move: ours'])
        self.assertEqual(0.05, found['site map: read_aggregates'])
        self.assertEqual(0.2, found['DCNSiteFilter, strict move, '
                                    '10,000 hosts'])

    def test_figures_are_left_as_they_are(self):
        figures = record()
        before = copy.deepcopy(figures)
        nova_bars.ratios(figures)
        nova_bars.bars(figures)
        self.assertEqual(before, figures)
