# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins import exceptions
from dcn_plugins.locking import connection

SOURCE = '[dcn] placement_jobs_url'


class SettingsTest(testtools.TestCase):

    def test_url(self):
        found = connection.settings_of(
            'dcn-etcd3+https://u:p%40@[::1]:7,h1?ttl=20&namespace=/x', SOURCE)
        self.assertEqual(
            ('https://[::1]:7', 'https://h1:2379'),
            tuple(map(str, found.endpoints)))
        self.assertEqual((('u', 'p@'), 20, '/x'), (
            found.user, found.ttl_seconds, found.namespace))

    def test_what_is_none(self):
        for text, problem in (
                ('etcd3+http://h', 'its scheme'), ('', 'its scheme'),
                ('dcn-etcd3+http://h?ttl', 'no URL'),
                ('dcn-etcd3+http://h?tll=3', 'no option tll'),
                ('dcn-etcd3+http://h?ttl=x', 'no number'),
                ('dcn-etcd3+http://h:x', 'HOST:PORT'),
                ('dcn-etcd3+http://[::1', 'no URL')):
            error = self.assertRaises(exceptions.ConfigError,
                                      connection.settings_of, text, SOURCE)
            self.assertIn(SOURCE, str(error))
            self.assertIn(problem, str(error))

    def test_nothing_is_asked_at_first(self):
        found = connection.Connection(connection.settings_of(
            'dcn-etcd3+http://192.0.2.1', SOURCE))
        found.close()

    def test_file_that_is_not_there(self):
        error = self.assertRaises(
            exceptions.ConfigError, connection.Connection,
            connection.settings_of(
                'dcn-etcd3+https://h?ca_cert=/nothing', SOURCE),
            source=SOURCE)
        self.assertIn(f'{SOURCE}: a file of ca_cert', str(error))
