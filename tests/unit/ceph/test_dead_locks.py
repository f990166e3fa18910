# SPDX-License-Identifier: Apache-2.0
"""Whose lock goes, and the call that takes it."""

import struct

import testtools

from dcn_plugins.ceph import dead_locks

OWNER = ('client.4177', 'auto 139906210875872', '127.0.0.1:0/4247989090')
FENCED = frozenset(['127.0.0.1:0/4247989090', '127.0.0.1:0/7'])


def found(*lockers, tag='internal'):
    return {'tag': tag, 'exclusive': True, 'lockers': list(lockers)}


class OwnersTest(testtools.TestCase):

    def test_who_was_cut_off(self):
        self.assertEqual([OWNER[:2]], dead_locks.owners(found(OWNER), FENCED))

    def test_nobody_has_it(self):
        for lockers in (None, [], found()):
            self.assertEqual([], dead_locks.owners(lockers, FENCED))

    def test_whoever_may_live_keeps_it(self):
        for lockers in (
                found(OWNER[:2] + ('127.0.0.1:0/8',)),
                # Not all of its addresses, or none that can be read.
                found(OWNER[:2] + ('[v2:127.0.0.1:0/7,v1:10.0.0.1:0/7]',)),
                found(OWNER[:2] + ('somewhere',)), found(OWNER[:2] + ('',)),
                # The lock of a tool, by hand.
                found(OWNER, tag='by hand'),
                found(('client.1', 'mine', OWNER[2]))):
            self.assertEqual([], dead_locks.owners(lockers, FENCED))
        self.assertEqual([], dead_locks.owners(found(OWNER), ()))


class ReleaseTest(testtools.TestCase):

    def test_the_call(self):
        calls = []

        class Ioctx:
            def execute(self, *args):
                calls.append(args)

        dead_locks.release(Ioctx(), 'ab12', *OWNER[:2])
        (key, kind, method, data), = calls
        self.assertEqual(('rbd_header.ab12', 'lock', 'break_lock'),
                         (key, kind, method))
        self.assertEqual((1, 1, len(data) - 6),
                         struct.unpack('<BBI', data[:6]))
        self.assertEqual(
            b'\x08\0\0\0rbd_lock' + b'\x08' + struct.pack('<q', 4177)
            + b'\x14\0\0\0auto 139906210875872', data[6:])

    def test_no_client(self):
        self.assertRaises(ValueError, dead_locks.release, None, 'ab12',
                          'osd.1', 'auto 1')
