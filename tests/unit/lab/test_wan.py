# SPDX-License-Identifier: Apache-2.0

import unittest

from tests.lab import deadline
from tests.lab import wan


class OrderTest(unittest.TestCase):

    def test_orders(self):
        for text in ('stat', 'cut', 'heal', 'delay 75000', 'rate 0',
                     'loss 0.01'):
            self.assertEqual(text, wan.order(text.split()))

    def test_what_is_none(self):
        for text in ('rate', 'rate fast', 'rate -1', 'rate 1.5', 'loss 7',
                     'loss nan', 'cut 5', 'burn', 'delay 1 2'):
            with self.assertRaisesRegex(deadline.LabError, 'is no order'):
                wan.order(text.split())
