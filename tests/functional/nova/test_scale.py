# SPDX-License-Identifier: Apache-2.0
"""More hosts than placement tells the scheduler about at once (g10).

The limit is what it is by default, 1,000 candidates.
"""

import nova.conf
from nova import context as nova_context
from nova import objects

from tests.functional.nova import cloud
from tests.functional.nova import crowd

COPIES = 1100


class ScaleTestCase(cloud.SiteFilterTestCase):
    """A crowd of 1,101 hosts, and a site of the two that nobody hears of.

    Placement has an order of its own, so it is asked whom it leaves out.
    """

    def start(self, **options):
        self.flags(compute_driver='fake.PredictableNodeUUIDDriver')
        self.assertEqual(1000,
                         nova.conf.CONF.scheduler.max_placement_results)
        self.start_cloud({'crowd': ['c']}, with_plugins=False)
        names = crowd.copy_host('c', COPIES)
        named = self.named_by_placement()
        self.assertEqual(1000, len(named))
        hosts = [name for name in names if name not in named][:2]
        self.add_aggregate('dcn1', availability_zone='dcn1')
        for host in hosts:
            self.bring_to_life(host)
        self.start_scheduler(**options)
        return hosts

    def named_by_placement(self):
        """Return the hosts that the scheduler hears of for any server."""
        found = self.placement.get(
            '/allocation_candidates?limit=1000&'
            'resources=VCPU:1,MEMORY_MB:512,DISK_GB:1', version='1.36').body
        hosts = {provider['uuid']: provider['name'] for provider
                 in self.placement.get('/resource_providers').body[
                     'resource_providers']}
        return {hosts[uuid] for uuid in found['provider_summaries']}

    def bring_to_life(self, host):
        """Start the service of a copied host, and put it into dcn1."""
        self.api.remove_host_from_aggregate(self.aggregates['crowd'], host)
        self.api.add_host_to_aggregate(self.aggregates['dcn1'], host)
        self.host_mappings[host] = objects.HostMapping.get_by_host(
            nova_context.get_admin_context(), host)
        self.services[host] = self.start_service('compute', host=host)


class FilterAloneTest(ScaleTestCase):

    def test_finds_no_host(self):
        self.flags(push_to_placement=False, group='dcn')
        host, _other = self.start()
        self.assertEqual(cloud.REFUSED, self.outcome_of_create(
            hints={'dcn_site': 'dcn1'}))
        # None of those that placement named was of the site.
        self.assertIn('0 of 1000 hosts passed; rejected: hint 1000',
                      self.log())
        self.assertEqual(cloud.REFUSED, self.outcome(
            self.create_at(host), *cloud.LIVE))
        self.assertIn('stays in site dcn1: 0 of 1000 hosts passed; '
                      'rejected: move 1000', self.log())


class PreFilterTest(ScaleTestCase):

    def test_finds_the_site(self):
        host, other = hosts = self.start()
        self.create_flavor('of-dcn1', site='dcn1')
        servers = self.create_several(4, host=host)
        self.assertIn(self.outcome_of_create(hints={'dcn_site': 'dcn1'}),
                      hosts)
        self.assertIn(self.outcome_of_create(flavorRef='of-dcn1'), hosts)
        self.assertIn(self.outcome(self.shelve(servers[3]), 'unshelve'),
                      hosts)
        self.assertEqual(dict.fromkeys(
            ['live migrate', 'cold migrate', 'resize'], other), {
            'live migrate': self.outcome(servers[0], *cloud.LIVE),
            'cold migrate': self.outcome(servers[1], *cloud.COLD),
            'resize': self.outcome(servers[2], *cloud.RESIZE),
        })
        self.assertNotIn(' of 1000 hosts passed', self.log())
