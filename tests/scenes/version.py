# SPDX-License-Identifier: Apache-2.0
"""Another version of us, and what a process of it does when it is told to.

The command of this module is such a process: each line of its standard input
is a list in JSON, a verb and its arguments, and is answered with one line.
The tests are those of today; what they import of ``dcn_plugins`` is that of
the directory that the process was started in.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import fixtures
from tooz import coordination

from dcn_plugins.locking import etcd
from dcn_plugins.locking import session
from dcn_plugins.placement import job
from dcn_plugins.placement import job_claims
from dcn_plugins.placement import jobs

ROOT = pathlib.Path(__file__).parents[2]
#: Of 2026-11-28, before claims told progress and jobs had windows.
COMMIT = '8ece5e98854dcffd6497a188a86a6eaeb1d78361'


class Version(fixtures.Fixture):
    """A directory with the package as it was, and the tests as they are.

    :param commit: of this repository; ``None`` for what is here.
    """

    def __init__(self, commit=None):
        super().__init__()
        self._commit = commit

    def _setUp(self):
        if self._commit is None:
            self.directory = ROOT
            return
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        archive = self.directory / 'old.tar'
        done = subprocess.run(
            ['git', 'archive', '-o', archive, self._commit, 'dcn_plugins'],
            cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(
                f'commit {self._commit} of the old version is not here: '
                f'{done.stderr.strip()}. Fetch the whole history')
        # Python 3.11.2 has no filter for its own extraction.
        subprocess.run(['tar', '-xf', archive], cwd=self.directory,
                       check=True)
        (self.directory / 'tests').symlink_to(ROOT / 'tests')

    def process(self, *arguments):
        """Return a :class:`Process` of this version; it ends with the test."""
        found = Process(self.directory, *arguments)
        self.addCleanup(found.kill)
        return found


class Process:
    """A process of a version, see above."""

    def __init__(self, directory, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.scenes.version', *arguments],
            cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1)
        where = self.tell('where')
        if pathlib.Path(where).parents[1] != pathlib.Path(directory):
            raise AssertionError(f'it runs {where}')

    def order(self, verb, *arguments):
        """Have it do something, and do not wait."""
        print(json.dumps([verb, *arguments]), file=self._process.stdin)

    def answer(self):
        """Return what it says next.

        :raises AssertionError: if what was to be done has failed.
        """
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f'it ended with {self._process.wait(60)}')
        kind, value = json.loads(line)
        if kind == 'error':
            raise AssertionError(value)
        return value

    def tell(self, verb, *arguments):
        """Have it do something; return what it says; raises as above."""
        self.order(verb, *arguments)
        return self.answer()

    def kill(self):
        """End it as ``kill -9`` does."""
        self._process.kill()
        self._process.wait(60)
        self._process.stdin.close()
        self._process.stdout.close()


class _Side:
    """What can be told to a process."""

    def __init__(self, hosts, prefix, name, ttl_seconds):
        self._hosts, self._name, self._ttl = hosts, name, ttl_seconds
        endpoints = [etcd.Endpoint.parsed(host, False)
                     for host in hosts.split(',')]
        client = etcd.Client(endpoints, etcd.Pool())
        own = session.Session(client, lambda: etcd.Client(
            endpoints, etcd.NativeLine()), int(ttl_seconds))
        self._jobs = jobs.Jobs(client, prefix)
        self._claims = job_claims.JobClaims(client, own, prefix, name)
        self._client, self._prefix = client, prefix
        self._held, self._locks, self._coordinator = {}, {}, None

    def where(self):
        import dcn_plugins

        return dcn_plugins.__file__

    # Jobs

    def register(self, image_id, store, **values):
        now = time.time()
        if 'windows' in values:
            values['windows'] = tuple(values['windows'])
        return self._jobs.register(
            job.Job(image_id, store, now, now, **values)) is not None

    def claim(self, image_id, store):
        held = self._claims.claim(self._entry(image_id, store))
        if held is None:
            return None
        self._held[image_id, store] = held
        return held.claim.token, held.job.tries

    def look(self, image_id, store):
        found = self._claims.look(self._held[image_id, store])
        return found and found.state.value

    def done(self, image_id, store):
        self._claims.done(self._held[image_id, store])

    def failed(self, image_id, store, reason):
        self._claims.failed(self._held[image_id, store], reason)

    def change(self, verb, *arguments):
        """pause, resume, cancel, redo, bury, prioritise."""
        getattr(self._jobs, verb)(*arguments)

    def ask(self, image_id, store):
        return self._jobs.ask(image_id, store) is not None

    def report(self, image_id, store, done_bytes):
        # The old one has neither.
        from dcn_plugins.placement import job_progress
        from dcn_plugins.placement import job_reports

        return job_reports.JobReports(
            self._client, self._prefix).report(
                image_id, {store: job_progress.Progress(
                    time.time(), 'pump', done_bytes, 100, 2.5)})

    def jobs(self):
        return sorted(
            [entry.job.image_id, entry.job.store, entry.job.state.value,
             entry.job.priority, entry.job.reason, entry.claim is not None]
            for entry in self._jobs.entries())

    def tombstones(self):
        return sorted(self._jobs.tombstones())

    def _entry(self, image_id, store):
        return next(entry for entry in self._jobs.entries()
                    if (entry.job.image_id, entry.job.store) == (
                        image_id, store))

    # Locks

    def acquire(self, name):
        self._locks[name] = self._get_lock(name)
        return self._locks[name].acquire()

    def try_acquire(self, name):
        self._locks[name] = self._get_lock(name)
        return self._locks[name].acquire(blocking=False)

    def release(self, name):
        return self._locks.pop(name).release()

    def _get_lock(self, name):
        if self._coordinator is None:
            self._coordinator = coordination.get_coordinator(
                f'dcn-etcd3+http://{self._hosts}?ttl={self._ttl}',
                self._name.encode())
            self._coordinator.start(start_heart=True)
        return self._coordinator.get_lock(name.encode())

    def turns(self, name, number, path):
        """Take a lock so often; return how often nobody else was inside."""
        alone = 0
        for _turn in range(number):
            with self._get_lock(name):
                with open(path, 'x'):
                    time.sleep(0.02)
                os.unlink(path)
                alone += 1
        return alone

    # A site's volumes

    def sweep(self, directory, names):
        """End what the dead have left, until these images are free."""
        # Cinder takes seconds, which the others need not wait for.
        from tests.functional.storage import rig
        from tests.functional.storage import volume_service

        with rig.Rig(directory) as site:
            service = volume_service.VolumeService(site)
            try:
                return service.settle(names, 120)
            finally:
                service.close()


def main(*arguments):
    """Do what is told until the end of standard input."""
    side = _Side(*arguments)
    for line in sys.stdin:
        verb, *words = json.loads(line)
        values = words.pop() if words and isinstance(words[-1], dict) else {}
        try:
            told = ['ok', getattr(side, verb)(*words, **values)]
        # The test shows it.
        except Exception as exc:
            told = ['error', f'{type(exc).__name__}: {exc}']
        print(json.dumps(told), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
