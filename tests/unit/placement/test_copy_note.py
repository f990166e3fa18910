# SPDX-License-Identifier: Apache-2.0

import testtools

from dcn_plugins.placement import copy_note


class CopyNoteTest(testtools.TestCase):

    def test_pauses_grow(self):
        note, now, pauses = None, 1000.0, []
        for _number in range(12):
            note = copy_note.kept(note, 'in use', now)
            pauses.append(note.due_at - now)
        self.assertEqual([300.0, 600.0, 1200.0], pauses[:3])
        self.assertEqual(86400.0, pauses[-1])
        self.assertEqual((12, 'in use', 1000.0),
                         (note.tries, note.reason, note.used_at))

    def test_use(self):
        note = copy_note.kept(copy_note.Note(5.0), 'in use', 100.0, True)
        self.assertEqual(100.0, note.used_at)
        self.assertEqual(200.0, copy_note.used(note, 200.0).used_at)
        self.assertEqual(100.0, copy_note.used(note, 50.0).used_at)
        self.assertEqual(copy_note.Note(7.0), copy_note.used(None, 7.0))

    def test_texts(self):
        note = copy_note.Note(1.0, 2.0, 3, 'x' * 9)
        self.assertEqual(note, copy_note.note_of(copy_note.text_of(note)))
        self.assertEqual(500, len(copy_note.kept(None, 'x' * 999, 1).reason))
        for text in ('', '[]', '{}', 'null', '{"used_at": "a"}'):
            self.assertIsNone(copy_note.note_of(text))
