# SPDX-License-Identifier: Apache-2.0
"""What is left of deleted images, with a scrub that only says something."""

import json
import uuid

import fixtures

from dcn_plugins import exceptions
from dcn_plugins.glance import deleted_copies
from dcn_plugins.glance import scrub_command
from dcn_plugins.imagecopy import request
from tests.unit.glance import placement_case

ONE, TWO = (str(uuid.UUID(int=number)) for number in (1, 2))
GRACE = deleted_copies.GRACE_SECONDS


class DeletedCopiesTest(placement_case.PlacementCase):

    def setUp(self):
        super().setUp()
        self.elapsed = 0.0
        self.pools = {'dcn0': set(), 'dcn1': set()}
        self.away = set()
        self.listed = []
        self.scrubs = []
        #: What a scrub says of what it finds, by name; gone unless given.
        self.stays = {}
        self.output = None
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.scrub_command.run', self.scrub))
        self.process_ = self.process('one')
        #: When each image was deleted, and for when that was asked.
        self.deleted, self.asked = {}, []
        self.made = self.make(self.process_)

    def make(self, process):
        return deleted_copies.DeletedCopies(
            process.locks, lambda: {
                store: request.Place(store, '', '', 'images')
                for store in self.pools},
            ['/a.conf'], self.deleted_since, self.clock,
            lambda: self.elapsed, self.names)

    def deleted_since(self, moment):
        self.asked.append(moment)
        return {image_id: at for image_id, at in self.deleted.items()
                if at > moment}

    def names(self, place):
        self.listed.append(place.store)
        if place.store in self.away:
            raise exceptions.ClusterUnreachable('listing', 'test')
        return frozenset(self.pools[place.store])

    def scrub(self, files, words, stopped, is_wanted, elapsed):
        self.assertEqual(('/a.conf',), files)
        self.assertTrue(is_wanted())
        store = words[words.index('--store') + 1]
        ids = [words[number + 1] for number, word in enumerate(words)
               if word == '--image']
        self.scrubs.append((store, ids, words))
        if self.output is not None:
            return self.output
        findings = []
        for name in sorted(self.pools[store]):
            if name[:36] not in ids or self.stays.get(name) == '':
                continue
            reason = self.stays.get(name)
            findings.append({'rbd_image': name, 'image_id': name[:36],
                             'repaired': reason is None, 'reason': reason})
            if reason is None:
                self.pools[store].remove(name)
        return scrub_command.Ended(0, json.dumps({'findings': findings}), '')

    def delete(self, *image_ids):
        for image_id in image_ids:
            self.deleted[image_id] = self.now

    def look(self, seconds=GRACE):
        self.now += seconds
        self.elapsed += seconds
        self.listed.clear()
        self.scrubs.clear()
        self.made.round()

    def test_nothing_was_deleted(self):
        self.pools['dcn0'].add(ONE)
        self.look()
        self.assertEqual([], self.listed)

    def test_what_is_left_is_removed(self):
        self.delete(ONE, TWO)
        self.pools['dcn1'] = {ONE, f'{TWO}.dcn-partial', 'somebodys'}
        self.look()
        self.assertEqual([('dcn1', [ONE, TWO])],
                         [scrub[:2] for scrub in self.scrubs])
        words = self.scrubs[0][2]
        for word in ('--repair', '--remove-partials', '--remove-orphans',
                     '--deleted-only', '--json'):
            self.assertIn(word, words)
        self.assertEqual({'somebodys'}, self.pools['dcn1'])
        self.assertIn(f'INFO {ONE} was removed from store dcn1',
                      self.log.output)
        # It looks once more, and then never again.
        self.look()
        self.assertEqual((['dcn1'], []), (self.listed, self.scrubs))
        self.look()
        self.assertEqual([], self.listed)

    def test_glance_has_time_for_it(self):
        self.delete(ONE)
        self.pools['dcn0'].add(ONE)
        self.look(GRACE - 1)
        self.assertEqual([], self.listed)
        self.look(1)
        self.assertEqual(1, len(self.scrubs))

    def test_each_deletion_is_read_and_old_ones_are_forgotten(self):
        self.now = 4 * deleted_copies.SINCE_SECONDS
        self.deleted = {ONE: self.now - deleted_copies.SINCE_SECONDS - 1,
                        TWO: self.now - deleted_copies.SINCE_SECONDS + 90}
        self.pools['dcn0'] = {ONE, f'{TWO}.dcn-partial'}
        self.stays[f'{TWO}.dcn-partial'] = 'in use'
        self.look(0)
        self.assertEqual([('dcn0', [TWO])],
                         [scrub[:2] for scrub in self.scrubs])
        self.look()
        self.assertEqual([self.now - 30 - deleted_copies.SINCE_SECONDS,
                          self.now - 30 - deleted_copies.SKEW_SECONDS],
                         self.asked)
        self.look(61)
        self.assertEqual({}, self.made._deleted)

    def test_a_database_that_is_away(self):
        self.delete(ONE)
        self.pools['dcn0'].add(ONE)
        good = self.made._deleted_since
        self.made._deleted_since = lambda _moment: 1 / 0
        self.look()
        self.assertEqual([], self.scrubs)
        self.made._deleted_since = good
        self.look()
        self.assertEqual(set(), self.pools['dcn0'])

    def test_what_glance_has_removed_is_looked_for_once(self):
        self.delete(ONE)
        self.look()
        self.assertEqual(['dcn0', 'dcn1'], self.listed)
        self.look()
        self.assertEqual([], self.listed)
        self.delete(TWO)
        self.look()
        self.assertEqual(['dcn0', 'dcn1'], self.listed)

    def test_a_store_that_comes_back(self):
        self.delete(ONE)
        self.pools['dcn1'].add(ONE)
        self.away.add('dcn1')
        for _round in range(3):
            self.look(deleted_copies.GIVEN_UP_SECONDS)
            self.assertIn('dcn1', self.listed)
        self.assertEqual(['dcn1'], self.listed)
        self.assertEqual(1, self.log.output.count(
            'WARNING It is not known what store dcn1 has'))
        self.away.clear()
        self.look(deleted_copies.GIVEN_UP_SECONDS)
        self.assertEqual(set(), self.pools['dcn1'])

    def test_others_may_have_a_way_to_it(self):
        self.delete(ONE)
        self.away.add('dcn0')
        self.look()
        self.look(deleted_copies.GIVEN_UP_SECONDS - 1)
        self.assertEqual([], self.listed)
        held = self.process('two').locks.acquire([('deleted dcn0', 'x')], 0)
        self.assertIsNotNone(held)
        self.look()
        self.assertEqual([], self.listed)

    def test_what_may_still_change(self):
        self.delete(ONE)
        self.pools['dcn0'].add(ONE)
        self.stays[ONE] = ''
        self.look()
        for pause in (60, 120, 240, 480, 960, 1920, 3600, 3600):
            self.look(pause - 1)
            self.assertEqual([], self.scrubs)
            self.look(1)
            self.assertEqual(1, len(self.scrubs))
        del self.stays[ONE]
        self.look(deleted_copies.STAYS_SECONDS)
        self.assertEqual(set(), self.pools['dcn0'])

    def test_what_is_not_ours(self):
        self.delete(ONE)
        self.pools['dcn0'].add(ONE)
        self.stays[ONE] = 'it bears no mark of ours'
        self.look()
        self.assertIn(f'WARNING {ONE} stays in store dcn0, though its image '
                      'was deleted: it bears no mark of ours',
                      self.log.output)
        self.look(deleted_copies.STAYS_SECONDS - 1)
        self.assertEqual([], self.scrubs)
        self.look(1)
        self.assertEqual(1, len(self.scrubs))

    def test_a_scrub_that_fails(self):
        self.delete(ONE)
        self.pools['dcn0'].add(ONE)
        self.output = scrub_command.Ended(2, '', 'no database\n')
        self.look()
        self.assertIn('WARNING It is not known what store dcn0 has of images '
                      'that were deleted: no database', self.log.output)
        self.output = None
        self.look(deleted_copies.GIVEN_UP_SECONDS)
        self.assertEqual(set(), self.pools['dcn0'])

    def test_its_end_ends_the_scrub(self):
        self.delete(ONE)
        self.pools['dcn0'].add(ONE)

        def ended(*_arguments):
            self.assertTrue(self.made.stop(0))
            return None

        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.scrub_command.run', ended))
        self.look()
        self.assertEqual({ONE}, self.pools['dcn0'])
        self.assertEqual(['dcn0'], self.listed)

    def test_one_process_does_it(self):
        self.delete(ONE)
        self.pools['dcn0'].add(ONE)
        held = self.process('two').locks.acquire([('deleted dcn0', 'x')], 0)
        self.look()
        self.assertEqual(['dcn1'], self.listed)
        self.process_.locks.release(held)
        self.look()
        self.assertEqual(set(), self.pools['dcn0'])

    def test_one_that_is_deleted_again_is_looked_for_again(self):
        self.delete(ONE)
        self.look()
        self.look()
        self.assertEqual([], self.listed)
        self.delete(ONE)
        self.look()
        self.assertEqual(['dcn0', 'dcn1'], self.listed)

    def test_ids_that_are_none(self):
        self.delete('--repair')
        self.pools['dcn0'].add('--repair')
        self.look()
        self.assertEqual([], self.scrubs)

    def test_very_many(self):
        ids = [str(uuid.UUID(int=number)) for number in range(1, 702)]
        self.delete(*ids)
        self.pools['dcn0'] = set(ids)
        self.look()
        self.assertEqual([500, 201], [len(scrub[1]) for scrub in self.scrubs])
        self.assertEqual(set(), self.pools['dcn0'])
