# SPDX-License-Identifier: Apache-2.0
"""Ids of claims tell when these were made."""

import testtools

from dcn_plugins.locking import claim_id


class ClaimIdTest(testtools.TestCase):

    def test_time(self):
        self.assertEqual(7, claim_id.claimed_at(claim_id.made(7.9, 'x-_y')))
        self.assertNotEqual(claim_id.made(7.9, 'x'), claim_id.made(7.9, 'y'))

    def test_ids_of_earlier_versions(self):
        for found in ('x-_y', 'z.x', 'abc', ''):
            self.assertIsNone(claim_id.claimed_at(found))
