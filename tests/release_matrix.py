# SPDX-License-Identifier: Apache-2.0
"""How many tests have run inside each service of each release.

``python -m tests.release_matrix clear RECORDS RELEASE...`` makes an empty
directory for what stestr records, ``RECORDS/SUITE-RELEASE``, for each suite;
``show`` prints what is recorded there. Its exit status is 1 if a test has
failed, or if nothing has run in one of the services of one of the releases.
"""

import collections
import io
import pathlib
import re
import shutil
import subprocess
import sys

import prettytable
import subunit
import testtools

ROOT = pathlib.Path(__file__).parents[1]
#: The suites of ``tests/functional``, and whose version says where they ran.
SUITES = {'nova': 'nova', 'cinder': 'cinder', 'glance': 'glance',
          'locking': 'tooz'}

_SECONDS = 60


class Count(collections.namedtuple('Count', 'passed skipped failed')):
    """Tests of one suite on one release."""

    @property
    def is_good(self):
        return self.passed > 0 and not self.failed

    def __str__(self):
        words = [f'{self.passed} passed']
        words += [f'{number} {name}' for name, number in (
            ('skipped', self.skipped), ('FAILED', self.failed)) if number]
        return ', '.join(words)


def record(records, suite, release):
    """Return the directory for what stestr records of a suite."""
    return records / f'{suite}-{release}'


def clear(records, releases):
    """Make empty directories: what was recorded before tells nothing."""
    for release in releases:
        for suite in SUITES:
            directory = record(records, suite, release)
            shutil.rmtree(directory, ignore_errors=True)
            # stestr makes no parents.
            directory.mkdir(parents=True)


def count(directory):
    """Return the :class:`Count` of the newest run that stestr has recorded.

    ``None`` if there is none, or if its end is missing.
    """
    if not directory.is_dir():
        return None
    told = subprocess.run(
        [sys.executable, '-m', 'stestr', '--repo-url', directory, 'last',
         '--subunit'], capture_output=True, timeout=_SECONDS)
    summary = testtools.StreamSummary()
    summary.startTestRun()
    # Of an empty record it says so in words.
    subunit.ByteStreamToStreamResult(
        io.BytesIO(told.stdout), non_subunit_name='words').run(summary)
    summary.stopTestRun()
    if not summary.testsRun:
        return None
    failed = len(summary.errors) + len(summary.unexpectedSuccesses)
    skipped = len(summary.skipped)
    return Count(summary.testsRun - failed - skipped, skipped, failed)


def versions(release):
    """Return the versions of all packages of a release."""
    lock = ROOT / 'requirements' / f'lock-{release}.txt'
    return dict(re.findall(r'^([\w.-]+)==(\S+)$', lock.read_text(), re.M))


def matrix(records, releases):
    """Return the counts as a table, and whether all of them are good."""
    table = prettytable.PrettyTable(['release', *SUITES])
    table.align = 'l'
    are_good = True
    for release in releases:
        packages = versions(release)
        row = [release]
        for suite, package in SUITES.items():
            found = count(record(records, suite, release))
            are_good &= bool(found and found.is_good)
            row.append(f'{package} {packages[package]}: {found or "NOT RUN"}')
        table.add_row(row)
    return table, are_good


def main(arguments):
    verb, records, *releases = arguments
    if verb == 'clear':
        clear(pathlib.Path(records), releases)
        return 0
    table, are_good = matrix(pathlib.Path(records), releases)
    print(table)
    return 0 if are_good else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
