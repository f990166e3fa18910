# SPDX-License-Identifier: Apache-2.0

import dataclasses

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.placement import copy_note
from dcn_plugins.placement import eviction
from dcn_plugins.placement import policy as policies_module
from dcn_plugins.placement import verdict
from tests.unit.placement import policies

State = verdict.State
DAY = 86400.0
NOW = 1000 * DAY

RULE = policies_module.Eviction(
    'the edge', 7, policies_module.EVERYWHERE,
    leave=frozenset(policies_module.LEAVE), unused_seconds=100)
QUOTA = dataclasses.replace(RULE, leave=frozenset(), quota_bytes=100)


def a_copy(image_id, state=State.ALLOWED, size=10, created_at=0.0,
           is_kept=False):
    return eviction.Copy(image_id, state, size, created_at, is_kept)


def placement(**values):
    return verdict.decide(policies.an_image(**values), policies.POLICY,
                          policies.STORES, NOW)


class PlanTest(testtools.TestCase):

    def plan(self, rule, *copies, **used):
        """Return the ids of what leaves; notes are ages in seconds."""
        movable = [copy for copy in copies if eviction.is_movable(copy, rule)]
        self.found = eviction.plan(rule, movable, sum(
            copy.size for copy in copies if copy not in movable), {
            image_id: copy_note.Note(NOW - age)
            for image_id, age in used.items()}, NOW)
        return [leaving.image_id for leaving in self.found.leaving]

    def test_what_leaves_at_once(self):
        copies = (a_copy('w', State.WANTED), a_copy('u'),
                  a_copy('e', State.EXPIRED), a_copy('f', State.FORBIDDEN))
        self.assertEqual(['f', 'e', 'u'], self.plan(RULE, *copies, u=100))
        self.assertEqual(
            ["a residency forbids it there ('the edge', line 7)",
             "its time at the edge is over ('the edge', line 7)",
             "no rule wants it there ('the edge', line 7)"],
            [leaving.reason for leaving in self.found.leaving])
        for word, image_id in (('forbidden', 'f'), ('expired', 'e'),
                               ('unwanted', 'u')):
            rule = dataclasses.replace(RULE, leave=frozenset([word]))
            self.assertEqual([image_id], self.plan(rule, *copies, u=100))

    def test_use_keeps_what_is_allowed(self):
        self.assertEqual([], self.plan(RULE, a_copy('u'), u=99))
        self.assertEqual(['e'], self.plan(RULE, a_copy('e', State.EXPIRED),
                                          e=0))

    def test_what_is_seen_for_the_first_time_stays(self):
        self.assertEqual([], self.plan(RULE, a_copy('u')))
        self.assertEqual(('u',), self.found.unseen)

    def test_quota_takes_the_least_recently_used(self):
        copies = [a_copy(name, size=40) for name in 'abcd']
        used = {'a': 500, 'b': 900, 'c': 700, 'd': 200}
        self.assertEqual(['b', 'c'], self.plan(QUOTA, *copies, **used))
        self.assertEqual(0, self.found.over_bytes)
        self.assertEqual(
            "more than 100 bytes are there ('the edge', line 7)",
            self.found.leaving[0].reason)
        self.assertEqual([], self.plan(QUOTA, *copies[:2], **used))

    def test_quota_takes_what_nobody_wants_any_more_first(self):
        self.assertEqual(['f', 'e', 'u'], self.plan(
            QUOTA, a_copy('u', size=90), a_copy('e', State.EXPIRED),
            a_copy('f', State.FORBIDDEN), a_copy('w', State.WANTED, 100),
            u=900, e=1, f=1))

    def test_quota_spares_what_is_wanted_unless_told_otherwise(self):
        copies = [a_copy('w', State.WANTED, 90), a_copy('v', State.WANTED, 90),
                  a_copy('u')]
        used = {'u': 100, 'v': 200, 'w': 300}
        self.assertEqual(['u'], self.plan(QUOTA, *copies, **used))
        self.assertEqual(80, self.found.over_bytes)
        self.assertEqual(('v', 'w'), self.found.stale)
        both = dataclasses.replace(QUOTA, takes_wanted=True)
        self.assertEqual(['u', 'w'], self.plan(both, *copies, **used))
        self.assertEqual([False, True], [
            leaving.is_wanted for leaving in self.found.leaving])

    def test_wanted_copies_never_leave_at_once(self):
        rule = dataclasses.replace(RULE, takes_wanted=True)
        self.assertEqual([], self.plan(rule, a_copy('w', State.WANTED),
                                       w=900))

    def test_ties_are_told_apart_by_age(self):
        copies = [a_copy('b', size=90, created_at=2.0),
                  a_copy('a', size=90, created_at=3.0)]
        self.assertEqual(['b'], self.plan(QUOTA, *copies, a=200, b=200))

    def test_what_is_kept_counts(self):
        self.assertEqual(['u'], self.plan(
            QUOTA, a_copy('k', size=95, is_kept=True), a_copy('u'), u=100))
        self.assertEqual([], self.plan(
            RULE, a_copy('k', State.FORBIDDEN, is_kept=True), k=1))
        self.assertEqual(('k',), self.found.stale)

    def test_what_could_not_leave_waits(self):
        note = copy_note.kept(copy_note.Note(0.0), 'in use', NOW)
        copies = [a_copy('a', State.FORBIDDEN)]
        self.assertEqual((), eviction.plan(
            RULE, copies, 0, {'a': note}, note.due_at - 1).leaving)
        self.assertEqual(1, len(eviction.plan(
            RULE, copies, 0, {'a': note}, note.due_at).leaving))

    def test_notes_of_what_is_gone_are_stale(self):
        self.plan(RULE, a_copy('u'), gone=5, u=5)
        self.assertEqual(('gone',), self.found.stale)


class KeeperTest(testtools.TestCase):

    def test_best_copy(self):
        old = NOW - 31 * DAY
        snapshot = {'kind': policies_module.Kind.SNAPSHOT, 'created_at': old}
        for store, present, values in (
                ('central', ['dcn0', 'central'], {}),
                ('dcn2', ['dcn0', 'dcn2'], {}),
                ('central', ['dcn2', 'central'], {}),
                ('central', ['dcn0', 'central'], snapshot),
                ('dcn0', ['dcn1', 'dcn0'], snapshot),
                ('dcn1', ['dcn1', 'central', 'dcn2'],
                 {'owner': 'project-x'}),
                ('central', ['dcn2', 'central'], {'owner': 'project-x'}),
                ('dcn0', ['away', 'dcn0'], {}), (None, ['away'], {}),
                (None, [], {})):
            self.assertEqual(store, eviction.keeper(
                placement(**values), present), (present, values))

    def test_what_is_kept(self):
        def is_kept(store, present, is_busy=False, **values):
            found = placement(**values)
            return eviction.copy_of(
                found, store, eviction.keeper(found, present), 1,
                is_busy).is_kept

        self.assertFalse(is_kept('dcn0', ['central', 'dcn0']))
        self.assertTrue(is_kept('dcn0', ['dcn0']))
        self.assertTrue(is_kept('dcn0', ['dcn0', 'away']))
        self.assertTrue(is_kept('dcn0', ['central', 'dcn0'], is_busy=True))
        # Pinned.
        self.assertTrue(is_kept('central', ['central', 'dcn0'],
                                visibility='public'))

    @hypothesis.given(
        strategies.sets(strategies.sampled_from(
            sorted(policies.STORES) + ['away']), min_size=1),
        strategies.sampled_from(['project-a', 'project-x', 'project-y']),
        strategies.sampled_from(list(policies_module.Kind)),
        strategies.sampled_from(['public', 'private']),
        strategies.sampled_from([None, 'all', 'none', 'dcn0']),
        strategies.floats(0, NOW), strategies.booleans())
    def test_whatever_a_policy_says_one_copy_stays(
            self, present, owner, kind, visibility, asked, created_at,
            takes_wanted):
        found = placement(owner=owner, kind=kind, visibility=visibility,
                          asked=asked, created_at=created_at)
        kept = eviction.keeper(found, present)
        rule = dataclasses.replace(RULE, quota_bytes=1,
                                   takes_wanted=takes_wanted)
        stays = set(present)
        for store in present & found.stores:
            copy = eviction.copy_of(found, store, kept, 10, False)
            if eviction.is_movable(copy, rule):
                plan = eviction.plan(rule, [copy], 0, {
                    'image-1': copy_note.Note(0.0)}, NOW)
                self.assertEqual(1, len(plan.leaving))
                stays.discard(store)
                self.assertNotIn(store, found.pinned)
                self.assertLessEqual({store} & found.wanted,
                                     found.wanted if takes_wanted else set())
        self.assertTrue(stays & found.stores or not present & found.stores)
