# SPDX-License-Identifier: Apache-2.0

import unittest

from dcn_plugins.glance import claims


class ClaimsTest(unittest.TestCase):

    def setUp(self):
        self.claims = claims.Claims(most=2)

    def test_what_was_claimed_first_counts(self):
        stores = ['dcn0', 'store1', 'dcn1']
        claim = self.claims.of('t', stores, lambda: ('dcn0', 'dcn1'))
        claim.take(stores)
        self.assertEqual(['store1'], stores)
        # Glance asks again, with the list as it is now.
        again = self.claims.of('t', stores, lambda: ('store1',))
        self.assertIs(claim, again)
        again.take(stores)
        self.assertEqual(['store1'], stores)
        again.give_back(stores)
        self.assertEqual(['dcn0', 'store1', 'dcn1'], stores)
        self.assertEqual(('store1',), claim.others)

    def test_nothing_is_ours(self):
        self.assertIsNone(self.claims.of('t', ['store1'], tuple))
        self.assertIsNone(self.claims.of('t', ['store1'], lambda: ('dcn0',)))

    def test_a_task_that_has_begun_is_forgotten(self):
        self.claims.of('t', ['dcn0'], lambda: ('dcn0',))
        self.claims.drop('t')
        self.claims.drop('t')
        self.assertIsNone(self.claims.of('t', ['dcn0'], tuple))

    def test_those_that_never_begin_are_pushed_out(self):
        for task in 'abc':
            self.claims.of(task, ['dcn0'], lambda: ('dcn0',))
        self.assertIsNone(self.claims.of('a', [], tuple))

    def test_an_error_leaves_nothing(self):
        with self.assertRaises(ZeroDivisionError):
            self.claims.of('t', ['dcn0'], lambda: 1 / 0)
        self.assertIsNotNone(self.claims.of('t', ['dcn0'],
                                            lambda: ('dcn0',)))
