# SPDX-License-Identifier: Apache-2.0
"""What happens when a site has no room, and which site is filled first."""

from tests.functional.nova import cloud

WEIGHERS = ['nova.scheduler.weights.all_weighers', cloud.WEIGHER]


class FullSiteTest(cloud.SiteFilterTestCase):
    """Without room in its site a server stays where and what it is."""

    def state(self, server):
        shown = self.show(server)
        return (shown['status'], shown['OS-EXT-SRV-ATTR:host'],
                shown['flavor']['original_name'])

    def test_moves(self):
        self.start_cloud({'dcn1': ['h11', 'h12'], 'dcn2': ['h21']})
        servers = self.create_several(4, host='h11')
        shelved = self.shelve(servers.pop())
        self.close('h12')
        for server, move in zip(servers, (
                cloud.LIVE, cloud.COLD, cloud.RESIZE), strict=True):
            self.assertEqual(cloud.REFUSED, self.outcome(server, *move))
            self.assertEqual(('ACTIVE', 'h11', 'm1.tiny'),
                             self.state(server))
        self.kill('h11')
        self.assertEqual(cloud.REFUSED, self.outcome(
            servers[0], *cloud.EVACUATE))
        # Nova itself sets ERROR when an evacuation finds no host, whatever
        # the filter; the server is still recorded on its host.
        self.assertEqual(('ERROR', 'h11', 'm1.tiny'), self.state(servers[0]))
        self.assertEqual(cloud.REFUSED, self.outcome(shelved, 'unshelve'))
        self.assertEqual(('SHELVED_OFFLOADED', None, 'm1.tiny'),
                         self.state(shelved))
        # There is room again.
        self.update_service('h12', status='enabled')
        self.assertEqual('h12', self.outcome(shelved, 'unshelve'))


class SpillOverTestCase(cloud.SiteFilterTestCase):
    """Two sites of a host of 8 GiB each, and all of Nova's weighers."""

    def create_five(self):
        self.create_flavor('a-quarter', ram=2048)
        return [self.outcome_of_create(flavorRef='a-quarter')
                for _ in range(5)]

    def start(self, **options):
        self.flags(compute_driver='fake.MediumFakeDriver')
        self.start_cloud({'dcn1': ['h11'], 'dcn2': ['h21']},
                         with_plugins=False)
        self.tag('dcn1', priority='1')
        self.tag('dcn2', priority='2')
        self.start_scheduler(**options)


class StockTest(SpillOverTestCase):

    def test_all_hosts_alike(self):
        self.start(with_plugins=False, weighers=WEIGHERS[:1])
        hosts = self.create_five()
        # The emptier one each time.
        self.assertEqual({'h11', 'h21'}, set(hosts[:2]))
        self.assertEqual({'h11', 'h21'}, set(hosts[2:4]))


class SpillOverTest(SpillOverTestCase):

    def test_priority_until_full(self):
        self.flags(spill_over_percent=50, spill_back_percent=40, group='dcn')
        self.start(weighers=WEIGHERS)
        self.assertEqual(['h21', 'h21', 'h11', 'h11', 'h21'],
                         self.create_five())
