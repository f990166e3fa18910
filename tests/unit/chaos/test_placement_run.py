# SPDX-License-Identifier: Apache-2.0
"""Whole runs, on a cloud in memory that keeps its promises or does not."""

import types

import fixtures
import testtools

from tests.chaos import placement_evidence
from tests.chaos import placement_run
from tests.unit.chaos import small_cloud

PICTURES = [types.SimpleNamespace(hash_value=name, data_bytes=1, size=2)
            for name in 'ab']


class ForgetfulCloud(small_cloud.SmallCloud):

    def converge(self):
        pass


class ResurrectingCloud(small_cloud.SmallCloud):

    def delete(self, image_id):
        gone = {store: pool[image_id] for store, pool in self.pools.items()
                if image_id in pool}
        status = super().delete(image_id)
        for store, value in gone.items():
            self.pools[store][image_id] = value
        return status


class BusyCloud(small_cloud.SmallCloud):

    def converge(self):
        super().converge()
        self.left_jobs = ['/dcn/placement/j/i/dcn0']


class CarelessCloud(small_cloud.SmallCloud):
    """It copies everything everywhere."""

    def converge(self):
        for image_id in self._images:
            for store in small_cloud.STORES:
                self.place(image_id, store)


class DamagingCloud(small_cloud.SmallCloud):

    def place(self, image_id, store):
        self.pools[store][image_id] = 'other'


class RunTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        # What does not come at once never does.
        for module, name in ((placement_run, 'SETTLE_SECONDS'),
                             (placement_run, '_LEASE_SECONDS'),
                             (placement_evidence, '_EMPTY_SECONDS')):
            self.useFixture(fixtures.MonkeyPatch(
                f'{module.__name__}.{name}', 0))
        # Nothing is to be waited for between the steps, either.
        self.useFixture(fixtures.MonkeyPatch(
            'tests.chaos.placement_users.time.sleep', lambda seconds: None))

    def rules(self, kind, seeds=range(1, 4)):
        found = set()
        cloud = kind()
        for seed in seeds:
            result = placement_run.Run(cloud, PICTURES, seed, 25.0).run()
            self.assertEqual([], result.failures, str(result))
            self.assertIn(f'seed {seed}: ', str(result))
            found |= {violation.rule for violation in result.violations}
        return found

    def test_a_cloud_that_keeps_its_promises(self):
        cloud = small_cloud.SmallCloud()
        for seed in range(1, 11):
            result = placement_run.Run(cloud, PICTURES, seed, 25.0).run()
            self.assertEqual(([], []), (result.failures, result.violations),
                             str(result))
        self.assertEqual([], placement_run.end(cloud))
        self.assertNotEqual([], cloud.broken)

    def test_a_run_is_a_text(self):
        result = placement_run.Run(small_cloud.SmallCloud(), PICTURES, 1,
                                   25.0).run()
        self.assertIn('"stories"', result.record.to_json())

    def test_clouds_that_do_not(self):
        for kind, rule in ((ForgetfulCloud, 'lacking'),
                           (ResurrectingCloud, 'orphan'),
                           (BusyCloud, 'job left'),
                           (CarelessCloud, 'unexplained'),
                           (DamagingCloud, 'wrong content')):
            self.assertIn(rule, self.rules(kind), kind)
