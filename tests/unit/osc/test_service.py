# SPDX-License-Identifier: Apache-2.0
"""Data that are sent within a time."""

import requests
import testtools

from dcn_plugins.osc import service


class TimedTest(testtools.TestCase):

    def body(self, data):
        """Return what is sent, and the header of its length."""
        made = requests.Request('PUT', 'http://h/', data=data).prepare()
        return b''.join(iter(lambda: made.body.read(5), b'')), made.headers

    def test_all_of_it(self):
        sent, headers = self.body(service._Timed(b'0123456789ab', 5))
        self.assertEqual((b'0123456789ab', '12'),
                         (sent, headers['Content-Length']))

    def test_once_more_after_a_login(self):
        data = service._Timed(b'0123456789ab', 5)
        self.assertEqual(self.body(data), self.body(data))

    def test_its_time_is_over(self):
        data = service._Timed(b'0123456789ab', -1)
        error = self.assertRaises(TimeoutError, self.body, data)
        self.assertIn('not all was sent', str(error))
