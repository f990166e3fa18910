# SPDX-License-Identifier: Apache-2.0

import unittest

from dcn_plugins.health import verdict

GOOD = verdict.Verdict(True)
FULL = verdict.Verdict(True, 'is full', 'POOL_FULL')
DEAD = verdict.Verdict(False, 'does not answer', '192.0.2.1')
SHUT = verdict.Verdict(False, 'refuses us', 'EPERM')


class JoinedTest(unittest.TestCase):

    def test_nothing_was_asked(self):
        self.assertEqual(GOOD, verdict.joined([]))

    def test_all_are_good(self):
        self.assertEqual(GOOD, verdict.joined([GOOD, GOOD]))

    def test_a_remark_does_not_make_it_bad(self):
        self.assertEqual(FULL, verdict.joined([GOOD, FULL]))

    def test_one_bad_one_is_enough_and_drowns_remarks(self):
        self.assertEqual(DEAD, verdict.joined([GOOD, FULL, DEAD]))

    def test_all_bad_ones_are_told(self):
        found = verdict.joined([DEAD, SHUT])
        self.assertFalse(found.is_good)
        self.assertEqual('does not answer; refuses us', found.reason)
        self.assertEqual('192.0.2.1; EPERM', found.details)


class TextTest(unittest.TestCase):

    def test_silence(self):
        found = verdict.silent('the DLM', 2.0)
        self.assertFalse(found.is_good)
        self.assertEqual('the DLM does not answer: not within 2 s',
                         str(found))

    def test_without_details(self):
        self.assertEqual('OK', str(GOOD))
