# SPDX-License-Identifier: Apache-2.0
"""Where a shelved server comes back: stock Nova, and the plugins."""

import fixtures
from nova.tests import fixtures as nova_fixtures

from tests.functional.nova import cloud


class ShelveTestCase(cloud.SiteFilterTestCase):
    """Servers shelved on h11 of dcn1."""

    def create_on_volume(self):
        volume_id = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL
        self.cinder.zones[volume_id] = 'dcn1'
        return self.create_at('h11', imageRef='', block_device_mapping_v2=[{
            'source_type': 'volume', 'destination_type': 'volume',
            'boot_index': 0, 'uuid': volume_id}])

    def unshelves(self):
        """Shelve and unshelve a server each; return where it went."""
        def outcome(server, body=None):
            return self.outcome(self.shelve(server), 'unshelve', body)

        servers = self.create_several(3, host='h11')
        pinned = self.create_several(
            2, host='h11', availability_zone='dcn1')
        return {
            'g04 unshelve': outcome(servers[0]),
            'g04 unshelve on a volume': outcome(self.create_on_volume()),
            'g04 unshelve, pinned': outcome(pinned[0]),
            'g04b unshelve in another zone': outcome(
                servers[1], {'availability_zone': 'dcn2'}),
            'g04b unshelve on a host of another site': outcome(
                servers[2], {'host': 'h21'}),
            'g04c unpin and unshelve': outcome(
                pinned[1], {'availability_zone': None}),
        }

    def g05_zone_is_renamed(self):
        """Unshelve a server whose zone was renamed meanwhile."""
        server = self.shelve(self.create_pinned('h11', 'dcn1'))
        self.tag('dcn1', availability_zone='renamed')
        return self.outcome(server, 'unshelve')


class StockTest(ShelveTestCase):

    def test_unshelve(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        self.assertEqual('h21', self.g05_zone_is_renamed())
        self.tag('dcn1', availability_zone='dcn1')
        self.assertEqual({
            'g04 unshelve': 'h21',
            'g04 unshelve on a volume': 'h21',
            'g04 unshelve, pinned': 'h12',
            'g04b unshelve in another zone': 'h21',
            'g04b unshelve on a host of another site': 'h21',
            'g04c unpin and unshelve': 'h21',
        }, self.unshelves())


class StayTest(ShelveTestCase):

    def test_unshelve(self):
        self.start_cloud(cloud.TWO_SITES)
        # A refusal may be told from a map of a second ago; the zone was
        # renamed since.
        with fixtures.MonkeyPatch('dcn_plugins.map_cache.FRESH_SECONDS', 0.0):
            self.assertEqual(cloud.REFUSED, self.g05_zone_is_renamed())
        self.assertIn('availability zone dcn1 does not exist any more; name '
                      'the zone of a live site', self.log())
        self.tag('dcn1', availability_zone='dcn1')
        self.read_map()
        self.assertEqual({
            'g04 unshelve': 'h12',
            'g04 unshelve on a volume': 'h12',
            'g04 unshelve, pinned': 'h12',
            'g04b unshelve in another zone': cloud.REFUSED,
            'g04b unshelve on a host of another site': cloud.REFUSED,
            'g04c unpin and unshelve': 'h12',
        }, self.unshelves())
