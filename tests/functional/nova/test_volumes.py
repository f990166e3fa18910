# SPDX-License-Identifier: Apache-2.0
"""Servers stay beside their volumes, and go there if that is asked for."""

from oslo_utils import uuidutils

from tests.functional.nova import cloud

SITES = {'dcn1': ['h11', 'h12'], 'dcn2': ['h21']}


class VolumesTestCase(cloud.SiteFilterTestCase):

    def start(self, **options):
        self.start_cloud(SITES, **options)
        self.cinder.zones[self.cinder.IMAGE_BACKED_VOL] = 'dcn1'

    def volume(self, zone):
        """Return a new volume."""
        volume_id = uuidutils.generate_uuid()
        self.cinder.zones[volume_id] = zone
        return volume_id

    def moves(self):
        """Live-migrate servers with volumes; return where each went."""
        from_image = self.create_at(
            'h11', imageRef='', block_device_mapping_v2=[{
                'source_type': 'image', 'destination_type': 'volume',
                'uuid': self.glance.image1['id'], 'volume_size': 1,
                'boot_index': 0}])
        attached = self.create_at('h11')
        self.api.post_server_volume(attached['id'], {'volumeAttachment': {
            'volumeId': self.volume('dcn1')}})
        cloud.wait_until(
            lambda: self.show(attached)['os-extended-volumes:'
                                        'volumes_attached'],
            'the volume')
        return {
            'g12b image to volume': self.outcome(from_image, *cloud.LIVE),
            'g12c attached later': self.outcome(attached, *cloud.LIVE),
        }

    def create_with(self, *zones, **fields):
        """Create a server with volumes of zones; return where it came to."""
        return self.outcome_of_create(block_device_mapping_v2=[
            {'source_type': 'image', 'destination_type': 'local',
             'uuid': self.glance.image1['id'], 'boot_index': 0},
            *({'source_type': 'volume', 'destination_type': 'volume',
               'uuid': self.volume(zone), 'boot_index': -1}
              for zone in zones)],
            **fields)

    def create_beside_volume(self):
        """g12: return the host and the pin of a server on a volume."""
        self.flags(cross_az_attach=False, group='cinder')
        server = self.create(imageRef='', block_device_mapping_v2=[{
            'source_type': 'volume', 'destination_type': 'volume',
            'uuid': self.cinder.IMAGE_BACKED_VOL, 'boot_index': 0}])
        self.flags(cross_az_attach=True, group='cinder')
        return (server['OS-EXT-SRV-ATTR:host'],
                server['pinned_availability_zone'])


class StockTest(VolumesTestCase):

    def test_volumes_mean_nothing(self):
        self.start(with_plugins=False)
        self.assertEqual(('h12', 'dcn1'), self.create_beside_volume())
        self.assertEqual({
            'g12b image to volume': 'h21',
            'g12c attached later': 'h21',
        }, self.moves())
        self.create_flavor('require', volume_locality='require')
        self.assertEqual('h21', self.create_with(
            'dcn1', flavorRef='require'))


class VolumesTest(VolumesTestCase):

    def test_stay(self):
        self.start()
        self.assertEqual(('h12', 'dcn1'), self.create_beside_volume())
        self.assertEqual({
            'g12b image to volume': 'h12',
            'g12c attached later': 'h12',
        }, self.moves())

    def test_require(self):
        self.start()
        self.create_flavor('require', volume_locality='require')
        self.assertEqual({
            'in dcn1': 'h12',
            'both in dcn1': 'h12',
            'in dcn2': 'h21',
            'in two sites': cloud.REFUSED,
            'in dcn1, but pinned to dcn2': cloud.REFUSED,
        }, {
            'in dcn1': self.create_with('dcn1', flavorRef='require'),
            'both in dcn1': self.create_with(
                'dcn1', 'dcn1', flavorRef='require'),
            'in dcn2': self.create_with('dcn2', flavorRef='require'),
            'in two sites': self.create_with(
                'dcn1', 'dcn2', flavorRef='require'),
            'in dcn1, but pinned to dcn2': self.create_with(
                'dcn1', flavorRef='require',
                availability_zone='dcn2'),
        })
        self.assertIn('the volumes are in dcn1; choose volumes of one site, '
                      'and that site', self.log())

    def test_prefer(self):
        self.flags(volume_locality='prefer', group='dcn')
        self.start(weighers=['nova.tests.fixtures.nova.HostNameWeigher',
                             cloud.WEIGHER])
        self.assertEqual('h12', self.create_with('dcn1'))
        self.assertEqual('h21', self.create_with('dcn2'))
        self.close('h11', 'h12')
        self.assertEqual('h21', self.create_with('dcn1'))


class CinderIsDownTest(VolumesTestCase):

    def create_with(self, *zones, **fields):
        with self.outages.of(self.cinder):
            return super().create_with(*zones, **fields)

    def test_allow(self):
        self.flags(volume_locality='require', group='dcn')
        self.start()
        self.assertEqual('h21', self.create_with(
            'dcn1', hints={'dcn_site': 'dcn2'}))
        self.assertRegex(
            self.log(), 'where volumes of server .* is could not be found '
            'out: CinderConnectionFailed: .*it is down.*'
            'unknown_locality=allow')

    def test_refuse(self):
        self.flags(volume_locality='require', unknown_locality='refuse',
                   group='dcn')
        self.start()
        self.assertEqual(cloud.REFUSED, self.create_with('dcn1'))
        self.assertRegex(
            self.log(), 'what server .* asks of sites is unknown .where '
            'volumes of server .* CinderConnectionFailed: .*with '
            'unknown_site=refuse none of ')
        # What has no volume is not held up.
        self.assertIn(self.create_with(), ('h12', 'h21'))

    def test_unshelve_from_a_volume(self):
        # The volume alone tells where the server has been.
        self.start()
        server = self.shelve(self.create_at(
            'h11', imageRef='', block_device_mapping_v2=[{
                'source_type': 'volume', 'destination_type': 'volume',
                'uuid': self.volume('dcn1'), 'boot_index': 0}]))
        with self.outages.of(self.cinder):
            self.assertEqual(cloud.REFUSED, self.outcome(server, 'unshelve'))
        self.assertEqual('h12', self.outcome(server, 'unshelve'))
