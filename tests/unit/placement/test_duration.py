# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins.placement import duration


class DurationTest(testtools.TestCase):

    def test_units(self):
        self.assertEqual(
            [1, 120, 3600, 30 * 86400, 604800],
            list(map(duration.seconds, ('1s', '2m', '1 h', '30d', '1w'))))

    def test_what_is_none(self):
        for text in ('', '1', 'd', '1d2h', '1 d ', '0s', '3661d',
                     '1' * 400 + 's'):
            self.assertRaises(ValueError, duration.seconds, text)
