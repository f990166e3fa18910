# SPDX-License-Identifier: Apache-2.0

import unittest

from dcn_plugins.osc import fact_texts


class LocksTest(unittest.TestCase):

    def test_keys_are_counted_as_people_do(self):
        self.assertEqual(
            ['ok, 0 keys', 'ok, 1 key', 'ok, 2 keys'],
            [fact_texts.locks({'keys': number}) for number in range(3)])
