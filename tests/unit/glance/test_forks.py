# SPDX-License-Identifier: Apache-2.0

import os
import sys
import types
import unittest
from unittest import mock

from dcn_plugins.glance import forks


class ForksTest(unittest.TestCase):

    def setUp(self):
        self.calls = []

    def follow(self, uwsgi):
        with mock.patch.dict(sys.modules, {'uwsgi': uwsgi}):
            forks.follow(lambda: self.calls.append('begin'))

    def test_a_server_in_python(self):
        # None in sys.modules is what makes an import fail.
        self.follow(None)
        pid = os.fork()
        if pid == 0:
            os._exit(len(self.calls))
        self.assertEqual(0, os.waitpid(pid, 0)[1])
        self.assertEqual([], self.calls)
        with mock.patch.dict(sys.modules, {'uwsgi': None}):
            self.assertFalse(forks.is_master())

    def test_uwsgi_whose_hook_is_free(self):
        uwsgi = types.SimpleNamespace()
        self.follow(uwsgi)
        uwsgi.post_fork_hook()
        self.assertEqual(['begin'], self.calls)

    def test_uwsgi_whose_hook_is_somebodys(self):
        uwsgi = types.SimpleNamespace(
            post_fork_hook=lambda: self.calls.append('other'))
        self.follow(uwsgi)
        uwsgi.post_fork_hook()
        self.assertEqual(['other', 'begin'], self.calls)

    def test_who_is_forked_in_uwsgi(self):
        for number, expected in ((0, True), (1, False)):
            uwsgi = types.SimpleNamespace(worker_id=lambda n=number: n)
            with mock.patch.dict(sys.modules, {'uwsgi': uwsgi}):
                self.assertEqual(expected, forks.is_master())
