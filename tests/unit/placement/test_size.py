# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins.placement import size


class SizeTest(testtools.TestCase):

    def test_sizes(self):
        for text, number in (('1M', 1 << 20), ('500G', 500 << 30),
                             ('2 TiB', 2 << 40), ('3GB', 3 << 30),
                             ('9999T', size.LARGEST_BYTES)):
            self.assertEqual(number, size.number_of_bytes(text))

    def test_what_is_none(self):
        for text in ('', '0G', '1', '1K', '-1G', '1.5G', '1e3G', '10000T',
                     '\u0663G', '1 GG', '5g', '1G\n'):
            self.assertRaises(ValueError, size.number_of_bytes, text)

    def test_words(self):
        for number, text in ((5, '5 bytes'), (1 << 20, '1.0M'),
                             (3 << 29, '1.5G'), (1 << 41, '2.0T')):
            self.assertEqual(text, size.words(number))
