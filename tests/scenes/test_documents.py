# SPDX-License-Identifier: Apache-2.0
"""Every command of ours that the documents show, as it stands there.

On a lab with three edges and nothing in it: ``tests/lab/lab up --sites 3
--guests fake``, or one that has grown. Names of files, images and so on are
put in; what a command needs, like a site that is not there yet, is made before
it. One test, as a command leaves what the next one needs.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

from tooz import coordination

from dcn_plugins.cinder import fence_record
from dcn_plugins.osc import lock
from dcn_plugins.placement import job as steps
from tests import documented
from tests.integration import lab_case
from tests.lab import catalogue
from tests.lab import process
from tests.lab.services import ceph
from tests.lab.services import etcd
from tests.lab.services import glance
from tests.lab.services import horizon
from tests.lab.services import nova
from tests.scenes import test_pane

#: The command is about us.
_OURS = re.compile(r'openstack dcn |dcn-|.*dcn_plugins|.*\bdcn[_:]')
#: These say how a command is written; another line shows it.
_USAGE = ('python -m dcn_plugins.imagecopy IMAGE SOURCE TARGET',)
#: Exit status 1: there are findings. The lab has no policies of ours.
_FINDINGS = ('dcn-status',)
_SECONDS = 420
_CLAIM = re.compile(r'(?<=--claim )\S+')


class DocumentsTest(test_pane.PaneCase):

    policy = '''
version: 1
central: [central, archive]
default:
  stores: none
  may_ask: all
'''

    def setUp(self):
        super().setUp()
        # Those of the glance-apis of the lab: jobs are worked on.
        self.settings['jobs_url'] = etcd.coordination_url(self.lab, 'central')
        self.assertEqual('dcn2', self.lab.sites[-1],
                         'bring the lab up with --sites 3, or let it grow')
        self.image_id = self.import_image(['central', 'dcn0'])
        self.server = self.user.server(self.name(), zone='dcn0',
                                       image_id=self.image_id)
        self.addCleanup(self.user.delete_server, self.server.id)
        self.volume_id = self.volume('dcn0').id
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.link_target()
        self.lock_name = (f'dcn:image:{ceph.fsid(self.lab, "dcn0")}:volumes:'
                          'volume-of-nobody')

    def link_target(self):
        """Make what of Horizon the link of its panel goes to."""
        root = pathlib.Path(self.directory.name)
        self.enabled = root / 'openstack_dashboard' / 'local' / 'enabled'
        self.enabled.mkdir(parents=True)
        (root / 'dcn_plugins').symlink_to(self.lab.plugins / 'dcn_plugins')

    def spare_computes(self):
        """Start two more computes at dcn2, and close the site."""
        for number in (1, 2):
            made = nova.Compute(self.lab, 'dcn2', number)
            made.start()
            self.addCleanup(made.stop)
        catalogue.remove_aggregates(self.lab, lambda name: name == 'dcn2')
        catalogue.wait_providers(self.lab, [
            nova.compute_host('dcn2', number) for number in range(3)])

    def reopen(self):
        """Have dcn1 again, which was retired."""
        self.ours('site', 'create', 'dcn1', '--host', 'dcn1-compute-0',
                  '--state', 'enabled')
        self.ours('site', 'uncordon', 'dcn1')

    def wait_for_nobody(self):
        """Have a job that no glance-api works on, so that it stays."""
        self.settings['jobs_url'] += '&namespace=/documents'
        self.config_file = self.config()
        now = time.time()
        self.client().jobs.register(steps.Job(self.image_id, 'dcn1', now,
                                              now))

    def enable(self):
        self.ours('site', 'set', 'dcn1', '--state', 'enabled')

    def ours(self, *words):
        self.bash(' '.join(['openstack', 'dcn', *words]))

    def hold_a_lock(self):
        coordinator = coordination.get_coordinator(
            self.settings['sites']['dcn0']['locks_url'], b'hung')
        coordinator.start(start_heart=True)
        self.addCleanup(coordinator.stop)
        wishes = {self.lock_name: 'x'}
        self.assertIsNotNone(coordinator.locks.acquire(
            wishes.items(), 30, lambda claim: fence_record.Record(
                claim, wishes, ceph.fsid(self.lab, 'dcn0'), 'volumes',
                ('192.0.2.77:0/77',), 'hung',
                ({'operation': 'delete_volume',
                  'volume': 'volume-of-nobody'},)).to_text()))

    def claim(self):
        line, = self.table(lock.ShowLock, 'dcn0', self.lock_name)
        return line['Claim']

    def prepare(self, text):
        for beginning, make in (
                ('openstack dcn site create dcn2', self.spare_computes),
                ('openstack dcn image list', self.reopen),
                ('openstack dcn job list', self.wait_for_nobody),
                ('openstack dcn lock list', self.hold_a_lock),
                ('dcn-status --config-file', self.enable)):
            if text.startswith(beginning) and beginning not in self.prepared:
                self.prepared.add(beginning)
                make()

    def substituted(self, text):
        lab = self.lab
        files = {
            '/etc/nova/nova.conf': lab.path('etc', 'nova', 'nova.conf'),
            '/etc/cinder/cinder.conf':
                lab.path('etc', 'cinder', 'dcn0-vol-0.conf'),
            '/etc/glance/glance-api.conf':
                lab.path('etc', 'glance', 'central', 'glance-api.conf'),
            '/etc/glance/placement.yaml': glance.policy_file(lab),
            '/var/lib/node_exporter': self.directory.name,
            **{f'glance@/etc/ceph/{site}.conf':
               f'{ceph.USER}@{ceph.conf(lab, site)}' for site in lab.sites}}
        for name, path in files.items():
            text = text.replace(name, str(path))
        if '--claim' in text:
            text = _CLAIM.sub(self.claim(), text) + ' --yes'
        for name, value in {
                'dcn:image:FSID:volumes:volume-ID': self.lock_name,
                r'0c7b\.\.\.': self.image_id, 'IMAGE': self.image_id,
                'SERVER': self.server.id, 'VOLUME': self.volume_id,
                'AGGREGATE': 'dcn1', 'dcn1-hosts': 'dcn1'}.items():
            text = re.sub(rf'(?<!\w){name}(?!\w)', value, text)
        return text

    def bash(self, text):
        """Run a line with the lab's programs in front."""
        return subprocess.run(
            ['bash', '-o', 'pipefail', '-c', text], cwd=self.directory.name,
            capture_output=True, text=True, timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            env=process.environment(self.lab, {
                **catalogue.variables(self.lab),
                'PATH': ':'.join(str(path / 'bin') for path in (
                    self.lab.plugins, self.lab.venv, pathlib.Path('/usr'))),
                'OS_DCN_CONFIG_FILE': self.config_file,
                'PYTHONPATH': str(documented.ROOT)}))

    def test_each_command(self):
        self.prepared, self.config_file = set(), self.config()
        pathlib.Path(self.directory.name, 'nova.conf').write_text(
            '[dcn]\nmove_policy = strict\n')
        shown = [one for one in documented.commands()
                 if _OURS.match(one.text) and not one.text.startswith(_USAGE)]
        failed, counts = [], collections.Counter()
        for one in shown:
            self.prepare(one.text)
            began = time.monotonic()
            ran = self.bash(self.substituted(one.text))
            is_good = ran.returncode == 0 or (
                ran.returncode == 1 and one.text.startswith(_FINDINGS))
            counts[ran.returncode] += 1
            print(f'{ran.returncode} {time.monotonic() - began:5.1f} s {one}',
                  flush=True)
            if not is_good:
                failed.append(f'{one}\n{ran.stdout[-1500:]}'
                              f'{ran.stderr[-1500:]}')
        print(f'{len(shown)} commands: {json.dumps(counts)}')
        self.assertEqual([], failed, '\n'.join(failed))
        self.assertEqual({'dcn2.conf', 'dcn_placement.prom', 'nova.conf',
                          'dcn_plugins', 'openstack_dashboard'},
                         set(os.listdir(self.directory.name)))
        self.assertTrue((self.enabled / horizon.ENABLED).is_file())
        self.assertIn('[', pathlib.Path(self.directory.name,
                                        'dcn2.conf').read_text())
        # The caretaker of cinder-volume has fenced whom the lock was taken
        # from, and ended what he did.
        lab_case.deadline.wait('the broken lock being gone', lambda: not [
            row for row in self.table(lock.ListLocks, 'dcn0')
            if row['Lock'] == self.lock_name], 90)
        self.assertIn('192.0.2.77:0/77', self.cloud['ceph-dcn0'].ceph(
            'osd', 'blocklist', 'ls'))
