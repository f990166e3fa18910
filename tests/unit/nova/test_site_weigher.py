# SPDX-License-Identifier: Apache-2.0

import logging

import fixtures
import hypothesis
from hypothesis import strategies
from nova import objects
from nova.scheduler import weights
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins.nova import site_weigher
from tests.unit.nova import records

PATH = 'dcn_plugins.nova.site_weigher.DCNSiteWeigher'
HOSTS = ('h11', 'h12', 'h21', 'h22', 'c1', 'c2')


class SiteWeigherTestCase(records.NovaTestCase):

    def weigher(self, **options):
        self.requests(**options)
        return site_weigher.DCNSiteWeigher()

    def weigh(self, host_states, spec=None, **options):
        weigher = self.weigher(**options)
        return weigher.weigh_objects(
            [weights.WeighedHost(host_state, 0.0)
             for host_state in host_states], spec or self.spec())

    def hosts(self, *hosts):
        return [records.fill(host_state)
                for host_state in self.candidates(*hosts or HOSTS)]


class WeigherTest(SiteWeigherTestCase):

    def test_says_what_was_loaded(self):
        self.weigher(site_order='headroom', site_weight_multiplier='100')
        self.assertRegex(
            self.log.output,
            r'INFO DCNSiteWeigher loaded \(dcn_plugins \S+\), '
            r'site_order=headroom site_weight_multiplier=100\n')
        self.assertEqual([], self.records.reads)

    def test_rank_of_the_site(self):
        self.aggregates[0].metadata['dcn:priority'] = '-5'
        self.aggregates[1].metadata['dcn:priority'] = '5'
        self.assertEqual([0.0, 0.0, 2.0, 2.0, 1.0, 1.0],
                         self.weigh(self.hosts()))

    def test_hosts_of_one_site_are_equal(self):
        self.aggregates.append(self.aggregate({'ssd': 'true'}, 'h12', 'h21'))
        found = self.weigh(self.hosts())
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[2], found[3])
        self.assertEqual({0.0, 1.0, 2.0}, set(found))

    def test_one_site_or_none(self):
        self.assertEqual([0.0, 0.0], self.weigh(self.hosts('h11', 'h12')))
        self.assertEqual([], self.weigh([]))

    def test_unknown_request_weighs_nothing(self):
        self.records.host = 'gone'
        self.assertEqual([0.0] * 6, self.weigh(self.hosts(), self.move()))

    def test_never_raises(self):
        host_states = self.hosts()
        host_states[0].aggregates = [objects.Aggregate()]
        self.assertEqual([0.0] * 6, self.weigh(host_states))
        self.assertIn('ERROR DCNSiteWeigher: ranking sites failed; all are '
                      'equal\nTraceback', self.log.output)

    def test_is_not_normalised(self):
        """A rank is one multiplier, no matter how many sites there are."""
        weigher = self.weigher()
        self.assertEqual((0, 1), (weigher.minval, weigher.maxval))
        host_state, = self.candidates('h11')
        self.assertEqual(1e8, weigher.weight_multiplier(host_state))


class WithNovasWeighersTest(SiteWeigherTestCase):
    """All weighers of Nova beside ours, with their default multipliers."""

    log_level = logging.WARNING

    def setUp(self):
        super().setUp()
        # They say much, and nothing of it is asked here.
        self.useFixture(fixtures.FakeLogger('nova', level=logging.ERROR))

    def sorted(self, host_states, spec, *paths):
        handler = weights.HostWeightHandler()
        classes = handler.get_matching_classes(
            ['nova.scheduler.weights.all_weighers', *paths])
        self.assertGreater(len(classes), 12)
        self.assertEqual(len(paths), classes.count(
            site_weigher.DCNSiteWeigher))
        return handler.get_weighed_objects(
            [one() for one in classes], host_states, spec)

    def spec_of(self, is_move):
        fields = {'instance_group': None,
                  'pci_requests': objects.InstancePCIRequests(requests=[])}
        if is_move:
            return self.move(destination={'allow_cross_cell_move': True},
                             **fields)
        return self.spec(**fields)

    NUMBERS = strategies.integers(0, 10 ** 6)
    HOST = strategies.fixed_dictionaries({
        'free_ram_mb': strategies.integers(-1024, 65536),
        'vcpus_used': strategies.integers(0, 40),
        'free_disk_mb': NUMBERS, 'num_io_ops': NUMBERS,
        'failed_builds': NUMBERS, 'num_instances': NUMBERS,
        'hypervisor_version': NUMBERS,
        'cell_uuid': strategies.sampled_from([uuids.cell1, uuids.cell2])})

    @hypothesis.settings(deadline=None, database=None, max_examples=60)
    @hypothesis.given(
        strategies.tuples(*[HOST] * len(HOSTS)),
        strategies.tuples(*[strategies.sampled_from(['0', '1', '-1'])] * 2),
        strategies.sampled_from(['project', 'headroom']),
        strategies.booleans(), strategies.randoms())
    def test_sites_stay_in_their_tiers(self, states, priorities, order,
                                       is_move, random):
        for aggregate, priority in zip(self.aggregates, priorities):
            aggregate.metadata['dcn:priority'] = priority
        host_states = self.hosts()
        for host_state, fields in zip(host_states, states):
            for field, value in fields.items():
                setattr(host_state, field, value)
        random.shuffle(host_states)
        spec = self.spec_of(is_move)
        self.requests(move_policy='prefer', site_order=order)
        ours = self.sorted(host_states, spec, PATH)
        names = [self.name_of(one.obj) for one in ours]
        # Each site in one piece, and in the order of the ranking.
        ranked = [name for name, _group in
                  site_weigher.DCNSiteWeigher()._ranking.ranked(
                      host_states, spec)]
        self.assertEqual(
            [name for name in ranked for _host in range(2)], names)
        if is_move:
            self.assertEqual('dcn1', names[0])
        # Inside of a site the order is that of Nova.
        weight_of = {one.obj.host: one.weight
                     for one in self.sorted(host_states, spec)}
        for first, second in zip(ours[::2], ours[1::2]):
            self.assertGreaterEqual(
                weight_of[first.obj.host] + 1e-6,
                weight_of[second.obj.host])

    @staticmethod
    def name_of(host_state):
        return next((aggregate.metadata['availability_zone']
                     for aggregate in host_state.aggregates), None)

    def test_thousand_sites(self):
        self.aggregates += [
            self.aggregate({'dcn:site': f'e{number}'}, f'e{number}-1',
                           f'e{number}-2') for number in range(1000)]
        hosts = [f'e{number}-{host}' for host in (1, 2)
                 for number in range(1000)]
        host_states = self.hosts(*hosts)
        for host_state in host_states[:1000]:
            host_state.failed_builds = 7
            host_state.num_io_ops = 100
        self.requests()
        found = [one.obj.host for one in self.sorted(
            host_states, self.spec_of(False), PATH)]
        for first, second in zip(found[::2], found[1::2]):
            site = first.partition('-')[0]
            # The host of each site that never failed comes first.
            self.assertEqual((f'{site}-2', f'{site}-1'), (first, second))
        self.assertEqual(1000, len({host.partition('-')[0]
                                    for host in found}))

    def test_switched_off(self):
        self.aggregates[0].metadata['dcn:priority'] = '5'
        host_states = self.hosts('h11', 'h21')
        host_states[0].num_io_ops = 10
        for multiplier, first in (('1e8', 'h11'), ('0', 'h21')):
            self.requests(site_weight_multiplier=multiplier)
            found = self.sorted(host_states, self.spec_of(False), PATH)
            self.assertEqual(first, found[0].obj.host)
