# SPDX-License-Identifier: Apache-2.0
"""The audit on a real Ceph: what stock leaks, and who dies on the way."""

import functools
import json
import subprocess
import sys
import time
import uuid

import fixtures
from oslo_config import cfg

from dcn_plugins.ceph import markers
from dcn_plugins.cinder import fence_record
from dcn_plugins.cinder import findings
from dcn_plugins.cinder import left_markers
from dcn_plugins.cinder import pool_audit
from tests.contracts import audit_contract
from tests.functional.storage import pool_case
from tests.functional.storage import volume_service
from tests.lab import deadline

# Settings of cinder-volume for the command.
CINDER_CONF = '''
[DEFAULT]
enabled_backends = ceph
state_path = {home}
volume_name_template = {template}
[backend_defaults]
rados_connection_retries = 1
[ceph]
volume_driver = {driver}
rbd_ceph_conf = {rig.conf}
rbd_user = {rig.user}
rbd_pool = {rig.pool}
rbd_secret_uuid = none
rados_connect_timeout = 10
[coordination]
backend_url = dcn-etcd3+http://{rig.etcd_hosts}?ttl=5
[database]
connection = sqlite:///{home}/cinder.db
'''
OURS = 'dcn_plugins.cinder.rbd_driver.DCNRBDDriver'
STOCK = 'cinder.volume.drivers.rbd.RBDDriver'

# The command, which is killed instead of its nth change.
KILLED = '''
import os, signal, sys
from dcn_plugins.cinder import audit, reclaim
from tests.contracts import stock_pool

class Death(stock_pool.Mortal):
    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

left = int(sys.argv.pop(1))
made = reclaim.Reclaimer.__init__

def mortal(self, rbd, *args, **kwargs):
    made(self, Death(rbd, left), *args, **kwargs)

reclaim.Reclaimer.__init__ = mortal
sys.exit(audit.main(sys.argv[1:]))
'''


class ContractTestCase(audit_contract.AuditContract,
                       pool_case.PoolTestCase):
    pass


class CloneV2TestCase(audit_contract.AuditedPool, pool_case.PoolTestCase):
    """What may differ where a snapshot may go before its clones."""

    options = {'rbd_default_clone_format': '2'}

    test_a_chain_goes_in_one_run_from_its_end = (
        audit_contract.AuditContract
        .test_a_chain_goes_in_one_run_from_its_end)
    test_what_has_a_clone_is_not_found = (
        audit_contract.AuditContract.test_what_has_a_clone_is_not_found)
    test_what_was_used_since_the_audit_stays = (
        audit_contract.AuditContract.test_what_was_used_since_the_audit_stays)

    def test_a_snapshot_that_went_before_its_clone_keeps_the_image(self):
        source = self.create()
        clone = self.clone(source)
        with self.rbd.Image(self.ioctx, source) as opened:
            opened.unprotect_snap(f'{clone}.clone_snap')
            opened.remove_snap(f'{clone}.clone_snap')
        deleted = f'{source}.deleted'
        self.rbd.RBD().rename(self.ioctx, source, deleted)
        self.assertFound([], self.audit())
        self.rbd.RBD().remove(self.ioctx, clone)
        self.assertFound([(findings.DELETED_IMAGE, deleted)], self.audit())


class CommandTestCase(audit_contract.AuditedPool, pool_case.PoolTestCase):
    """The command beside stock's driver, and then with ours."""

    def setUp(self):
        super().setUp()
        self.home = self.useFixture(fixtures.TempDir()).path
        self.stock = volume_service.VolumeService(
            self.rig, driver_class=volume_service.STOCK)
        self.addCleanup(self.stock.close)
        cfg.CONF.set_override('volume_name_template', self.template)
        self.addCleanup(cfg.CONF.clear_override, 'volume_name_template')

    def volume(self):
        volume_id = str(uuid.uuid4())
        return volume_service.volume(name_id=volume_id,
                                     name=self.template % volume_id)

    def stock_leak(self):
        """Let stock's driver leak a deleted volume with its data."""
        source, clone = self.volume(), self.volume()
        self.stock.create(source)
        with self.rbd.Image(self.ioctx, source.name) as image:
            image.write(b'x' * (1 << 20), 0)
        self.stock.clone(clone, source)
        self.stock.delete(source)
        self.stock.delete(clone)
        return f'{source.name}.deleted', clone.name

    def command(self, *arguments, driver=OURS, code=None):
        conf = f'{self.home}/cinder.conf'
        with open(conf, 'w') as written:
            written.write(CINDER_CONF.format(
                home=self.home, template=self.template,
                rig=self.rig, driver=driver))
        start = code or ['-m', 'dcn_plugins.cinder.audit']
        return subprocess.run(
            [sys.executable, *start, '--config-file', conf, '--backend',
             'ceph', '--grace-seconds', '0', *arguments],
            capture_output=True, text=True, timeout=120)

    def found(self, *arguments, status=1, **options):
        done = self.command('--json', *arguments, **options)
        self.assertEqual(status, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def wait_until_past(self):
        # Ceph and we count whole seconds, and a moment counts as young.
        second = int(time.time()) + 1
        deadline.wait('the next second', lambda: time.time() > second, 5)

    def test_what_stock_leaks_is_reclaimed_and_nothing_else(self):
        deleted, clone = self.stock_leak()
        live, live_clone = self.volume(), self.volume()
        self.stock.create(live)
        self.stock.clone(live_clone, live)
        other = self.create(f'{self.prefix}image')
        trashed = self.create(f'{self.prefix}trashed')
        self.trash(trashed)
        self.wait_until_past()

        found = self.found('--no-database', driver=STOCK)['findings']
        self.assertEqual(
            [(findings.CLONE_SNAPSHOT, deleted, f'{clone}.clone_snap'),
             (findings.DELETED_IMAGE, deleted, None)],
            [(one['kind'], one['image'], one['snapshot']) for one in found])
        # What was written, by whole objects, and not what it could hold.
        self.assertEqual(4 << 20, found[1]['bytes'])

        done = self.command('--no-database', '--reclaim')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('2 left over, 2 reclaimed: about 4.0 MiB', done.stdout)
        done = self.command('--no-database')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('Nothing is left over', done.stdout)
        self.assertEqual(({live.name, live_clone.name, other}, {trashed}),
                         self.left())
        self.assertEqual([f'{live_clone.name}.clone_snap'],
                         self.snapshots(live.name))

    def test_beside_stock_nothing_is_reclaimed(self):
        deleted, _clone = self.stock_leak()
        done = self.command('--no-database', '--reclaim', driver=STOCK)
        self.assertEqual(2, done.returncode)
        self.assertIn('takes none of our locks', done.stderr)
        self.assertEqual({deleted}, self.left()[0])

    def test_what_somebody_works_on_stays(self):
        deleted, _clone = self.stock_leak()
        self.wait_until_past()
        source = deleted.removesuffix('.deleted')
        ours = volume_service.OURS(
            configuration=self.stock.driver.configuration, host='here@ceph')
        ours.do_setup(None)
        with ours.guarded('test', [source]):
            found = self.found('--no-database', '--reclaim')['findings']
        self.assertEqual([(False, 'an operation has its lock')] * 2,
                         [(one['reclaimed'], one['reason']) for one in found])
        self.assertEqual({deleted}, self.left()[0])

    def test_what_etcd_has_forgotten_is_told(self):
        self.stock.close()
        service = volume_service.VolumeService(self.rig)
        self.addCleanup(service.close)
        driver = service.driver
        image = self.create()
        marker = fence_record.Record(
            'forgotten', {driver.lock_scope().image(image): 'x'}, 'fsid',
            self.rig.pool, ('127.0.0.1:0/1',), 'dead@ceph',
            ({'operation': 'extend_volume', 'image': image},))
        # Whatever else looks at the pool meanwhile would find it, too.
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.ceph.markers.Markers', functools.partial(
                markers.Markers, name=f'forgotten-{image}')))
        client = driver.backend.clients().take()
        forgotten = driver.backend.markers(client)
        end = (marker.claim, marker.wishes, marker.to_text())
        self.assertEqual({}, forgotten.begin(*end))
        self.addCleanup(self.ioctx.remove_object, f'forgotten-{image}')
        with driver.guarded('test', [self.create()]):
            found = left_markers.read(driver)
        mine = [one for one in found if image in one.key]
        self.assertEqual(['extend_volume by dead@ceph'],
                         [one.text for one in mine])
        # No lock that somebody has is among them.
        forgotten.end(*end)
        with driver.guarded('test', [image]):
            self.assertEqual([], [one for one in left_markers.read(driver)
                                  if image in one.key])

    def test_who_is_killed_on_the_way_leaves_what_the_next_one_ends(self):
        for changes in range(3):
            deleted, _clone = self.stock_leak()
            self.wait_until_past()
            killed = self.command('--no-database', '--reclaim',
                                  code=['-c', KILLED, str(changes)])
            self.assertEqual(-9, killed.returncode, killed.stderr)
            self.assertEqual({deleted}, self.left()[0])
            # His locks end with their lease, his watch of the image later.
            deadline.wait('nobody having it open',
                          lambda: not self.has_watchers(deleted), 60, 0.5)
            deadline.wait('the leak to be reclaimed', lambda: self.command(
                '--no-database', '--reclaim').returncode == 0, 90)
            self.assertEqual((set(), set()), self.left())

    def has_watchers(self, name):
        try:
            with self.rbd.Image(self.ioctx, name, read_only=True) as image:
                return any(image.watchers_list())
        except self.rbd.ImageNotFound:
            return False

    def test_the_database_decides_what_is_unknown(self):
        image = self.create()
        self.wait_until_past()
        self.command('--no-database')
        done = subprocess.run(
            [sys.executable, '-c', 'import sys; from cinder.cmd import '
             'manage; manage.main()', '--config-file',
             f'{self.home}/cinder.conf', 'db', 'sync'],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(0, done.returncode, done.stderr)
        found = self.found()['findings']
        self.assertEqual([(findings.UNKNOWN_VOLUME, image, False)],
                         [(one['kind'], one['image'], one['reclaimable'])
                          for one in found])
        self.found('--reclaim')
        self.assertEqual({image}, self.left()[0])
        self.found('--reclaim', '--unknown-volumes', status=0)
        self.assertEqual(set(), self.left()[0])

    def test_without_an_answer_of_the_database_there_is_no_result(self):
        done = self.command()
        self.assertEqual(2, done.returncode)
        self.assertIn('no such table', done.stderr)
        self.assertEqual('', done.stdout)

    def test_an_audit_in_the_service_finds_the_same(self):
        deleted, _clone = self.stock_leak()
        report = pool_audit.run_audit(self.stock.driver, set(),
                                      grace_seconds=-1, ask=None)
        self.assertEqual([deleted, deleted],
                         [found.image for found in report.findings])
        self.assertEqual(4 << 20, report.reclaimable_bytes)
