# SPDX-License-Identifier: Apache-2.0
"""Whether a volume goes where its image is: option, volume type, Glance."""

from cinder.scheduler.filters import capabilities_filter
import fixtures

from tests.unit.cinder import volume_cloud
from tests.unit.cinder.volume_cloud import aggregate

ALL = ['b1', 'b2', 'b3', 'b0']
ON_B1 = {'host': 'b1@rbd#RBD', 'availability_zone': 'z1'}


class ImageTest(volume_cloud.VolumeCloudTestCase):

    aggregates = [aggregate('edge1'), aggregate('edge2', store='two,west'),
                  aggregate('edge3')]

    def setUp(self):
        super().setUp()
        self.shown = []
        self.image = {'stores': 'west,edge3'}
        self.useFixture(fixtures.MonkeyPatch(
            'cinder.image.glance.get_default_image_service', lambda: self))

    def show(self, context, image_id):
        """Stand in for Cinder's image service."""
        self.shown.append((context, image_id))
        if isinstance(self.image, Exception):
            raise self.image
        return self.image

    def created(self, **request):
        return self.filtered(image_id=volume_cloud.IMAGE, **request)

    def test_by_default_nobody_asks(self):
        self.assertEqual(ALL, self.created())
        self.assertEqual([], self.shown)

    def test_with_require_only_sites_that_have_it(self):
        self.option(image_locality='require')
        self.assertEqual(['b2', 'b3'], self.created())
        self.assertEqual([(self.context, volume_cloud.IMAGE)], self.shown)

    def test_it_is_asked_once_for_a_while(self):
        self.option(image_locality='require')
        self.created()
        self.image = RuntimeError('would be noticed')
        self.assertEqual(['b2', 'b3'], self.created())

    def test_the_stores_may_be_among_the_properties(self):
        self.option(image_locality='require')
        self.image = {'properties': {'stores': 'edge1'}}
        self.assertEqual(['b1'], self.created())

    def test_an_image_in_no_store_is_nowhere(self):
        self.option(image_locality='require')
        self.image = {}
        self.assertEqual([], self.created())

    def test_prefer_is_for_the_weigher(self):
        self.option(image_locality='prefer')
        self.assertEqual(ALL, self.created())

    def test_the_volume_type_outranks_the_option(self):
        self.assertEqual(['b2', 'b3'], self.created(
            specs={'dcn:image_locality': 'require'}))
        self.option(image_locality='require')
        self.assertEqual(ALL, self.created(
            specs={'dcn:image_locality': 'ignore'}))

    def test_an_extra_spec_that_is_none_counts_as_the_option(self):
        self.option(image_locality='require')
        self.assertEqual(['b2', 'b3'], self.created(
            specs={'dcn:image_locality': 'requires'}))
        self.assertIn('extra spec dcn:image_locality=requires of volume type '
                      'gold is none of ignore, prefer, require and counts as '
                      'require', self.log.output)

    def test_cinders_own_filter_passes_over_the_extra_spec(self):
        specs = {'extra_specs': {'dcn:image_locality': 'require'}}
        stock = capabilities_filter.CapabilitiesFilter()
        self.assertTrue(stock.backend_passes(self.pools[0],
                                             {'resource_type': specs}))
        self.assertFalse(stock.backend_passes(
            self.pools[0], {'resource_type': {'extra_specs': {'dcn': 'x'}}}))

    def test_only_volumes_from_images_are_concerned(self):
        self.option(image_locality='require')
        self.assertEqual(ALL, self.filtered(image_id=None))
        self.assertEqual(ALL, self.created(operation='migrate_volume',
                                           volume=ON_B1))
        self.assertEqual([], self.shown)

    def test_glance_away_is_passed_over_with_a_warning(self):
        self.option(image_locality='require')
        self.image = ConnectionError('away')
        self.assertEqual(ALL, self.created())
        self.assertIn(f'where image {volume_cloud.IMAGE} is could not be '
                      'found out: ConnectionError: away; '
                      'unknown_locality=allow', self.log.output)

    def test_glance_away_may_refuse(self):
        self.option(image_locality='require', unknown_locality='refuse')
        self.image = ConnectionError('away')
        self.assertEqual([], self.created())
        self.assertIn('ConnectionError: away; with unknown_locality=refuse '
                      'none of 4 backends pass', self.log.output)
