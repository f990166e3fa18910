# SPDX-License-Identifier: Apache-2.0
"""What is drift, and what must not be called so."""

import dataclasses

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.glance import drift
from dcn_plugins.glance import drift_facts
from dcn_plugins.imagecopy import stored_image
from tests.unit.glance import drift_case as case

SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=60)
PLAIN, COPY = 'central', 'dcn0'


class DriftRulesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.world = case.World()
        self.image_id = self.world.add(1)
        self.world.add(2)

    def assertFound(self, *expected, **options):
        self.assertEqual(list(expected), self.world.found(**options))

    def one(self):
        [found] = self.world.search().report(True).findings
        return found

    def test_a_healthy_cloud(self):
        self.assertFound()

    def test_a_location_without_image(self):
        del self.world.pools[COPY][self.image_id]
        self.assertFound(('missing-image', COPY, self.image_id))
        self.assertEqual('', self.one().reason)

    def test_the_only_location(self):
        only = self.world.add(3, [PLAIN])
        del self.world.pools[PLAIN][only]
        self.assertIn('only location', self.one().reason)

    def test_an_image_without_location(self):
        self.world.forget(COPY, self.image_id)
        self.assertFound(('orphan-image', COPY, self.image_id))
        self.assertEqual('', self.one().reason)
        self.world.change(COPY, self.image_id, record=None)
        self.assertFound(('orphan-image', COPY, self.image_id))
        self.assertIn('no mark of ours', self.one().reason)

    def test_one_that_waits_for_the_scrubber_of_glance(self):
        [location] = [found for found
                      in self.world.images[self.image_id].locations
                      if found.store == COPY]
        self.world.forget(COPY, self.image_id)
        self.world.pending[self.image_id] = [dataclasses.replace(
            location, status=drift_facts.PENDING)]
        self.assertFound()

    def test_one_that_glance_knows_nothing_of(self):
        unknown = case.ident(9)
        self.world.store(COPY, unknown, is_ours=False)
        self.world.store(COPY, 'golden', is_ours=False)
        self.assertFound()
        self.world.store(COPY, unknown)
        self.assertFound(('orphan-image', COPY, unknown))

    def test_a_mark_of_another_image(self):
        self.world.moved(COPY, self.image_id, case.ident(9))
        self.world.forget(COPY, self.image_id)
        self.assertFound()

    def test_what_is_in_use_is_told_and_stays(self):
        self.world.forget(COPY, self.image_id)
        for values, words in (
                ({'watchers': 1}, 'has it open'),
                ({'others': ('mine',)}, 'snapshots: mine'),
                ({'snapshot': stored_image.Snapshot(case.SIZE, True, 2)},
                 'has clones')):
            before = self.world.pools[COPY][self.image_id]
            self.world.change(COPY, self.image_id, **values)
            self.assertIn(words, self.one().reason)
            self.world.pools[COPY][self.image_id] = before

    def test_an_image_that_was_deleted(self):
        self.world.change_image(self.image_id, is_deleted=True,
                                status='deleted', locations=())
        self.assertFound(*(('deleted-image', store, self.image_id)
                           for store in case.STORES))
        reasons = [found.reason for found
                   in self.world.search().report(True).findings]
        self.assertEqual(['it bears no mark of ours', '', ''], reasons)

    def test_a_partial_copy(self):
        name = f'{case.ident(2)}.dcn-partial'
        self.world.store(COPY, name)
        self.assertFound(('partial-copy', COPY, name))
        self.world.change(COPY, name, watchers=1)
        self.assertFound()
        self.world.change(COPY, name, watchers=0, changed=case.NOW - 10)
        self.assertFound()
        self.world.change(COPY, name, changed=case.LONG_AGO, record=None)
        self.assertFound(('partial-copy', COPY, name))
        self.world.change_image(case.ident(2), is_busy=True)
        self.assertFound()

    def test_a_size(self):
        self.world.change(COPY, self.image_id,
                          snapshot=stored_image.Snapshot(5, True))
        self.assertFound(('wrong-size', COPY, self.image_id))
        self.world.change_image(self.image_id, size=None)
        self.assertFound()

    def test_the_size_of_the_image_does_not_count_beside_its_snapshot(self):
        self.world.change(COPY, self.image_id, size=5)
        self.assertFound()

    def test_a_content(self):
        found = self.world.pools[COPY][self.image_id]
        self.world.contents[found.id] = case.BAD
        self.assertFound(('wrong-content', COPY, self.image_id))
        self.assertFound(is_deep=False)
        self.assertIn('sha512', self.one().evidence)

    def test_a_snapshot(self):
        self.world.change(COPY, self.image_id, snapshot=None)
        self.assertFound(('snapshot-missing', COPY, self.image_id))
        self.world.change_image(self.image_id, hash_value=None)
        self.assertIn('no hash', self.one().reason)

    def test_protection_counts_where_clones_need_it(self):
        self.world.change(COPY, self.image_id,
                          snapshot=stored_image.Snapshot(case.SIZE, False))
        self.assertFound(('snapshot-unprotected', COPY, self.image_id))
        self.assertIn('version 1', self.one().evidence)
        self.world.needs_protection = False
        self.assertFound()

    def test_another_cluster(self):
        self.world.change_image(self.image_id, locations=tuple(
            drift_facts.Location.of(
                case.url(store, self.image_id, case.fsid('dcn1')), store)
            for store in (COPY, 'dcn1')))
        self.world.pools[PLAIN].clear()
        self.world.forget(PLAIN, case.ident(2))
        self.assertIn(('wrong-cluster', COPY, self.image_id),
                      self.world.found())
        [found] = [found for found
                   in self.world.search().report().findings
                   if found.kind is drift.WRONG_CLUSTER]
        self.assertIn('that of store dcn1', found.evidence)

    def test_a_location_in_its_short_form(self):
        self.world.change_image(self.image_id, locations=(
            *(found for found in self.world.images[self.image_id].locations
              if found.store != COPY),
            drift_facts.Location.of(f'rbd://{self.image_id}', COPY)))
        self.world.change(COPY, self.image_id, snapshot=None)
        self.assertFound()
        del self.world.pools[COPY][self.image_id]
        self.assertFound(('missing-image', COPY, self.image_id))

    def test_other_locations_are_counted(self):
        self.world.change_image(self.image_id, locations=(
            *self.world.images[self.image_id].locations,
            drift_facts.Location.of('http://somewhere/file', 'web'),
            drift_facts.Location.of(case.url('far', self.image_id), 'far')))
        report = self.world.search().report()
        self.assertEqual((), report.findings)
        self.assertEqual(2, report.counted['elsewhere'])

    def test_two_stores_in_one_pool_have_one_orphan(self):
        """Neither is what the other one has without location."""
        self.world.pools['dcn1'] = self.world.pools[COPY]
        search = self.world.search()
        facts = search.look()
        same = tuple(dataclasses.replace(store, fsid='F')
                     for store in facts.stores)
        images = {image_id: dataclasses.replace(image, locations=tuple(
            dataclasses.replace(location, fsid='F')
            for location in image.locations if location.store == COPY))
            for image_id, image in facts.images.items()}
        from dcn_plugins.glance import drift_rules
        report = drift_rules.find(
            drift_facts.Facts(images, same[1:]), search.policy())
        self.assertEqual((), report.findings)
        report = drift_rules.find(
            drift_facts.Facts({**images, self.image_id: dataclasses.replace(
                images[self.image_id], locations=())}, same[1:]),
            search.policy())
        self.assertEqual([(drift.ORPHAN_IMAGE, COPY)], [
            (found.kind, found.store) for found in report.findings])


class LocationTest(testtools.TestCase):

    def test_urls(self):
        of = drift_facts.Location.of
        found = of('rbd://f/p%2Fq/i/snap', 's')
        self.assertEqual(('f', 'p/q', 'i', 'snap'),
                         (found.fsid, found.pool, found.name, found.snapshot))
        for text in (None, '', 'rbd://', 'rbd://a/b/c', 'file:///a/b/c/d',
                     'rbd://a//c/d'):
            self.assertIsNone(of(text, 's').name)


# Whatever is planted, in whichever state everything else is.

PLANTS = {
    'missing-image': lambda world, image_id: world.pools[COPY].pop(image_id),
    'orphan-image': lambda world, image_id: world.forget(COPY, image_id),
    'wrong-size': lambda world, image_id: world.change(
        COPY, image_id, snapshot=stored_image.Snapshot(1, True)),
    'wrong-content': lambda world, image_id: world.contents.update(
        {world.pools[COPY][image_id].id: case.BAD}),
    'snapshot-missing': lambda world, image_id: world.change(
        COPY, image_id, snapshot=None),
    'snapshot-unprotected': lambda world, image_id: world.change(
        COPY, image_id, snapshot=stored_image.Snapshot(case.SIZE, False)),
}
UNSETTLED = strategies.sampled_from([
    {'is_busy': True}, {'status': 'saving'}, {'status': 'importing'},
    {'status': 'queued'}, {'changed': case.NOW - 5},
    {'changed': case.NOW + 5}])


class AnyCloudTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(strategies.lists(
        strategies.none() | strategies.sampled_from(sorted(PLANTS)),
        max_size=6))
    def test_exactly_what_is_planted_is_found(self, plants):
        world = case.World()
        expected = set()
        for number, kind in enumerate(plants):
            image_id = world.add(number)
            if kind is not None:
                PLANTS[kind](world, image_id)
                expected.add((kind, COPY, image_id))
        found = world.found()
        self.assertEqual(expected, set(found))
        self.assertEqual(len(expected), len(found))

    @SETTINGS
    @hypothesis.given(
        strategies.lists(strategies.sampled_from(sorted(PLANTS)),
                         min_size=1, max_size=6), UNSETTLED)
    def test_what_is_changing_is_no_drift(self, plants, values):
        world = case.World()
        for number, kind in enumerate(plants):
            image_id = world.add(number)
            PLANTS[kind](world, image_id)
            world.change_image(image_id, **values)
        self.assertEqual([], world.found())

    @SETTINGS
    @hypothesis.given(strategies.lists(
        strategies.sampled_from(sorted(PLANTS)), min_size=1, max_size=6))
    def test_what_is_gone_at_the_second_look_is_no_drift(self, plants):
        world = case.World()
        for number, kind in enumerate(plants):
            PLANTS[kind](world, world.add(number))
        healthy = case.World()
        for number in range(len(plants)):
            healthy.add(number)

        def heal():
            world.images, world.pools = healthy.images, healthy.pools
            world.contents = healthy.contents

        self.assertEqual([], world.found(wait=heal))
