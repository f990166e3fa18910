# SPDX-License-Identifier: Apache-2.0
"""One job for all who want an image in a store, and no wait without an end."""

import threading

import fixtures
from oslo_config import cfg

from dcn_plugins.cinder import image_api
from dcn_plugins.cinder import image_copies
from dcn_plugins.cinder import job_flight
from dcn_plugins.conf import volume_images
from dcn_plugins import exceptions
from dcn_plugins.locking import session
from dcn_plugins.placement import job
from dcn_plugins.placement import jobs
from tests.fakes import etcd
from tests.fakes import glance
from tests.fakes import lock
from tests.fakes import placement_worker
from tests.unit.cinder import test_image_copies as copies

PREFIX = '/t/placement'


class WorkingClock(copies.Clock):
    """A clock with a worker that makes a step whenever time goes on."""

    step = staticmethod(lambda: None)

    def pause(self, seconds):
        super().pause(seconds)
        self.step()


class JobCase(copies.CopiesTestCase):

    def setUp(self):
        self.etcd = etcd.Client()
        self.jobs = jobs.Jobs(self.etcd, PREFIX)
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            name='dcn_plugins', format='%(levelname)s %(message)s'))
        self.clock = WorkingClock()
        self.started = self.clock.now
        self.copies = self.service()

    def service(self):
        """Return a cinder-volume that has no locks in common with others."""
        self.dlm = lock.LockService()
        return image_copies.ImageCopies(
            image_api.ImageAPI(glance.KnownTokens(self.glance.url)),
            self.dlm.get_lock, self.clock, self.clock.pause,
            lambda: self.jobs)

    def worker(self, **others):
        own = session.Session(
            self.etcd, lambda: etcd.Client(self.etcd.store), 60)
        self.addCleanup(own.close)
        return placement_worker.Worker.of(
            self.etcd, own, PREFIX, self.jobs, self.glance.url, **others)

    def start(self, **others):
        self.clock.step = self.worker(**others).step

    def job(self):
        return self.jobs.entry('i', 'dcn1')


class JobTest(JobCase):

    def test_it_comes_and_a_worker_has_asked(self):
        self.start()
        self.bring()
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)
        self.clock.step()
        self.assertIsNone(self.job())
        self.assertNotIn('WARNING', self.log.output)

    def test_it_is_there(self):
        self.glance.add_copy('i', 'dcn1')
        self.bring()
        self.assertEqual([], self.etcd.calls)

    def test_it_joins_what_the_policy_wants_and_goes_first(self):
        self.glance.add_image('other', 'central')
        for image_id, priority in (('other', 100), ('i', 0)):
            self.jobs.register(job.Job(image_id, 'dcn1', 0.0, 0.0,
                                       priority=priority))
        self.start()
        self.bring()
        self.assertEqual('i', self.glance.accepted[0][0])
        self.assertEqual(1, self.glance.accepted.count(('i', 'dcn1')))

    def test_it_waits_for_no_window(self):
        self.jobs.register(job.Job(
            'i', 'dcn1', 0.0, 0.0, windows=('00:00-00:01', '00:01-00:02')))
        self.start()
        self.bring()

    def test_what_was_stopped_is_done(self):
        for stop in (self.jobs.pause, self.jobs.cancel):
            self.jobs.register(job.Job('i', 'dcn1', 0.0, 0.0))
            stop('i', 'dcn1')
        self.start()
        self.bring()

    def test_the_right_to_copy_is_not_needed(self):
        class OwnRight(placement_worker.WorkerAPI):
            def request_copy(_self, image_id, stores):
                self.glance.begin(image_id, *stores)

        self.useFixture(fixtures.MonkeyPatch(
            'tests.fakes.placement_worker.WorkerAPI', OwnRight))
        self.glance.roles['cinder'] = ['service']
        self.start()
        self.bring()
        self.assertEqual(0, self.requests())

    def test_twenty_volumes_of_twenty_services_are_one_transfer(self):
        self.glance.looks = 100
        services = [self.service() for _number in range(20)]
        worker, errors, stop = self.worker(), [], threading.Event()

        def create(service):
            try:
                service.bring(None, 'i', 'dcn1', 1e6)
            except Exception as exc:
                errors.append(exc)

        def work():
            while not stop.wait(0.005):
                worker.step()

        # Real time: the fake one would go on with each of them.
        for service in services:
            service._pause = lambda seconds: stop.wait(0.01)
        working = threading.Thread(target=work)
        working.start()
        self.addCleanup(working.join, 60)
        self.addCleanup(stop.set)
        threads = [threading.Thread(target=create, args=[service])
                   for service in services]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual([], errors)
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)
        self.assertEqual(1, self.requests())


class JobFailureTest(JobCase):

    def test_glance_fails_and_the_job_stays(self):
        self.glance.broken.add('i')
        self.start()
        self.assertIn('Glance has failed',
                      self.fail_to_bring(exceptions.CopyRefused))
        self.assertEqual((1, True), (self.job().job.failures,
                                     self.job().job.is_asked))

    def test_failures_from_before_are_no_reason(self):
        self.jobs.register(job.Job('i', 'dcn1', 0.0, 0.0))
        worker = self.worker()
        worker.claims.failed(worker.claims.claim(self.job()), 'was away')
        self.clock.step = worker.step
        self.bring()

    def test_what_a_residency_forbids(self):
        self.start(is_forbidden=lambda _image, store: store == 'dcn1')
        self.assertIn('residency',
                      self.fail_to_bring(exceptions.CopyRefused))
        self.assertEqual(0, self.requests())

    def test_operator_who_cancels_meanwhile(self):
        self.clock.at[self.clock.now + 5] = lambda: self.jobs.cancel(
            'i', 'dcn1')
        self.assertIn('cancelled',
                      self.fail_to_bring(exceptions.CopyRefused))

    def test_deleted_image(self):
        self.jobs.bury('i')
        self.assertIn('deleted', self.fail_to_bring(exceptions.CopyRefused))

    def test_image_that_is_not_active_and_store_that_is_none(self):
        self.assertIn('dcn_store', self.fail_to_bring(
            exceptions.CopyRefused, store='dcn'))
        self.glance.images['i']['status'] = 'deactivated'
        self.assertIn('it is deactivated',
                      self.fail_to_bring(exceptions.CopyRefused))
        self.assertEqual({}, self.etcd.store.items)

    def test_time_is_over(self):
        self.glance.looks = 10**6
        self.start()
        self.assertIn('image_copy_seconds',
                      self.fail_to_bring(exceptions.CopyPostponed))
        self.assertAlmostEqual(copies.WAIT_SECONDS, self.elapsed)
        # It comes later.
        self.assertIsNotNone(self.job().claim)

    def test_glance_that_is_away(self):
        self.glance.answers['GET /v2/images/i'] = 503, None
        self.assertIn('503', self.fail_to_bring(
            exceptions.CopyPostponed, seconds=1000))
        self.assertLess(self.elapsed, job_flight.AWAY_SECONDS + 6)

    def test_glance_that_comes_back(self):
        self.glance.answers['GET /v2/images/i'] = 503, None
        self.clock.at[self.clock.now + 30] = self.glance.answers.clear
        self.clock.at[self.clock.now + 31] = self.start
        self.bring(seconds=1000)


class DirectTest(JobCase):
    """Glance is asked directly where jobs are of no use."""

    def test_nobody_does_jobs(self):
        self.bring(seconds=1000)
        self.assertGreater(self.elapsed, job_flight.UNCLAIMED_SECONDS)
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)
        self.assertIn('WARNING Nobody has begun the job', self.log.output)

    def test_a_worker_that_is_slow_is_waited_for(self):
        self.glance.looks = 60
        self.clock.at[self.clock.now + 50] = self.start
        self.bring(seconds=1000)
        self.assertGreater(self.elapsed, job_flight.UNCLAIMED_SECONDS)
        self.assertNotIn('WARNING', self.log.output)

    def test_only_the_time_since_it_was_asked_for_counts(self):
        self.glance.answers['GET /v2/images/i'] = 503, None
        self.clock.at[self.clock.now + 50] = self.glance.answers.clear
        self.clock.at[self.clock.now + 90] = self.start
        self.bring(seconds=1000)
        self.assertNotIn('WARNING', self.log.output)

    def test_etcd_is_away(self):
        self.etcd.faults = [exceptions.EtcdUnavailable('away', False)] * 99
        self.bring()
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)
        self.assertIn('WARNING Glance is asked directly', self.log.output)

    def test_etcd_that_goes_away_meanwhile_costs_no_second_transfer(self):
        self.glance.looks = 10
        self.start()

        def cut():
            self.clock.step = lambda: None
            self.etcd.faults = [
                exceptions.EtcdUnavailable('away', False)] * 99

        self.clock.at[self.clock.now + 2] = cut
        self.bring()
        self.assertEqual([('i', 'dcn1')], self.glance.accepted)

    def test_jobs_that_cannot_be_had(self):
        def get():
            raise exceptions.ConfigError('cinder.conf', 'no file', 'Name one')

        self.copies._get_jobs = get
        self.bring()
        self.assertIn('no file', self.log.output)


class OptionTest(JobCase):

    def jobs_of(self, url):
        conf = cfg.ConfigOpts()
        volume_images.register_opts(conf)
        conf([], default_config_files=[])
        conf.set_override('placement_jobs_url', url, 'dcn')
        return job_flight.jobs_of(conf)

    def test_unset_means_none(self):
        self.assertIsNone(self.jobs_of(None))

    def test_what_is_no_url_of_ours(self):
        for url in ('http://etcd:2379', 'dcn-etcd3+http://h:1?ttl=x'):
            error = self.assertRaises(exceptions.ConfigError, self.jobs_of,
                                      url)
            self.assertIn('placement_jobs_url', str(error))

    def test_one_client_for_all_at_the_first_need(self):
        get = self.jobs_of('dcn-etcd3+http://127.0.0.1:1?namespace=/t')
        self.assertIsInstance(get(), jobs.Jobs)
        self.assertIs(get(), get())
