# SPDX-License-Identifier: Apache-2.0
"""What jobs promise; on the fake and on a real etcd.

Mix into a test case that sets ``self.client``, its class method or method
``renewer``, and ``self.prefix``, before each test.
"""

import threading

from dcn_plugins import exceptions
from dcn_plugins.locking import session
from dcn_plugins.placement import job as steps
from dcn_plugins.placement import job_claims
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import jobs


class JobContract:

    ttl_seconds = 10

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.jobs = jobs.Jobs(self.client, self.prefix, lambda: self.now)
        self.sessions = []
        self.one = self.worker('one')
        self.other = self.worker('other')

    def worker(self, name):
        own = session.Session(self.client, self.renewer, self.ttl_seconds)
        self.addCleanup(own.close)
        self.sessions.append(own)
        return job_claims.JobClaims(self.client, own, self.prefix, name,
                                    lambda: self.now)

    def register(self, store='dcn0', image_id='image-1', **values):
        return self.jobs.register(steps.Job(
            image_id, store, self.now, self.now, **values))

    def entry(self, store='dcn0'):
        return next(entry for entry in self.jobs.entries()
                    if entry.job.store == store)

    def keys(self):
        return [place for prefix in ('j', 'c', 't')
                for place, _item in self.jobs._items(
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
        before, job_requests.PAGE = job_requests.PAGE, 3
        try:
            self.assertEqual(7, len(self.jobs.entries()))
        finally:
            job_requests.PAGE = before

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
