# SPDX-License-Identifier: Apache-2.0
"""One copy, from a request to its results, in memory."""

import hashlib
import threading
import time

import fixtures
import testtools

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import engine
from dcn_plugins.imagecopy import manifest
from dcn_plugins.imagecopy import places
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests
from tests.fakes import copy_image

MIB = 1 << 20


class Site:
    """Opens a source and targets in memory."""

    sum_of = staticmethod(copy_image.sum_of)
    sum_of_bytes = staticmethod(copy_image.sum_of_bytes)

    def __init__(self, source, **targets):
        self.source = source
        self.targets = targets
        self.found = dict.fromkeys(targets, places.NOTHING)
        self.reason = None

    def connect(self, place):
        return place

    def open_source(self):
        if isinstance(self.source, Exception):
            raise self.source
        return self.source

    def open_target(self, client, place, source, check):
        target = self.targets[place.store]
        if isinstance(target, Exception):
            raise target
        return target, self.found[place.store]

    def explained(self, client, error):
        if isinstance(self.reason, Exception):
            raise self.reason
        return self.reason and exceptions.CephRefused('x', self.reason) or (
            error)


class EngineTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.data = b'data' * MIB
        self.value = hashlib.sha512(self.data).hexdigest()
        self.source = copy_image.FakeSource(self.data)
        self.one = copy_image.FakeTarget(len(self.data))
        self.two = copy_image.FakeTarget(len(self.data), 4 * MIB)

    def run_engine(self, site, **options):
        self.results = {}
        self.progress = []
        running = engine.Engine(
            requests.CopyRequest('ID', 'NAME', (), tuple(
                requests.Place(store, '', '', '') for store in site.targets),
                **options), site, self.note, self.progress.append)
        self.running = running
        running.run()
        running.settle(5)
        running.close()
        return self.results

    def note(self, result):
        self.results[result.store] = result


class ResultTest(EngineTestCase):

    def test_two_targets(self):
        found = self.run_engine(Site(self.source, one=self.one, two=self.two),
                                hash_value=self.value)
        for store, target in (('one', self.one), ('two', self.two)):
            self.assertEqual(requests.Outcome.COPIED, found[store].outcome)
            self.assertEqual(self.value, found[store].hash_value)
            self.assertEqual(len(self.data), found[store].sent_bytes)
            self.assertEqual(self.data, target.data)
            self.assertEqual(['freeze', 'publish', 'close'], target.steps)
        self.assertEqual(len(self.data), self.source.read_bytes)
        self.assertTrue(self.source.is_closed)

    def test_a_target_that_is_complete(self):
        self.one.put(0, self.data)
        site = Site(self.source, one=self.one)
        site.found['one'] = places.WHOLE
        found = self.run_engine(site)['one']
        self.assertEqual(requests.Outcome.PRESENT, found.outcome)
        self.assertEqual((0, len(self.data)),
                         (found.sent_bytes, found.saved_bytes))
        self.assertEqual(['close'], self.one.steps)

    def test_a_target_that_cannot_be_opened(self):
        error = exceptions.TargetBusy('x', 'F')
        found = self.run_engine(Site(self.source, one=error, two=self.two))
        self.assertIs(error, found['one'].error)
        self.assertEqual(requests.Outcome.COPIED, found['two'].outcome)

    def test_a_target_that_says_nothing_any_more(self):
        for name, seconds in (('lane.STALL_SECONDS', 0.3),
                              ('engine._FAILED_DRAIN_SECONDS', 0.3)):
            self.useFixture(fixtures.MonkeyPatch(
                f'dcn_plugins.imagecopy.{name}', seconds))
        self.one.calls.is_held = True
        found = self.run_engine(Site(self.source, one=self.one, two=self.two))
        self.assertIsInstance(found['one'].error,
                              exceptions.ClusterUnreachable)
        self.assertEqual(requests.Outcome.COPIED, found['two'].outcome)

    def test_why_a_cluster_does_not_answer(self):
        error = exceptions.ClusterUnreachable('writing', 'timed out')
        site = Site(self.source, one=error, two=self.two)
        self.assertIs(error, self.run_engine(site)['one'].error)
        site.reason = exceptions.ClusterUnreachable('asking', 'timed out')
        self.assertIs(error, self.run_engine(site)['one'].error)
        site.reason = '1 pool(s) full'
        self.assertIn('1 pool(s) full',
                      str(self.run_engine(site)['one'].error))

    def test_a_bug_is_told(self):
        found = self.run_engine(Site(self.source, one=KeyError('x')))
        self.assertIsInstance(found['one'].error, exceptions.CopyInterrupted)
        self.assertIn('KeyError', str(found['one'].error))

    def test_no_source(self):
        error = exceptions.SourceMissing('ID', 'none')
        self.assertIs(error, self.assertRaises(
            exceptions.SourceMissing, self.run_engine,
            Site(error, one=self.one)))


class MemoryTest(testtools.TestCase):

    def test_each_further_target_leaves_less_for_data(self):
        found = [engine.memory_for(count) >> 20 for count in (1, 2, 4, 50)]
        self.assertEqual([80, 72, 56, 24], found)


class HashTest(EngineTestCase):

    def test_a_hash_that_is_another(self):
        found = self.run_engine(Site(self.source, one=self.one),
                                hash_value='ab')['one']
        self.assertIsInstance(found.error, exceptions.VerifyFailed)
        self.assertEqual(['freeze', 'discard', 'close'], self.one.steps)
        self.assertEqual({}, self.source.attributes)

    def test_it_is_proved_once(self):
        self.run_engine(Site(self.source, one=self.one),
                        hash_value=self.value)
        text = self.source.attributes[record.PROOF_KEY]
        self.assertEqual(text, self.one.attributes[record.PROOF_KEY])
        self.assertEqual(self.value, manifest.Proof.from_text(text).value)
        found = self.run_engine(Site(self.source, two=self.two),
                                hash_value=self.value)['two']
        self.assertEqual(self.value, found.hash_value)
        self.assertIsNone(self.running._digest._hasher)

    def test_a_source_that_is_not_what_was_proved(self):
        self.run_engine(Site(self.source, one=self.one))
        self.source.data[3 * MIB] ^= 1
        found = self.run_engine(Site(self.source, two=self.two))['two']
        self.assertIsInstance(found.error, exceptions.VerifyFailed)
        self.assertEqual(0, found.error.offset)
        self.assertIn('discard', self.two.steps)
        self.assertNotIn('publish', self.two.steps)

    def test_a_source_that_cannot_be_written(self):
        def refuse(key, text):
            raise exceptions.CephRefused('writing', 'no', 1)

        self.source.set_attribute = refuse
        found = self.run_engine(Site(self.source, one=self.one))['one']
        self.assertEqual(requests.Outcome.COPIED, found.outcome)

    def test_a_proof_that_takes_its_time_is_kept(self):
        keep = self.source.set_attribute

        def slow(key, text):
            time.sleep(0.5)
            keep(key, text)

        self.source.set_attribute = slow
        self.run_engine(Site(self.source, one=self.one))
        self.assertIn(record.PROOF_KEY, self.source.attributes)

    def test_a_source_that_is_gone_at_the_end(self):
        self.source.is_unchanged = lambda: False
        found = self.run_engine(Site(self.source, one=self.one))['one']
        self.assertIsInstance(found.error, exceptions.SourceChanged)
        self.assertIn('discard', self.one.steps)


class CancelTest(EngineTestCase):

    def test_what_is_there_stays(self):
        self.one.calls.is_held = True
        site = Site(self.source, one=self.one)
        timer = threading.Timer(0.5, lambda: self.running.events.put(
            (self.cancel, ())))
        timer.start()
        found = self.run_engine(site)['one']
        timer.join()
        self.assertEqual(requests.Outcome.CANCELLED, found.outcome)
        self.assertEqual(['close'], self.one.steps)

    def cancel(self):
        self.running.cancel()
        self.one.calls.is_held = False
        self.one.calls.release()
