# SPDX-License-Identifier: Apache-2.0
"""On records that stestr itself has made."""

import pathlib
import shutil
import subprocess
import sys
import textwrap

import fixtures
import testtools

from tests import release_matrix

_TEST = '''
    import unittest

    class T(unittest.TestCase):

        def test_passes(self):
            pass

        def test_also(self):
            self.assertTrue({is_good})

        @unittest.skip('why')
        def test_skipped(self):
            pass
'''


class MatrixTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.records = self.directory / 'some where' / 'records'
        release_matrix.clear(self.records, ['2026.1'])

    def run_tests(self, suite, is_good=True, of='T'):
        tests = self.directory / 'tests'
        tests.mkdir(exist_ok=True)
        (tests / '__init__.py').touch()
        (tests / 'test_it.py').write_text(
            textwrap.dedent(_TEST.format(is_good=is_good)))
        subprocess.run(
            [sys.executable, '-m', 'stestr', '--repo-url',
             release_matrix.record(self.records, suite, '2026.1'),
             '--test-path', 'tests', '--top-dir', '.', 'run', of],
            cwd=self.directory, capture_output=True, timeout=60)

    def run_all(self, *suites):
        """Give each suite the record of one run."""
        self.run_tests(suites[0])
        for suite in suites[1:]:
            shutil.copytree(
                release_matrix.record(self.records, suites[0], '2026.1'),
                release_matrix.record(self.records, suite, '2026.1'),
                dirs_exist_ok=True)

    def count(self, suite):
        return release_matrix.count(
            release_matrix.record(self.records, suite, '2026.1'))

    def test_all_is_good(self):
        self.run_all(*release_matrix.SUITES)
        table, is_good = release_matrix.matrix(self.records, ['2026.1'])
        self.assertTrue(is_good)
        self.assertEqual(4, str(table).count(': 2 passed, 1 skipped'))
        self.assertIn('nova 33.', str(table))

    def test_one_that_fails(self):
        self.run_all(*release_matrix.SUITES)
        self.run_tests('glance', False)
        table, is_good = release_matrix.matrix(self.records, ['2026.1'])
        self.assertFalse(is_good)
        self.assertIn('1 passed, 1 skipped, 1 FAILED', str(table))

    def test_a_service_that_was_left_out(self):
        self.run_all(*list(release_matrix.SUITES)[1:])
        table, is_good = release_matrix.matrix(self.records, ['2026.1'])
        self.assertFalse(is_good)
        self.assertIn('NOT RUN', str(table))

    def test_nothing_but_what_is_skipped(self):
        self.run_tests('nova', of='test_skipped')
        self.assertEqual((0, 1, 0), self.count('nova'))
        self.assertFalse(self.count('nova').is_good)

    def test_what_ran_before_counts_no_more(self):
        self.run_tests('nova')
        self.assertTrue(self.count('nova').is_good)
        release_matrix.clear(self.records, ['2026.1'])
        self.assertIsNone(self.count('nova'))

    def test_a_release_that_never_ran(self):
        table, is_good = release_matrix.matrix(self.records, ['2026.2'])
        self.assertFalse(is_good)
        self.assertEqual(4, str(table).count('NOT RUN'))
