# SPDX-License-Identifier: Apache-2.0

import json
import unittest

from dcn_plugins.glance import drift
from dcn_plugins.glance import drift_repair
from dcn_plugins.glance import drift_text

COUNTED = {'images': 3, 'copies': 6, 'compared': 2, 'elsewhere': 1,
           'unsettled': 4, 'foreign': 5}


def finding(kind, name, reason=''):
    return drift.Finding(kind, 'dcn0', 'images', name, name, 'It is so',
                         reason, 'id')


class DriftTextTest(unittest.TestCase):

    def setUp(self):
        self.report = drift.Report(
            (finding(drift.MISSING_IMAGE, 'one'),
             finding(drift.WRONG_SIZE, 'two'),
             finding(drift.ORPHAN_IMAGE, 'three', 'it has clones')),
            COUNTED, {'store dcn1': 'no route'})
        self.outcomes = (
            drift_repair.Outcome(self.report.findings[0], True),
            drift_repair.Outcome(self.report.findings[1], False, 'nobody'),
            drift_repair.Outcome(self.report.findings[2], False, 'broken',
                                 True))

    def lines(self, *outcomes, report=None):
        return drift_text.as_text(('dcn0', 'dcn1'), report or self.report,
                                  outcomes).splitlines()

    def test_text(self):
        lines = self.lines()
        self.assertIn('  repairable  dcn0:images/one', lines)
        self.assertIn('  stays       dcn0:images/two', lines)
        self.assertIn('              Stays: it has clones.', lines)
        self.assertIn('3 found', lines)
        self.assertIn('Not known: store dcn1: no route', lines)
        self.assertIn('6 copies looked at, 2 contents', lines[0])
        for kind in (drift.MISSING_IMAGE, drift.WRONG_SIZE):
            self.assertIn(f'  Why it hurts: {kind.why}.', lines)
            self.assertIn(f'  Remedy: {kind.remedy}.', lines)

    def test_text_of_a_repair(self):
        lines = self.lines(*self.outcomes)
        self.assertIn('  REPAIRED    dcn0:images/one', lines)
        self.assertIn('  FAILED      dcn0:images/three', lines)
        self.assertIn('              Failed: broken.', lines)
        self.assertIn('3 found, 1 repaired', lines)

    def test_nothing(self):
        self.assertIn('No drift was found.',
                      self.lines(report=drift.Report((), COUNTED)))

    def test_json(self):
        shown = json.loads(drift_text.as_json(('dcn0',), self.report))
        self.assertEqual(['dcn0'], shown['stores'])
        self.assertEqual({'store dcn1': 'no route'}, shown['unknown'])
        self.assertEqual([True, False, False], [
            one['repairable'] for one in shown['findings']])
        self.assertEqual('--remove-locations',
                         shown['findings'][0]['consent'])
        self.assertNotIn('repaired', shown['findings'][0])

    def test_json_of_a_repair(self):
        shown = json.loads(drift_text.as_json(('dcn0',), self.report,
                                              self.outcomes))
        self.assertEqual(
            [(True, None), (False, 'nobody'), (False, 'broken')],
            [(one['repaired'], one['reason']) for one in shown['findings']])

    def test_each_kind_says_all(self):
        self.assertEqual(len(drift.KINDS),
                         len({kind.id for kind in drift.KINDS}))
        for kind in drift.KINDS:
            for text in (kind.what, kind.why, kind.remedy):
                self.assertTrue(text and not text.endswith('.'), kind.id)
