# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins import exceptions

_EXAMPLES = [
    (exceptions.ConfigError('nova.conf', 'no sites', 'Add one.'),
     exceptions.Outcome.NOTHING_DONE, 'nova.conf: no sites. Add one.'),
    (exceptions.LockTimeout('volume-1', 2.5),
     exceptions.Outcome.NOTHING_DONE,
     'lock volume-1 was not granted within 2.5 s; nothing was done'),
    (exceptions.LockLost('volume-1', 'delete'),
     exceptions.Outcome.PARTIAL,
     'lock volume-1 was lost while delete ran: another holder may have '
     'worked at the same time; compare the object with its database record '
     'before it is used'),
    (exceptions.LockServiceError('volume-1', 'no answer'),
     exceptions.Outcome.UNKNOWN,
     'lock volume-1: the lock service failed: no answer'),
    (exceptions.WorkLeft('volume-1', 'delete', 'no answer'),
     exceptions.Outcome.PARTIAL,
     'lock volume-1: delete has failed and is left to be undone or finished '
     'by whoever has the lock next: no answer'),
    (exceptions.CopyRefused('image-1', ['dcn0', 'dcn1'], '403 Forbidden'),
     exceptions.Outcome.NOTHING_DONE,
     'copy of image image-1 to dcn0,dcn1 was refused: 403 Forbidden'),
    (exceptions.CopyPostponed('image-1', '409 Conflict'),
     exceptions.Outcome.NOTHING_DONE,
     'copy of image image-1 has to wait: 409 Conflict'),
]


class ExceptionsTest(testtools.TestCase):

    def test_messages_and_outcomes(self):
        for error, outcome, message in _EXAMPLES:
            self.assertIsInstance(error, exceptions.DCNError)
            self.assertIs(outcome, error.outcome)
            self.assertEqual(message, str(error))

    def test_data_are_attributes(self):
        error = exceptions.CopyRefused('image-1', ['dcn0'], 'why')
        self.assertEqual(('image-1', ('dcn0',), 'why'),
                         (error.image_id, error.stores, error.reason))
        self.assertEqual('volume-1',
                         exceptions.LockLost('volume-1', 'delete').name)

    def test_configuration_has_its_own_exit_code(self):
        self.assertEqual(1, exceptions.CopyError('x', 'image-1').exit_code)
        self.assertEqual(2, exceptions.ConfigError('a', 'b', 'c').exit_code)
