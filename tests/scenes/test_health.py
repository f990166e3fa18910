# SPDX-License-Identifier: Apache-2.0
"""A site that loses its etcd or its Ceph, as HAProxy sees its glance-api."""

import concurrent.futures
import time

from tests.functional.locking import haproxy
from tests.integration import lab_case
from tests.lab import deadline
from tests.lab.services import etcd

#: What an operator may count on, see doc/source/admin/health.rst.
LIMIT_SECONDS = 5.0
#: By the times of the lab's etcd, if votes are not split.
ELECTION_SECONDS = 2.0


class HealthTest(lab_case.LabCase):

    def setUp(self):
        super().setUp()
        glance = self.cloud[f'glance-{self.near}']
        self.proxy = haproxy.HAProxy(glance.listening_port,
                                     self.lab.address(self.near))
        self.proxy.setUp()
        self.addCleanup(self.proxy.cleanUp)
        self.told('there', 'UP', 30)

    def told(self, what, state, seconds=LIMIT_SECONDS):
        took = self.proxy.seconds_until(state, seconds)
        print(f'{what}: HAProxy says {state} after {took:.1f} s')

    @staticmethod
    def seconds_without_leader(members):
        begun = time.monotonic()
        deadline.wait('a leader of etcd', lambda: any(
            member.is_leader() for member in members), 30, 0.05)
        return time.monotonic() - begun

    def test_etcd_is_killed(self):
        members = [self.cloud[f'etcd-{self.near}-{number}']
                   for number in range(etcd.members(self.lab, self.near))]
        self.restored(*members)
        # Two of three are enough, also while they elect a leader, unless that
        # takes longer than it should.
        members.sort(key=lambda member: not member.is_leader())
        self.assertTrue(members[0].is_leader())
        members[0].kill()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            took = pool.submit(self.seconds_without_leader, members[1:])
            was_down = self.proxy.is_ever('DOWN', 2 * LIMIT_SECONDS)
        print(f'a leader after {took.result():.1f} s, DOWN: {was_down}')
        self.assertFalse(was_down and took.result() <= ELECTION_SECONDS)
        self.told('a leader is there', 'UP', 30)
        members[1].kill()
        self.told('no majority of etcd', 'DOWN')
        members[2].kill()
        lab_case.start(*members)
        self.told('etcd is back', 'UP', 30)

    def test_ceph_stands_still(self):
        osd = self.cloud[f'ceph-{self.near}']
        osd.pause()
        self.addCleanup(osd.resume)
        self.told('Ceph stands still', 'DOWN')
        osd.resume()
        self.told('Ceph goes on', 'UP', 30)
