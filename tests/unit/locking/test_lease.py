# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.locking import lease

TIMES = strategies.floats(0, 1e6, allow_nan=False)


class LeaseTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.lease = lease.Lease.granted(7, 15.0, sent_at=100.0)

    def test_counts_from_before_the_request(self):
        self.assertEqual(115.0, self.lease.ends_at)
        self.assertEqual(5.0, self.lease.left(110.0))
        self.assertTrue(self.lease.is_valid(114.9))
        self.assertFalse(self.lease.is_valid(115.0))
        self.assertEqual(0.0, self.lease.left(200.0))

    def test_margin(self):
        self.assertTrue(self.lease.is_valid(110.0, margin_seconds=4.9))
        self.assertFalse(self.lease.is_valid(110.0, margin_seconds=5.0))

    def test_renewal(self):
        renewed = self.lease.renewed(15.0, sent_at=105.0)
        self.assertEqual(120.0, renewed.ends_at)
        self.assertEqual(7, renewed.id)

    def test_etcd_has_ended_it(self):
        for ttl_seconds in (0, -1):
            self.assertIsNone(self.lease.renewed(ttl_seconds, sent_at=105.0))

    @hypothesis.settings(deadline=None, database=None)
    @hypothesis.given(strategies.lists(strategies.tuples(
        TIMES, strategies.floats(0, 10), strategies.floats(1, 60))))
    def test_is_never_later_than_that_of_etcd(self, renewals):
        """Whenever etcd works on a request, after it was sent."""
        mine, theirs = self.lease, self.lease.ends_at
        for sent_at, delay, ttl_seconds in renewals:
            mine = mine.renewed(ttl_seconds, sent_at)
            theirs = max(theirs, sent_at + delay + ttl_seconds)
            self.assertLessEqual(mine.ends_at, theirs)


class RenewalTest(testtools.TestCase):

    def test_two_tries_at_all_endpoints_fit_into_a_lease(self):
        for ttl_seconds in (3, 15, 3600):
            for endpoints in (1, 3, 5):
                needed = lease.renewal_seconds(ttl_seconds) + (
                    2 * endpoints * lease.attempt_seconds(
                        ttl_seconds, endpoints))
                self.assertAlmostEqual(ttl_seconds, needed)
