# SPDX-License-Identifier: Apache-2.0
"""What an operator reads of an audit, and a program."""

import json

import testtools

from dcn_plugins.cinder import audit_text
from dcn_plugins.cinder import findings
from dcn_plugins.cinder import reclaim


class TextTestCase(testtools.TestCase):
    REPORT = findings.Report((
        findings.Finding(findings.CLONE_SNAPSHOT, 'volume-1', 'No clone',
                         snapshot='volume-2.clone_snap', bytes=5 << 20),
        findings.Finding(findings.UNKNOWN_VOLUME, 'volume-3', 'Not known',
                         'it may be unmanaged', bytes=3 << 30),
        findings.Finding(findings.EXPIRED_TRASH, 'volume-4', 'Over',
                         trash_id='abc')),
        {'images': 4, 'snapshots': 2, 'trash': 1, 'young': 0,
         'foreign_images': 7, 'foreign_snapshots': 0, 'foreign_trash': 0})
    OUTCOMES = (reclaim.Outcome(REPORT.findings[0], True),
                reclaim.Outcome(REPORT.findings[1], False, 'unmanaged'),
                reclaim.Outcome(REPORT.findings[2], False, 'busy', True))

    def test_a_report_sums_up_what_can_be_reclaimed(self):
        text = audit_text.as_text('ceph', 'volumes', self.REPORT)
        self.assertIn('3 left over, 2 can be reclaimed: about 5.0 MiB', text)
        self.assertIn('3.0 GiB', text)
        self.assertIn('Stays: it may be unmanaged.', text)
        self.assertIn('volume-1@volume-2.clone_snap', text)
        self.assertIn('7 images', text)

    def test_after_reclaiming_it_says_what_has_become_of_each(self):
        text = audit_text.as_text('ceph', 'volumes', self.REPORT,
                                  self.OUTCOMES)
        self.assertIn('3 left over, 1 reclaimed: about 5.0 MiB', text)
        self.assertIn('Failed: busy.', text)

    def test_nothing_is_said_to_be_nothing(self):
        empty = findings.Report((), self.REPORT.counted)
        self.assertIn('Nothing is left over.', audit_text.as_text(
            'ceph', 'volumes', empty))

    def test_a_program_gets_all_of_it(self):
        found = json.loads(audit_text.as_json(
            'ceph', 'volumes', self.REPORT, self.OUTCOMES))
        self.assertEqual(5 << 20, found['reclaimable_bytes'])
        self.assertEqual([True, False, False], [
            one['reclaimed'] for one in found['findings']])
        self.assertEqual(['clone-snapshot', 'unknown-volume',
                          'expired-trash'],
                         [one['kind'] for one in found['findings']])
        self.assertNotIn('reclaimed', json.loads(audit_text.as_json(
            'ceph', 'volumes', self.REPORT))['findings'][0])

    def test_sizes_are_readable(self):
        self.assertEqual(
            ['?', '0 B', '1023 B', '1.0 KiB', '2.5 TiB'],
            [audit_text.human(size) for size in (
                None, 0, 1023, 1024, 5 << 39)])
