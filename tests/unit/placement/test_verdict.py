# SPDX-License-Identifier: Apache-2.0

import dataclasses

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.placement import policy as policies_module
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import verdict
from tests.unit.placement import policies

State = verdict.State
NOW = 1_000_000.0
DAY = 86400

# What users may do to a property, and what they may mean.
HOSTILE = ('../../etc/passwd', 'dcn', 'dcn00', 'DCN0', 'dcn0\x00', 'ａll',
           'group:', 'group:../emea', 'group:nothing', '*', 'dcn?', "' OR 1",
           '%64cn0', 'dcn0;dcn1', '\u202edcn0', 'all\u200b', '{}', 'null',
           'file:///dcn0', 'x' * 300)


def decide(now=NOW, policy=policies.POLICY, **values):
    return verdict.decide(policies.an_image(**values), policy,
                          policies.STORES, now)


def states(placement):
    return {found.store: found.state for found in placement.verdicts()}


class VerdictTest(testtools.TestCase):

    def check(self, placement, rule, *wanted):
        self.assertEqual(rule, placement.rule.name)
        self.assertEqual(set(wanted), placement.wanted)

    def test_default(self):
        self.check(decide(), 'default', 'central', 'dcn2')

    def test_kind(self):
        self.check(decide(visibility='public'), 'public everywhere',
                   *policies.STORES)
        self.check(decide(kind=policies_module.Kind.SNAPSHOT),
                   'snapshots return', 'central')
        self.check(decide(kind=policies_module.Kind.BACKUP),
                   'snapshots return', 'central')

    def test_project_before_kind(self):
        self.check(decide(owner='project-y',
                          kind=policies_module.Kind.SNAPSHOT),
                   'snapshots of y', 'central')
        self.check(decide(owner='project-y'), 'default', 'central', 'dcn2')

    def test_property_before_all(self):
        self.check(decide(asked='dcn0, dcn1'), 'default', 'dcn0', 'dcn1')
        self.check(decide(asked='all'), 'default', *policies.STORES)
        self.check(decide(asked='none'), 'default')
        self.check(decide(asked='group:emea'), 'default', 'dcn0', 'dcn1')
        self.check(decide(asked='group:edge'), 'default', 'dcn0', 'dcn1',
                   'dcn10', 'dcn2')
        self.check(decide(asked='group:central,dcn10'), 'default', 'central',
                   'dcn10')

    def test_property_only_narrows(self):
        values = {'owner': 'project-y', 'kind': policies_module.Kind.SNAPSHOT}
        self.check(decide(asked='all', **values), 'snapshots of y',
                   'dcn0', 'dcn1')
        found = decide(asked='dcn0,dcn2', **values)
        self.check(found, 'snapshots of y', 'dcn0')
        self.assertEqual(('dcn2',), found.refused)

    def test_property_that_asks_for_nothing_it_may(self):
        found = decide(owner='project-y', asked='dcn2',
                       kind=policies_module.Kind.SNAPSHOT)
        self.check(found, 'snapshots of y', 'central')
        self.assertEqual(('dcn2',), found.refused)

    def test_pinned_is_wanted_whatever_is_asked(self):
        found = decide(visibility='public', asked='dcn0')
        self.check(found, 'public everywhere', 'central', 'dcn0')
        self.assertTrue(found.verdict('central').is_pinned)
        self.assertFalse(found.verdict('dcn0').is_pinned)

    def test_residency_is_above_everything(self):
        for values in ({'asked': 'all'}, {'visibility': 'public'}, {},
                       {'asked': 'central,dcn0'}):
            found = decide(owner='project-x', **values)
            self.assertEqual({'central', 'dcn10', 'dcn2'}, found.forbidden)
            self.assertEqual(set(), found.wanted & found.forbidden)
            self.assertFalse(found.verdict('central').is_pinned)

    def test_verdict_names_the_rule_and_its_line(self):
        found = decide(owner='project-x', asked='all')
        told = found.verdict('central')
        self.assertEqual((State.FORBIDDEN, 'x stays in A and B', 6),
                         (told.state, told.rule, told.line))
        told = found.verdict('dcn0')
        self.assertEqual(
            "dcn0: wanted by 'default' (line 29): dcn_sites asks for it",
            str(told))

    def test_two_residencies(self):
        policy = policy_text.policy_of(policies.TEXT.replace(
            'projects:\n', '''\
  - name: nothing in dcn0
    projects: all
    stores: [central, dcn1, dcn2, dcn10]
projects:
''', 1))
        found = decide(policy=policy, owner='project-x', asked='all')
        self.assertEqual({'dcn1'}, found.wanted)
        self.assertEqual('nothing in dcn0', found.verdict('dcn0').rule)

    def test_edge_is_left(self):
        values = {'kind': policies_module.Kind.SNAPSHOT, 'created_at': NOW,
                  'asked': 'dcn0'}
        before = decide(NOW + 30 * DAY - 1, **values)
        self.check(before, 'snapshots return', 'central', 'dcn0')
        self.assertEqual(NOW + 30 * DAY, before.verdict('dcn0').expires_at)
        self.assertIs(State.ALLOWED, before.verdict('dcn1').state)
        self.assertIsNone(before.verdict('central').expires_at)
        after = decide(NOW + 30 * DAY, **values)
        self.check(after, 'snapshots return', 'central')
        self.assertEqual(
            {'central': State.WANTED, 'dcn0': State.EXPIRED,
             'dcn1': State.EXPIRED, 'dcn10': State.EXPIRED,
             'dcn2': State.EXPIRED}, states(after))

    def test_deadline_and_priority(self):
        found = decide(kind=policies_module.Kind.SNAPSHOT, created_at=NOW)
        self.assertEqual((NOW + 3600, 0), (found.deadline, found.priority))
        found = decide(visibility='public', created_at=NOW)
        self.assertEqual((None, 5), (found.deadline, found.priority))

    def test_image_of_unknown_age_does_not_expire(self):
        found = decide(1e12, kind=policies_module.Kind.SNAPSHOT)
        self.assertEqual((None, None, set()), (
            found.expires_at, found.deadline, found.expired))

    def test_store_that_is_none(self):
        self.assertRaises(KeyError, decide().verdict, 'dcn7')

    def test_names_that_begin_like_others(self):
        self.check(decide(asked='dcn1'), 'default', 'dcn1')
        self.check(decide(asked='dcn10'), 'default', 'dcn10')

    def test_hostile_words_change_nothing(self):
        for owner in ('project-a', 'project-x'):
            plain = states(decide(owner=owner))
            for word in HOSTILE:
                found = decide(owner=owner, asked=word)
                self.assertEqual(plain, states(found), word)
                self.assertEqual((word[:100],), found.refused)

    def test_hostile_words_beside_good_ones_change_nothing(self):
        plain = states(decide(asked='dcn0'))
        found = decide(asked=','.join((*HOSTILE, 'dcn0', *HOSTILE)))
        self.assertEqual(plain, states(found))
        self.assertEqual(len(HOSTILE), len(found.refused))

    def test_megabyte_is_as_no_property(self):
        for text in ('dcn0,' * 200000, '\U0001f4a9' * (1 << 18)):
            found = decide(asked=text)
            self.assertEqual(states(decide()), states(found))
            self.assertEqual((f'{len(text)} characters',), found.refused)


some_names = strategies.sampled_from(sorted(policies.STORES))
some_words = strategies.one_of(
    some_names, strategies.text(policies.SIGNS, max_size=8),
    strategies.sampled_from((
        'all', 'none', 'group:emea', 'group:edge', 'group:x', 'dcn', '')))
some_images = strategies.builds(
    policies.an_image,
    owner=strategies.sampled_from(['project-x', 'project-y', 'p', None]),
    visibility=strategies.sampled_from(policies_module.VISIBILITIES),
    kind=strategies.sampled_from(policies_module.Kind),
    asked=strategies.none() | strategies.lists(some_words).map(','.join),
    created_at=strategies.none() | strategies.floats(0, 2 * NOW))
some_stores = strategies.frozensets(some_names, min_size=1)


class AnyImageTest(testtools.TestCase):

    @hypothesis.given(some_images, some_stores, strategies.floats(0, 9 * NOW))
    def test_every_store_has_one_verdict(self, image, stores, now):
        found = verdict.decide(image, policies.POLICY, stores, now)
        self.assertEqual(sorted(stores),
                         [told.store for told in found.verdicts()])
        for told in found.verdicts():
            self.assertEqual(
                [told.state is State.WANTED, told.state is State.EXPIRED,
                 told.state is State.FORBIDDEN],
                [told.store in group for group in (
                    found.wanted, found.expired, found.forbidden)])
            line = policies.TEXT.split('\n')[told.line - 1]
            self.assertTrue(told.rule == 'default' and 'default' in
                            policies.TEXT.split('\n')[told.line - 2]
                            or told.rule in line, told)

    @hypothesis.given(some_images, some_stores, strategies.floats(0, 9 * NOW))
    def test_users_only_narrow(self, image, stores, now):
        found = verdict.decide(image, policies.POLICY, stores, now)
        plain = verdict.decide(dataclasses.replace(image, asked=None),
                               policies.POLICY, stores, now)
        self.assertEqual(plain.forbidden, found.forbidden)
        self.assertEqual(plain.expired, found.expired)
        self.assertEqual(plain.pinned, found.pinned)
        may_ask = policies.POLICY.resolved(found.rule.may_ask, stores)
        self.assertLessEqual(found.wanted, may_ask | plain.wanted)
        self.assertLessEqual(found.pinned, found.wanted)
        self.assertLessEqual(found.wanted, stores - found.forbidden)

    @hypothesis.given(some_images, some_stores, strategies.floats(0, 9 * NOW))
    def test_a_project_never_leaves_its_stores(self, image, stores, now):
        image = dataclasses.replace(image, owner='project-x')
        found = verdict.decide(image, policies.POLICY, stores, now)
        self.assertEqual(stores - {'dcn0', 'dcn1'}, found.forbidden)

    @hypothesis.given(some_images, some_stores, strategies.floats(0, 9 * NOW),
                      strategies.floats(0, 9 * NOW))
    def test_what_has_expired_stays_so(self, image, stores, one, other):
        earlier, later = sorted((one, other))
        self.assertLessEqual(
            verdict.decide(image, policies.POLICY, stores, earlier).expired,
            verdict.decide(image, policies.POLICY, stores, later).expired)
