# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins.placement import survey
from dcn_plugins.placement import verdict
from tests.unit.placement import policies


class SurveyTest(testtools.TestCase):

    def add(self, present, now=1000.0, **values):
        self.found.add(verdict.decide(
            policies.an_image(**values), policies.POLICY, policies.STORES,
            now), present)

    def setUp(self):
        super().setUp()
        self.found = survey.Survey(1000.0, policies.STORES)
        self.add(['central', 'dcn2', 'dcn0', 'no store of ours'])
        self.add(['central'])
        self.add(['central', 'dcn0'], owner='project-x', asked='dcn0')
        self.add(['central', 'dcn1'], kind=policies.policy_text.policies.Kind(
            'snapshot'), created_at=1.0, now=1e9)

    def test_numbers(self):
        self.assertEqual(4, self.found.images)
        self.assertEqual({'central': 3, 'dcn2': 2, 'dcn0': 1},
                         self.found.wanted)
        self.assertEqual({'central': 4, 'dcn2': 1, 'dcn0': 2, 'dcn1': 1},
                         self.found.present)
        self.assertEqual({'dcn2': 1}, self.found.lacking)
        # Of project X at the central site, and of a snapshot at an edge.
        self.assertEqual({'central': 1, 'dcn1': 1}, self.found.misplaced)

    def test_text(self):
        self.found.seconds = 2.5
        again = survey.survey_of(survey.text_of(self.found))
        self.assertEqual(vars(self.found), vars(again))
        for text in ('', '{}', '[]', '{"began_at": "x"}', 'null'):
            self.assertIsNone(survey.survey_of(text))
