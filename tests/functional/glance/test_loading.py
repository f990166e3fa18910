# SPDX-License-Identifier: Apache-2.0

import logging
import os
import sys

import fixtures
from glance.common import config
from glance import notifier
from oslo_config import cfg

from dcn_plugins.glance import copy_hook
from tests.functional.glance import glance_api


class LoadingTest(glance_api.GlanceTestCase):

    def setUp(self):
        super().setUp()
        self.stevedore_log = self.useFixture(fixtures.FakeLogger(
            name='stevedore', format='%(levelname)s %(message)s',
            level=logging.WARNING))

    def drivers_of(self, glance_notifier):
        return [extension.obj for extension
                in glance_notifier._notifier._driver_mgr.extensions]

    def check_glance_works(self):
        """Have Glance start, take an image and not know of any driver."""
        self.start_server()
        image_id = self.upload(dcn_sites='store2')
        self.assertEqual({'store1'}, self.stores_of(image_id))

    def test_glance_loads_the_driver_by_its_name(self):
        self.config_driver('dcn_copy')
        drivers = self.drivers_of(notifier.Notifier())
        self.assertEqual([copy_hook.CopyHook],
                         [type(driver) for driver in drivers])
        self.assertIn('INFO dcn_copy loaded (dcn_plugins ', self.log.output)
        self.assertNotIn('unknown', self.log.output)

    def test_beside_another_driver(self):
        self.config_driver('log', 'dcn_copy')
        self.assertEqual(2, len(self.drivers_of(notifier.Notifier())))

    def test_all_notifiers_of_glance_share_one_worker(self):
        self.start_glance()
        self.assertEqual(1, self.log.output.count('dcn_copy loaded'))
        for _ in range(2):
            self.assertIs(copy_hook._shared, self.drivers_of(
                notifier.Notifier())[0]._shared)

    def test_name_that_nobody_has(self):
        self.config_driver('dcn_cpoy')
        self.check_glance_works()
        self.assertIn('WARNING Could not load dcn_cpoy',
                      self.stevedore_log.output)

    def test_package_that_cannot_be_imported(self):
        directory = self.useFixture(fixtures.TempDir()).path
        info = os.path.join(directory, 'broken-1.dist-info')
        os.mkdir(info)
        for name, text in (
                ('METADATA', 'Metadata-Version: 2.1\nName: broken\n'
                             'Version: 1\n'),
                ('entry_points.txt', '[oslo.messaging.notify.drivers]\n'
                                     'dcn_broken = dcn_not_there:Hook\n')):
            with open(os.path.join(info, name), 'w') as file:
                file.write(text)
        self.useFixture(fixtures.MonkeyPatch(
            'sys.path', [directory] + sys.path))
        # stevedore keeps the entry points of the whole process.
        self.useFixture(fixtures.MonkeyPatch(
            'stevedore.extension.ExtensionManager.ENTRY_POINT_CACHE', {}))
        self.useFixture(fixtures.MonkeyPatch(
            'stevedore._cache._c._internal', {}))
        self.config_driver('dcn_broken')
        self.check_glance_works()
        self.assertIn("ERROR Could not load 'dcn_broken': No module named "
                      "'dcn_not_there'", self.stevedore_log.output)

    def test_option_without_a_valid_value(self):
        path = os.path.join(self.test_dir, 'glance-api.conf')
        with open(path, 'w') as file:
            file.write('[dcn]\ncopy_queue_size = many\n')
        files = cfg.CONF.config_file
        config.parse_args(args=['--config-file', path],
                          default_config_files=files or [])
        self.config_driver('dcn_copy')
        self.assertEqual([], self.drivers_of(notifier.Notifier()))
        self.assertIn("ERROR Could not load 'dcn_copy': glance-api.conf "
                      '[dcn]: ', self.stevedore_log.output)
        self.assertIn('copy_queue_size', self.stevedore_log.output)
        notifier.Notifier().info('image.update', {'id': 'image-1'})
