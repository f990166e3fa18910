# SPDX-License-Identifier: Apache-2.0
"""What the fence promises; on the fake RADOS and on a real cluster.

Mix into a test case that sets ``self.rados``, the module, has ``client()``,
which returns another connected client each time, and ``write(client)``, which
has it change something.
"""

import errno

from dcn_plugins.ceph import fence
from dcn_plugins import exceptions

SECONDS = 60


class FenceContract:

    def setUp(self):
        super().setUp()
        self.own = self.client()
        self.fence = self.fence_of(self.own)

    def fence_of(self, client):
        return fence.Fence(client, lambda function, *args: function(*args),
                           rados=self.rados)

    def assertCutOff(self, client):
        # An OSD learns of the entry from us at the latest.
        self.write(self.own)
        error = self.assertRaises(self.rados.Error, self.write, client)
        self.assertEqual(errno.ESHUTDOWN, error.errno)

    def test_one_client_and_no_other(self):
        zombie, neighbour = self.client(), self.client()
        self.write(zombie)
        self.fence.blocklist([zombie.get_addrs()], SECONDS)
        self.assertCutOff(zombie)
        self.write(neighbour)
        self.write(self.own)

    def test_twice_and_several(self):
        zombies = [self.client(), self.client()]
        found = [zombie.get_addrs() for zombie in zombies]
        self.fence.blocklist(found[:1], SECONDS)
        self.fence.blocklist(found, SECONDS)
        for zombie in zombies:
            self.assertCutOff(zombie)
        self.write(self.own)

    def test_nobody_is_cut_off_if_one_is_not_a_single_client(self):
        zombie = self.client()
        found = zombie.get_addrs()
        whole_host = found.partition('/')[0]
        for addresses in ([found, f'{whole_host}/0'], [found, whole_host],
                          [found, ''], [found, None], [],
                          [found, self.own.get_addrs()]):
            error = self.assertRaises(exceptions.FenceError,
                                      self.fence.blocklist, addresses, SECONDS)
            self.assertIs(exceptions.Outcome.NOTHING_DONE, error.outcome)
            self.assertEqual(tuple(addresses), error.addresses)
        self.write(zombie)
        self.write(self.own)

    def test_an_entry_that_ends_at_once_is_none(self):
        self.assertRaises(ValueError, self.fence.blocklist,
                          [self.client().get_addrs()], 0)

    def test_who_may(self):
        zombie = self.client()
        self.assertTrue(self.fence.may_blocklist())
        other = self.fence_of(self.client_without_caps())
        self.assertFalse(other.may_blocklist())
        error = self.assertRaises(exceptions.FenceError, other.blocklist,
                                  [zombie.get_addrs()], SECONDS)
        self.assertIn('profile rbd', str(error))
        self.write(zombie)
