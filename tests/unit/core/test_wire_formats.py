# SPDX-License-Identifier: Apache-2.0
"""What one version of us writes and another one reads, side by side.

While a site is upgraded both run on the same keys and images. So these texts
stay: to change one means to say how the version before gets along with it. A
version may only add what the one before may do without.
"""

import json

import testtools

from dcn_plugins.cinder import fence_record
from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import record
from dcn_plugins import json_fields
from dcn_plugins.locking import lock_keys
from dcn_plugins.locking import names
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import image_scrub
from dcn_plugins.placement import image_scrubs
from dcn_plugins.placement import job
from dcn_plugins.placement import job_progress
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import removal
from dcn_plugins.placement import survey
from dcn_plugins.placement import tally

#: What is written, by what reads it, and what writes it again.
TEXTS = (
    (job.job_of, job.text_of,
     '{"image_id": "i", "store": "s", "registered_at": 1.5, "due_at": 2.5, '
     '"state": "waiting", "priority": 10, "deadline": null, "tries": 1, '
     '"reason": "r", "claim": null, "is_asked": false, "failures": 2, '
     '"windows": ["22:00-06:00"]}'),
    (removal.removal_of, removal.text_of,
     '{"image_id": "i", "store": "s", "worker": "w", "reason": "r", '
     '"registered_at": 1.5, "due_at": 2.5, "asked_at": null, '
     '"is_wanted": false, "is_requested": true}'),
    (copy_note.note_of, copy_note.text_of,
     '{"used_at": 1.5, "due_at": 2.5, "tries": 3, "reason": "r"}'),
    (job_progress.progress_of, job_progress.text_of,
     '{"at": 1.5, "step": "pump", "done_bytes": 2, "total_bytes": 3, '
     '"bytes_per_second": 4.5}'),
    (tally.tally_of, tally.text_of,
     '{"copies": 1, "failures": 2, "sent_bytes": 3, "by": "w:4"}'),
    (survey.survey_of, survey.text_of,
     '{"began_at": 1.5, "seconds": 2.5, "images": 3, "stores": ["s"], '
     '"wanted": {"s": 4}, "present": {}, "lacking": {}, "misplaced": {}}'),
    (image_scrub.scrub_of, image_scrub.text_of,
     '{"image_id": "i", "id": "x", "is_deep": true, "grace_seconds": 1.5, '
     '"registered_at": 2.5, "report": null, "error": null}'),
    (record.Record.from_text, record.Record.to_text,
     '{"image_id": "i", "source": "f/p/1@snap", "size": 2, "begun_at": 3}'),
    (manifest.Proof.from_text, manifest.Proof.to_text,
     '{"size": 1, "algorithm": "sha512", "value": "ab", "digests": ""}'),
)

FENCE = ('{"addresses":["127.0.0.1:0/77"],"claim":"c","fsid":"f",'
         '"host":"h@ceph","intents":[{"image":"volume-1",'
         '"operation":"create_volume"}],"pool":"p","v":1,'
         '"wishes":{"a":"x"}}')


class TextsTest(testtools.TestCase):

    def test_what_was_written_is_read_and_written_again(self):
        for read, write, text in TEXTS:
            self.assertIsNotNone(read(text), text)
            self.assertEqual(text, write(read(text)))

    def test_what_a_later_version_adds_is_passed_over(self):
        for read, write, text in TEXTS:
            more = json.dumps({**json.loads(text), 'added': {'a': [1]}})
            self.assertEqual(text, write(read(more)))

    def test_a_fence_record_that_says_more_is_left_alone(self):
        # Who does not know all of it must not end half of an operation.
        found = fence_record.Record.parsed(FENCE)
        self.assertEqual(FENCE, found.to_text())
        for changes in ({'v': 2}, {'added': 1}):
            self.assertRaises(
                fence_record.UnknownRecord, fence_record.Record.parsed,
                json.dumps({**json.loads(FENCE), **changes}))

    def test_no_object(self):
        for text in ('[]', '1', 'null', '"text"', '{', ''):
            self.assertRaises(ValueError, json_fields.values_of,
                              removal.Removal, text)


class KeysTest(testtools.TestCase):

    def test_jobs(self):
        keys = job_requests.Requests('/dcn/placement')
        self.assertEqual(
            ['/dcn/placement/j/i%2F1/s%200', '/dcn/placement/c/i%2F1/s%200',
             '/dcn/placement/t/i%2F1', '/dcn/placement/e/i%2F1',
             '/dcn/placement/b'],
            [keys.job_key('i/1', 's 0'), keys.claim_key('i/1', 's 0'),
             keys.tombstone_key('i/1'), keys.removal_key('i/1'),
             keys.bell_key()])
        self.assertEqual('/dcn/placement/s/i%2F1', image_scrubs.ImageScrubs(
            None, '/dcn/placement')._key('i/1'))

    def test_locks(self):
        keys = lock_keys.Keys('/dcn/locks')
        scope = names.Scope('FSID', 'gold')
        self.assertEqual(
            ['dcn:image:FSID:gold:volume-1',
             'dcn:snapshot:FSID:gold:volume-1:snapshot-2'],
            [scope.image('volume-1'),
             scope.snapshot('volume-1', 'snapshot-2')])
        self.assertEqual(
            ['/dcn/locks/n/dcn%3Aimage%3AFSID%3Agold%3Avolume-1/x/g/c',
             '/dcn/locks/d/c'],
            [keys.key(scope.image('volume-1'), lock_keys.EXCLUSIVE,
                      lock_keys.GUARDED, 'c'), keys.mark('c')])

    def test_what_is_kept_with_a_copy(self):
        self.assertEqual(('dcn.copy', 'dcn.proof', 'i.dcn-partial'), (
            record.KEY, record.PROOF_KEY, record.partial_name('i')))
