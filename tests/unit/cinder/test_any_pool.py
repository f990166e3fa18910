# SPDX-License-Identifier: Apache-2.0
"""Whatever is in a pool, what is reclaimed is of no use to anybody."""

import uuid

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.cinder import leftovers
from dcn_plugins.cinder import pool_contents as contents
from tests.unit.cinder import pool_contents_case as case

NOW, LONG_AGO = case.NOW, case.LONG_AGO

IDS = strategies.sampled_from([str(uuid.UUID(int=n)) for n in range(6)])
TIMES = strategies.sampled_from([LONG_AGO, NOW - 10, NOW + 10])
CHILDREN = strategies.none() | strategies.lists(
    IDS.map(lambda child: contents.Child(
        'volumes', f'volume-{child}', f'id of volume-{child}')),
    max_size=2).map(tuple)


SNAPSHOT_NAMES = strategies.sets(strategies.builds(
    '{}{}{}'.format, strategies.sampled_from(['volume-', 'snapshot-', 'x-']),
    IDS, strategies.sampled_from(['.clone_snap', ''])), max_size=3)
SNAPSHOTS = SNAPSHOT_NAMES.flatmap(lambda names: strategies.tuples(*(
    strategies.builds(contents.Snapshot, strategies.just(name), TIMES,
                      CHILDREN) for name in sorted(names))))
IMAGES = strategies.builds(
    lambda name, snapshots, watchers, changed: case.image(
        name, *snapshots, watchers=watchers, changed=changed),
    strategies.builds('volume-{}{}'.format, IDS,
                      strategies.sampled_from(['', '.deleted'])),
    SNAPSHOTS, strategies.integers(0, 1), TIMES)
POOLS = strategies.lists(IMAGES, max_size=5).map(
    lambda images: contents.Listing(
        'volumes', {image.name: image for image in images}))
SETTINGS = hypothesis.settings(deadline=None, database=None, max_examples=100)


class AnyPoolTestCase(testtools.TestCase):
    """Whatever there is, what is reclaimed is of no use to anybody."""

    @SETTINGS
    @hypothesis.given(POOLS, strategies.booleans())
    def test_nothing_with_a_clone_a_client_or_a_future_goes(
            self, listing, has_database):
        report = leftovers.find(
            listing, case.NAMES, case.known() if has_database else None,
            case.POLICY)
        gone = set()
        for found in report.findings:
            if not found.is_reclaimable:
                continue
            image = listing.images[found.image]
            if found.snapshot:
                self.assertTrue(found.snapshot.endswith('.clone_snap'))
                snapshot = next(one for one in image.snapshots
                                if one.name == found.snapshot)
                self.assertLess(snapshot.created, NOW - 3600)
                self.assertIsNotNone(snapshot.children)
                self.assertEqual(set(), {
                    child.id for child in snapshot.children} - gone)
                gone.add((found.image, found.snapshot))
            else:
                self.assertTrue(found.image.endswith('.deleted'))
                self.assertEqual(0, image.watchers)
                self.assertEqual(
                    set(), {(image.name, one.name)
                            for one in image.snapshots} - gone)
                gone.add(image.id)

    @SETTINGS
    @hypothesis.given(POOLS)
    def test_nothing_is_told_twice(self, listing):
        keys = [found.key for found in leftovers.find(
            listing, case.NAMES, case.known(), case.POLICY).findings]
        self.assertEqual(len(set(keys)), len(keys))
