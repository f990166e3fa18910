# SPDX-License-Identifier: Apache-2.0
"""Servers go where their image is, if that is asked for."""

from nova.tests import fixtures as nova_fixtures

from tests.functional.nova import cloud

IN_DCN1, IN_DCN2, IN_BOTH, NOWHERE = (
    image['id'] for image in (
        nova_fixtures.GlanceFixture.image1, nova_fixtures.GlanceFixture.image2,
        nova_fixtures.GlanceFixture.image3,
        nova_fixtures.GlanceFixture.image4))

WEIGHERS = ['nova.tests.fixtures.nova.HostNameWeigher', cloud.WEIGHER]


class ImagesTestCase(cloud.SiteFilterTestCase):
    """dcn1 has the store of its name, dcn2 a store edge2."""

    def start(self, **options):
        self.start_cloud(cloud.TWO_SITES, **options)
        self.tag('dcn2', store='edge2')
        # The name of one store is part of another's.
        self.glance.stores = {
            IN_DCN1: 'central,dcn1', IN_DCN2: 'edge2,dcn10',
            IN_BOTH: 'dcn1,edge2', NOWHERE: 'central,dcn10,edge20'}
        for locality in ('require', 'prefer', 'ignore'):
            self.create_flavor(locality, image_locality=locality)

    def creates(self, locality):
        return {
            image: self.outcome_of_create(flavorRef=locality, imageRef=ref)
            for image, ref in (('in dcn1', IN_DCN1), ('in dcn2', IN_DCN2),
                               ('in both', IN_BOTH), ('nowhere', NOWHERE))}

    def shelved(self, stores, flavor='require'):
        """Return a shelved server of h11 whose snapshot is in some stores."""
        server = self.create_at('h11', flavorRef=flavor, imageRef=IN_DCN1)
        before = set(self.glance.images)
        self.shelve(server)
        snapshot, = set(self.glance.images) - before
        self.glance.stores[snapshot] = stores
        return server

    def rebuild(self, image, flavor):
        """Rebuild a server of h11; return its image then, and its status."""
        server = self.create_at('h11', flavorRef=flavor, imageRef=IN_DCN1)
        went_to = self.outcome(server, 'rebuild', {'imageRef': image})
        return went_to, self.show(server)['image']['id']


class StockTest(ImagesTestCase):

    def test_images_mean_nothing(self):
        self.start(with_plugins=False)
        self.assertEqual({'in dcn1': 'h21', 'in dcn2': 'h21',
                          'in both': 'h21', 'nowhere': 'h21'},
                         self.creates('require'))
        self.assertEqual('h21', self.outcome(
            self.shelved('dcn1'), 'unshelve'))
        # g13
        self.assertEqual(('h11', IN_DCN2), self.rebuild(IN_DCN2, 'require'))


class ImagesTest(ImagesTestCase):

    def test_require(self):
        self.start()
        self.assertEqual({'in dcn1': 'h12', 'in dcn2': 'h21',
                          'in both': self.outcome_of_create(),
                          'nowhere': cloud.REFUSED},
                         self.creates('require'))
        fault = self.show(self.create(
            flavorRef='require', imageRef=IN_DCN1,
            availability_zone='dcn2'))['fault']['message']
        self.assertIn('site dcn2: the image is not there but in central, '
                      'dcn1; copy the image to store edge2', fault)

    def test_unshelve_reads_the_snapshot(self):
        self.start()
        here, elsewhere = self.shelved('dcn1'), self.shelved('edge2')
        self.glance.stores[IN_DCN1] = 'central'
        self.assertEqual('h12', self.outcome(here, 'unshelve'))
        self.assertEqual(cloud.REFUSED, self.outcome(elsewhere, 'unshelve'))

    def test_g13_rebuild(self):
        self.start()
        self.assertEqual((cloud.REFUSED, IN_DCN1),
                         self.rebuild(IN_DCN2, 'require'))
        self.assertEqual(('h11', IN_BOTH), self.rebuild(IN_BOTH, 'require'))
        self.assertEqual(('h11', IN_DCN2), self.rebuild(IN_DCN2, 'prefer'))
        # With the same image the scheduler is not asked.
        self.glance.stores[IN_DCN1] = 'central'
        self.assertEqual(('h11', IN_DCN1), self.rebuild(IN_DCN1, 'require'))

    def test_prefer(self):
        self.start(weighers=WEIGHERS)
        self.assertEqual({'in dcn1': 'h12', 'in dcn2': 'h21'},
                         {image: host for image, host
                          in self.creates('prefer').items()
                          if image in ('in dcn1', 'in dcn2')})
        self.close('h11', 'h12')
        self.assertEqual({'in dcn1': 'h21', 'in dcn2': 'h21',
                          'in both': 'h21', 'nowhere': 'h21'},
                         self.creates('prefer'))

    def test_option(self):
        self.flags(image_locality='require', group='dcn')
        self.start()
        self.assertEqual('h12', self.outcome_of_create(imageRef=IN_DCN1))
        # The flavor outranks it.
        self.assertEqual(
            self.outcome_of_create(flavorRef='ignore', imageRef=IN_BOTH),
            self.outcome_of_create(flavorRef='ignore', imageRef=NOWHERE))


class GlanceIsDownTest(ImagesTestCase):

    def create_without_glance(self, **fields):
        with self.outages.of(self.glance):
            return self.outcome_of_create(**fields)

    def test_allow(self):
        self.start()
        self.assertIn(self.create_without_glance(
            flavorRef='require', imageRef=NOWHERE), ('h12', 'h21'))
        self.assertRegex(
            self.log(), rf'where image {NOWHERE} is could not be found out: '
            'GlanceConnectionFailed: .*it is down.*unknown_locality=allow')
        # A failure is not remembered.
        self.assertEqual(cloud.REFUSED, self.outcome_of_create(
            flavorRef='require', imageRef=NOWHERE))

    def test_refuse(self):
        self.flags(unknown_locality='refuse', group='dcn')
        self.start()
        self.assertEqual(cloud.REFUSED, self.create_without_glance(
            flavorRef='require', imageRef=IN_BOTH))
        # What asks for no image is not held up.
        self.assertIn(self.create_without_glance(
            flavorRef='ignore', imageRef=IN_BOTH), ('h12', 'h21'))
