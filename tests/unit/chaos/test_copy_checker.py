# SPDX-License-Identifier: Apache-2.0
"""What is found in copies that have not kept their promises."""

import dataclasses

import testtools

from tests.chaos import copy_checker

_MIB = 1 << 20
GOOD = copy_checker.Copy(
    'i', 'right', 100 * _MIB, end='copied', retried='copied',
    registered={'central': 'right', 'dcn0': 'right'},
    names={'central': ['i'], 'dcn0': ['i'], 'dcn1': []},
    sent_bytes=101 * _MIB)
BAD = {
    'wrong content': [{'registered': {'central': 'right', 'dcn0': 'other'}}],
    'unreadable': [{'registered': {'central': 'right', 'dcn0': None}}],
    'stuck': [{'end': 'stuck'}],
    'no reason': [{'end': 'failed'}],
    'not retryable': [{'retried': 'failed'}, {'retried': ''},
                      {'retried': 'stuck'}],
    'left over': [
        {'names': {'central': ['i'], 'dcn0': ['i', 'i.partial']}},
        {'names': {'central': ['i'], 'dcn0': ['i'], 'dcn1': ['i']}},
        {'registered': {'central': 'right'}},
        # Of an image that was deleted nothing may be left.
        {'is_deleted': True, 'registered': {}, 'names': {'dcn0': ['i']}},
        {'is_deleted': True}],
    'sent again': [{'sent_bytes': 130 * _MIB},
                   {'sent_bytes': 145 * _MIB, 'attempts': 1}]}
FINE = [
    {'end': 'failed', 'reason': 'no room'},
    {'is_deleted': True, 'end': 'failed', 'retried': '', 'registered': {},
     'names': {'dcn0': []}},
    {'is_lost': True, 'end': 'failed', 'reason': 'no source', 'retried': ''},
    {'sent_bytes': 130 * _MIB, 'attempts': 1}, {'sent_bytes': None}]


class CheckTest(testtools.TestCase):

    def rules(self, **changes):
        return [violation.rule for violation in copy_checker.check(
            dataclasses.replace(GOOD, **changes), 32 * _MIB)]

    def test_nothing_is_wrong_with_what_is_good(self):
        self.assertEqual([], self.rules())
        for changes in FINE:
            self.assertEqual([], self.rules(**changes), changes)

    def test_each_promise_that_is_broken_is_found(self):
        for rule, cases in BAD.items():
            for changes in cases:
                self.assertIn(rule, self.rules(**changes), changes)
