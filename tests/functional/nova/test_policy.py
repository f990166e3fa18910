# SPDX-License-Identifier: Apache-2.0
"""Who may take a server out of its site, and how strictly it is kept."""

import copy
import os

import fixtures

from dcn_plugins.nova import cross_site_policy
from tests.functional.nova import cloud


class CrossSiteTest(cloud.SiteFilterTestCase):
    """A role, or a rule of the operator, opens what is closed to others."""

    def setUp(self):
        super().setUp()
        self.mover = copy.copy(self.api)
        self.mover.roles = [*self.api.roles, 'dcn_cross_site_mover']

    def moves(self, api):
        """Move servers of dcn1 away; return where each went."""
        servers = self.create_several(5, host='h11')
        self.shelve(servers[3])
        self.shelve(servers[4])
        return {
            'live migrate --host': self.outcome(
                servers[0], *cloud.LIVE_TO_H21, api=api),
            'cold migrate --host': self.outcome(
                servers[1], *cloud.COLD_TO_H21, api=api),
            # No destination is named: nobody has said that it may leave.
            'live migrate': self.outcome(servers[2], *cloud.LIVE, api=api),
            'unshelve in another zone': self.outcome(
                servers[3], 'unshelve', {'availability_zone': 'dcn2'},
                api=api),
            'unshelve on a host of another site': self.outcome(
                servers[4], 'unshelve', {'host': 'h21'}, api=api),
        }

    closed = {
        'live migrate --host': cloud.REFUSED,
        'cold migrate --host': cloud.REFUSED,
        'live migrate': 'h12',
        'unshelve in another zone': cloud.REFUSED,
        'unshelve on a host of another site': cloud.REFUSED,
    }
    opened = {
        'live migrate --host': 'h21',
        'cold migrate --host': 'h21',
        'live migrate': 'h12',
        'unshelve in another zone': 'h21',
        'unshelve on a host of another site': 'h21',
    }

    def test_role(self):
        self.start_cloud(cloud.TWO_SITES)
        self.assertEqual(self.closed, self.moves(self.api))
        self.assertEqual(self.opened, self.moves(self.mover))

    def test_role_does_not_open_a_closed_site(self):
        self.start_cloud(cloud.TWO_SITES)
        server = self.create_at('h11')
        self.tag('dcn2', state='draining')
        self.assertEqual(cloud.REFUSED, self.outcome(
            server, *cloud.LIVE_TO_H21, api=self.mover))
        self.read_map()
        self.assertEqual(cloud.REFUSED, self.outcome(
            server, *cloud.LIVE_TO_H21, api=self.mover))

    def test_rule_of_the_operator(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path,
                            'policy.yaml')
        with open(path, 'w', encoding='utf-8') as policy_file:
            policy_file.write(
                f'"{cross_site_policy.CROSS_SITE_MOVE}": "role:admin"\n')
        self.flags(policy_file=path, group='oslo_policy')
        self.start_cloud(cloud.TWO_SITES)
        self.assertEqual(self.opened, self.moves(self.api))

    def test_evacuate(self):
        self.start_cloud(cloud.TWO_SITES)
        stays, leaves = self.create_several(2, host='h11')
        self.kill('h11')
        to_h21 = ('evacuate', {'host': 'h21'})
        self.assertEqual(cloud.REFUSED, self.outcome(stays, *to_h21))
        self.assertEqual('h21', self.outcome(leaves, *to_h21,
                                             api=self.mover))


class MovePolicyTest(cloud.SiteFilterTestCase):

    def moves(self):
        """Move two servers of h11, the second when its site is full."""
        first, second, shelved = self.create_several(3, host='h11')
        self.shelve(shelved)
        went_to = {'there is room': self.outcome(first, *cloud.LIVE)}
        self.close('h12')
        went_to['there is none'] = self.outcome(second, *cloud.LIVE)
        self.close('h11')
        went_to['unshelve'] = self.outcome(shelved, 'unshelve')
        return went_to

    def start(self, move_policy):
        self.flags(move_policy=move_policy, group='dcn')
        self.start_cloud(cloud.TWO_SITES, weighers=[
            'nova.tests.fixtures.nova.HostNameWeigher', cloud.WEIGHER])

    def test_strict(self):
        self.start('strict')
        self.assertEqual({
            'there is room': 'h12',
            'there is none': cloud.REFUSED,
            'unshelve': cloud.REFUSED,
        }, self.moves())

    def test_prefer(self):
        self.start('prefer')
        self.assertEqual({
            'there is room': 'h12',
            'there is none': 'h21',
            'unshelve': 'h21',
        }, self.moves())

    def test_off(self):
        self.start('off')
        self.assertEqual({
            'there is room': 'h21',
            'there is none': 'h21',
            'unshelve': 'h21',
        }, self.moves())
