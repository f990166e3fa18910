# SPDX-License-Identifier: Apache-2.0
"""What is noted of what users do, and of what they are told."""

import threading
import types

import testtools

from tests.chaos import placement_plan
from tests.chaos import placement_users

PICTURE = types.SimpleNamespace(hash_value='right')


class Cloud:
    """Answers what it is told to; an exception is no answer."""

    def __init__(self):
        self.answer = 200
        self.asked = []
        self.policies = []
        self.gone = set()

    def _ask(self, *arguments, **_properties):
        self.asked.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    upload = delete = copy = delete_copy = _ask

    def change(self, _image_id, name, value):
        status = self._ask(name, value)
        return status, {'dcn_sites': 'dcn0', 'visibility': 'private',
                        name: value} if status == 200 else None

    def write_policy(self, text):
        self.policies.append(text)


class UserTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.cloud = Cloud()
        self.log = []

    def user(self, *steps):
        """Return a user who has an image and has carried out steps."""
        user = placement_users.User(
            'u', [placement_plan.Step(0.0, 'create', value='dcn0')],
            self.log, self.cloud, [PICTURE], threading.Lock())
        user.run()
        self.do(user, *steps)
        return user

    def do(self, user, *steps):
        user._steps = [placement_plan.Step(0.0, verb, value=value)
                       for verb, value in steps]
        user.run()
        self.assertEqual([], user.failures)

    def test_an_image(self):
        story, = self.user().stories
        self.assertEqual(('right', 'dcn0', True),
                         (story.hash_value, story.looks[0].asked,
                          story.looks[0].is_sure))
        self.assertEqual(['central'], [store for _at, store in story.put])
        self.assertIn(story.owner, placement_plan.PROJECTS)

    def test_an_upload_that_is_not_answered_is_to_go(self):
        self.cloud.answer = OSError()
        user = self.user()
        self.assertEqual(1, user.insist())
        self.cloud.answer = 404
        self.assertEqual(0, user.insist())
        self.assertTrue(user.stories[0].is_deleted)

    def test_changes_are_sure_only_if_they_are_answered(self):
        user = self.user(('ask', 'all'))
        for answer in (409, 500, OSError()):
            self.cloud.answer = answer
            self.do(user, ('show', 'public'))
        looks = user.stories[0].looks
        # The same that is not answered again says nothing more.
        self.assertEqual(
            [('all', 'private', True), ('all', 'public', False)],
            [(look.asked, look.visibility, look.is_sure)
             for look in looks[1:]])

    def test_a_change_that_is_not_answered_may_be_on_top_of_another(self):
        user = self.user(('ask', 'all'))
        self.cloud.answer = OSError()
        self.do(user, ('ask', 'dcn1'), ('show', 'public'))
        self.assertEqual(
            {(asked, visibility) for asked in ('all', 'dcn1')
             for visibility in ('private', 'public')},
            {(look.asked, look.visibility)
             for look in user.stories[0].possible()})
        # An answer says what there is, whatever was not answered before.
        self.cloud.answer = 200
        self.do(user, ('show', 'public'))
        self.assertEqual(
            [('dcn0', 'public')],
            [(look.asked, look.visibility)
             for look in user.stories[0].possible()])

    def test_copies_that_were_not_refused_may_come(self):
        user = self.user()
        for answer, store in ((202, 'dcn0'), (403, 'dcn1'), (409, 'dcn1'),
                              (OSError(), 'archive')):
            self.cloud.answer = answer
            self.do(user, ('copy', store))
        self.assertEqual(['central', 'dcn0', 'archive'],
                         [store for _at, store in user.stories[0].put])

    def test_copies_are_removed_when_that_is_confirmed(self):
        user = self.user()
        for answer in (403, OSError(), 204):
            self.cloud.answer = answer
            self.do(user, ('remove', 'dcn0'))
        self.assertEqual(1, len(user.stories[0].removed))

    def test_a_deletion_is_asked_for_until_it_is_confirmed(self):
        user = self.user()
        self.cloud.answer = 500
        self.do(user, ('delete', None))
        self.assertFalse(user.stories[0].is_deleted)
        # Nobody does anything else with it.
        self.do(user, ('ask', 'all'), ('delete', None))
        self.assertEqual(1, len(user.stories[0].looks))
        self.cloud.answer = 204
        self.assertEqual(0, user.insist())
        self.assertTrue(user.stories[0].is_deleted)

    def test_what_goes_wrong_with_an_actor_is_told(self):
        user = self.user()
        user._steps = [placement_plan.Step(0.0, 'nothing')]
        user.run()
        self.assertEqual(1, len(user.failures))


class OperatorTest(testtools.TestCase):

    def test_a_policy_with_a_mistake_does_not_reign(self):
        cloud = Cloud()
        plan = placement_plan.plan(1, 25.0, frozenset(['central', 'dcn0']))
        operator = placement_users.Operator([placement_plan.Step(
            0.0, 'policy', value='version: 2')], [], cloud, plan.policy)
        operator.run()
        self.assertEqual([plan.policy, 'version: 2'], cloud.policies)
        self.assertEqual(1, len(operator.reigns))
        self.assertEqual([], operator.failures)
