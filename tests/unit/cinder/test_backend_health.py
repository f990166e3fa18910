# SPDX-License-Identifier: Apache-2.0
"""What the filters that a scheduler has by default make of our statistics."""

import testtools

from dcn_plugins.cinder import backend_health
from tests.unit.cinder import volume_cloud

from cinder.scheduler.filters import capabilities_filter  # noqa: H306
from cinder.scheduler.filters import capacity_filter

PATIENCE_SECONDS = 30


def passes(size=1, new_size=None, **reported):
    """Tell whether a backend is asked for a volume, or a bigger one."""
    backend_state = volume_cloud.pool('dcn0-vol-0', **reported)
    properties = {'size': size, 'new_size': new_size, 'request_spec': {},
                  'resource_type': {'extra_specs': {}}}
    return all(cls().backend_passes(backend_state, properties) for cls in (
        capacity_filter.CapacityFilter,
        capabilities_filter.CapabilitiesFilter))


class BackendHealthTest(testtools.TestCase):

    def statistics(self, has_ceph=True, locks_away_seconds=0):
        return backend_health.statistics(has_ceph, locks_away_seconds,
                                         PATIENCE_SECONDS)

    def test_a_backend_that_works_is_asked(self):
        for seconds in (0, PATIENCE_SECONDS - 1):
            found = self.statistics(locks_away_seconds=seconds)
            self.assertEqual({'dcn_locks': 'up'}, found)
            self.assertTrue(passes(**found))

    def test_one_without_ceph_or_locks_is_not(self):
        for found in (self.statistics(has_ceph=False),
                      self.statistics(locks_away_seconds=PATIENCE_SECONDS)):
            self.assertEqual('down', found['backend_state'])
            self.assertFalse(passes(**found))
            self.assertFalse(passes(size=1, new_size=2, **found))
            # Nor is one whose room does not matter.
            self.assertFalse(passes(**found, thin_provisioning_support=True,
                                    max_over_subscription_ratio='20.0'))

    def test_people_are_told_why(self):
        self.assertEqual('up', self.statistics(False)['dcn_locks'])
        self.assertEqual('down', self.statistics(
            locks_away_seconds=PATIENCE_SECONDS)['dcn_locks'])

    def test_stock_is_asked_though_it_is_down(self):
        """What upstream's driver reports when Ceph does not answer."""
        self.assertTrue(passes(backend_state='down',
                               total_capacity_gb='unknown',
                               free_capacity_gb='unknown'))
