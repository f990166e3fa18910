# SPDX-License-Identifier: Apache-2.0
"""The fence on the fake RADOS: its contract, and monitors that are away."""

import errno
import threading

import testtools

from dcn_plugins.ceph import fence
from dcn_plugins import exceptions
from tests.contracts import fence_contract
from tests.fakes import rados


def directly(function, *args):
    return function(*args)


class FakeFenceTest(fence_contract.FenceContract, testtools.TestCase):

    def setUp(self):
        self.rados = rados
        self.cluster = rados.Cluster()
        super().setUp()

    def client(self):
        return self.cluster.client()

    def client_without_caps(self):
        return self.cluster.client(has_caps=False)

    def write(self, client):
        client.open_ioctx('volumes').write_full('key', b'data')


class CommandTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.client = rados.Cluster().client()
        self.fence = fence.Fence(self.client, directly, rados=rados)

    def test_what_is_asked_of_the_monitors(self):
        self.fence.blocklist(['[v2:127.0.0.1:0/7,v1:127.0.0.1:0/7]',
                              '127.0.0.1:0/8', '127.0.0.1:0/7'], 60)
        self.assertEqual(
            [{'prefix': 'osd blocklist', 'blocklistop': 'add', 'addr': entry,
              'expire': 60.0}
             for entry in ('127.0.0.1:0/7', '127.0.0.1:0/8')],
            self.client.commands)

    def test_nothing_is_asked_for_an_address_of_many(self):
        for text in ('127.0.0.1:0/0', '10.0.0.0/24', '0.0.0.0:0/1',
                     self.client.address):
            self.assertRaises(exceptions.FenceError, self.fence.blocklist,
                              ['127.0.0.1:0/7', text])
        self.assertEqual([], self.client.commands)

    def test_how_long_an_entry_stays(self):
        self.fence.blocklist(['127.0.0.1:0/7'])
        self.assertEqual(3600.0, self.client.commands[0]['expire'])

    def test_what_may_be_asked_does_nothing(self):
        self.assertTrue(self.fence.may_blocklist())
        self.assertEqual(set(), self.client.cluster.blocklist)


class AwayTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.client = rados.Cluster().client()
        self.addCleanup(self.client.monitors.set)
        self.fence = fence.Fence(self.client, directly, 0.2, rados)

    def assertUnknown(self, call, *args):
        error = self.assertRaises(exceptions.FenceError, call, *args)
        self.assertIs(exceptions.Outcome.UNKNOWN, error.outcome)
        return error

    def test_no_answer(self):
        self.client.monitors.clear()
        error = self.assertUnknown(self.fence.blocklist, ['127.0.0.1:0/7'])
        self.assertIn('0.2 s', str(error))
        self.assertIn('ceph osd blocklist add 127.0.0.1:0/7 3600',
                      error.remedy)
        self.assertUnknown(self.fence.may_blocklist)

    def test_no_answer_about_the_map(self):
        # The entry is made, and the client does not know its map.
        command = self.client.mon_command

        def last_command(*args):
            answer = command(*args)
            self.client.monitors.clear()
            return answer

        self.client.mon_command = last_command
        self.assertUnknown(self.fence.blocklist, ['127.0.0.1:0/7'])

    def test_errors_of_the_library(self):
        for faults in ([rados.OSError('timed out', errno.ETIMEDOUT)],
                       [None, rados.OSError('timed out', errno.ETIMEDOUT)]):
            self.client.faults = faults
            self.assertUnknown(self.fence.blocklist, ['127.0.0.1:0/7'])

    def test_answers_that_we_do_not_understand(self):
        for code in (-errno.EINVAL, -errno.ETIMEDOUT, 0):
            self.client.mon_command = lambda cmd, inbuf, code=code: (
                code, b'', 'command not known')
            self.assertRaises(exceptions.FenceError, self.fence.may_blocklist)
            if code:
                self.assertUnknown(self.fence.blocklist, ['127.0.0.1:0/7'])

    def test_an_error_of_our_own_is_not_hidden(self):
        self.client.faults = [ZeroDivisionError()]
        self.assertRaises(ZeroDivisionError, self.fence.blocklist,
                          ['127.0.0.1:0/7'])


class ThreadTest(testtools.TestCase):

    def test_a_proxy_is_not_called_in_our_thread(self):
        client = rados.Cluster().client()
        proxy = Proxy(client)
        waits = []

        def run(function, *args):
            waits.append(threading.current_thread())
            return function(*args)

        fence.Fence(proxy, run, rados=rados).blocklist(
            ['127.0.0.1:0/7'])
        self.assertEqual({'127.0.0.1:0/7'}, client.cluster.blocklist)
        # The command, and the map.
        self.assertEqual([threading.current_thread()] * 2, waits)


class Proxy:
    """As eventlet's, which would wait as a greenlet."""

    def __init__(self, obj):
        self._obj = obj

    def __getattr__(self, name):
        raise AssertionError(name)
