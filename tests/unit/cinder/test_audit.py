# SPDX-License-Identifier: Apache-2.0
"""The audit on a Ceph in memory."""

import contextlib
import datetime
import time
import types
import uuid

from cinder.volume.drivers import rbd as upstream
import fixtures
from oslo_config import fixture as config_fixture
import testtools

from dcn_plugins.cinder import findings
from dcn_plugins.cinder import pool_audit
from dcn_plugins.cinder import pool_contents
from dcn_plugins.cinder import pool_listing
from dcn_plugins.cinder import reclaim
from dcn_plugins import exceptions
from tests.contracts import audit_contract
from tests.contracts import stock_pool
from tests.fakes import rbd as fake_rbd


class AuditTestCase(testtools.TestCase):

    rbd = fake_rbd
    template = 'volume-%s'
    prefix = 'other-'

    def setUp(self):
        super().setUp()
        self.ioctx = fake_rbd.Pool()


class ContractTestCase(audit_contract.AuditContract, AuditTestCase):
    pass


class LocksTestCase(audit_contract.AuditedPool, AuditTestCase):
    """What is held while something is removed, and what if it is not."""

    def setUp(self):
        super().setUp()
        self.held = None
        self.all_held = []
        self.ioctx.on_change = lambda call: self.all_held.append(
            (call, self.held))

    @contextlib.contextmanager
    def guarded(self, operation, images):
        self.assertEqual('audit', operation)
        self.held = sorted(images)
        yield types.SimpleNamespace(
            connection=lambda _pool: (None, self.ioctx))
        self.held = None

    def test_the_locks_of_all_volumes_concerned_are_held(self):
        source = self.create()
        clone = self.clone(source)
        self.delete(source)
        self.delete(clone)
        report = self.audit()
        del self.all_held[:]
        self.reclaim(report)
        both = sorted([source, clone])
        self.assertEqual([('unprotect_snap', both), ('remove_snap', both),
                          ('remove', [source])], self.all_held)

    def test_what_somebody_works_on_stays(self):
        self.leak()

        def busy(_operation, images):
            raise exceptions.LockTimeout(images[0], 10)

        outcomes = self.reclaim(self.audit(), guarded=busy)
        self.assertEqual(
            [('an operation has its lock', False, False)] * 2,
            [(outcome.reason, outcome.is_failure, outcome.is_reclaimed)
             for outcome in outcomes])

    def test_what_is_opened_at_the_last_moment_stays(self):
        self.leak()

        def busy(_call):
            raise fake_rbd.ImageBusy('a watcher')

        report = self.audit()
        self.ioctx.on_change = busy
        outcome = self.reclaim(report)[0]
        self.assertEqual((False, False),
                         (outcome.is_reclaimed, outcome.is_failure))
        self.assertIn('in use: a watcher', outcome.reason)

    def test_after_some_failures_the_rest_is_not_tried(self):
        for _number in range(3):
            self.leak()
        tried = []

        def broken(_operation, images):
            tried.append(images)
            raise exceptions.LockServiceError(images[0], 'no route')

        outcomes = self.reclaim(self.audit(), guarded=broken)
        self.assertEqual(reclaim.MOST_FAILURES, len(tried))
        self.assertEqual(6, len(outcomes))
        self.assertIn('no route', outcomes[0].reason)
        self.assertFalse(any(outcome.is_reclaimed for outcome in outcomes))
        self.assertIn('given up', outcomes[-1].reason)

    def test_a_lock_that_was_lost_is_told(self):
        self.leak()

        @contextlib.contextmanager
        def lossy(_operation, images):
            with self.guarded(_operation, images) as held:
                yield held
            raise exceptions.LockLost(images[0], 'audit')

        outcome = self.reclaim(self.audit(), guarded=lossy)[0]
        self.assertTrue(outcome.is_reclaimed)
        self.assertTrue(outcome.is_failure)
        self.assertIn('was lost', outcome.reason)


class ReadingTestCase(audit_contract.AuditedPool, AuditTestCase):
    """What vanishes or cannot be read while it is read."""

    def open_images(self, broken):
        rbd = types.SimpleNamespace(**vars(fake_rbd))
        opened = []

        def image(pool, name=None, *args, **kwargs):
            opened.append((name, kwargs.get('read_only')))
            if name in broken:
                broken[name]()
            return fake_rbd.Image(pool, name, *args, **kwargs)

        rbd.Image = image
        self.rbd = rbd
        return opened

    def test_an_image_that_vanishes_is_left_out(self):
        gone, there = self.create(), self.create()
        self.open_images(
            {gone: lambda: fake_rbd.RBD().remove(self.ioctx, gone)})
        report = self.audit()
        self.assertFound([], report)
        self.assertEqual(1, report.counted['images'])
        self.assertEqual({there}, self.left()[0])

    def test_an_image_without_header_is_told_and_stays(self):
        half = self.create()
        del self.ioctx.headers[self.ioctx.images[half]]
        report = self.audit()
        self.assertFound([(findings.UNREADABLE_IMAGE, half)], report)
        self.assertFalse(report.findings[0].is_reclaimable)

    def test_an_image_that_cannot_be_read_is_told_and_the_others_are_read(
            self):
        self.leak()
        bad = self.create()

        def fail():
            raise fake_rbd.OSError('I/O error')

        self.open_images({bad: fail})
        report = self.audit()
        self.assertEqual(3, len(report.findings))
        self.assertIn('I/O error', report.findings[-1].evidence)

    def test_foreign_images_are_not_opened_and_none_for_writing(self):
        self.create('other-image')
        self.leak()
        opened = self.open_images({})
        self.audit()
        self.assertEqual({True}, {read_only for _name, read_only in opened})
        self.assertNotIn('other-image', [name for name, _mode in opened])

    def test_clones_that_cannot_be_listed_keep_a_snapshot(self):
        self.leak()

        class Image(fake_rbd.Image):
            def list_children2(self):
                raise fake_rbd.PermissionError('another pool')

        self.rbd = types.SimpleNamespace(**{**vars(fake_rbd),
                                            'Image': Image})
        self.assertEqual([True, True], [bool(found.reason) for found
                                        in self.audit().findings])


class TimeTestCase(testtools.TestCase):

    def test_times_of_librbd_are_in_utc_whatever_the_clock_here_shows(self):
        self.addCleanup(time.tzset)
        self.useFixture(fixtures.EnvironmentVariable('TZ', 'Asia/Tokyo'))
        time.tzset()
        moment = datetime.datetime(1970, 1, 1, 1)
        self.assertEqual(3600, pool_listing.seconds(moment))
        self.assertEqual(3600, pool_listing.seconds(
            moment.replace(tzinfo=datetime.timezone.utc)))


class RunTestCase(stock_pool.StockPool, AuditTestCase):
    """What the caretaker gets, and what is logged."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        conf = self.useFixture(config_fixture.Config(pool_audit.CONF)).conf
        conf([], project='cinder', default_config_files=[])
        self.useFixture(fixtures.MockPatchObject(
            upstream, 'RADOSClient', self.client))
        self.driver = types.SimpleNamespace(
            rbd=self.rbd, host='here@ceph', cluster_name='site@ceph',
            configuration=types.SimpleNamespace(
                rbd_pool='volumes', rbd_ceph_conf='',
                rbd_exclusive_cinder_pool=True))
        self.ioctx.clock = lambda: 1e9
        self.asked = []

    @contextlib.contextmanager
    def client(self, _driver):
        yield types.SimpleNamespace(ioctx=self.ioctx)

    def ask(self, volumes, snapshots, filters):
        self.asked.append((volumes, snapshots, filters))
        return pool_contents.Known()

    def run_audit(self, reported):
        return pool_audit.run_audit(self.driver, reported, ask=self.ask)

    def leak(self):
        source = self.create()
        clone = self.clone(source)
        self.delete(source)
        self.delete(clone)

    def test_a_finding_is_told_once_and_again_when_it_comes_back(self):
        self.leak()
        reported = set()
        self.run_audit(reported)
        self.assertEqual(2, self.log.output.count('Left over in pool'))
        self.assertEqual(2, self.log.output.count('It can be reclaimed'))
        self.assertIn('2 left over, of which 2 can be reclaimed',
                      self.log.output)
        self.run_audit(reported)
        self.assertEqual(2, self.log.output.count('Left over in pool'))
        self.leak()
        self.run_audit(reported)
        self.assertEqual(4, self.log.output.count('Left over in pool'))

    def test_the_database_is_asked_for_what_ceph_has(self):
        image = self.create()
        snapshot_id = str(uuid.uuid4())
        self.snap(image, f'snapshot-{snapshot_id}')
        report = self.run_audit(set())
        self.assertEqual([({self.names.volume(image)}, {snapshot_id},
                           {'cluster_name': 'site@ceph'})], self.asked)
        self.assertEqual(
            [findings.UNKNOWN_SNAPSHOT, findings.UNKNOWN_VOLUME],
            [found.kind for found in report.findings])

    def test_a_volume_is_at_home_on_its_own_backend(self):
        image = self.create()
        volume_id = self.names.volume(image)

        def found(backend):
            report = pool_audit.run_audit(
                self.driver, set(), ask=lambda *_ids: pool_contents.Known({
                    volume_id: pool_contents.VolumeRecord(
                        volume_id, volume_id, 'available', backend, 0.0)}))
            return [one.kind for one in report.findings]

        self.assertEqual([], found('site@ceph'))
        self.assertEqual([findings.STRAY_VOLUME], found('here@ceph'))
        self.driver.cluster_name = None
        self.assertEqual([], found('here@ceph'))
        self.driver.configuration.rbd_exclusive_cinder_pool = False
        self.assertEqual([], found('site@ceph'))

    def test_what_is_written_is_told_and_not_the_size(self):
        self.leak()
        deleted = next(iter(self.left()[0]))
        with self.rbd.Image(self.ioctx, deleted) as image:
            image.write(b'x' * 4096, 0)
        self.assertEqual(4096, self.run_audit(set()).findings[-1].bytes)

    def test_a_marker_that_etcd_knows_nothing_of_is_told(self):
        texts = {'left': 'x' * 300, 'held': 'x', 'ended/1': 'x'}

        class Markers:
            def everything(self):
                return dict(texts)

            def present(self, keys):
                # One has ended since, another lock was taken anew.
                return {'left': texts['left'], 'ended/1': 'y'}

        clients = types.SimpleNamespace(take=list, given_back=[])
        clients.give_back = clients.given_back.append
        self.driver.backend = types.SimpleNamespace(
            clients=lambda: clients, markers=lambda _client: Markers(),
            locks=lambda: types.SimpleNamespace(
                is_claimed=lambda names: names == ['held']))
        report = self.run_audit(set())
        self.assertEqual([(findings.MARKER, 'left')],
                         [(found.kind, found.subject)
                          for found in report.findings])
        self.assertEqual(1, len(clients.given_back))

    def test_without_our_locks_no_marker_is_looked_for(self):
        self.driver.backend = types.SimpleNamespace(locks=lambda: None)
        self.assertEqual((), self.run_audit(set()).findings)

    def test_two_backends_in_one_pool_are_not_exclusive(self):
        self.driver.configuration = upstream.configuration.Configuration(
            upstream.RBD_OPTS, config_group='one')
        conf = pool_audit.CONF
        conf.set_override('enabled_backends', ['one', 'two'])
        own = pool_audit.PoolAudit(self.driver)
        upstream.configuration.Configuration(
            upstream.RBD_OPTS, config_group='two')
        self.addCleanup(conf.clear_override, 'rbd_pool', 'two')
        conf.set_override('rbd_pool', 'other', 'two')
        self.assertTrue(own.policy().is_exclusive)
        conf.clear_override('rbd_pool', 'two')
        self.assertFalse(own.policy().is_exclusive)
