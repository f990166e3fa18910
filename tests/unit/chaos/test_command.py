# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import pathlib
import types

import fixtures
import testtools

from tests.chaos import __main__ as command
from tests.chaos import checker
from tests.chaos import flavours
from tests.chaos import run
from tests.unit.chaos import stories

VIOLATION = checker.Violation('leak', 'image v')


class CommandTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.logs = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.logs / 's7-w0.log').write_text('why\n')
        self.violations = []
        self.failures = []
        self.seeds = []

    def level(self, options):
        site = types.SimpleNamespace(lab=types.SimpleNamespace(
            path=lambda _name: self.logs))
        for seed in command.seeds(options.seeds):
            self.seeds.append(seed)
            story = stories.Story()
            story.create('v')
            yield site, run.Result(seed, story, self.violations,
                                   self.failures)

    def main(self, *arguments):
        self.printed = io.StringIO()
        with contextlib.redirect_stdout(self.printed):
            return command.main(['storage', *arguments],
                                {'storage': self.level})

    def test_all_promises_kept(self):
        self.assertEqual(0, self.main('--seeds', '7'))
        self.assertIn('seed 7: 1 operations (0 increments; 1 ok, ',
                      self.printed.getvalue())
        self.assertIn('ours: 1 seeds, 1 operations, 0 faults, 0 violations\n',
                      self.printed.getvalue())

    def test_promise_broken(self):
        self.violations.append(VIOLATION)
        self.assertEqual(1, self.main('--seeds', '7'))
        self.assertIn('  leak: image v\n', self.printed.getvalue())
        self.assertIn('1 violations leak 1\n', self.printed.getvalue())

    def test_promise_broken_without_a_part(self):
        self.violations.append(VIOLATION)
        for part in flavours.PARTS:
            self.assertEqual(1, self.main('--without', part))

    def test_violations_of_stock_are_counted(self):
        self.violations.append(VIOLATION)
        self.assertEqual(0, self.main('--stock', '--seeds', '1-3'))
        self.assertIn('stock: 3 seeds, 3 operations, 0 faults, 3 violations '
                      'leak 3\n', self.printed.getvalue())

    def test_run_that_proves_nothing(self):
        self.failures.append('a worker does not start')
        self.assertEqual(1, self.main('--stock'))
        self.assertIn('  FAILED  a worker does not start\n',
                      self.printed.getvalue())

    def test_each_level_says_what_it_takes(self):
        for level in ('storage', 'services', 'copies', 'placement',
                      'convergence'):
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                error = self.assertRaises(SystemExit, command.parse,
                                          [level, '--help'])
            self.assertEqual(0, error.code)
            self.assertIn('--histories DIRECTORY', said.getvalue())

    def test_seeds(self):
        self.main('--seeds', '3-5,9')
        self.assertEqual([3, 4, 5, 9], self.seeds)

    def test_histories_are_kept_and_logs_of_bad_runs(self):
        kept = self.logs / 'kept'
        self.main('--seeds', '7', '--histories', str(kept))
        self.assertEqual(
            ['history', 'result'],
            sorted(path.name for path in (kept / '1-ours-7').iterdir()))
        self.violations.append(VIOLATION)
        self.main('--seeds', '7', '--histories', str(kept))
        self.assertEqual('why\n', (kept / '1-ours-7' / 's7-w0.log'
                                   ).read_text())
