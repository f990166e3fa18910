# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import json
import pathlib

import fixtures
import testtools

from tests.bench import __main__ as command
from tests.bench import verdict

MET = verdict.Bar('good', 1, 2)
MISSED = verdict.Bar('bad', 3, 2)


class CommandTest(testtools.TestCase):

    def run_with(self, bars, *arguments):
        self.hosts = []

        def run(options):
            self.hosts.append(options.hosts)
            return {'figure': 1.5}, bars

        self.output = io.StringIO()
        with contextlib.redirect_stdout(self.output):
            return command.main(['nova', *arguments], {'nova': run})

    def test_all_bars_met(self):
        self.assertEqual(0, self.run_with([MET, MET]))

    def test_one_bar_missed(self):
        self.assertEqual(1, self.run_with([MET, MISSED, MET]))
        self.assertIn(f'{MET}\n{MISSED}\n{MET}\n', self.output.getvalue())

    def test_without_bars_nothing_was_shown(self):
        self.assertEqual(1, self.run_with([]))

    def test_sizes(self):
        self.run_with([MET], '--hosts', '1000,20000')
        self.assertEqual([{1000, 20000}], self.hosts)

    def test_each_suite_has_a_function(self):
        for suite in command.SUITES:
            self.assertEqual(suite, command.parse([suite]).suite)

    def test_as_much_as_is_promised_unless_told_otherwise(self):
        leaks = command.parse(['leaks'])
        self.assertEqual((20, 300), (leaks.seeds, leaks.operations))
        self.assertEqual(200, command.parse(['blast']).fences)

    def test_default_sizes(self):
        self.run_with([MET])
        self.assertEqual([{1000, 10000, 50000}], self.hosts)

    def test_sizes_that_are_none(self):
        for text in ('999', '1005', 'many', '', '1000,10'):
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertRaises(SystemExit, self.run_with, [MET],
                                  '--hosts', text)

    def test_figures_go_to_a_file_also_when_a_bar_is_missed(self):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'f')
        self.run_with([MISSED], '--json', str(path))
        self.assertEqual({'figure': 1.5}, json.loads(path.read_text()))
