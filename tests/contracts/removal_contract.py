# SPDX-License-Identifier: Apache-2.0
"""What removals promise; on the fake and on a real etcd.

Mix into a test case that sets ``self.client``, its class method or method
``renewer``, and ``self.prefix``, before each test.
"""

import threading

from dcn_plugins import exceptions
from dcn_plugins.locking import session
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import eviction
from dcn_plugins.placement import job as job_steps
from dcn_plugins.placement import job_claims
from dcn_plugins.placement import jobs
from dcn_plugins.placement import removal as steps
from dcn_plugins.placement import removals
from dcn_plugins.placement import verdict


def leaving(image_id='image-1', state=verdict.State.ALLOWED):
    return eviction.Leaving(image_id, state, 'nobody wants it')


class RemovalContract:

    ttl_seconds = 10

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.count = 0
        clock = lambda: self.now  # noqa: E731
        self.jobs = jobs.Jobs(self.client, self.prefix, clock)
        self.removals = removals.Removals(self.client, self.prefix, clock)
        own = session.Session(self.client, self.renewer, self.ttl_seconds)
        self.addCleanup(own.close)
        self.claims = job_claims.JobClaims(self.client, own, self.prefix,
                                           'one', clock)

    def begin(self, store='dcn0', **values):
        self.count += 1
        return self.removals.begin(steps.made(
            leaving(**values), store, f'worker {self.count}', self.now))

    def register(self, store='dcn0', **values):
        return self.jobs.register(job_steps.Job(
            'image-1', store, self.now, self.now, **values))

    def claim(self, store='dcn0'):
        return self.claims.claim(next(
            entry for entry in self.jobs.entries()
            if entry.job.store == store))

    def keys(self):
        return [key for key, _item in self.removals._keys.items(
            f'{self.prefix}/')]

    def ask(self, held):
        return self.removals.change(held, steps.asked(held.removal, self.now))

    def test_from_its_beginning_to_its_end(self):
        held = self.begin()
        self.assertEqual(held.removal, self.removals.of('image-1'))
        held = self.ask(held)
        self.assertEqual([held], self.removals.all())
        self.removals.gone(held)
        self.assertEqual([], self.keys())
        self.assertRaises(exceptions.RemovalLost, self.removals.gone, held)
        self.assertRaises(exceptions.RemovalLost, self.removals.end, held)
        self.assertRaises(exceptions.RemovalLost, self.ask, held)
        self.assertIsNone(self.removals.of('image-1'))

    def test_one_copy_of_an_image_leaves_at_a_time(self):
        held = self.begin()
        self.assertIsNone(self.begin('dcn1'))
        self.assertIsNone(self.begin('dcn0'))
        self.assertIsNotNone(self.begin('dcn1', image_id='image-10'))
        self.removals.end(held)
        self.assertIsNotNone(self.begin('dcn1'))

    def test_one_of_many_begins(self):
        won = []

        def work(number):
            held = self.removals.begin(steps.made(
                leaving(), f'dcn{number}', f'w{number}', self.now))
            if held is not None:
                won.append(held)

        threads = [threading.Thread(target=work, args=(number,))
                   for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(won, self.removals.all())

    def test_not_where_a_job_is(self):
        self.register()
        self.assertIsNone(self.begin())
        self.assertIsNotNone(self.begin('dcn1'))

    def test_where_a_job_was_cancelled(self):
        self.register()
        self.jobs.cancel('image-1', 'dcn0')
        held = self.begin()
        self.assertIsNotNone(held)
        self.removals.gone(held)
        self.assertEqual('cancelled', self.jobs.entry(
            'image-1', 'dcn0').job.state.value)

    def test_not_where_a_cancelled_job_is_begun_anew_meanwhile(self):
        self.register()
        self.jobs.cancel('image-1', 'dcn0')
        look = self.removals._requests.found

        def look_late(answer):
            self.removals._requests.found = look
            found = look(answer)
            self.jobs.redo('image-1', 'dcn0')
            return found

        self.removals._requests.found = look_late
        self.assertIsNone(self.begin())

    def test_not_while_a_copy_is_in_hand(self):
        self.register()
        held = self.claim()
        self.assertIsNone(self.begin('dcn1'))
        self.claims.done(held)
        self.assertIsNotNone(self.begin('dcn1'))

    def test_no_copy_begins_while_one_leaves(self):
        self.register('dcn1')
        held = self.begin()
        self.assertIsNone(self.claim('dcn1'))
        # What is asked for meanwhile waits.
        self.register('dcn0', is_asked=True)
        self.removals.gone(held)
        self.assertIsNotNone(self.claim('dcn1'))
        self.assertIsNotNone(self.claim('dcn0'))

    def test_image_that_was_deleted(self):
        held = self.begin()
        self.jobs.bury('image-1')
        self.assertEqual([], self.removals.all())
        self.assertRaises(exceptions.RemovalLost, self.ask, held)
        self.assertIsNone(self.begin())
        self.assertEqual(1, len(self.keys()))

    def test_worker_that_has_ended(self):
        held = self.begin()
        self.assertIsNone(self.removals.take(held, 'other'))
        self.now += steps.WORK_SECONDS
        taken = self.removals.take(held, 'other')
        self.assertEqual('other', taken.removal.worker)
        self.assertIsNone(self.removals.take(held, 'third'))
        self.assertRaises(exceptions.RemovalLost, self.ask, held)
        self.removals.end(taken)
        self.assertEqual([], self.keys())

    def test_wanted_copy_stays_away(self):
        self.removals.gone(self.ask(self.begin(state=verdict.State.WANTED)))
        entry, = self.jobs.entries()
        self.assertIs(job_steps.State.CANCELLED, entry.job.state)
        self.assertEqual('nobody wants it', entry.job.reason)
        # That it is wanted is no news; that somebody asks for it is.
        self.assertIs(job_steps.State.CANCELLED, self.register().state)
        self.jobs.redo('image-1', 'dcn0')
        self.assertIsNotNone(self.claim())

    def test_wanted_copy_that_was_registered_meanwhile(self):
        held = self.begin(state=verdict.State.WANTED)
        self.register(priority=3)
        self.removals.gone(held)
        entry, = self.jobs.entries()
        self.assertEqual((job_steps.State.CANCELLED, 3),
                         (entry.job.state, entry.job.priority))

    def test_wanted_copy_that_was_asked_for_meanwhile(self):
        held = self.begin(state=verdict.State.WANTED)
        self.register(is_asked=True)
        self.removals.gone(held)
        entry, = self.jobs.entries()
        self.assertIs(job_steps.State.WAITING, entry.job.state)

    def test_notes(self):
        note = copy_note.Note(5.0, 6.0, 7, 'in use')
        self.removals.write_notes('dcn0', {
            f'image-{number}': note for number in range(120)})
        self.removals.write_notes('dcn00', {'a/b': note})
        self.assertEqual(120, len(self.removals.notes('dcn0')))
        self.assertEqual({'a/b': note}, self.removals.notes('dcn00'))
        self.removals.write_notes('dcn0', {'image-1': None})
        self.assertEqual(119, len(self.removals.notes('dcn0')))
        self.assertEqual({'dcn0': note}, self.removals.notes_of(
            'image-7', [f'dcn{number}' for number in range(150)]))
        self.removals.clear_notes(['dcn0', 'dcn9'])
        self.assertEqual(({}, 1), (self.removals.notes('dcn0'),
                                   len(self.removals.notes('dcn00'))))

    def test_note_of_what_could_not_leave(self):
        note = copy_note.kept(None, 'in use', self.now, is_used=True)
        self.removals.end(self.begin(), note)
        self.assertEqual({'image-1': note}, self.removals.notes('dcn0'))
        self.removals.end(self.begin())
        self.assertEqual({'image-1': note}, self.removals.notes('dcn0'))
        self.removals.gone(self.begin())
        self.assertEqual([], self.keys())
