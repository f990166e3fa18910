# SPDX-License-Identifier: Apache-2.0
"""What no filter is asked about, and the policy rules that close it."""

from nova import policies

from tests.functional.nova import cloud

FORCED_LIVE = ('os-migrateLive', {
    'host': 'h21', 'block_migration': 'auto', 'force': True})
FORCED_EVACUATE = ('evacuate', {'host': 'h21', 'force': True})

# The last version of the API in which a move can be forced.
FORCE = '2.67'

# Nova 31 has no rule for a live migration to a host alone.
LIVE_RULE = max(rule.name for rule in policies.list_rules()
                if rule.name.startswith(
                    'os_compute_api:os-migrate-server:migrate_live'))


class ForcedTest(cloud.SiteFilterTestCase):
    """Servers of dcn1, which is down, and of dcn2."""

    def forced_creates(self):
        """Return where a server comes to that is created on ZONE:HOST."""
        return {
            f'{gap} {where}': self.outcome_of_create(availability_zone=where)
            for gap, where in (('g06', 'bogus:h11'), ('g06b', 'dcn1:h11'),
                               ('g06c', 'dcn1:h21'))}

    def forced_moves(self, pinned):
        """Return where servers on h11 go that are pinned to dcn1."""
        live = self.outcome(pinned[0], *FORCED_LIVE, version=FORCE)
        self.kill('h11')
        return {
            'g03c live migrate': live,
            'g03b evacuate': self.outcome(
                pinned[1], *FORCED_EVACUATE, version=FORCE),
        }

    def assert_out_of_reach(self):
        self.assertEqual({
            'g06 bogus:h11': 'h11',
            'g06b dcn1:h11': 'h11',
            'g06c dcn1:h21': 'h21',
        }, self.forced_creates())
        pinned = self.create_several(2, availability_zone='dcn1:h11')
        self.assertEqual({
            'g03c live migrate': 'h21',
            'g03b evacuate': 'h21',
        }, self.forced_moves(pinned))
        for server in pinned:
            self.assertEqual('dcn1',
                             self.show(server)['pinned_availability_zone'])

    def test_stock(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        self.tag('dcn1', state='down')
        self.assert_out_of_reach()

    def test_out_of_reach(self):
        self.start_cloud(cloud.TWO_SITES)
        self.tag('dcn1', state='down')
        self.assert_out_of_reach()
        # Not one of them has asked the filter.
        self.assertIn('DCNSiteFilter loaded', self.log())
        self.assertNotIn('DCNSiteFilter: server', self.log())

    def test_closed_by_policy(self):
        self.start_cloud(cloud.TWO_SITES)
        pinned = self.create_several(2, availability_zone='dcn1:h11')
        self.policy.set_rules({
            'os_compute_api:servers:create:forced_host': '!',
            LIVE_RULE: '!',
            'os_compute_api:os-evacuate': '!',
        }, overwrite=False)
        self.assertEqual({
            'g06 bogus:h11': 'HTTP 403',
            'g06b dcn1:h11': 'HTTP 403',
            'g06c dcn1:h21': 'HTTP 403',
        }, self.forced_creates())
        self.assertEqual({
            'g03c live migrate': 'HTTP 403',
            'g03b evacuate': 'HTTP 403',
        }, self.forced_moves(pinned))
        for server in pinned:
            self.assertEqual('h11', self.host_of(server))

    def test_next_move_stays(self):
        # Where a forced server has come to is where it stays from then on.
        self.start_cloud(cloud.TWO_SITES)
        self.assertEqual('h12', self.outcome(
            self.create(availability_zone='bogus:h11'), *cloud.LIVE))

    def test_next_move_crosses_in_stock(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        self.assertEqual('h21', self.outcome(
            self.create(availability_zone='bogus:h11'), *cloud.LIVE))
