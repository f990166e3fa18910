# SPDX-License-Identifier: Apache-2.0

import logging
import types
import unittest
from unittest import mock

from oslo_config import cfg

from dcn_plugins.conf import imagecopy
from dcn_plugins.glance import claims
from dcn_plugins.glance import data_path
from tests.unit.glance import test_rbd_stores

IMAGE = 'image-1'


def location(store, image_id=IMAGE):
    return {'url': f'rbd://f/images/{image_id}/snap',
            'metadata': {'store': store}}


class Image(types.SimpleNamespace):

    def __init__(self, *locations, os_hash_value='abc', **properties):
        super().__init__(image_id=IMAGE, locations=list(locations),
                         os_hash_value=os_hash_value,
                         extra_properties=properties)


class DataPathCase(unittest.TestCase):

    def setUp(self):
        super().setUp()
        logging.disable(logging.NOTSET)
        patcher = mock.patch.object(data_path, 'CLAIMS', claims.Claims())
        patcher.start()
        self.addCleanup(patcher.stop)
        self.conf = test_rbd_stores.Conf({
            'central': test_rbd_stores.store(),
            'dcn0': test_rbd_stores.store(),
            'dcn1': test_rbd_stores.store(rbd_store_user=None),
            'files': None})


class ChoiceTest(DataPathCase):

    def test_of_a_copy(self):
        image = Image(location('central'))
        self.assertEqual(('dcn0',), data_path.copied(
            self.conf, image, ('files', 'dcn0', 'dcn1', 'other')))

    def test_of_a_copy_without_a_source(self):
        for image in (Image(), Image(location('files')),
                      Image(location('central', 'other')),
                      Image(location('elsewhere'))):
            self.assertEqual((), data_path.copied(self.conf, image,
                                                  ('dcn0',)))

    def test_of_a_copy_of_a_signed_image(self):
        signed = {'img_signature': 'x'}
        self.assertEqual(('dcn0',), data_path.copied(
            self.conf, Image(location('central'), **signed), ('dcn0',)))
        self.assertEqual((), data_path.copied(
            self.conf, Image(location('central'), os_hash_value=None,
                             **signed), ('dcn0',)))

    def test_of_an_import(self):
        self.assertEqual(('central', 'dcn0'), data_path.fanned_out(
            self.conf, Image(), ('central', 'files', 'dcn0')))
        self.assertEqual((), data_path.fanned_out(
            self.conf, Image(), ('central', 'files')))


class ClaimTest(DataPathCase):

    def setUp(self):
        super().setUp()
        self.real = cfg.ConfigOpts()
        self.real([], default_config_files=[], default_config_dirs=[])
        self.real.register_opt(cfg.DictOpt('enabled_backends',
                                           default={'dcn0': 'rbd'}))
        imagecopy.register_opts(self.real)
        self.repo = mock.Mock()
        self.asked = {'task_id': 't', 'image_id': IMAGE,
                      'backend': ['dcn0', 'files'], 'image_repo': self.repo}
        data_path._is_fit.cache_clear()
        self.addCleanup(data_path._is_fit.cache_clear)

    def claim(self, choose=lambda conf, image, stores: ('dcn0',)):
        return data_path.claim(self.real, self.asked, choose)

    def switch_on(self):
        self.real.set_override('copy_data_path', 'dcn', 'dcn')

    def test_off_is_the_default_and_asks_nobody(self):
        self.assertIsNone(self.claim())
        self.assertEqual([], self.repo.mock_calls)

    def test_on(self):
        self.switch_on()
        self.assertEqual(('files',), self.claim().others)
        self.repo.get.assert_called_once_with(IMAGE)

    def test_an_administrator_s_repository_is_asked_first(self):
        self.switch_on()
        self.asked['admin_repo'] = mock.Mock()
        self.claim()
        self.asked['admin_repo'].get.assert_called_once_with(IMAGE)
        self.assertEqual([], self.repo.mock_calls)

    def test_no_stores(self):
        self.switch_on()
        del self.asked['backend']
        self.assertIsNone(self.claim())
        self.real.set_override('enabled_backends', {})
        self.asked['backend'] = [None]
        self.assertIsNone(self.claim())

    def test_no_error_comes_out(self):
        self.switch_on()
        self.repo.get.side_effect = ZeroDivisionError
        with self.assertLogs('dcn_plugins.glance.data_path', 'ERROR') as log:
            self.assertIsNone(self.claim())
        self.assertIn("in Glance's own way", log.output[0])

    def test_an_option_without_a_valid_value(self):
        with mock.patch.object(data_path, 'is_on',
                               side_effect=cfg.ConfigFileValueError('test')), \
                self.assertLogs('dcn_plugins.glance.data_path', 'ERROR'):
            self.assertIsNone(self.claim())

    def test_a_glance_that_nobody_knows(self):
        self.switch_on()
        with mock.patch('dcn_plugins.glance.upstream_shape.differences',
                        return_value=['x is gone']), self.assertLogs(
                'dcn_plugins.glance.data_path', 'ERROR') as log:
            self.assertIsNone(self.claim())
            self.assertIsNone(self.claim())
        self.assertEqual(1, len(log.output))
        self.assertIn('x is gone', log.output[0])
