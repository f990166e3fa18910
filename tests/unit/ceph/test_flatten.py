# SPDX-License-Identifier: Apache-2.0
"""Features by their names and by their number."""

import testtools

from dcn_plugins.ceph import flatten


class FeaturesTest(testtools.TestCase):

    def test_names(self):
        self.assertEqual(1 | 4 | 8 | 16, flatten.features(
            'layering, exclusive-lock,object-map,fast-diff'))

    def test_a_number(self):
        self.assertEqual(61, flatten.features('61'))

    def test_no_journal_and_always_layers(self):
        self.assertEqual(1, flatten.features('64'))
        self.assertEqual(1, flatten.features(''))
