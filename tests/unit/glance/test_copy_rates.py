# SPDX-License-Identifier: Apache-2.0

import types
import unittest

from dcn_plugins.glance import copy_rates


class CopyRatesTest(unittest.TestCase):

    def setUp(self):
        self.options = types.SimpleNamespace(
            copy_bytes_per_second=0, copy_store_bytes_per_second=0,
            copy_rate_windows=[])
        self.now = types.SimpleNamespace(tm_hour=12, tm_min=0)
        self.told = []
        self.rates = copy_rates.CopyRates(
            types.SimpleNamespace(dcn=self.options, enabled_backends={
                'central': 'rbd', 'dcn0': 'rbd', 'files': 'file'}),
            lambda **rates: self.told.append(rates), lambda: self.now)

    def test_no_limit(self):
        self.rates.apply()
        self.assertEqual([{'total': None, 'stores': {}}], self.told)

    def test_limits(self):
        self.options.copy_bytes_per_second = 9
        self.options.copy_store_bytes_per_second = 5
        self.rates.apply()
        self.assertEqual(
            [{'total': 9, 'stores': {'central': 5, 'dcn0': 5}}], self.told)

    def test_only_a_change_is_told(self):
        for rate in (0, 0, 3, 3, 0):
            self.options.copy_bytes_per_second = rate
            self.rates.apply()
        self.assertEqual([None, 3, None],
                         [rates['total'] for rates in self.told])

    def test_parts_of_the_day(self):
        self.options.copy_bytes_per_second = 7
        self.options.copy_rate_windows = ['08:00-18:00=3', '22:30-06:00=0']
        for hour, minute in ((7, 59), (8, 0), (17, 59), (18, 0), (22, 30),
                             (0, 0), (5, 59), (6, 0)):
            self.now = types.SimpleNamespace(tm_hour=hour, tm_min=minute)
            self.rates.apply()
        self.assertEqual([7, 3, 7, None, 7],
                         [rates['total'] for rates in self.told])
