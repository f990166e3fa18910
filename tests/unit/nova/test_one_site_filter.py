# SPDX-License-Identifier: Apache-2.0

from nova import exception
from nova import objects

from dcn_plugins.nova import one_site_filter
from tests.unit.nova import records

HOSTS = ('h11', 'h12', 'h21', 'h22', 'c1')


class OneSiteFilterTestCase(records.NovaTestCase):

    def setUp(self):
        super().setUp()
        # dcn1, then dcn2, then hosts in no site.
        self.aggregates[0].metadata['dcn:priority'] = '20'
        self.aggregates[1].metadata['dcn:priority'] = '10'

    def filter(self, **options):
        self.requests(**options)
        return one_site_filter.DCNOneSiteFilter()

    def hosts(self, used=(), hosts=HOSTS):
        return [records.fill(
            host_state, gib=8, vcpus=8,
            memory_used=dict(used).get(host_state.host, 0.0))
            for host_state in self.candidates(*hosts)]

    def passed(self, spec=None, used=(), **options):
        return self.names(self.filter(**options).filter_all(
            iter(self.hosts(used)), spec or self.spec()))

    @staticmethod
    def names(host_states):
        return [host_state.host for host_state in host_states]


class ChoiceTest(OneSiteFilterTestCase):

    def test_says_what_was_loaded(self):
        self.filter()
        self.assertRegex(self.log.output,
                         r'INFO DCNOneSiteFilter loaded \(dcn_plugins \S+\)')
        self.assertEqual([], self.records.reads)

    def test_hosts_of_the_best_site(self):
        self.assertEqual(['h11', 'h12'], self.passed())
        self.aggregates[1].metadata['dcn:priority'] = '30'
        self.assertEqual(['h21', 'h22'], self.passed())

    def test_all_servers_of_a_request(self):
        """A server takes 1 GiB and 1 CPU, a host has 8 of each."""
        for count, used, hosts in (
                (16, {}, ['h11', 'h12']),
                (9, {'h11': 0.5}, ['h11', 'h12']),
                (13, {'h11': 0.5}, ['h21', 'h22'])):
            self.assertEqual(hosts, self.passed(
                self.spec(num_instances=count), used))

    def test_no_site_has_room_for_all(self):
        self.assertEqual(list(HOSTS),
                         self.passed(self.spec(num_instances=17)))
        self.assertIn(
            f'INFO DCNOneSiteFilter: server {records.SERVER}: none of 3 '
            'sites has room for 17 servers; they are spread\n',
            self.log.output)

    def test_full_site_is_passed_over(self):
        used = {'h11': 0.95, 'h12': 0.95}
        self.assertEqual(['h21', 'h22'], self.passed(used=used))

    def test_one_server_finds_room_wherever_a_host_is_left(self):
        """Placement and all other filters say that it fits."""
        used = dict.fromkeys(HOSTS, 1.0)
        self.assertEqual(['h11', 'h12'], self.passed(used=used))

    def test_cpus_count_as_well(self):
        spec = self.spec(num_instances=4,
                         flavor=records.flavor(memory_mb=1, vcpus=4))
        self.assertEqual(['h11', 'h12'], self.passed(spec))
        spec.num_instances = 5
        self.assertEqual(list(HOSTS), self.passed(spec))

    def test_overcommitment_counts(self):
        host_states = self.hosts()
        for host_state in host_states:
            host_state.ram_allocation_ratio = 1.5
            host_state.cpu_allocation_ratio = 16.0
        for count, hosts in ((24, ['h11', 'h12']), (25, list(HOSTS))):
            self.assertEqual(hosts, self.names(self.filter().filter_all(
                host_states, self.spec(num_instances=count))))

    def test_flavor_without_memory_or_cpus(self):
        spec = self.spec(num_instances=1000,
                         flavor=records.flavor(memory_mb=0, vcpus=0))
        self.assertEqual(['h11', 'h12'], self.passed(spec))

    def test_hosts_that_have_not_reported_yet(self):
        self.assertEqual(['h11', 'h12'], self.names(self.filter().filter_all(
            self.candidates(*HOSTS), self.spec())))

    def test_number_of_servers_that_nobody_says(self):
        spec = self.spec()
        del spec.num_instances
        self.assertEqual(['h11', 'h12'], self.passed(spec))

    def test_all_rounds_and_alternates_stay_in_the_site(self):
        """The hosts of one round are those that the next one starts from."""
        site = self.filter()
        spec = self.spec(num_instances=4)
        host_states = self.hosts()
        for _ in range(5):
            host_states = site.filter_all(host_states, spec)
            self.assertEqual(['h11', 'h12'], self.names(host_states))
            for host_state in host_states:
                host_state.free_ram_mb -= 2048

    def test_hosts_in_no_site_are_one_site(self):
        self.aggregates[:] = [
            self.aggregate({'availability_zone': 'z', 'dcn:priority': '-1'},
                           'h11', 'h12', 'h21', 'h22')]
        self.assertEqual(['c1'], self.passed())

    def test_reads_nothing_once_there_is_a_map(self):
        site = self.filter()
        site.filter_all(self.hosts(), self.spec())
        self.assertEqual(['read_aggregates'], self.records.reads)
        site.filter_all(self.hosts(), self.spec())
        self.assertEqual(['read_aggregates'], self.records.reads)


class EveryHostTest(OneSiteFilterTestCase):

    def assert_every(self, spec, **options):
        self.assertEqual(list(HOSTS), self.passed(spec, **options))

    def test_spread_on_request(self):
        for value in ('true', 'True'):
            self.assert_every(
                self.spec(scheduler_hints={'dcn_spread': [value]}))
        for value in ('false', '', 'no'):
            self.assertEqual(['h11', 'h12'], self.passed(
                self.spec(scheduler_hints={'dcn_spread': [value]})))

    def test_moves_and_rebuilds_are_not_looked_at(self):
        self.assert_every(self.move(), move_policy='prefer')
        self.assert_every(self.rebuild())
        self.assertEqual([], self.records.reads)
        self.assertFalse(one_site_filter.DCNOneSiteFilter.RUN_ON_REBUILD)

    def test_unknown_request(self):
        self.records.error = exception.CellTimeout()
        self.assert_every(self.spec())

    def test_never_raises(self):
        host_states = self.hosts()
        host_states[0].aggregates = [objects.Aggregate()]
        self.assertEqual(list(HOSTS), self.names(self.filter().filter_all(
            host_states, self.spec())))
        self.assertIn(
            'ERROR DCNOneSiteFilter: choosing a site for server '
            f'{records.SERVER} failed; all hosts pass\nTraceback',
            self.log.output)

    def test_no_host(self):
        self.assertEqual([], self.filter().filter_all([], self.spec()))
