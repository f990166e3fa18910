# SPDX-License-Identifier: Apache-2.0
"""What a volume is cloned from, and what happens when there is nothing."""

from cinder import exception
import fixtures
from oslo_config import cfg
import testtools

from dcn_plugins.cinder import image_api
from dcn_plugins.cinder import image_copies
from dcn_plugins.cinder import image_locations
from dcn_plugins.cinder import image_sources
from dcn_plugins.conf import volume_images
from tests.fakes import glance
from tests.fakes import lock

HERE = 'fsid-1'
URL = f'rbd://{HERE}/images/i/snap'
STOCK = {'id': 'i', 'disk_format': 'raw', 'container_format': 'bare',
         'size': 9, 'stores': 'central'}


class SourcesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            format='%(levelname)s %(message)s'))
        self.glance = self.useFixture(glance.FakeGlance())
        self.glance.add_image('i', 'central')
        self.conf = cfg.ConfigOpts()
        volume_images.register_opts(self.conf)
        self.conf([])
        self.is_readable = True
        api = image_api.ImageAPI(glance.KnownTokens(self.glance.url))
        self.sources = image_sources.ImageSources(
            self.conf, 'dcn1',
            image_locations.ImageLocations(api, self.snapshot_of),
            image_copies.ImageCopies(api, lock.LockService().get_lock,
                                     pause=lambda _seconds: None))

    def snapshot_of(self, *_where):
        return (image_locations.Snapshot(9, True) if self.is_readable
                else None)

    def on_miss(self, what):
        self.conf.set_override('image_on_miss', what, 'dcn')

    def find(self, shown=(None, None), **image):
        return self.sources.find(None, shown, {**STOCK, **image}, HERE)

    def fail(self, **image):
        return str(self.assertRaises(exception.ImageCopyFailure, self.find,
                                     **image))

    def warnings(self):
        return [line for line in self.log.output.splitlines()
                if line.startswith('WARNING')]


class HitTest(SourcesTestCase):

    def test_a_copy_that_is_here_is_taken_whatever_the_option_says(self):
        for what in ('copy', 'stream', 'fail'):
            self.on_miss(what)
            self.assertEqual(URL, self.find((URL, None)))
        self.glance.add_copy('i', 'dcn1')
        for what in ('copy', 'stream', 'fail'):
            self.on_miss(what)
            self.assertEqual(URL, self.find())
        self.assertEqual(([], []), (self.glance.accepted, self.warnings()))


class CopyTest(SourcesTestCase):
    """image_on_miss is ``copy``, the default."""

    def test_a_copy_is_made_and_taken(self):
        self.assertEqual(URL, self.find())
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)
        self.assertEqual([], self.warnings())

    def test_also_where_all_locations_were_shown(self):
        locations = self.glance.images['i']['locations']
        self.assertEqual(URL, self.find((locations[0]['url'],
                                         list(locations))))
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)

    def test_also_where_nobody_is_told_locations(self):
        self.glance.roles['cinder'] = ['admin']
        self.glance.answers['GET /v2/images/i/locations'] = 403, None
        self.glance.is_direct_url_shown = False
        self.assertEqual(URL, self.find())

    def test_without_a_copy_it_is_streamed_and_one_warning_says_why(self):
        self.glance.broken.add('i')
        self.assertIsNone(self.find())
        [warning] = self.warnings()
        for words in ('image i ', 'store dcn1 ', 'failed to copy',
                      'image_on_miss'):
            self.assertIn(words, warning)

    def test_a_copy_that_ceph_does_not_show_is_told_and_not_asked_for(self):
        self.glance.add_copy('i', 'dcn1')
        self.is_readable = False
        self.assertIsNone(self.find(stores='central,dcn1'))
        [warning] = self.warnings()
        self.assertIn(HERE, warning)
        self.assertEqual([], self.glance.accepted)

    def test_the_time_is_that_of_the_option(self):
        self.glance.looks = 10**6
        self.conf.set_override('image_copy_seconds', 1.0, 'dcn')
        self.assertIsNone(self.find())
        self.assertIn('image_copy_seconds', self.warnings()[0])

    def test_what_cannot_be_cloned_is_not_copied(self):
        for image in ({'disk_format': 'qcow2'}, {'disk_format': None},
                      {'container_format': 'compressed'},
                      {'cinder_encryption_key_id': 'k'}):
            self.assertIsNone(self.find((URL, None), **image))
        self.assertEqual(([], []), (self.glance.requests, self.warnings()))


class StreamTest(SourcesTestCase):

    def setUp(self):
        super().setUp()
        self.on_miss('stream')

    def test_nothing_is_copied_and_nothing_said(self):
        self.assertIsNone(self.find())
        self.assertEqual(([], []), (self.glance.accepted, self.warnings()))


class FailTest(SourcesTestCase):

    def setUp(self):
        super().setUp()
        self.on_miss('fail')

    def test_the_message_has_the_remedy(self):
        text = self.fail()
        self.assertIn('copy-image --store dcn1 i', text)
        self.assertEqual([], self.glance.accepted)

    def test_nothing_is_streamed_from_elsewhere_in_any_format(self):
        self.assertIn('store dcn1', self.fail(disk_format='qcow2'))

    def test_another_format_that_is_here_is_streamed_from_here(self):
        self.assertIsNone(self.find(disk_format='qcow2',
                                    stores='central,dcn1'))

    def test_a_copy_that_ceph_does_not_show(self):
        self.glance.add_copy('i', 'dcn1')
        self.is_readable = False
        self.assertIn(HERE, self.fail(stores='central,dcn1'))
