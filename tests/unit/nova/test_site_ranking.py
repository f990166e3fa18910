# SPDX-License-Identifier: Apache-2.0

import fixtures
import hypothesis
from hypothesis import strategies
from nova import exception

from dcn_plugins import exceptions
from dcn_plugins import map_cache
from dcn_plugins.nova import site_ranking
from dcn_plugins import ranking
from tests.unit.nova import records

PAIR = ('h11', 'h12', 'h21', 'h22')


class SiteRankingTestCase(records.NovaTestCase):

    def ranking(self, **options):
        requests = self.requests(**options)
        return site_ranking.SiteRanking(self.options(), requests)

    def hosts(self, used=(), hosts=PAIR):
        """Return hosts of which some are used to a share."""
        return [records.fill(host_state, memory_used=dict(used).get(
            host_state.host, 0.0)) for host_state in self.candidates(*hosts)]

    def names(self, host_states, spec=None, **options):
        return [name for name, _group in self.ranking(**options).ranked(
            host_states, spec or self.spec())]

    def set(self, index, **metadata):
        self.aggregates[index].metadata.update({
            f'dcn:{key}': value for key, value in metadata.items()})


class RankedTest(SiteRankingTestCase):

    def test_hosts_stand_with_their_site_in_their_order(self):
        self.set(1, priority='5')
        host_states = self.hosts(hosts=('h12', 'h22', 'c1', 'h11', 'h21'))
        found = dict(self.ranking().ranked(host_states, self.spec()))
        self.assertEqual(
            {'dcn2': ['h22', 'h21'], 'dcn1': ['h12', 'h11'], None: ['c1']},
            {name: [host_state.host for host_state in group]
             for name, group in found.items()})
        self.assertEqual('dcn2', next(iter(found)))

    def test_no_host(self):
        self.assertEqual([], self.ranking().ranked([], self.spec()))

    def test_priority(self):
        for first, second in ((0, 1), (1, 0)):
            self.set(first, priority='10')
            self.set(second, priority='-1')
            names = [f'dcn{first + 1}', None, f'dcn{second + 1}']
            self.assertEqual(names, self.names(
                self.hosts(hosts=('h11', 'h21', 'c1'))))

    def test_projects_stay_where_the_hash_draws_them(self):
        orders = set()
        for project in (f'p{number}' for number in range(16)):
            names = self.names(self.hosts(),
                               self.spec(project_id=project))
            self.assertEqual(
                sorted(names, reverse=True,
                       key=lambda name: ranking.affinity(project, name)),
                names)
            orders.add(tuple(names))
        self.assertEqual(2, len(orders))

    def test_headroom(self):
        for full, names in (('h11', ['dcn2', 'dcn1']),
                            ('h21', ['dcn1', 'dcn2'])):
            self.assertEqual(names, self.names(
                self.hosts({full: 0.25}), site_order='headroom'))

    def test_own_site_of_a_move_comes_first(self):
        self.set(1, priority='10')
        self.assertEqual(['dcn1', 'dcn2'], self.names(
            self.hosts(), self.move(), move_policy='prefer'))

    def test_image_is_followed_when_preferred(self):
        self.set(0, priority='10')
        self.records.stores = {records.IMAGE: 'dcn2'}
        for locality, names in (('ignore', ['dcn1', 'dcn2']),
                                ('prefer', ['dcn2', 'dcn1'])):
            self.assertEqual(names, self.names(
                self.hosts(), image_locality=locality))

    def test_unknown_request_gives_no_order(self):
        self.records.host = 'gone'
        host_states = self.hosts()
        self.assertEqual([(None, host_states)], self.ranking().ranked(
            host_states, self.move()))

    def test_asks_nothing_that_the_filter_has_not_asked(self):
        ranked = self.ranking()
        requests = ranked._requests
        spec = self.move()
        requests.of(spec)
        self.records.reads.clear()
        ranked.ranked(self.hosts(), spec)
        self.assertEqual([], self.records.reads)

    @hypothesis.settings(deadline=None, database=None, max_examples=40)
    @hypothesis.given(strategies.permutations(PAIR))
    def test_order_of_hosts_is_irrelevant(self, hosts):
        """Also when the hosts of a site do not say the same about it."""
        self.aggregates[2:] = [
            self.aggregate({'dcn:priority': '5', 'dcn:store': 's5'}, 'h12'),
            self.aggregate({'dcn:priority': '4'}, 'h21', 'h22')]
        self.records.stores = {records.IMAGE: 's5'}
        for options in ({'image_locality': 'ignore'},
                        {'image_locality': 'prefer'}):
            self.assertEqual(
                self.names(self.hosts(), **options),
                self.names(self.hosts(hosts=hosts), **options))


class HeadroomTest(SiteRankingTestCase):

    def headroom(self, *host_states):
        """Return the headroom of dcn1."""
        found = []

        def keep(candidates, project, order):
            found.extend(candidates)
            return candidates

        with fixtures.MonkeyPatch('dcn_plugins.ranking.ranked', keep):
            self.ranking().ranked(host_states, self.spec())
        candidate, = found
        return candidate.headroom

    def host(self, name='h11', **used):
        host_state, = self.candidates(name)
        return records.fill(host_state, **used)

    def setUp(self):
        super().setUp()
        self.aggregates[0].hosts[:] = ['h11']

    def test_of_memory_or_cpus_whichever_is_scarcer(self):
        self.assertEqual(1.0, self.headroom(self.host()))
        self.assertEqual(0.25, self.headroom(
            self.host(memory_used=0.75, vcpus_used=0.5)))
        self.assertEqual(0.5, self.headroom(
            self.host(memory_used=0.25, vcpus_used=0.5)))
        self.assertEqual(0.0, self.headroom(self.host(vcpus_used=1.0)))

    def test_overcommitment(self):
        host_state = self.host(memory_used=1.0, vcpus_used=1.0)
        host_state.ram_allocation_ratio = 2.0
        host_state.cpu_allocation_ratio = 16.0
        self.assertEqual(0.5, self.headroom(host_state))
        host_state.cpu_allocation_ratio = 1.25
        self.assertAlmostEqual(0.2, self.headroom(host_state))
        host_state.ram_allocation_ratio = 1.0
        host_state.free_ram_mb = -512
        self.assertEqual(0.0, self.headroom(host_state))

    def test_host_that_has_not_reported_yet(self):
        host_state, = self.candidates('h11')
        self.assertEqual(1.0, self.headroom(host_state))
        for field in ('total_usable_ram_mb', 'free_ram_mb', 'vcpus_total',
                      'vcpus_used'):
            setattr(host_state, field, None)
        self.assertEqual(1.0, self.headroom(host_state))

    def test_host_that_placement_does_not_offer_counts_as_full(self):
        self.aggregates[0].hosts += ['h12', 'h13', 'h14']
        self.assertEqual(0.25, self.headroom(self.host()))
        self.assertEqual(0.375, self.headroom(
            self.host(), self.host('h12', memory_used=0.5)))

    def test_host_that_the_map_does_not_know_yet(self):
        self.assertEqual(1.0, self.headroom(self.host(), self.host()))

    def test_without_a_map(self):
        clock = self.useFixture(records.Clock(map_cache))
        ranked = self.ranking()
        spec = self.spec()
        ranked.ranked([self.host()], spec)
        clock.now += 10.0 * map_cache.MAX_AGES + 1
        self.records.error = exception.CellTimeout()
        self.assertEqual(['dcn1'], [name for name, _group in ranked.ranked(
            [self.host()], spec)])
        self.assertIn('ERROR DCN: there is no site map; a host that is full '
                      'is not counted in the headroom of its site\n'
                      'Traceback', self.log.output)


class SpillTest(SiteRankingTestCase):

    def setUp(self):
        super().setUp()
        self.set(0, priority='10')

    def test_full_site_comes_last_until_there_is_room_again(self):
        ranked = self.ranking(spill_over_percent='75',
                              spill_back_percent='50')
        for used, names in ((0.0, ['dcn1', 'dcn2']), (0.7, ['dcn1', 'dcn2']),
                            (0.75, ['dcn2', 'dcn1']), (0.7, ['dcn2', 'dcn1']),
                            (0.5, ['dcn2', 'dcn1']), (0.49, ['dcn1', 'dcn2']),
                            (0.7, ['dcn1', 'dcn2'])):
            found = ranked.ranked(
                self.hosts({'h11': used, 'h12': used}), self.spec())
            self.assertEqual(names, [name for name, _group in found], used)

    def test_defaults(self):
        ranked = self.ranking()
        for used, first in ((0.85, 'dcn1'), (0.95, 'dcn2'), (0.85, 'dcn2'),
                            (0.75, 'dcn1')):
            found = ranked.ranked(
                self.hosts({'h11': used, 'h12': used}), self.spec())
            self.assertEqual(first, found[0][0], used)

    def test_full_sites_keep_their_priority(self):
        used = dict.fromkeys(PAIR, 1.0)
        self.assertEqual(['dcn1', 'dcn2'], self.names(self.hosts(used)))

    def test_thresholds_that_contradict_each_other(self):
        error = self.assertRaises(
            exceptions.ConfigError, self.ranking,
            spill_over_percent='80', spill_back_percent='81')
        self.assertEqual(
            'nova.conf, [dcn] spill_back_percent: 81 is greater than '
            'spill_over_percent=80. Set it to the same or less', str(error))
        self.ranking(spill_over_percent='80', spill_back_percent='80')
