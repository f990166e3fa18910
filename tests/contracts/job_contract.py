# SPDX-License-Identifier: Apache-2.0
"""What jobs promise; on the fake and on a real etcd.

Mix into a test case that sets ``self.client``, its class method or method
``renewer``, and ``self.prefix``, before each test.
"""

import threading
import time

from dcn_plugins import exceptions
from dcn_plugins.locking import session
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import job_claims
from dcn_plugins.placement import job_progress
from dcn_plugins.placement import job_reports
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import jobs
from dcn_plugins.placement import numbers
from dcn_plugins.placement import stored_keys
from dcn_plugins.placement import survey
from dcn_plugins.placement import tally


class JobContract:

    ttl_seconds = 10

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.local = time.struct_time((2026, 1, 1, 12, 0, 0, 3, 1, 0))
        self.jobs = jobs.Jobs(self.client, self.prefix, lambda: self.now)
        self.sessions = []
        self.one = self.worker('one')
        self.other = self.worker('other')

    def worker(self, name):
        own = session.Session(self.client, self.renewer, self.ttl_seconds)
        self.addCleanup(own.close)
        self.sessions.append(own)
        return job_claims.JobClaims(self.client, own, self.prefix, name,
                                    lambda: self.now,
                                    lambda now: self.local)

    def register(self, store='dcn0', image_id='image-1', **values):
        return self.jobs.register(steps.Job(
            image_id, store, self.now, self.now, **values))

    def entry(self, store='dcn0'):
        return next(entry for entry in self.jobs.entries()
                    if entry.job.store == store)

    def keys(self):
        return [place for prefix in ('j', 'c', 't')
                for place, _item in self.jobs._keys.items(
                    f'{self.prefix}/{prefix}/')]

    def test_from_registration_to_its_end(self):
        self.assertIsNotNone(self.register())
        held = self.one.claim(self.entry())
        self.assertEqual(1, held.job.tries)
        self.assertTrue(self.one.is_valid(held))
        self.assertEqual(2, len(self.keys()))
        self.assertEqual(held.claim, self.entry().claim)
        self.assertIsNone(self.other.claim(self.entry()))
        self.assertEqual(held.job, self.one.look(held))
        self.one.done(held)
        self.assertEqual([], self.keys())
        self.assertRaises(exceptions.ClaimLost, self.one.done, held)

    def test_tokens_rise(self):
        tokens = []
        self.register()
        for _try in range(3):
            held = self.one.claim(self.entry())
            tokens.append(held.claim.token)
            self.one.postponed(held, 'busy', 0.0)
        self.assertEqual(sorted(set(tokens)), tokens)

    def test_one_of_two_claims(self):
        self.register()
        entry = self.entry()
        held = [worker.claim(entry) for worker in (self.one, self.other)]
        self.assertEqual([False, True], [one is None for one in held])

    def test_many_workers_and_each_job_once(self):
        for number in range(10):
            self.register(f'dcn{number}')
        workers = [self.worker(f'w{number}') for number in range(4)]
        had = []

        def work(worker):
            for entry in self.jobs.entries():
                held = worker.claim(entry)
                if held is not None:
                    had.append(held.job.store)
                    worker.done(held)

        threads = [threading.Thread(target=work, args=(worker,))
                   for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([f'dcn{number}' for number in range(10)],
                         sorted(had))
        self.assertEqual([], self.keys())

    def test_worker_that_ends(self):
        self.register()
        held = self.one.claim(self.entry())
        self.sessions[0].close()
        self.assertFalse(self.one.is_valid(held))
        again = self.other.claim(self.entry())
        self.assertEqual(2, again.job.tries)
        self.assertGreater(again.claim.token, held.claim.token)
        for end in (lambda: self.one.done(held),
                    lambda: self.one.failed(held, 'x'),
                    lambda: self.one.look(held)):
            self.assertRaises(exceptions.ClaimLost, end)
        self.other.done(again)

    def test_failure_waits(self):
        self.register()
        self.one.failed(self.one.claim(self.entry()), 'the site is away')
        entry = self.entry()
        self.assertEqual('the site is away', entry.job.reason)
        self.assertIsNone(self.one.claim(entry))
        self.now += 5
        self.assertIsNotNone(self.one.claim(entry))

    def test_pause_while_it_runs(self):
        self.register()
        held = self.one.claim(self.entry())
        self.jobs.pause('image-1', 'dcn0')
        self.assertIs(steps.State.PAUSED, self.one.look(held).state)
        self.one.postponed(held, 'paused', 0.0)
        self.assertIsNone(self.one.claim(self.entry()))
        self.jobs.resume('image-1', 'dcn0')
        self.assertIsNotNone(self.one.claim(self.entry()))

    def test_cancel_and_redo(self):
        self.register()
        self.jobs.cancel('image-1', 'dcn0')
        self.register(priority=9)
        self.assertIs(steps.State.CANCELLED, self.entry().job.state)
        self.assertIsNone(self.one.claim(self.entry()))
        self.jobs.redo('image-1', 'dcn0')
        self.one.done(self.one.claim(self.entry()))
        self.assertIsNone(self.jobs.cancel('image-1', 'dcn0'))

    def test_priority(self):
        for number, priority in enumerate((0, 5, -5)):
            self.register(f'dcn{number}', priority=priority)
        self.jobs.prioritise('image-1', 'dcn2', 7)
        self.assertEqual(['dcn2', 'dcn1', 'dcn0'], [
            entry.job.store for entry in self.jobs.entries()])

    def test_deletion(self):
        self.register('dcn0')
        self.register('dcn1')
        self.register('dcn0', 'image-10')
        held = self.one.claim(self.entry('dcn0'))
        self.jobs.bury('image-1')
        self.assertEqual(['image-10'], [
            entry.job.image_id for entry in self.jobs.entries()])
        self.assertIsNone(self.register('dcn1'))
        self.assertIsNone(self.one.look(held))
        self.one.failed(held, 'the image is gone')
        self.assertEqual(2, len(self.keys()))
        self.assertEqual({'image-1': self.now}, self.jobs.tombstones())
        self.jobs.unbury('image-1')
        self.assertIsNotNone(self.register('dcn1'))

    def test_names_that_are_no_parts_of_keys(self):
        for image_id, store in (('../image', 'a/b'), ('image-1', '%2F'),
                                ('\u2028', 'caf\xe9'), ('a', 'b c')):
            self.register(store, image_id)
            self.assertEqual([(image_id, store)], [
                (entry.job.image_id, entry.job.store)
                for entry in self.jobs.entries(image_id)])
            self.one.done(self.one.claim(self.jobs.entries(image_id)[0]))
        self.assertEqual([], self.keys())

    def test_many_jobs_are_listed_by_pages(self):
        for number in range(7):
            self.register(f'dcn{number}')
        before, stored_keys.PAGE = stored_keys.PAGE, 3
        try:
            self.assertEqual(7, len(self.jobs.entries()))
        finally:
            stored_keys.PAGE = before

    def test_strays(self):
        self.register('dcn0')
        self.register('dcn1')
        held = self.one.claim(self.entry('dcn0'))
        self.one.claim(self.entry('dcn1'))
        foreign = self.worker('one more')
        self.register('dcn2')
        kept = foreign.claim(self.entry('dcn2'))
        self.assertEqual(1, self.one.drop_strays([held]))
        self.assertEqual({'dcn0', 'dcn2'}, {
            store for _image, store in self.jobs.claims()})
        self.one.done(held)
        foreign.done(kept)
        self.assertIsNotNone(self.other.claim(self.entry('dcn1')))

    def test_what_is_no_job_is_overwritten(self):
        requests = job_requests.Requests(self.prefix)
        self.client.transaction({'success': [{'request_put': {
            'key': job_requests.requests.encoded(
                requests.job_key('image-1', 'dcn0')),
            'value': '/w=='}}]}, 10)
        self.assertEqual([], self.jobs.entries())
        self.assertIsNotNone(self.register())
        self.one.done(self.one.claim(self.entry()))
        self.assertEqual([], self.keys())

    # What is told while a copy runs

    def report(self, done_bytes=1, store='dcn0', image_id='image-1'):
        return job_reports.JobReports(self.client, self.prefix).report(
            image_id, {store: job_progress.Progress(
                self.now, 'pump', done_bytes, 100, 2.5)})

    def test_progress_is_in_the_claim_and_in_nobodys_way(self):
        self.register()
        self.assertEqual(0, self.report(), 'of what nobody has claimed')
        held = self.one.claim(self.entry())
        for done_bytes in (10, 20):
            self.assertEqual(1, self.report(done_bytes))
            found = self.entry().claim
            self.assertEqual((held.claim, 20 if done_bytes == 20 else 10), (
                found, found.progress.done_bytes))
        self.assertEqual(2, len(self.keys()))
        self.assertEqual(0, self.one.drop_strays([held]))
        self.assertEqual(held.job, self.one.look(held))
        self.assertIsNone(self.other.claim(self.entry()))
        self.one.failed(held, 'the site is away')
        self.assertEqual((0, None), (self.report(), self.entry().claim))

    def test_progress_ends_with_the_lease_of_the_worker(self):
        self.register()
        self.one.claim(self.entry())
        self.report()
        self.sessions[0].close()
        self.assertEqual({}, self.jobs.claims())
        again = self.other.claim(self.entry())
        self.assertIsNone(self.entry().claim.progress)
        # Whoever copies goes on with it, and tells the next one.
        self.assertEqual(1, self.report(30))
        self.assertEqual(30, self.entry().claim.progress.done_bytes)
        self.other.done(again)
        self.assertEqual([], self.keys())

    def test_progress_of_one_store_of_several(self):
        for store in ('dcn0', 'dcn1'):
            self.register(store)
            self.one.claim(self.entry(store))
        self.register('dcn0', 'image-10')
        self.assertEqual(1, self.report(store='dcn1'))
        self.assertEqual(0, self.report(image_id='image-10'))
        self.assertIsNone(self.entry('dcn0').claim.progress)
        self.assertEqual(2.5,
                         self.entry('dcn1').claim.progress.bytes_per_second)

    # Who waits, and what waits

    def test_who_asks_goes_first_and_is_heard(self):
        before = self.jobs.bell()
        self.register('dcn1', priority=100)
        self.assertEqual(before, self.jobs.bell())
        found = self.jobs.ask('image-1', 'dcn0')
        self.assertEqual((True, steps.ASKED_PRIORITY), (found.is_asked,
                                                        found.priority))
        heard = self.jobs.bell()
        self.assertGreater(heard, before)
        self.assertEqual(['dcn0', 'dcn1'], [
            entry.job.store for entry in self.jobs.entries()])
        self.jobs.ask('image-1', 'dcn1')
        self.assertGreater(self.jobs.bell(), heard)
        self.assertEqual(2, len(self.keys()))
        self.assertEqual(found, self.jobs.entry('image-1', 'dcn0').job)
        self.assertIsNone(self.jobs.entry('image-1', 'dcn2'))

    def test_who_asks_has_it_done_whatever_has_become_of_it(self):
        self.register()
        for stop in (self.jobs.pause, self.jobs.cancel):
            stop('image-1', 'dcn0')
            self.jobs.ask('image-1', 'dcn0')
            held = self.one.claim(self.entry())
            self.one.failed(held, 'away')
            self.assertIsNone(self.one.claim(self.entry()))
        self.jobs.ask('image-1', 'dcn0')
        self.one.done(self.one.claim(self.entry()))

    def test_who_asks_for_a_deleted_image(self):
        self.jobs.bury('image-1')
        self.assertIsNone(self.jobs.ask('image-1', 'dcn0'))

    def test_window(self):
        self.register(windows=('22:00-06:00',))
        self.assertIsNone(self.one.claim(self.entry()))
        self.local = time.struct_time((2026, 1, 1, 5, 59, 0, 3, 1, 0))
        self.one.postponed(self.one.claim(self.entry()), 'busy', 0.0)
        self.local = time.struct_time((2026, 1, 1, 6, 0, 0, 3, 1, 0))
        self.assertIsNone(self.one.claim(self.entry()))
        self.jobs.ask('image-1', 'dcn0')
        self.assertEqual(('22:00-06:00',), self.entry().job.windows)
        self.one.done(self.one.claim(self.entry()))

    # Numbers for graphs

    def test_numbers_of_several_processes(self):
        one, other = (numbers.Numbers(self.client, self.prefix)
                      for _process in range(2))
        self.assertEqual(({}, None), (one.tallies(), one.survey()))
        for process in (one, other, one):
            process.count('a/b', copies=1, sent_bytes=1 << 40)
            process.count('dcn0', failures=2)
            process.flush()
        other.flush()
        self.assertEqual(
            {'a/b': (3, 0, 3 << 40), 'dcn0': (0, 6, 0)},
            {store: (found.copies, found.failures, found.sent_bytes)
             for store, found in other.tallies().items()})

    def test_numbers_of_many_threads(self):
        processes = [numbers.Numbers(self.client, self.prefix)
                     for _process in range(3)]

        def count(process):
            for _time in range(5):
                process.count('dcn0', copies=1)
                process.flush()

        threads = [threading.Thread(target=count, args=(process,))
                   for process in processes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(15, processes[0].tallies()['dcn0'].copies)

    def test_survey(self):
        found = survey.Survey(self.now, ['central', 'dcn0'])
        found.images, found.seconds = 7, 1.5
        found.lacking['dcn0'] = 3
        process = numbers.Numbers(self.client, self.prefix)
        process.note(found)
        process.note(found)
        self.assertEqual(vars(found), vars(process.survey()))
        self.assertEqual(tally.Tally(), tally.tally_of('no JSON'))
