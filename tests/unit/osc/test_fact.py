# SPDX-License-Identifier: Apache-2.0
"""Facts with their ages, and what is not known."""

import testtools

from dcn_plugins.osc import fact as facts

NOON = 1767268800.0


class FactTest(testtools.TestCase):

    def test_text(self):
        for fact, text in (
                (facts.Fact(3, NOON - 5), '3'),
                (facts.Fact(3), '3'),
                (facts.Fact(3, NOON - 200), '3 (3m ago)'),
                (facts.Fact(at=NOON - 7200, problem='down'),
                 'unknown since 2026-01-01T10:00:00Z (2h)'),
                (facts.Fact(problem='no answer'), 'unknown'),
                (facts.unasked('Set it'), '-')):
            self.assertEqual(text, fact.text(NOON))

    def test_what_is_not_known_has_no_value_for_programs(self):
        self.assertEqual(
            {'value': None, 'is_known': False, 'at': '2026-01-01T11:59:00Z',
             'age_seconds': 60.0, 'problem': 'down'},
            facts.Fact(at=NOON - 60, problem='down').for_programs(NOON))

    def test_a_clock_that_is_ahead(self):
        self.assertEqual(0.0, facts.Fact(1, NOON + 9).age_seconds(NOON))

    def test_oldest(self):
        found = [facts.Fact(1, NOON), facts.Fact(1, NOON - 9), facts.Fact(1),
                 facts.Fact(at=NOON - 99, problem='down')]
        self.assertEqual(NOON - 9, facts.oldest(found))
        self.assertIsNone(facts.oldest([]))

    def test_times_of_the_services(self):
        for text in ('2026-01-01T12:00:00.000000', '2026-01-01T12:00:00Z',
                     '2026-01-01T12:00:00+00:00'):
            self.assertEqual(NOON, facts.seconds_of(text))
        for text in (None, '', 'now', 7):
            self.assertIsNone(facts.seconds_of(text))

    def test_duration(self):
        for seconds, text in ((0, '0s'), (119, '119s'), (120, '2m'),
                              (7200, '2h'), (86400 * 9, '9d')):
            self.assertEqual(text, facts.duration(seconds))
