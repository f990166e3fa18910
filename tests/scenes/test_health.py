# SPDX-License-Identifier: Apache-2.0
"""A site that loses its etcd or its Ceph, as HAProxy sees its glance-api."""

from tests.functional.locking import haproxy
from tests.integration import lab_case
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

    def test_etcd_is_killed(self):
        members = [self.cloud[f'etcd-{self.near}-{number}']
                   for number in range(etcd.members(self.lab, self.near))]
        self.restored(*members)
        # Two of three are enough, also while they elect a leader, unless that
        # takes longer than it should.
        members.sort(key=lambda member: not member.is_leader())
        self.assertTrue(members[0].is_leader())
        members[0].kill()
        took, was_down = self.proxy.seen_of_election(members[1:],
                                                     2 * LIMIT_SECONDS)
        self.assertFalse(was_down and took <= ELECTION_SECONDS)
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
