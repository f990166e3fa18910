# SPDX-License-Identifier: Apache-2.0

import dataclasses

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.placement import job
from tests.unit.placement import policies

State = job.State
JOB = job.Job('image-1', 'dcn0', 100.0, 100.0)
RUNNING = job.claimed(JOB, 'w', 100.0)


def of(**values):
    return dataclasses.replace(JOB, **values)


class JobTest(testtools.TestCase):

    def test_register(self):
        self.assertIs(JOB, job.registered(None, JOB, 1.0))
        self.assertEqual(JOB, job.registered(JOB, of(registered_at=200.0),
                                             200.0))

    def test_register_again_raises_priority_and_deadline(self):
        found = job.registered(
            of(due_at=900.0, deadline=500.0), of(priority=7, deadline=400.0),
            300.0)
        self.assertEqual((7, 400.0, 300.0),
                         (found.priority, found.deadline, found.due_at))
        found = job.registered(
            of(due_at=900.0, priority=7), of(priority=7, deadline=1.0), 300.0)
        self.assertEqual((7, 1.0, 900.0),
                         (found.priority, found.deadline, found.due_at))

    def test_what_a_user_has_asked_for_stays_asked_for(self):
        asked = job.registered(JOB, of(is_asked=True), 1.0)
        self.assertTrue(asked.is_asked)
        self.assertTrue(job.registered(asked, JOB, 1.0).is_asked)

    def test_register_again_does_not_revive(self):
        for state in (State.PAUSED, State.FAILED, State.CANCELLED):
            found = job.registered(of(state=state), of(priority=9), 1.0)
            self.assertIs(state, found.state)

    def test_who_asks(self):
        wanted = of(priority=job.ASKED_PRIORITY, is_asked=True)
        self.assertEqual(wanted, job.asked(None, wanted, 1.0))
        for state in State:
            found = job.asked(of(state=state, tries=9, failures=3,
                                 due_at=900.0, windows=('01:00-02:00',)),
                              wanted, 300.0)
            self.assertEqual(
                (State.WAITING, 300.0, True, job.ASKED_PRIORITY,
                 ('01:00-02:00',)),
                (found.state, found.due_at, found.is_asked, found.priority,
                 found.windows))
            self.assertEqual(found, job.asked(found, wanted, 300.0))
        # Also the second one who waits has it tried now.
        again = dataclasses.replace(found, due_at=900.0)
        self.assertEqual(400.0, job.asked(again, wanted, 400.0).due_at)

    def test_the_window_of_a_new_policy_counts(self):
        for windows in ((), ('10:00-11:00',)):
            found = job.registered(of(windows=('01:00-02:00',)),
                                   of(windows=windows), 1.0)
            self.assertEqual(windows, found.windows)

    def test_windows(self):
        self.assertTrue(JOB.is_open(100.0, 0))
        held = of(windows=('22:00-06:00', '12:00-13:00'), deadline=500.0)
        self.assertEqual(
            [True, True, False, False, True, True, False, True],
            [held.is_open(100.0, minute) for minute in (
                0, 359, 360, 719, 720, 779, 780, 1320)])
        for other in ({'is_asked': True}, {'priority': 101},
                      {'deadline': 100.0}):
            self.assertTrue(dataclasses.replace(held, **other).is_open(
                100.0, 400))
        self.assertFalse(dataclasses.replace(held, priority=100).is_open(
            100.0, 400))

    def test_failures_are_counted_until_it_is_redone(self):
        found = job.failed(RUNNING, 'w', 'x', 100.0)
        self.assertEqual(1, found.failures)
        found = job.postponed(job.claimed(found, 'v', 1e6), 'v', 'busy',
                              1e6, 1)
        self.assertEqual(1, found.failures)
        self.assertEqual(0, job.redone(found, 1.0).failures)

    def test_claim(self):
        self.assertEqual(('w', 1), (RUNNING.claim, RUNNING.tries))
        for other in (None, of(due_at=101.0), of(state=State.PAUSED),
                      of(state=State.FAILED), of(state=State.CANCELLED)):
            self.assertIs(other, job.claimed(other, 'w', 100.0))

    def test_workers_that_keep_dying(self):
        found = JOB
        for number in range(job.MOST_TRIES):
            found = job.claimed(found, f'w{number}', 100.0)
        self.assertIs(State.WAITING, found.state)
        found = job.claimed(found, 'w', 100.0)
        self.assertIs(State.FAILED, found.state)
        self.assertIn('without a word', found.reason)

    def test_done(self):
        self.assertIsNone(job.done(RUNNING, 'w'))
        self.assertIs(RUNNING, job.done(RUNNING, 'another'))
        self.assertIsNone(job.done(job.paused(RUNNING), 'w'))
        self.assertIsNone(job.done(job.cancelled(RUNNING), 'w'))

    def test_failure(self):
        found = job.failed(RUNNING, 'w', 'x' * 9999, 200.0)
        self.assertEqual((State.WAITING, 205.0, 1, 500), (
            found.state, found.due_at, found.tries, len(found.reason)))
        self.assertIs(RUNNING, job.failed(RUNNING, 'another', 'x', 200.0))
        self.assertIs(State.FAILED, job.failed(
            RUNNING, 'w', 'x', 200.0, True).state)
        last = dataclasses.replace(RUNNING, tries=job.MOST_TRIES)
        self.assertIs(State.FAILED, job.failed(last, 'w', 'x', 1.0).state)

    def test_failure_of_what_was_stopped(self):
        for stopped in (job.paused(RUNNING), job.cancelled(RUNNING)):
            found = job.failed(stopped, 'w', 'told to stop', 200.0)
            self.assertEqual((stopped.state, 'told to stop'),
                             (found.state, found.reason))

    def test_pauses_grow_and_end(self):
        pauses = [job.pause_seconds(tries)
                  for tries in range(1, job.MOST_TRIES + 1)]
        self.assertEqual([5.0, 10.0, 20.0, 40.0, 60.0, 60.0], pauses[:6])
        self.assertEqual(sorted(pauses), pauses)
        # Half an hour of tries about once a minute, three days in all.
        self.assertTrue(1500 < sum(pauses[:job.OFTEN_TRIES - 1]) < 1900)
        self.assertTrue(3 * 86400 < sum(pauses) < 3.2 * 86400)
        self.assertEqual(900.0, job.pause_seconds(10 ** 9))

    def test_postponed_is_no_try(self):
        found = job.postponed(RUNNING, 'w', 'busy', 200.0, 7)
        self.assertEqual((0, 207.0, 'busy'),
                         (found.tries, found.due_at, found.reason))
        self.assertIs(found, job.postponed(found, 'w', 'busy', 300.0, 7))

    def test_operators(self):
        paused = job.paused(JOB)
        self.assertIs(State.PAUSED, paused.state)
        self.assertIs(paused, job.paused(paused))
        self.assertIs(JOB, job.resumed(JOB, 5.0))
        self.assertEqual((State.WAITING, 5.0), (
            job.resumed(paused, 5.0).state, job.resumed(paused, 5.0).due_at))
        cancelled = job.cancelled(JOB)
        self.assertIs(State.CANCELLED, cancelled.state)
        self.assertIs(cancelled, job.cancelled(cancelled))
        self.assertIs(cancelled, job.paused(cancelled))
        failed = of(state=State.FAILED, tries=9)
        for other in (cancelled, failed, of(due_at=900.0, tries=9)):
            found = job.redone(other, 5.0)
            self.assertEqual((State.WAITING, 5.0, 0),
                             (found.state, found.due_at, found.tries))
        self.assertIs(paused, job.redone(paused, 5.0))
        self.assertEqual(-3, job.prioritised(JOB, -3).priority)
        for step in (job.paused, job.cancelled,
                     lambda it: job.resumed(it, 1), lambda it: job.redone(
                         it, 1), lambda it: job.prioritised(it, 1),
                     lambda it: job.done(it, 'w'),
                     lambda it: job.failed(it, 'w', '', 1),
                     lambda it: job.postponed(it, 'w', '', 1, 1)):
            self.assertIsNone(step(None))

    def test_order(self):
        jobs = [of(store='e', priority=5), of(store='d', deadline=7.0),
                of(store='c', deadline=9.0), of(store='b', registered_at=1.0),
                JOB]
        self.assertEqual(jobs, sorted(reversed(jobs),
                                      key=lambda one: one.order))

    @hypothesis.given(strategies.builds(
        job.Job, strategies.text(policies.SIGNS),
        strategies.text(policies.SIGNS), strategies.floats(0, 1e10),
        strategies.floats(0, 1e10), strategies.sampled_from(State),
        strategies.integers(-100, 100),
        strategies.none() | strategies.floats(0, 1e10),
        strategies.integers(0, 1000), strategies.text(policies.SIGNS),
        strategies.none() | strategies.text(policies.SIGNS),
        strategies.booleans()))
    def test_text(self, some):
        self.assertEqual(some, job.job_of(job.text_of(some)))

    def test_text_of_a_later_version(self):
        text = job.text_of(JOB).replace('{', '{"more": [1], ', 1)
        self.assertEqual(JOB, job.job_of(text))

    def test_text_that_is_none(self):
        for text in ('', '{', '[]', '{}', 'null', '{"state": "done"}',
                     job.text_of(JOB).replace('100.0', '"soon"')):
            self.assertIsNone(job.job_of(text))
