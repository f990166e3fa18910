# SPDX-License-Identifier: Apache-2.0
"""What goes between the processes, there and back."""

import json

import testtools

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import protocol
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests

PLACE = requests.Place('dcn0', '/etc/ceph/dcn0.conf', 'glance', 'images')
REQUEST = requests.CopyRequest(
    'ID', 'NAME', (PLACE,), (PLACE, PLACE), base='BASE',
    priority=requests.Priority.BOOT)


class ProtocolTest(testtools.TestCase):

    def sent(self, packed):
        kind, content = protocol.message(protocol.line('kind', found=packed))
        self.assertEqual('kind', kind)
        return content['found']

    def test_a_request(self):
        self.assertEqual(REQUEST, protocol.request(
            self.sent(protocol.packed(REQUEST))))

    def test_results(self):
        for outcome in requests.Outcome:
            result = requests.Result('dcn0', outcome, 'rbd://x', 1, 2, 3, 4.5)
            self.assertEqual(result, protocol.result(
                self.sent(protocol.packed(result))))

    def test_progress(self):
        found = requests.Progress('dcn0', 'pump', 1, 2, 3.5)
        self.assertEqual(found, protocol.progress(
            self.sent(protocol.packed(found))))

    def test_errors_are_of_their_class(self):
        for error in (exceptions.VerifyFailed('dcn0', 4096),
                      exceptions.TargetBusy('images/x', 'FSID'),
                      exceptions.ForeignImage('images/x', 'F', 'is old'),
                      exceptions.CephRefused('writing', 'full', 28),
                      exceptions.FenceError(['a'], 'b', 'c')):
            result = requests.Result('dcn0', requests.Outcome.FAILED,
                                     error=error)
            found = protocol.result(self.sent(protocol.packed(result))).error
            self.assertIs(type(error), type(found))
            self.assertEqual(str(error), str(found))
            self.assertEqual(error.outcome, found.outcome)

    def test_an_error_that_is_not_ours(self):
        found = protocol.error({'name': 'Outcome', 'text': 'x', 'fields': {}})
        self.assertIsInstance(found, exceptions.CopyInterrupted)

    def test_no_message(self):
        for text in (b'', b'[]', b'{}', b'x'):
            self.assertRaises(ValueError, protocol.message, text)


class RecordTest(testtools.TestCase):

    def test_there_and_back(self):
        found = record.Record('ID', 'F/images/1@2', 5, 6)
        self.assertEqual(found, record.Record.from_text(found.to_text()))
        self.assertTrue(found.is_of('ID', 5))
        self.assertFalse(found.is_of('ID', 6) or found.is_of('OTHER', 5))

    def test_what_is_no_record(self):
        for text in (None, '', '{}', '[1]', json.dumps(
                {'image_id': 'x', 'source': 'y', 'size': None,
                 'begun_at': 1})):
            self.assertIsNone(record.Record.from_text(text))
