# SPDX-License-Identifier: Apache-2.0
"""``dcn-status`` on the files of services that run."""

import json
import pathlib
import subprocess
import tempfile

from oslo_upgradecheck import upgradecheck

from tests.integration import lab_case
from tests.lab import process
from tests.lab.services import ceph

CODES = upgradecheck.Code

_USER = 'reader'


class CephTest(lab_case.LabCase):

    def checks(self, service, *files):
        """Return what each check has told, by its name."""
        ran = subprocess.run(
            [self.lab.plugins / 'bin' / 'dcn-status', '--service', service,
             *(word for file in files for word in ('--config-file', file)),
             'upgrade', 'check', '--json'], capture_output=True, text=True,
            timeout=120, env=process.environment(self.lab, {}))
        try:
            return {one['check']: one for one in
                    json.loads(ran.stdout)['checks']}
        except ValueError:
            self.fail(f'{ran.returncode}: {ran.stdout}{ran.stderr}')

    def fsid(self, site):
        return ceph.fsid(self.lab, site)

    def assertTold(self, found, result, *texts):
        self.assertEqual(result, found['result'], found)
        for text in texts:
            self.assertIn(text, found['details'])

    def test_a_cinder_volume(self):
        self.assertTold(
            self.checks('cinder', self.lab.path(
                'etc', 'cinder', f'{self.near}-vol-0.conf'))[
                    'Ceph of the backends'],
            CODES.SUCCESS,
            f'[ceph]: pool volumes of Ceph {self.fsid(self.near)}')

    def test_the_central_glance_api(self):
        self.assertTold(
            self.checks('glance', self.lab.path(
                'etc', 'glance', 'central', 'glance-api.conf'))[
                    'Ceph of the stores'],
            CODES.SUCCESS,
            *(f'[{site}]: pool images of Ceph {self.fsid(site)}'
              for site in self.lab.sites))

    def disks(self, user, pool='vms'):
        """Return what is told of a nova-compute with this user."""
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, 'nova.conf')
            file.write_text(f'''[libvirt]
images_type = rbd
images_rbd_pool = {pool}
images_rbd_ceph_conf = {ceph.conf(self.lab, self.near)}
images_rbd_glance_store_name = {self.near}
rbd_user = {user}
rbd_secret_uuid = 00000000-0000-0000-0000-000000000001
''')
            return self.checks('nova', file)['Disks in Ceph']

    def test_a_nova_compute(self):
        self.assertTold(
            self.disks(ceph.USER), CODES.SUCCESS,
            f'[libvirt]: pool vms of Ceph {self.fsid(self.near)}')

    def test_a_user_who_may_only_read(self):
        cluster = self.cloud[f'ceph-{self.near}']
        entity = f'client.{_USER}'
        keyring = pathlib.Path(ceph.conf(self.lab, self.near)).with_name(
            f'{entity}.keyring')
        self.addCleanup(keyring.unlink, missing_ok=True)
        self.addCleanup(cluster.ceph, 'auth', 'rm', entity)
        keyring.write_text(cluster.ceph(
            'auth', 'get-or-create', entity, 'mon', 'allow r', 'osd',
            'allow r'))
        self.assertTold(self.disks(_USER), CODES.FAILURE, entity,
                        'may not write there', 'profile rbd pool=vms')

    def test_a_user_whom_nobody_knows(self):
        self.assertTold(self.disks('stranger'), CODES.FAILURE,
                        'client.stranger', 'no keyring of it')

    def test_a_pool_that_is_none(self):
        self.assertTold(self.disks(ceph.USER, 'vmz'), CODES.FAILURE,
                        'pool vmz', 'no such pool')
