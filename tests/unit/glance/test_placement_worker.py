# SPDX-License-Identifier: Apache-2.0

import threading
import time
import types

from dcn_plugins import exceptions
from dcn_plugins.glance import placement_worker
from dcn_plugins.placement import job
from tests.unit.glance import placement_case

WAIT_SECONDS = 30


class RoundTest(placement_case.PlacementCase):
    """One round after the other, without a thread."""

    def setUp(self):
        super().setUp()
        self.one = self.process('one')
        self.worker = self.make(self.one)

    def make(self, process, size=10, parallel=2):
        worker = placement_worker.PlacementWorker(
            process, self.api, self.reconciler, size, 300, parallel,
            self.clock)
        worker._start = lambda: None
        return worker

    def compare_nothing(self, worker):
        worker._compared_policy = self.policy
        worker._due['all'] = 1e9

    def rounds(self, count=1, worker=None, seconds=15.0):
        for _number in range(count):
            self.now += seconds
            (worker or self.worker)._round()

    def end_copies(self):
        for image_id, image in self.api.images.items():
            if image.get('os_glance_importing_to_stores'):
                self.api.end_copy(image_id)

    def test_announced_image_is_copied(self):
        self.add_image(dcn_sites='dcn0,dcn1')
        self.compare_nothing(self.worker)
        self.worker.add('image-1')
        self.rounds()
        self.rounds()
        self.assertEqual([('image-1', ('dcn0', 'dcn1'))], self.api.asked)
        self.end_copies()
        self.rounds()
        self.assertEqual(({}, {}), (self.listed(), self.worker._in_hand))
        self.assertEqual('central,dcn0,dcn1',
                         self.api.images['image-1']['stores'])

    def test_who_waits_is_heard_before_jobs_are_listed_again(self):
        self.add_image()
        self.compare_nothing(self.worker)
        self.rounds()
        self.jobs.ask('image-1', 'dcn0')
        self.rounds(seconds=placement_worker.LOOK_SECONDS)
        self.assertIn(('image-1', 'dcn0'), self.listed())
        self.rounds(seconds=placement_worker.LOOK_SECONDS)
        self.assertEqual([('image-1', ('dcn0',))], self.api.asked)
        # And once only: each process lists all jobs.
        self.assertGreater(self.worker._due['list'],
                           self.now + placement_worker.LOOK_SECONDS)

    def test_a_window_is_waited_for_and_nobody_waits_for_it(self):
        self.add_image()
        self.compare_nothing(self.worker)
        minute = (int(self.now) // 60) % 1440
        self.one.claims._local = lambda now: time.gmtime(60 * minute)
        window = '%02d:%02d-%02d:%02d' % (
            *divmod((minute + 60) % 1440, 60), *divmod((minute + 61) % 1440,
                                                       60))
        for store in ('dcn0', 'dcn1'):
            self.register(store, windows=(window,))
        self.rounds(3)
        self.assertEqual([], self.api.asked)
        self.jobs.ask('image-1', 'dcn0')
        self.rounds(2)
        self.assertEqual([('image-1', ('dcn0',))], self.api.asked)

    def test_ends_of_jobs_are_counted(self):
        self.add_image()
        self.compare_nothing(self.worker)
        for store in ('dcn0', 'dcn1'):
            self.register(store)
        self.rounds(2)
        self.api.end_copy('image-1', failed=['dcn1'])
        self.rounds(2)
        self.assertEqual(
            {'dcn0': (1, 0), 'dcn1': (0, 1)},
            {store: (found.copies, found.failures) for store, found
             in self.one.numbers.tallies().items()})

    def test_numbers_that_nobody_takes_delay_nothing(self):
        def refuse():
            raise exceptions.EtcdRefused('no right', 7, 'no right')

        self.one.numbers.flush = refuse
        self.add_image(visibility='public')
        self.rounds(3)
        self.assertEqual(1, len(self.api.asked))
        self.assertNotIn('Image placement waits', self.log.output)

    def test_what_nobody_has_announced_is_found(self):
        self.add_image(visibility='public')
        self.rounds(3)
        self.assertEqual(1, len(self.api.asked))

    def test_one_process_compares(self):
        compared = []
        self.reconciler.reconcile_all = lambda: compared.append(1)
        other = self.make(self.process('other'))
        for _number in range(3):
            self.rounds(seconds=300)
            self.rounds(worker=other, seconds=0)
        self.assertEqual(3, len(compared))
        self.one.close()
        self.rounds(worker=other, seconds=300)
        self.assertEqual(4, len(compared))

    def test_job_of_a_process_that_died_is_gone_on_with(self):
        self.add_image(dcn_sites='dcn0')
        self.rounds(2)
        self.one.close()
        other = self.make(self.process('other'))
        self.rounds(2, other)
        self.end_copies()
        self.rounds(1, other)
        self.assertEqual(({}, 1), (self.listed(), len(self.api.asked)))

    def test_parallel_images(self):
        for number in range(5):
            self.add_image(f'image-{number}', dcn_sites='dcn0')
        self.rounds(3)
        self.assertEqual(2, len(self.api.asked))
        # Somebody waits for this one.
        self.add_image('image-9', dcn_sites='none')
        self.register('dcn1', 'image-9', is_asked=True, priority=1000)
        self.rounds(2)
        self.assertEqual(('image-9', ('dcn1',)), self.api.asked[-1])
        for _number in range(4):
            self.end_copies()
            self.rounds(2)
        self.assertEqual({}, self.listed())

    def test_priority(self):
        for number, project in enumerate(('project-a', 'project-y')):
            self.add_image(f'image-{number}', dcn_sites='none')
            self.register('dcn0', f'image-{number}', priority=number,
                          is_asked=True)
        self.worker = self.make(self.one, parallel=1)
        self.rounds(2)
        self.assertEqual('image-1', self.api.asked[0][0])

    def test_deletion(self):
        self.add_image(dcn_sites='dcn0,dcn1')
        self.rounds(2)
        self.worker.add('image-1')
        self.worker.drop('image-1')
        del self.api.images['image-1']
        self.rounds(2)
        self.assertEqual(({}, {}), (self.listed(), self.jobs.claims()))
        self.assertEqual({'image-1'}, self.jobs.tombstones().keys())
        self.assertEqual({}, self.worker._in_hand)

    def test_image_that_is_not_active_yet(self):
        image = self.add_image(dcn_sites='dcn0', status='saving')
        self.worker.add('image-1')
        self.rounds()
        image['status'] = 'active'
        self.compare_nothing(self.worker)
        self.rounds(2)
        self.assertEqual(1, len(self.listed()))

    def test_new_policy_is_compared_at_once(self):
        self.add_image(visibility='public')
        self.rounds()
        self.policy = placement_case.policies.policy_text.policy_of(
            placement_case.policies.TEXT.replace('stores: all',
                                                 'stores: [central, dcn0]'))
        self.rounds(seconds=1)
        self.assertEqual({('image-1', 'dcn0')}, self.listed().keys())
        compared = []
        self.reconciler.reconcile_all = lambda: compared.append(1)
        self.rounds(5, seconds=1)
        self.assertEqual([], compared)

    def test_comparison_that_was_broken_off_is_soon_made_anew(self):
        self.add_image(dcn_sites='dcn0')
        self.api.errors = [exceptions.CopyRefused('(all)', ['s'], 'marker')]
        self.rounds(1)
        self.assertEqual({}, self.listed())
        self.rounds(1, seconds=10)
        self.assertEqual(1, len(self.listed()))

    def test_etcd_that_is_away(self):
        self.add_image(dcn_sites='dcn0')
        self.worker.add('image-1')
        self.away(50)
        self.rounds(3)
        self.assertEqual([], self.api.asked)
        self.assertEqual(1, self.log.output.count('WARNING Image placement '
                                                  'waits: etcd does not'))
        self.etcd.faults = []
        self.rounds(4)
        self.assertIn('INFO Image placement goes on', self.log.output)
        self.assertEqual(1, len(self.api.asked))

    def test_image_that_cannot_be_looked_at_is_in_nobodys_way(self):
        self.compare_nothing(self.worker)
        for number in range(2):
            self.add_image(f'image-{number}', dcn_sites='dcn0')
            self.worker.add(f'image-{number}')
        self.api.errors = [exceptions.CopyPostponed('image-0', 'slow')]
        self.rounds(2, seconds=1.0)
        self.assertEqual({('image-1', 'dcn0')}, self.listed().keys())
        self.rounds(2, seconds=30.0)
        self.assertEqual(2, len(self.api.asked))

    def test_refusal_is_left_to_the_comparison_of_all(self):
        self.add_image(dcn_sites='dcn0')
        self.compare_nothing(self.worker)
        self.worker.add('image-1')
        self.api.errors = [exceptions.CopyRefused('image-1', ['s'], 'no')]
        self.rounds()
        self.assertIn('ERROR copy of image image-1', self.log.output)
        self.assertEqual({}, self.worker._announced)

    def test_without_a_policy_nothing_is_copied(self):
        self.add_image()
        self.register('dcn0', is_asked=True)
        self.policy = None
        self.rounds(3)
        self.assertEqual([], self.api.asked)

    def test_mistake_of_ours_ends_nothing(self):
        self.add_image(dcn_sites='dcn0')
        self.reconciler.reconcile = lambda image_id: 1 / 0
        self.worker.add('image-1')
        self.rounds()
        self.assertIn('A round of image placement has failed',
                      self.log.output)

    def test_jobs_in_hand_are_looked_at_between_announcements(self):
        worker = self.make(self.one, size=1000)
        self.compare_nothing(worker)
        for number in range(120):
            worker.add(f'image-{number}')
        left = []
        for _number in range(3):
            self.rounds(worker=worker)
            left.append(len(worker._announced))
        self.assertEqual([70, 20, 0], left)

    def test_requests_do_not_disturb_a_thread_that_runs(self):
        worker = self.make(self.one)
        begun = []
        worker._start = lambda: begun.append(1)
        worker.start()
        worker._thread = types.SimpleNamespace(is_begun=True)
        worker.start()
        self.assertEqual([1], begun)

    def test_too_many_announcements(self):
        worker = self.make(self.one, size=2)
        self.assertEqual([True, True, False, True], [
            worker.add(name) for name in ('a', 'b', 'c', 'a')])

    def test_stray_claim(self):
        self.add_image(dcn_sites='dcn0')
        self.register('dcn0')
        self.one.claims.claim(self.listed()['image-1', 'dcn0'])
        self.rounds(2)
        self.assertEqual(1, len(self.api.asked))


class ThreadTest(placement_case.PlacementCase):

    def test_thread(self):
        self.clock = time.monotonic
        self.useFixture(placement_case.fixtures.MonkeyPatch(
            'dcn_plugins.glance.placement_worker.FIRST_LOOK_SECONDS', 0.0))
        self.add_image(dcn_sites='dcn0')
        is_asked = threading.Event()
        ask = self.api.request_copy

        def request_copy(image_id, stores):
            ask(image_id, stores)
            is_asked.set()

        self.api.request_copy = request_copy
        worker = placement_worker.PlacementWorker(
            self.process('one'), self.api, self.reconciler, 10, 300, 2)
        self.assertTrue(worker.stop(0))
        worker = placement_worker.PlacementWorker(
            self.process('one'), self.api, self.reconciler, 10, 300, 2)
        self.addCleanup(worker.stop, WAIT_SECONDS)
        worker.start()
        self.assertTrue(is_asked.wait(WAIT_SECONDS))
        self.assertTrue(worker.stop(WAIT_SECONDS))
        # Whoever comes next need not wait for the end of a lease.
        self.assertEqual({}, self.jobs.claims())
        self.assertIs(job.State.WAITING,
                      self.listed()['image-1', 'dcn0'].job.state)

    def test_evictor_begins_and_ends_with_it(self):
        done = []
        evicting = types.SimpleNamespace(
            start=lambda: done.append('started'),
            stop=lambda seconds: done.append('stopped'))
        process = self.process('one')
        close = process.close
        process.close = lambda: (done.append('closed'), close())
        worker = placement_worker.PlacementWorker(
            process, self.api, self.reconciler, 10, 300, 2,
            beside=[evicting])
        worker.start()
        worker.add('image-1')
        self.assertTrue(worker.stop(WAIT_SECONDS))
        self.assertEqual(['started', 'stopped', 'closed'], done)
