# SPDX-License-Identifier: Apache-2.0
"""A thread that begins once, also when it could not at first."""

import threading

import fixtures
import testtools

from dcn_plugins.glance import lazy_thread


class LazyThreadTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.go = threading.Event()
        self.addCleanup(self.go.set)
        self.ran = []
        self.thread = lazy_thread.LazyThread('dcn_test', self.run_it)

    def run_it(self):
        self.ran.append(threading.current_thread().name)
        self.go.wait(30)

    def test_what_never_began_is_over(self):
        self.assertFalse(self.thread.is_begun)
        self.assertTrue(self.thread.join(0))

    def test_it_begins_once(self):
        self.assertEqual([True, False], [self.thread.begin(),
                                         self.thread.begin()])
        self.assertTrue(self.thread.is_begun)
        self.assertFalse(self.thread.join(0))
        self.go.set()
        self.assertTrue(self.thread.join(30))
        self.assertFalse(self.thread.begin())
        self.assertEqual(['dcn_test'], self.ran)

    def test_one_that_cannot_start_is_tried_again(self):
        with fixtures.MonkeyPatch('threading.Thread.start', self.refuse):
            self.assertRaises(RuntimeError, self.thread.begin)
        self.assertFalse(self.thread.is_begun)
        self.assertTrue(self.thread.begin())

    @staticmethod
    def refuse(_thread):
        raise RuntimeError("can't start new thread")
