# SPDX-License-Identifier: Apache-2.0

import configparser
import importlib
import json
import pathlib
import subprocess
import sys

import fixtures
from oslo_upgradecheck import upgradecheck
import testtools

from dcn_plugins.cmd import status
from tests import samples
from tests.unit.cmd import nova_files

ROOT = pathlib.Path(__file__).parents[3]

# What an operator gets who follows the documentation.
GOOD = '''
[filter_scheduler]
available_filters = nova.scheduler.filters.all_filters
available_filters = dcn_plugins.nova.site_filter.DCNSiteFilter
enabled_filters = DCNSiteFilter,ComputeFilter
weight_classes = nova.scheduler.weights.all_weighers,\
dcn_plugins.nova.site_weigher.DCNSiteWeigher
[cinder]
cross_az_attach = false
'''


class StatusTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.files = self.useFixture(nova_files.NovaFiles())
        self.out = self.useFixture(fixtures.StringStream('stdout')).stream
        self.err = self.useFixture(fixtures.StringStream('stderr')).stream
        self.useFixture(fixtures.MonkeyPatch('sys.stdout', self.out))
        self.useFixture(fixtures.MonkeyPatch('sys.stderr', self.err))

    def text(self, stream):
        stream.seek(0)
        return stream.read()

    def run_status(self, *arguments):
        code = status.main(['--config-file', self.files.conf, *arguments])
        self.assertNotIn('Traceback', self.text(self.out))
        self.assertNotIn('Traceback', self.text(self.err))
        return code


class CommandTest(StatusTestCase):

    def write_good(self):
        url = self.files.write_database(
            ({'availability_zone': 'dcn1'}, ['h1']))
        self.files.write_conf(
            f'{GOOD}[api_database]\nconnection = {url}\n')
        self.files.write('policy.yaml', samples.rules_of_release()[0])

    def test_nothing_to_do(self):
        self.write_good()
        self.assertEqual(0, self.run_status('upgrade', 'check'))
        self.assertNotIn('Warning', self.text(self.out))
        self.assertIn('Check: Forced evacuation', self.text(self.out))

    def test_warning(self):
        self.write_good()
        self.files.write('policy.yaml', '')
        self.assertEqual(1, self.run_status('upgrade', 'check'))
        self.assertIn('os_compute_api:os-evacuate is open to administrators',
                      self.text(self.out))

    def test_failure(self):
        self.write_good()
        self.files.write('policy.yaml', '- no\n- mapping\n')
        self.assertEqual(2, self.run_status('upgrade', 'check'))
        self.assertEqual('', self.text(self.err))

    def test_as_json(self):
        self.write_good()
        self.files.write('policy.yaml', '')
        self.assertEqual(1, self.run_status('upgrade', 'check', '--json'))
        found = {each['check']: each['result'] for each in
                 json.loads(self.text(self.out))['checks']}
        self.assertEqual(1, found['Forced evacuation'])
        self.assertEqual(0, found['Scheduler filters'])

    def test_entry_point(self):
        parser = configparser.ConfigParser()
        parser.read(ROOT / 'setup.cfg')
        scripts = dict(
            line.split(' = ') for line in
            parser['entry_points']['console_scripts'].strip().splitlines())
        module, _colon, name = scripts['dcn-status'].partition(':')
        self.assertIs(status.main,
                      getattr(importlib.import_module(module), name))


class BadInputTest(StatusTestCase):

    def assert_refused(self, text):
        self.assertEqual(2, self.run_status('upgrade', 'check'))
        self.assertIn(text, self.text(self.err))
        self.assertEqual(1, self.text(self.err).count('\n'))

    def test_no_such_file(self):
        self.files.conf += '.gone'
        self.assert_refused(self.files.conf)

    def test_directory(self):
        self.files.conf = self.files.path
        self.assert_refused('directory')

    def test_no_configuration_file(self):
        self.files.write('nova.conf', 'no section\n')
        self.assert_refused(self.files.conf)

    def test_binary(self):
        pathlib.Path(self.files.conf).write_bytes(b'[dcn]\nx=\xff\xfe\n')
        self.assert_refused('decode')

    def test_value_that_is_not_valid(self):
        self.files.write_conf('[dcn]\nmove_policy = sticky\n')
        self.assertEqual(2, self.run_status('upgrade', 'check'))
        self.assertIn('move_policy', self.text(self.out))
        self.assertIn('Check: Forced evacuation', self.text(self.out))

    def test_value_of_another_service_that_is_not_valid(self):
        self.files.write_conf('[api_database]\nmax_pool_size = many\n'
                              'connection = sqlite://\n')
        self.assertEqual(2, self.run_status('upgrade', 'check'))
        self.assertIn('max_pool_size', self.text(self.out))

    def test_no_command(self):
        error = self.assertRaises(SystemExit, self.run_status)
        self.assertEqual(2, error.code)
        self.assertIn('usage: ', self.text(self.err))


class ProcessTest(StatusTestCase):
    """In a process of its own, whose log nobody has set up."""

    def test_writes_nothing_but_its_results(self):
        self.files.write('policy.yaml', '"os_compute_api:os-evacuate": "no"')
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c',
             'import sys\n'
             'from dcn_plugins.cmd import status\n'
             'sys.exit(status.main(sys.argv[1:]))',
             '--config-file', self.files.conf, 'upgrade', 'check'],
            cwd=ROOT, capture_output=True, text=True, timeout=120)
        self.assertEqual(('', 2), (done.stderr, done.returncode))
        self.assertIn('says of os_compute_api:os-evacuate is no rule',
                      ' '.join(done.stdout.split()))


class WithoutNovaTest(testtools.TestCase):
    """In a process of its own, as Nova is imported in this one."""

    def run_without(self, module):
        return subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', f'''
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from dcn_plugins.cmd import status
sys.exit(status.main(["upgrade", "check"]))
'''], cwd=ROOT, capture_output=True, text=True, timeout=120)

    def assert_one_result(self, done, code, text):
        self.assertEqual('', done.stderr)
        self.assertEqual(code, done.returncode, done.stdout)
        self.assertIn(text, done.stdout)
        self.assertEqual(1, done.stdout.count('Check: '))

    def test_nova_is_not_installed(self):
        self.assert_one_result(self.run_without('nova'),
                               upgradecheck.Code.WARNING,
                               'skipped: Nova is not installed')

    def test_nova_is_broken(self):
        self.assert_one_result(self.run_without('nova.db.api.models'),
                               upgradecheck.Code.FAILURE,
                               'Nova cannot be imported: ')


class OtherServicesTest(StatusTestCase):

    def run_other(self, service, text):
        self.files.conf = self.files.write(f'{service}.conf', text)
        return self.run_status('--service', service, 'upgrade', 'check')

    def test_cinder(self):
        self.assertEqual(2, self.run_other(
            'cinder', '[DEFAULT]\ncluster = dcn0\n'))
        self.assertIn('Check: Coordination', self.text(self.out))
        self.assertNotIn('Forced evacuation', self.text(self.out))

    def test_glance(self):
        self.assertEqual(2, self.run_other(
            'glance', '[dcn]\nplacement_policy_file = /gone\n'))
        self.assertIn('Check: Placement policy', self.text(self.out))

    def test_value_that_is_not_valid(self):
        self.assertEqual(2, self.run_other(
            'glance', '[dcn]\nhealth_deadline_seconds = 0\n'))
        self.assertIn('health_deadline_seconds', self.text(self.out))

    def test_another_one(self):
        error = self.assertRaises(SystemExit, self.run_other, 'swift', '')
        self.assertEqual(2, error.code)
        self.assertIn('swift', self.text(self.err))

    def test_not_installed(self):
        self.useFixture(fixtures.MonkeyPatch(
            'importlib.util.find_spec', lambda name: None))
        self.assertEqual(1, self.run_other('cinder', ''))
        self.assertIn('skipped: Cinder is not installed', self.text(self.out))
