# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import json
import os
import pathlib

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.locking import connection
from dcn_plugins.placement import __main__ as command
from dcn_plugins.placement import job
from dcn_plugins.placement import jobs
from dcn_plugins.placement import numbers
from tests.fakes import etcd
from tests.unit.placement import policies

SAMPLE = (pathlib.Path(__file__).resolve().parents[3] / 'etc' / 'glance'
          / 'placement.yaml.sample')
IMAGE = {'id': 'i', 'owner': 'project-x', 'visibility': 'private',
         'created_at': '2026-01-01T00:00:00Z',
         'properties': {'dcn_sites': 'all,dcn7'}}


class CommandCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, 'w') as file:
            file.write(text)
        return path

    def run_with(self, *arguments):
        self.output, self.errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(self.output), (
                contextlib.redirect_stderr(self.errors)):
            return command.main(arguments)


class CommandTest(CommandCase):

    def test_check(self):
        self.assertEqual(0, self.run_with(
            'check', self.file('p', policies.TEXT)))
        self.assertEqual('', self.output.getvalue())

    def test_check_tells_each_fault_in_a_line(self):
        path = self.file('p', 'version: 2\ncentral: all\n')
        self.assertEqual(2, self.run_with('check', path))
        lines = self.errors.getvalue().splitlines()
        self.assertEqual(3, len(lines), lines)
        self.assertEqual(f'{path}: line 1: version \'2\' is not known: write '
                         '"version: 1"', lines[1])

    def test_file_that_is_not_there(self):
        self.assertEqual(2, self.run_with(
            'check', os.path.join(self.directory, 'nothing')))
        self.assertIn('cannot be read', self.errors.getvalue())

    def explain(self, image, *arguments):
        return self.run_with(
            'explain', self.file('p', policies.TEXT), '--stores',
            'central,dcn0', '--image', self.file('i', image), *arguments)

    def test_explain(self):
        self.assertEqual(0, self.explain(json.dumps(IMAGE)))
        self.assertEqual([
            "central: forbidden by 'x stays in A and B' (line 6): images of "
            'its owner stay in other stores',
            "dcn0: wanted by 'default' (line 29): dcn_sites asks for it",
            "dcn_sites: 'dcn7' has no effect: it is no store or group that "
            'the rule lets users ask for',
            f"{self.directory}/p line 4: there is no store 'dcn1'",
            f"{self.directory}/p line 29: there is no store 'dcn2'"],
            self.output.getvalue().splitlines())

    def test_explain_as_json(self):
        self.explain(json.dumps(IMAGE), '--json')
        found = json.loads(self.output.getvalue())
        self.assertEqual(['forbidden', 'wanted'],
                         [told['state'] for told in found])

    def test_explain_without_an_image(self):
        for text in ('[]', 'nothing'):
            self.assertEqual(2, self.explain(text))
            self.assertIn('openstack image show', self.errors.getvalue())

    def test_sample(self):
        self.assertEqual(0, self.run_with('check', str(SAMPLE)))


class MetricsTest(CommandCase):

    def setUp(self):
        super().setUp()
        self.etcd = etcd.Client()
        self.urls = []

        class Connected:
            def __init__(_self, url, source):
                self.urls.append(url)
                connection.settings_of(url, source)
                _self.jobs = jobs.Jobs(self.etcd, '/t')
                _self.numbers = numbers.Numbers(self.etcd, '/t')

            def close(_self):
                self.urls.append('closed')

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.placement.connected.ConnectedJobs', Connected))
        self.useFixture(fixtures.EnvironmentVariable(
            'DCN_PLACEMENT_JOBS_URL'))
        self.conf = self.file('glance-api.conf', '[DEFAULT]\nworkers = 3\n'
                              '[dcn]\nplacement_jobs_url = '
                              'dcn-etcd3+http://u:secret@h:1\n')
        jobs.Jobs(self.etcd, '/t').register(
            job.Job('i', 'dcn0', 0.0, 0.0))

    def test_metrics_of_a_configuration(self):
        self.assertEqual(0, self.run_with(
            'metrics', '--config-file', self.conf))
        self.assertIn('dcn_placement_jobs{state="waiting",store="dcn0"} 1.0',
                      self.output.getvalue().replace(
                          'store="dcn0",state="waiting"',
                          'state="waiting",store="dcn0"'))
        self.assertEqual(['dcn-etcd3+http://u:secret@h:1', 'closed'],
                         self.urls)

    def test_file_is_replaced_as_a_whole_or_stays(self):
        path = self.file('dcn.prom', 'old')
        self.useFixture(fixtures.EnvironmentVariable(
            'DCN_PLACEMENT_JOBS_URL', 'dcn-etcd3+http://h:1'))
        self.etcd.faults = [exceptions.EtcdUnavailable('away', False)]
        self.assertEqual(1, self.run_with('metrics', '--output', path))
        self.assertIn('etcd does not answer', self.errors.getvalue())
        self.assertEqual('old', pathlib.Path(path).read_text())
        self.assertEqual(0, self.run_with('metrics', '--output', path))
        self.assertIn('dcn_placement_jobs{', pathlib.Path(path).read_text())
        self.assertEqual({'glance-api.conf', 'dcn.prom'},
                         set(os.listdir(self.directory)))

    def test_what_is_wrong_is_told_without_the_password(self):
        wrong = self.file('wrong.conf', '[dcn]\nplacement_jobs_url = '
                          'http://u:secret@h:1\n')
        for arguments, text in (
                ((), 'DCN_PLACEMENT_JOBS_URL'),
                (('--config-file', '/does/not/exist'), '/does/not/exist'),
                (('--config-file', wrong), 'placement_jobs_url'),
                (('--config-file', self.conf, '--output', '/nowhere/x.prom'),
                 '/nowhere/x.prom')):
            self.assertEqual(2, self.run_with('metrics', *arguments))
            self.assertIn(text, self.errors.getvalue())
            self.assertNotIn('secret', self.errors.getvalue())
