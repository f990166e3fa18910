# SPDX-License-Identifier: Apache-2.0

import types
import unittest
from unittest import mock

from dcn_plugins.ceph import reach
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request

AWAY = exceptions.ClusterUnreachable('looking', 'timed out')


class Cluster:
    """A cluster that answers what it is told to."""

    def __init__(self, full=None):
        self.full = full
        self.is_closed = False

    def context(self, pool):
        return pool

    def full_reason(self):
        if isinstance(self.full, BaseException):
            raise self.full
        return self.full

    def close(self):
        self.is_closed = True


class ReachTest(unittest.TestCase):

    def setUp(self):
        self.made = []
        self.clusters = [Cluster()]
        self.error = None
        self.looked_at = []
        patch = mock.patch.object(reach.cluster, 'exists', self.exists)
        patch.start()
        self.addCleanup(patch.stop)
        self.reach = reach.Reach(
            request.Place('dcn0', '/ceph.conf', 'glance', 'images'), 1.2,
            self.connect)

    def connect(self, place, seconds):
        self.made.append(types.SimpleNamespace(place=place, seconds=seconds))
        found = self.clusters.pop(0)
        if isinstance(found, BaseException):
            raise found
        return found

    def exists(self, context, name):
        self.looked_at.append((context, name))
        if self.error:
            raise self.error

    def test_asks_the_pool(self):
        self.assertIsNone(self.reach.ask())
        self.assertEqual([('images', 'rbd_directory')], self.looked_at)

    def test_limits_are_whole_seconds(self):
        self.reach.ask()
        self.assertEqual((2, 2), (self.made[0].seconds,
                                  self.made[0].place.connect_seconds))

    def test_client_is_kept(self):
        self.reach.ask()
        self.reach.ask()
        self.assertEqual(1, len(self.made))

    def test_what_is_full(self):
        self.clusters = [Cluster('1 pool(s) full')]
        self.assertEqual('1 pool(s) full', self.reach.ask())

    def test_who_may_not_ask_what_is_full_has_got_an_answer(self):
        self.clusters = [Cluster(exceptions.CephRefused('health', 'EACCES'))]
        self.assertIsNone(self.reach.ask())

    def test_monitors_are_away(self):
        self.clusters = [Cluster(AWAY)]
        self.assertRaises(exceptions.ClusterUnreachable, self.reach.ask)

    def test_cannot_connect_and_tries_again(self):
        self.clusters = [AWAY, Cluster()]
        self.assertRaises(exceptions.ClusterUnreachable, self.reach.ask)
        self.assertIsNone(self.reach.ask())

    def test_client_without_an_answer_is_given_up(self):
        first, second = self.clusters = [Cluster(), Cluster()]
        self.reach.ask()
        self.error = exceptions.Fenced('looking')
        self.assertRaises(exceptions.Fenced, self.reach.ask)
        self.assertTrue(first.is_closed)
        self.error = None
        self.reach.ask()
        self.assertFalse(second.is_closed)
        self.assertEqual(2, len(self.made))
