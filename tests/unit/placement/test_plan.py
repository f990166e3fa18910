# SPDX-License-Identifier: Apache-2.0

import dataclasses

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.placement import copy_note
from dcn_plugins.placement import job
from dcn_plugins.placement import job_progress
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import jobs
from dcn_plugins.placement import overview
from dcn_plugins.placement import plan
from dcn_plugins.placement import removal
from dcn_plugins.placement import verdict
from tests.unit.placement import policies

NOW = 1000.0
CLAIM = job_requests.Claim('w', 7)


def placement(**values):
    return verdict.decide(policies.an_image(**values), policies.POLICY,
                          policies.STORES, NOW)


def entry(store, claim=None, **values):
    return jobs.Entry(job.Job('image-1', store, NOW, NOW, **values),
                      job_requests.Found(None, 1, claim, False))


class PlanTest(testtools.TestCase):

    def check(self, found, register=(), drop=()):
        self.assertEqual(tuple(register),
                         tuple(one.store for one in found.register))
        self.assertEqual(tuple(drop), found.drop)

    def test_what_lacks_is_registered(self):
        found = plan.plan(placement(visibility='public'), ['central'], (),
                          NOW)
        self.check(found, ['dcn0', 'dcn1', 'dcn10', 'dcn2'])
        self.assertEqual({5}, {one.priority for one in found.register})

    def test_what_is_registered_is_not_planned_again(self):
        for values in ({}, {'state': job.State.CANCELLED},
                       {'state': job.State.FAILED}, {'claim': CLAIM}):
            self.check(plan.plan(placement(), ['central'],
                                 [entry('dcn2', **values)], NOW))

    def test_what_is_more_urgent_now(self):
        self.check(plan.plan(
            placement(visibility='public'), ['central', 'dcn0', 'dcn1',
                                             'dcn10'],
            [entry('dcn2', priority=4)], NOW), ['dcn2'])

    def test_window_of_a_rule_that_has_changed(self):
        wanted = placement()
        wanted = dataclasses.replace(wanted, rule=dataclasses.replace(
            wanted.rule, windows=('01:00-02:00',)))
        found = plan.plan(wanted, ['central'], [entry('dcn2')], NOW)
        self.check(found, ['dcn2'])
        self.assertEqual(('01:00-02:00',), found.register[0].windows)
        self.check(plan.plan(wanted, ['central'], [
            entry('dcn2', windows=('01:00-02:00',))], NOW))
        self.check(plan.plan(placement(), ['central'], [
            entry('dcn2', windows=('01:00-02:00',))], NOW), ['dcn2'])

    def test_what_is_there_needs_no_job(self):
        self.check(plan.plan(placement(), ['central', 'dcn2'],
                             [entry('dcn2')], NOW), (), ['dcn2'])
        self.check(plan.plan(placement(), ['central', 'dcn2'],
                             [entry('dcn2', CLAIM)], NOW))

    def test_what_is_not_wanted_is_dropped(self):
        self.check(plan.plan(
            placement(), ['central', 'dcn2'],
            [entry('dcn0', CLAIM), entry('dcn1', is_asked=True),
             entry('gone')], NOW), (), ['dcn0', 'gone'])

    def test_what_is_forbidden_is_dropped_also_if_it_was_asked_for(self):
        self.check(plan.plan(
            placement(owner='project-x'), [],
            [entry('dcn2', is_asked=True), entry('dcn0', is_asked=True)],
            NOW), (), ['dcn2'])

    @hypothesis.given(
        strategies.sampled_from(['public', 'private']),
        strategies.sampled_from([None, 'dcn0', 'all', 'none']),
        strategies.sets(strategies.sampled_from(sorted(policies.STORES))),
        strategies.sets(strategies.sampled_from(sorted(policies.STORES))))
    def test_a_plan_that_is_carried_out_leaves_nothing_to_do(
            self, visibility, asked, present, with_jobs):
        wanted = placement(visibility=visibility, asked=asked)
        before = {store: entry(store) for store in with_jobs}
        found = plan.plan(wanted, present, before.values(), NOW)
        after = {store: one for store, one in before.items()
                 if store not in found.drop}
        for one in found.register:
            after[one.store] = jobs.Entry(
                job.registered(after[one.store].job if one.store in after
                               else None, one, NOW),
                job_requests.Found(None, 1, None, False))
        self.assertEqual(plan.Plan((), ()), plan.plan(
            wanted, present, after.values(), NOW))
        self.assertEqual(wanted.wanted - present, after.keys())


class OverviewTest(testtools.TestCase):

    def states(self, wanted, present, entries, now=NOW):
        return {found.store: found for found in overview.overview(
            wanted, present, entries, now)}

    def test_courses(self):
        found = self.states(placement(visibility='public'), ['central'], [
            entry('dcn0', CLAIM, tries=3, reason='slow'),
            entry('dcn1', state=job.State.FAILED, reason='broken'),
            entry('dcn10'), entry('gone', state=job.State.PAUSED)], NOW + 9)
        self.assertEqual(
            {'central': 'present', 'dcn0': 'copying', 'dcn1': 'failed',
             'dcn10': 'waiting', 'dcn2': 'lacking', 'gone': 'paused'},
            {store: one.course.value for store, one in found.items()})
        self.assertEqual((3, 'slow', 9.0), (
            found['dcn0'].tries, found['dcn0'].reason,
            found['dcn0'].age_seconds))
        self.assertIsNone(found['gone'].verdict)
        self.assertEqual('public everywhere', found['dcn2'].verdict.rule)

    def test_how_far_copies_are(self):
        told = job_progress.Progress(NOW, 'pump', 25, 100, 5.0)
        found = self.states(placement(), ['central'], [
            entry('dcn2', job_requests.Claim('w', 7, told), failures=2,
                  windows=('01:00-02:00',)),
            entry('dcn0', job_requests.Claim(
                'w', 8, dataclasses.replace(told, at=NOW + 60,
                                            bytes_per_second=0.0))),
            entry('dcn1', CLAIM)], NOW + 4)
        self.assertEqual(
            [('pump', 25, 100, 5.0, 15.0, 4.0),
             ('pump', 25, 100, 0.0, None, 0.0),
             ('', None, None, None, None, None),
             ('', None, None, None, None, None)],
            [(one.step, one.done_bytes, one.total_bytes,
              one.bytes_per_second, one.eta_seconds,
              one.progress_age_seconds) for one in (
                  found[store] for store in ('dcn2', 'dcn0', 'dcn1',
                                             'central'))])
        self.assertEqual((2, ('01:00-02:00',)), (found['dcn2'].failures,
                                                 found['dcn2'].windows))

    def test_absent_and_late(self):
        wanted = dataclasses.replace(placement(), deadline=NOW - 1)
        found = self.states(wanted, ['central'], [])
        self.assertIs(overview.Course.ABSENT, found['dcn0'].course)
        self.assertEqual([False, True], [found['dcn0'].is_late,
                                         found['dcn2'].is_late])
        found = self.states(wanted, ['central'],
                            [entry('dcn2', deadline=NOW - 1)])
        self.assertTrue(found['dcn2'].is_late)

    def test_copies_that_leave_or_do_not(self):
        states = overview.overview(placement(visibility='public'),
                                   ['central', 'dcn0', 'dcn1'], [], NOW)
        found = {state.store: state for state in overview.with_removal(
            states, removal.Removal('image-1', 'dcn0', 'w', 'it is over', 1.0,
                                    2.0),
            {'dcn1': copy_note.Note(1.0, 2.0, 3, 'in use'),
             'dcn2': copy_note.Note(1.0, 2.0, 3, 'gone')})}
        self.assertEqual(('leaving', 'it is over'), (
            found['dcn0'].course.value, found['dcn0'].reason))
        self.assertEqual(('present', 'in use', 3), (
            found['dcn1'].course.value, found['dcn1'].reason,
            found['dcn1'].tries))
        self.assertEqual(('lacking', ''), (found['dcn2'].course.value,
                                           found['dcn2'].reason))
        self.assertEqual(states, overview.with_removal(states, None, {}))
