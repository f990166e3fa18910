# SPDX-License-Identifier: Apache-2.0

import gc

import hypothesis
from nova import objects
from oslo_utils.fixture import uuidsentinel as uuids

from dcn_plugins.nova import host_sites
from dcn_plugins import sites
from tests.unit.core import topology
from tests.unit.nova import records


def summary(groups):
    return [(site.name, [host_state.host for host_state in members])
            for site, members in groups]


class GroupedTest(records.NovaTestCase):

    def grouped(self, *hosts):
        return summary(host_sites.grouped(self.candidates(*hosts)))

    def test_hosts_of_equal_aggregates_are_together(self):
        self.assertEqual(
            [('dcn1', ['h11', 'h12']), ('dcn2', ['h21', 'h22']),
             (None, ['c1', 'c2'])],
            self.grouped('h11', 'h21', 'c1', 'h12', 'c2', 'h22'))

    def test_order_is_that_of_the_first_host(self):
        self.assertEqual(
            [(None, ['c1']), ('dcn2', ['h22', 'h21']), ('dcn1', ['h12'])],
            self.grouped('c1', 'h22', 'h12', 'h21'))

    def test_no_host(self):
        self.assertEqual([], self.grouped())

    def test_takes_any_iterable(self):
        self.assertEqual([('dcn1', ['h11'])], summary(
            host_sites.grouped(iter(self.candidates('h11')))))

    def test_one_site_in_several_groups(self):
        self.aggregates.append(self.aggregate({'ssd': 'true'}, 'h12', 'h21'))
        self.assertEqual(
            [('dcn1', ['h11']), ('dcn1', ['h12']), ('dcn2', ['h21'])],
            self.grouped('h11', 'h12', 'h21'))

    def test_two_aggregates_that_say_the_same(self):
        self.aggregates.append(
            self.aggregate({'availability_zone': 'dcn1'}, 'h31'))
        self.assertEqual([('dcn1', ['h11']), ('dcn1', ['h31'])],
                         self.grouped('h11', 'h31'))

    def test_site_is_worked_out_once_for_all_hosts_of_a_group(self):
        reads = []

        class Counted(dict):
            def items(self):
                reads.append('items')
                return super().items()

        host_states = self.candidates(*['h11', 'h12'] * 500)
        one = objects.Aggregate(uuid=uuids.one, hosts=[])
        one._obj_metadata = Counted({'dcn:site': 'dcn1'})
        for host_state in host_states:
            host_state.aggregates = [one]
        self.assertEqual(1, len(host_sites.grouped(host_states)))
        self.assertLess(0, len(reads))
        self.assertLess(len(reads), 20)

    def test_aggregates_that_are_replaced_meanwhile(self):
        """Python gives the identity of a dead object to a new one."""

        class Replaced:
            def __init__(self, number):
                self.host = f'h{number}'
                self.name = f'dcn{number % 2}'
                self.reads = 0

            @property
            def aggregates(self):
                self.reads += 1
                return [objects.Aggregate(
                    hosts=[], metadata={'dcn:site': self.name})]

        gc.disable()
        self.addCleanup(gc.enable)
        for site, members in host_sites.grouped(map(Replaced, range(200))):
            self.assertEqual({site.name}, {one.name for one in members})
            # What is read again is that of another moment.
            self.assertEqual({1}, {one.reads for one in members})

    @hypothesis.settings(deadline=None, database=None, max_examples=60)
    @hypothesis.given(topology.CLOUDS)
    def test_every_host_is_once_in_a_group_of_its_site(self, cloud):
        self.aggregates[:] = [
            objects.Aggregate(metadata=metadata, hosts=hosts)
            for _uuid, metadata, hosts in cloud.aggregates]
        found = {}
        for site, members in host_sites.grouped(
                self.candidates(*cloud.hosts)):
            for host_state in members:
                self.assertNotIn(host_state.host, found)
                found[host_state.host] = site
        self.assertEqual({host: cloud.site_of(host) for host in cloud.hosts},
                         found)
        self.assertEqual(sites.NO_SITE, found[topology.ALONE])
