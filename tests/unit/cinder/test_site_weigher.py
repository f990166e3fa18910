# SPDX-License-Identifier: Apache-2.0
"""The weigher: which site comes first, and that Cinder's weighers stay below.

Weights are added up by Cinder's own handler.
"""

from cinder.scheduler import weights
import fixtures

from dcn_plugins.cinder import site_ranking
from dcn_plugins.cinder import site_weigher
from dcn_plugins import ranking
from tests.unit.cinder import volume_cloud
from tests.unit.cinder.volume_cloud import aggregate
from tests.unit.cinder.volume_cloud import pool

from cinder.scheduler.weights import capacity  # noqa: H306  needs the above
from cinder.scheduler.weights import chance
from cinder.scheduler.weights import goodness

# All that Cinder has, but the one that asks the database.
UPSTREAM = [capacity.CapacityWeigher, capacity.AllocatedCapacityWeigher,
            goodness.GoodnessWeigher, chance.ChanceWeigher]


class WeigherTestCase(volume_cloud.VolumeCloudTestCase):

    def setUp(self):
        super().setUp()
        self.pools = self.pools[:3]

    def weighed(self, others=(), properties=None, **request):
        handler = weights.OrderedHostWeightHandler('cinder.scheduler.weights')
        return handler.get_weighed_objects(
            [*others, site_weigher.DCNSiteWeigher], self.pools,
            self.properties(**request) if properties is None else properties)

    def order(self, *args, **request):
        return volume_cloud.hosts(
            each.obj for each in self.weighed(*args, **request))

    def ordered_by_project(self, project='p', names=('1', '2', '3')):
        return [f'b{name}' for name in sorted(
            names, reverse=True,
            key=lambda name: ranking.affinity(project, f'edge{name}'))]


class OrderTest(WeigherTestCase):

    def test_a_project_has_an_order_of_its_own(self):
        orders = set()
        for number in range(40):
            project = f'project{number}'
            found = self.order(volume={'project_id': project})
            self.assertEqual(self.ordered_by_project(project), found)
            orders.add(tuple(found))
        self.assertEqual(6, len(orders))

    def test_priority_outranks_it(self):
        for name in ('1', '2', '3'):
            self.use([aggregate(f'edge{each}', priority='10' if each == name
                                else '9') for each in ('1', '2', '3')])
            self.assertEqual(f'b{name}', self.order()[0])

    def test_of_the_hosts_of_a_site_those_of_the_highest_count(self):
        self.use([('part', {'dcn:site': 'edge1', 'dcn:priority': '9'},
                   ['h1']), aggregate('edge1'),
                  aggregate('edge2', priority='5'), aggregate('edge3')])
        self.assertEqual(['b1', 'b2', 'b3'], self.order())

    def test_a_full_site_comes_last_until_it_has_room_again(self):
        self.use([aggregate('edge1', priority='1'), aggregate('edge2'),
                  aggregate('edge3')])
        places = []
        for used in (80, 89, 90, 85, 80, 79, 89, 90):
            self.pools[0] = pool('b1', 'z1', 'edge1',
                                 free_capacity_gb=100 - used)
            places.append(self.order().index('b1'))
        self.assertEqual([0, 0, 2, 2, 2, 0, 0, 2], places)

    def test_all_pools_of_a_site_count_together(self):
        self.use([aggregate('edge1', priority='1'), aggregate('edge2'),
                  aggregate('edge3')])
        self.pools[0] = pool('b1', 'z1', 'edge1', free_capacity_gb=1)
        self.assertEqual('b1', self.order()[-1])
        self.pools.append(pool('b1x', 'z1', 'edge1', free_capacity_gb=50,
                               total_capacity_gb='100'))
        self.assertEqual({'b1', 'b1x'}, set(self.order()[:2]))

    def test_capacities_that_are_no_numbers(self):
        self.use([aggregate('edge1', priority='1'), aggregate('edge2'),
                  aggregate('edge3')])
        for total, free in (('infinite', 'infinite'), ('unknown', 'unknown'),
                            (0, 0), (None, None), (100, 'infinite')):
            self.pools[0] = pool('b1', 'z1', 'edge1', free_capacity_gb=free,
                                 total_capacity_gb=total)
            self.assertEqual('b1', self.order()[0], (total, free))
        self.assertNotIn('failed', self.log.output)
        # An infinite pool has room for the others of its site.
        self.pools.append(pool('b1x', 'z1', 'edge1', free_capacity_gb=0))
        self.assertEqual({'b1', 'b1x'}, set(self.order()[:2]))

    def test_the_emptiest_first_if_that_is_wanted(self):
        self.option(site_order='headroom')
        self.pools = [pool('b1', 'z1', 'edge1', free_capacity_gb=30),
                      pool('b2', 'z2', 'edge2', free_capacity_gb=70,
                           total_capacity_gb=1000),
                      pool('b3', 'z3', 'edge3', free_capacity_gb=50)]
        self.assertEqual(['b3', 'b1', 'b2'], self.order())

    def test_a_preferred_image_outranks_priority_and_room(self):
        self.use([aggregate('edge1', priority='9'), aggregate('edge2'),
                  aggregate('edge3', priority='5')])
        self.option(image_locality='prefer')
        self.pools[1] = pool('b2', 'z2', 'edge2', free_capacity_gb=1)
        stores = {'stores': 'edge2'}
        self.useFixture(fixtures.MonkeyPatch(
            'cinder.image.glance.get_default_image_service', lambda: self))
        self.show = lambda _context, _image_id: stores
        self.assertEqual(['b2', 'b1', 'b3'],
                         self.order(image_id=volume_cloud.IMAGE))
        self.assertEqual(['b1', 'b3', 'b2'], self.order())

    def test_a_zone_of_several_sites_counts_as_the_best_of_them(self):
        self.use([('1', {'dcn:site': 'edge1', 'availability_zone': 'z',
                         'dcn:priority': '9'}, ['h1']),
                  ('2', {'dcn:site': 'edge2', 'availability_zone': 'z'},
                   ['h2']),
                  aggregate('edge3', priority='5')])
        self.pools = [pool('shared', 'z'), pool('b3', 'z3', 'edge3'),
                      pool('b2', 'z', 'edge2')]
        self.assertEqual(['shared', 'b3', 'b2'], self.order())

    def test_sites_that_refuse_do_not_count(self):
        # As before, but nothing new goes to the best site of the zone.
        self.use([('1', {'dcn:site': 'edge1', 'availability_zone': 'z',
                         'dcn:priority': '9', 'dcn:state': 'draining'},
                   ['h1']),
                  ('2', {'dcn:site': 'edge2', 'availability_zone': 'z'},
                   ['h2']),
                  aggregate('edge3', priority='5')])
        self.pools = [pool('shared', 'z'), pool('b3', 'z3', 'edge3')]
        self.assertEqual(['b3', 'shared'], self.order())

    def test_who_migrates_prefers_its_own_site(self):
        for name in ('1', '2', '3'):
            self.assertEqual(f'b{name}', self.order(
                operation='migrate_volume',
                volume={'host': f'b{name}@rbd#RBD'})[0])


class TierTest(WeigherTestCase):

    def test_one_rank_is_one_multiplier(self):
        self.option(site_weight_multiplier=7)
        self.assertEqual([14.0, 7.0, 0.0],
                         [each.weight for each in self.weighed()])

    def test_upstream_chooses_within_a_site_and_not_among_sites(self):
        # The larger, the further down: upstream would turn it round.
        best, second, last = (name[1:] for name in self.ordered_by_project())
        self.pools = [
            pool(f'b{best}', 'z', f'edge{best}', free_capacity_gb=30),
            pool(f'b{best}x', 'z', f'edge{best}', free_capacity_gb=50),
            pool(f'b{second}', 'z', f'edge{second}',
                 total_capacity_gb=10 ** 5, free_capacity_gb=10 ** 5),
            pool(f'b{last}', 'z', f'edge{last}', total_capacity_gb=10 ** 7,
                 free_capacity_gb=10 ** 7, goodness_function='100')]
        expected = [f'b{best}x', f'b{best}', f'b{second}', f'b{last}']
        self.assertEqual(expected, self.order([capacity.CapacityWeigher]))
        for _time in range(20):
            self.assertEqual(expected[2:], self.order(UPSTREAM)[2:])
        # The goodness of the last must have been there to be outweighed.
        self.assertEqual(
            [0.0, 0.0, 0.0, 100.0], goodness.GoodnessWeigher().weigh_objects(
                [weights.WeighedHost(each, 0.0) for each in self.pools],
                self.properties()))

    def test_stock_weighers_alone_turn_it_round(self):
        self.option(site_weight_multiplier=0)
        self.pools = [pool('b1', 'z1', 'edge1', free_capacity_gb=30),
                      pool('b2', 'z2', 'edge2', free_capacity_gb=60),
                      pool('b3', 'z3', 'edge3', free_capacity_gb=90)]
        self.use(None)
        self.assertEqual(['b3', 'b2', 'b1'],
                         self.order([capacity.CapacityWeigher]))
        # Nobody is asked for what has no weight.
        self.assertNotIn('Nova did not tell', self.log.output)

    def test_a_thousand_sites_keep_their_tiers_and_their_pools(self):
        self.use([aggregate(f'edge{number}') for number in range(1000)])
        self.pools = [pool(f'b{number}{suffix}', 'z', f'edge{number}',
                           free_capacity_gb=free)
                      for number in range(1000)
                      for suffix, free in (('', 50), ('x', 50.1))]
        found = self.order([capacity.CapacityWeigher])
        expected = self.ordered_by_project(
            names=[str(number) for number in range(1000)])
        self.assertEqual(expected, found[1::2])
        self.assertEqual([f'{name}x' for name in expected], found[::2])


class NothingIsRaisedTest(WeigherTestCase):

    def test_work_on_what_is_there_asks_for_no_order(self):
        for operation in ('extend_volume', 'create_snapshot'):
            self.assertEqual(
                [0.0] * 3,
                [each.weight for each in self.weighed(operation=operation)])
        self.assertEqual([0.0] * 3, [each.weight for each in self.weighed(
            properties={'context': self.context})])
        self.assertEqual('', self.log.output.partition('failed')[1])

    def test_whatever_fails_all_are_equal_and_it_is_told(self):
        def fail(*_args):
            raise RuntimeError('unforeseen')

        self.useFixture(fixtures.MockPatchObject(
            site_ranking.SiteRanking, 'ranked', fail))
        self.assertEqual({0.0}, {each.weight for each in self.weighed()})
        self.assertIn('ranking sites failed; all are equal', self.log.output)
        self.assertIn('unforeseen', self.log.output)

    def test_an_option_that_is_not_valid_is_told(self):
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as stream:
            stream.write('[dcn]\nspill_over_percent = most\n')
        self.conf.conf([], default_config_files=[path])
        self.assertEqual({0.0}, {each.weight for each in self.weighed()})
        self.assertIn('spill_over_percent', self.log.output)

    def test_percentages_that_contradict_each_other(self):
        self.option(spill_over_percent=50, spill_back_percent=60)
        self.use([aggregate('edge1', priority='1'), aggregate('edge2'),
                  aggregate('edge3')])
        places = []
        for used in (49, 50, 49):
            self.pools[0] = pool('b1', 'z1', 'edge1',
                                 free_capacity_gb=100 - used)
            self.pools[1:] = [pool('b2', 'z2', 'edge2', free_capacity_gb=90),
                              pool('b3', 'z3', 'edge3', free_capacity_gb=90)]
            places.append(self.order().index('b1'))
        self.assertEqual([0, 2, 0], places)
        self.assertIn('spill_back_percent=60 is greater than '
                      'spill_over_percent=50', self.log.output)

    def test_an_image_that_is_not_known_was_the_filters_to_tell(self):
        self.option(image_locality='prefer', unknown_locality='refuse')
        self.useFixture(fixtures.MonkeyPatch(
            'cinder.image.glance.get_default_image_service', lambda: None))
        self.assertEqual({0.0}, {each.weight for each in self.weighed(
            image_id=volume_cloud.IMAGE)})
        self.assertNotIn('failed', self.log.output)
        self.option(unknown_locality='allow')
        self.assertEqual(self.ordered_by_project(),
                         self.order(image_id=volume_cloud.IMAGE))
        self.assertNotIn('could not be found out', self.log.output)

    def test_without_the_filter_refused_sites_are_ranked_too(self):
        self.use([aggregate('edge1', state='down'), aggregate('edge2'),
                  aggregate('edge3')])
        self.assertEqual(self.ordered_by_project(), self.order())
