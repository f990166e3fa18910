# SPDX-License-Identifier: Apache-2.0
"""Sites that are not zones, and labels that contradict each other."""

from tests.functional.nova import cloud

METRO = {'metro': ['h11', 'h12', 'h21', 'h22']}


class MetroTestCase(cloud.SiteFilterTestCase):
    """Two sites in one availability zone."""

    def start(self, **options):
        self.start_cloud(METRO, with_plugins=False)
        for site, hosts in cloud.TWO_SITES.items():
            self.add_aggregate(site, hosts, site=site)
        self.start_scheduler(**options)

    def moves(self):
        servers = self.create_several(
            3, host='h11', availability_zone='metro')
        return {
            'live migrate': self.outcome(servers[0], *cloud.LIVE),
            'resize': self.outcome(servers[1], *cloud.RESIZE),
            'unshelve': self.outcome(self.shelve(servers[2]), 'unshelve'),
            'create at a site': self.outcome_of_create(
                hints={'dcn_site': 'dcn1'}, availability_zone='metro'),
        }


class StockTest(MetroTestCase):

    def test_pin_is_no_site(self):
        self.start(with_plugins=False)
        self.assertEqual(dict.fromkeys(
            ['live migrate', 'resize', 'unshelve', 'create at a site'],
            'h21'), self.moves())


class MetroTest(MetroTestCase):

    def test_sites_of_one_zone(self):
        self.start()
        self.assertEqual(dict.fromkeys(
            ['live migrate', 'resize', 'unshelve', 'create at a site'],
            'h12'), self.moves())


class LabelsTest(cloud.SiteFilterTestCase):

    def test_zones_become_one_site(self):
        self.start_cloud(cloud.TWO_SITES)
        self.assertEqual('h12', self.outcome(
            self.create_at('h11'), *cloud.LIVE))
        # The scheduler runs on.
        for zone in cloud.TWO_SITES:
            self.tag(zone, site='metro')
        self.assertEqual('h21', self.outcome(
            self.create_at('h11'), *cloud.LIVE))

    def start_contradicting(self):
        """Start a cloud where h12 is in two sites, with a server each."""
        self.start_cloud(cloud.TWO_SITES)
        servers = [self.create_at('h11'), self.create_at('h12')]
        self.add_aggregate('wrong', ['h12'], site='dcn2')
        self.tag('dcn1', site='dcn1')
        self.read_map()
        return servers

    def test_host_in_two_sites(self):
        on_h11, on_h12 = self.start_contradicting()
        self.assertEqual({
            'create': cloud.REFUSED,
            'move there': cloud.REFUSED,
            'move away': cloud.REFUSED,
        }, {
            'create': self.outcome_of_create(host='h12'),
            'move there': self.outcome(on_h11, *cloud.LIVE),
            'move away': self.outcome(on_h12, *cloud.LIVE),
        })
        self.assertRegex(self.log(), 'WARNING .*its aggregates name the '
                                     'sites dcn1 and dcn2')
        self.assertIn('its host h12 is in the sites dcn1 and dcn2 at once): '
                      'with unknown_site=refuse none of ', self.log())

    def test_host_in_two_sites_may_be_left(self):
        self.flags(unknown_site='allow', group='dcn')
        _on_h11, on_h12 = self.start_contradicting()
        self.assertEqual('h21', self.outcome(on_h12, *cloud.LIVE))

    def test_unknown_state_closes_the_site(self):
        self.start_cloud(cloud.TWO_SITES)
        self.tag('dcn1', state='maintenance')
        self.assertEqual(cloud.REFUSED, self.outcome_of_create(
            availability_zone='dcn1'))
        self.assertIn('dcn:state=maintenance is none of enabled, draining, '
                      'disabled, down and counts as disabled', self.log())
