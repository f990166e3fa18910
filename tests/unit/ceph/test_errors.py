# SPDX-License-Identifier: Apache-2.0
"""What the errors of Ceph mean to whoever asked for something."""

import errno

import testtools

from dcn_plugins.ceph import errors
from dcn_plugins import exceptions
from tests.fakes import rados


class Other:
    """As rbd, whose errors are of another tree."""

    class Error(Exception):
        pass


class ErrorsTest(testtools.TestCase):

    def translate(self, error):
        with errors.translated([rados, Other], 'writing'):
            raise error

    def test_by_errno(self):
        for code, kind, outcome in (
                (errno.ESHUTDOWN, exceptions.Fenced, 'PARTIAL'),
                (errno.ETIMEDOUT, exceptions.ClusterUnreachable, 'UNKNOWN'),
                (errno.ENOTCONN, exceptions.ClusterUnreachable, 'UNKNOWN'),
                (errno.EACCES, exceptions.CephRefused, 'NOTHING_DONE'),
                (errno.EEXIST, exceptions.CephRefused, 'NOTHING_DONE')):
            for sign in (1, -1):
                cause = rados.OSError('text', sign * code)
                error = self.assertRaises(kind, self.translate, cause)
                self.assertIs(exceptions.Outcome[outcome], error.outcome)
                self.assertIs(cause, error.__cause__)
                self.assertIn('writing', str(error))
                self.assertEqual(code, getattr(error, 'errno', code))

    def test_without_errno(self):
        error = self.assertRaises(exceptions.CephRefused, self.translate,
                                  Other.Error('in state shutdown'))
        self.assertIsNone(error.errno)
        self.assertIn('in state shutdown', str(error))

    def test_others_are_not_touched(self):
        self.assertRaises(ZeroDivisionError, self.translate,
                          ZeroDivisionError())
        self.assertRaises(OSError, self.translate,
                          OSError(errno.ESHUTDOWN, 'text'))
