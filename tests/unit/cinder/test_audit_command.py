# SPDX-License-Identifier: Apache-2.0
"""The command ``python -m dcn_plugins.cinder.audit`` and its arguments."""

import contextlib
import io

import fixtures
from oslo_config import fixture as config_fixture
import testtools

from dcn_plugins.cinder import audit
from dcn_plugins import report_command


class CommandTestCase(testtools.TestCase):
    """Each mistake of an operator is named, with the remedy."""

    def setUp(self):
        super().setUp()
        self.useFixture(config_fixture.Config(audit.CONF))
        self.home = self.useFixture(fixtures.TempDir()).path
        self.conf = f'{self.home}/cinder.conf'

    def run_command(self, settings, *arguments):
        # Other tests of this process may have registered these, and they
        # have no default.
        credentials = ''.join(
            f'[{group}]\nauth_url = http://keystone.example\n'
            for group in ('keystone_authtoken', 'glance', 'nova',
                          'service_user'))
        with open(self.conf, 'w') as written:
            written.write(settings + credentials)
        return self.command('--config-file', self.conf, *arguments)

    def command(self, *arguments):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            status = audit.main(list(arguments))
        return status, errors.getvalue()

    def test_a_backend_that_is_not_there(self):
        status, errors = self.run_command(
            '[DEFAULT]\nenabled_backends = ceph,other\n', '--backend', 'cep')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn('no backend cep. There are: ceph, other', errors)

    def test_no_backends_at_all(self):
        status, errors = self.run_command('[DEFAULT]\n', '--backend', 'ceph')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn('set enabled_backends', errors)

    def test_a_backend_that_is_not_in_ceph(self):
        status, errors = self.run_command(
            '[DEFAULT]\nenabled_backends = lvm\n[lvm]\nvolume_driver = '
            'cinder.volume.drivers.lvm.LVMVolumeDriver\n',
            '--backend', 'lvm', '--no-database')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn('backend lvm is not in Ceph', errors)

    def test_a_driver_that_is_not_there(self):
        status, errors = self.run_command(
            '[DEFAULT]\nenabled_backends = ceph\n[ceph]\n'
            'volume_driver = no.such.Driver\n', '--backend', 'ceph')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn("volume_driver of ceph: No module named 'no'", errors)

    def test_stock_drivers_must_not_run_beside_a_reclaim(self):
        status, errors = self.run_command(
            '[DEFAULT]\nenabled_backends = ceph\n[ceph]\nvolume_driver = '
            'cinder.volume.drivers.rbd.RBDDriver\n',
            '--backend', 'ceph', '--no-database', '--reclaim')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn('takes none of our locks', errors)

    def test_a_file_that_is_not_there(self):
        status, errors = self.command('--config-file', f'{self.home}/none',
                                      '--backend', 'ceph')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn('Name a readable file', errors)

    def test_unknown_to_no_database(self):
        status, errors = self.run_command(
            '[DEFAULT]\nenabled_backends = ceph\n', '--backend', 'ceph',
            '--no-database', '--unknown-volumes')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn('nothing is unknown', errors)

    def test_whatever_else_goes_wrong_is_an_error_and_no_result(self):
        self.useFixture(fixtures.MockPatchObject(
            audit, '_run', side_effect=RuntimeError('no route')))
        status, errors = self.run_command('', '--backend', 'ceph')
        self.assertEqual(report_command.ERROR, status)
        self.assertIn('RuntimeError: no route', errors)

    def test_a_negative_grace_is_refused(self):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertRaises(SystemExit, audit.main, [
                '--config-file', 'x', '--backend', 'ceph',
                '--grace-seconds', '-1'])
        self.assertIn('0 or more', errors.getvalue())
