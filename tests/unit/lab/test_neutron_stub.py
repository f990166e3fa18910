# SPDX-License-Identifier: Apache-2.0
import unittest

from tests.lab.services import neutron_stub


class AnswerTest(unittest.TestCase):

    def test_there_is_nothing_of_anything(self):
        self.assertEqual({'ports': []}, neutron_stub.answer(
            '/v2.0/ports?device_id=x&fields=id'))
        self.assertEqual({'security_groups': []}, neutron_stub.answer(
            '/v2.0/security-groups.json'))
        self.assertEqual({'extensions': []},
                         neutron_stub.answer('/v2.0/extensions'))

    def test_the_version_document_names_the_version(self):
        self.assertEqual('v2.0',
                         neutron_stub.answer('/')['versions'][0]['id'])
