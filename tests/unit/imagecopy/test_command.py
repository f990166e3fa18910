# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import io
import json

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import __main__ as command
from dcn_plugins.imagecopy import request as requests

RESULT = requests.Result('b', requests.Outcome.COPIED, 'rbd://x', 1 << 30,
                         5 << 20, 0, 2.5)


class CommandTest(testtools.TestCase):

    def run_command(self, results, *arguments, error=None):
        def copy(request, on_result, on_progress):
            self.request = request
            if error:
                raise error
            on_progress(requests.Progress('b', 'pump', 1 << 20, 4 << 20,
                                          1 << 20))
            for result in results:
                on_result(result)
            return {result.store: result for result in results}

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.imagecopy.service.copy', copy))
        self.shown = io.StringIO()
        return command.main(['image', 'me@/etc/a.conf:one', '/b.conf:two',
                             *arguments], self.shown)

    def test_lines(self):
        self.assertEqual(0, self.run_command([RESULT]))
        self.assertEqual(
            'b pump [#####               ]  25% 1 MiB/s 3 s left\n'
            'b: copied in 2.5 s, 5 MiB sent, 0 B saved: rbd://x\n',
            self.shown.getvalue())
        [source], [target] = self.request.sources, self.request.targets
        self.assertEqual(('/etc/a.conf', 'me', 'one'),
                         (source.conf, source.user, source.pool))
        self.assertEqual(('/b.conf', 'admin', 'two'),
                         (target.conf, target.user, target.pool))

    def test_json(self):
        self.assertEqual(0, self.run_command([RESULT], '--json'))
        kinds = [list(json.loads(line))
                 for line in self.shown.getvalue().splitlines()]
        self.assertEqual([['progress'], ['result']], kinds)

    def test_failures_have_their_codes(self):
        for error in (exceptions.VerifyFailed('b', 5),
                      exceptions.TargetBusy('x', 'y')):
            failed = requests.Result('b', requests.Outcome.FAILED,
                                     error=error)
            self.assertEqual(error.exit_code, self.run_command([failed]))
            self.assertIn(str(error), self.shown.getvalue())
        self.assertEqual(3, self.run_command(
            [], error=exceptions.SourceMissing('x', 'y')))

    def test_an_interruption(self):
        self.assertEqual(130, self.run_command(
            [], error=KeyboardInterrupt()))

    def test_what_is_no_place(self):
        self.assertRaises(ValueError, command.place, 'pool')
        self.assertRaises(ValueError, command.place, ':pool')
        self.assertRaises(ValueError, command.mebibytes, '0')
