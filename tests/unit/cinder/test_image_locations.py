# SPDX-License-Identifier: Apache-2.0
"""Which copy of an image is taken, and what is never taken."""

import testtools

from dcn_plugins.cinder import image_api
from dcn_plugins.cinder import image_locations
from tests.fakes import glance

HERE, CENTRE = 'fsid-1', 'fsid-c'
WHOLE = image_locations.Snapshot(9, True)


class LocationTest(testtools.TestCase):

    def test_there_and_back(self):
        url = 'rbd://f/pool%2Fs/image%20a/snap'
        location = image_locations.Location.parse(url)
        self.assertEqual(
            image_locations.Location('f', 'pool/s', 'image a', 'snap'),
            location)
        self.assertEqual(url, location.url)

    def test_what_is_not_a_snapshot_in_rbd(self):
        for url in (None, '', 'file:///f/p/i/s', 'rbd://image',
                    'rbd://f/p/i', 'rbd://f//i/s', 'rbd://f/p/i/s/t'):
            self.assertIsNone(image_locations.Location.parse(url), url)


class ShownTest(testtools.TestCase):

    def shown(self, *image_location):
        return image_locations.Shown.by_cinder(*image_location)

    def test_nothing(self):
        nothing = image_locations.Shown((), False)
        for told in (None, (None, None), (None, [])):
            self.assertEqual(nothing, self.shown(told))

    def test_the_direct_url_is_one_of_perhaps_several(self):
        self.assertEqual(image_locations.Shown(('rbd://a',), False),
                         self.shown(('rbd://a', None)))

    def test_a_list_is_all_there_are(self):
        locations = [{'url': 'rbd://a', 'metadata': {}}, {'url': 'rbd://b'}]
        self.assertEqual(
            image_locations.Shown(('rbd://a', 'rbd://b'), True),
            self.shown(('rbd://a', locations)))


class FindTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.glance = self.useFixture(glance.FakeGlance())
        self.snapshots = {}
        self.opened = []
        self.services = ('cinder',)

    def find(self, shown=(), is_all=False, store='dcn1', **image):
        image = {'id': 'i', 'size': 9, 'stores': 'central,dcn1', **image}
        found = image_locations.ImageLocations(
            image_api.ImageAPI(glance.KnownTokens(
                self.glance.url, services=self.services)), self.snapshot_of)
        return found.find(None, image,
                          image_locations.Shown(tuple(shown), is_all), HERE,
                          store)

    def snapshot_of(self, *where):
        self.opened.append('/'.join(where))
        return self.snapshots.get(self.opened[-1])

    def url(self, fsid=HERE, pool='images'):
        return f'rbd://{fsid}/{pool}/i/snap'


class FindTest(FindTestCase):

    def test_what_was_shown_is_taken_and_nobody_is_asked(self):
        self.snapshots['images/i/snap'] = WHOLE
        self.assertEqual(self.url(), self.find([self.url(CENTRE),
                                                self.url()]))
        self.assertEqual(['images/i/snap'], self.opened)
        self.assertEqual([], self.glance.requests)

    def test_as_upstream_a_shown_copy_only_has_to_be_readable(self):
        self.snapshots['images/i/snap'] = image_locations.Snapshot(8, False)
        self.assertEqual(self.url(), self.find([self.url()]))

    def test_one_that_cannot_be_read_is_not_taken(self):
        self.snapshots['archive/i/snap'] = WHOLE
        self.assertEqual(
            self.url(pool='archive'),
            self.find([self.url(), self.url(pool='archive')], True))

    def test_where_all_were_shown_nobody_is_asked_for_more(self):
        self.glance.add_image('i', 'dcn1')
        self.snapshots['images/i/snap'] = WHOLE
        self.assertIsNone(self.find([self.url(CENTRE)], True))
        self.assertEqual(([], []), (self.opened, self.glance.requests))

    def test_services_are_told_what_users_are_not(self):
        self.glance.add_image('i', 'central', 'dcn1')
        self.snapshots['images/i/snap'] = WHOLE
        for shown in ([], [self.url(CENTRE)]):
            self.assertEqual(self.url(), self.find(shown))

    def test_another_store_in_our_cluster_will_do(self):
        self.glance.stores['archive'] = HERE
        self.glance.add_image('i', 'central', 'archive')
        self.snapshots['images/i/snap'] = WHOLE
        self.assertEqual(self.url(), self.find(stores='central,archive'))

    def test_what_services_are_told_is_not_outdone_by_a_guess(self):
        self.glance.add_image('i', 'central')
        self.snapshots['images/i/snap'] = WHOLE
        self.assertIsNone(self.find())
        self.assertEqual([], self.opened)


class GuessTest(FindTestCase):
    """Glance tells nobody where an image is, only in which stores."""

    def setUp(self):
        super().setUp()
        self.glance.add_image('i', 'central', 'dcn1')
        self.services = ()

    def test_the_name_that_every_image_has_is_tried(self):
        self.snapshots['images/i/snap'] = WHOLE
        self.assertEqual(self.url(), self.find())

    def test_the_pool_is_called_as_that_of_another_copy(self):
        self.snapshots['pictures/i/snap'] = WHOLE
        self.assertEqual(self.url(pool='pictures'),
                         self.find([self.url(CENTRE, 'pictures')]))

    def test_a_store_that_glance_does_not_name_is_not_looked_into(self):
        self.snapshots['images/i/snap'] = WHOLE
        self.assertIsNone(self.find(stores='central,dcn10'))
        self.assertEqual([], self.opened)

    def test_what_does_not_look_like_the_image_is_not_taken(self):
        for found in (None, image_locations.Snapshot(8, True),
                      image_locations.Snapshot(9, False)):
            self.snapshots['images/i/snap'] = found
            self.assertIsNone(self.find())

    def test_an_image_without_a_size_is_not_guessed_at(self):
        self.snapshots['images/i/snap'] = WHOLE
        self.assertIsNone(self.find(size=None))
