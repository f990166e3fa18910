# SPDX-License-Identifier: Apache-2.0
"""A record says the same to whoever reads it, or nothing."""

import json

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.ceph import markers
from dcn_plugins.cinder import fence_record

TEXTS = strategies.text(min_size=1, max_size=5)
RECORDS = strategies.builds(
    fence_record.Record, claim=TEXTS,
    wishes=strategies.dictionaries(TEXTS, strategies.sampled_from('xs'),
                                   min_size=1, max_size=3),
    fsid=TEXTS, pool=TEXTS,
    addresses=strategies.lists(TEXTS, max_size=2).map(tuple), host=TEXTS,
    intents=strategies.lists(strategies.fixed_dictionaries(
        {'operation': TEXTS, 'image': TEXTS}), max_size=2).map(tuple))
RECORD = fence_record.Record(
    'c', {'a': 'x', 'b': 's'}, '0c7f', 'gold', ('127.0.0.1:0/1',),
    'one@ceph', ({'operation': 'create_volume', 'image': 'v'},))
JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers()
    | strategies.text(max_size=3),
    lambda inner: strategies.lists(inner, max_size=3)
    | strategies.dictionaries(strategies.text(max_size=3), inner,
                              max_size=3), max_leaves=5)
SETTINGS = hypothesis.settings(deadline=None, database=None,
                               max_examples=100)


class RecordTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(RECORDS)
    def test_what_is_written_is_read(self, record):
        text = record.to_text()
        # A marker in RADOS has to be.
        self.assertTrue(text.isascii())
        self.assertEqual(record, fence_record.Record.parsed(text))

    def test_two_that_say_the_same_are_one_text(self):
        other = fence_record.Record(**{
            **vars(RECORD), 'wishes': {'b': 's', 'a': 'x'}})
        self.assertEqual(RECORD.to_text(), other.to_text())

    @SETTINGS
    @hypothesis.given(strategies.text(max_size=20))
    def test_another_text_is_no_record(self, text):
        self.assertRaises(fence_record.UnknownRecord,
                          fence_record.Record.parsed, text)

    @SETTINGS
    @hypothesis.given(strategies.sampled_from(
        [*vars(RECORD), 'v', 'more']), JSON)
    def test_what_is_read_can_be_used(self, name, value):
        found = {**json.loads(RECORD.to_text()), name: value}
        try:
            record = fence_record.Record.parsed(json.dumps(found))
        except fence_record.UnknownRecord:
            return
        # It would fail whoever is to end it, each time.
        self.assertTrue(record.marker_keys)
        for intent in record.intents:
            self.assertIsInstance(intent['operation'], str)
        self.assertTrue(all(isinstance(address, str)
                            for address in record.addresses))

    def test_what_is_missing_makes_it_none(self):
        for name in json.loads(RECORD.to_text()):
            found = json.loads(RECORD.to_text())
            del found[name]
            self.assertRaises(fence_record.UnknownRecord,
                              fence_record.Record.parsed, json.dumps(found))

    def test_one_of_a_later_version_is_for_others(self):
        found = {**json.loads(RECORD.to_text()), 'v': 2}
        error = self.assertRaises(
            fence_record.UnknownRecord, fence_record.Record.parsed,
            json.dumps(found))
        self.assertIn('another version', str(error))

    def test_its_markers_are_those_that_are_written(self):
        self.assertEqual(set(markers.keys(RECORD.claim, RECORD.wishes)),
                         set(RECORD.marker_keys))
