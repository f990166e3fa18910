# SPDX-License-Identifier: Apache-2.0
"""Which processes of a cluster are alive."""

import testtools

from dcn_plugins.cinder import peers

ABSENT_SECONDS = 20


def service(number, heartbeat=0, is_up=True):
    return peers.Service(number, f'node{number}@ceph', heartbeat, is_up)


class PeersTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.peers = peers.Peers('node0@ceph', ABSENT_SECONDS)

    def alive(self, now, present, *services):
        hosts = present and {f'node{number}@ceph' for number in present}
        return self.peers.alive(services, hosts, now)

    def test_without_leases_it_is_cinder_s_rule(self):
        self.assertEqual({1}, self.alive(
            0, None, service(1), service(2, is_up=False)))
        self.assertEqual({1}, self.alive(
            3600, None, service(1), service(2, is_up=False)))

    def test_we_are_alive(self):
        for present in (None, [1]):
            self.assertEqual({0}, self.alive(
                0, present, service(0, is_up=False)))

    def test_who_has_a_lease_is_alive_however_silent(self):
        self.assertEqual({1}, self.alive(0, [1], service(1, is_up=False)))

    def test_who_has_none_and_is_down_is_dead(self):
        self.assertEqual(set(), self.alive(0, [9], service(1, is_up=False)))

    def test_who_has_none_and_is_silent_is_dead_soon(self):
        self.assertEqual({1}, self.alive(0, [9], service(1)))
        self.assertEqual({1}, self.alive(19, [9], service(1)))
        self.assertEqual(set(), self.alive(20, [9], service(1)))
        self.assertEqual(set(), self.alive(40, [9], service(1)))

    def test_who_writes_his_row_is_alive(self):
        for now in range(0, 200, 10):
            self.assertEqual({1}, self.alive(now, [9], service(1, now)))

    def test_who_was_there_meanwhile_is_alive(self):
        self.alive(0, [9], service(1))
        self.alive(15, [1], service(1))
        self.assertEqual({1}, self.alive(25, [9], service(1)))

    def test_what_could_not_be_told_does_not_count(self):
        self.alive(0, [9], service(1))
        self.alive(15, None, service(1))
        self.assertEqual({1}, self.alive(25, [9], service(1)))
