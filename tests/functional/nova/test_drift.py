# SPDX-License-Identifier: Apache-2.0
"""Sites that are changed below their servers, and placement's copy of them.

What Nova itself refuses is not refused again by the plugins; these tests hold
it to that.
"""

import fixtures
from nova.cmd import manage
from nova import exception
from nova.tests.functional.api import client
from oslo_utils.fixture import uuidsentinel as uuids

from tests.functional.nova import cloud

REPORT_CLIENT = 'nova.scheduler.client.report.SchedulerReportClient.'


class DriftTest(cloud.SiteFilterTestCase):

    def status_of(self, call, *args):
        error = self.assertRaises(client.OpenStackApiException, call, *args)
        return error.response.status_code

    def conflict(self, method):
        """Return a fixture: placement refuses what Nova tells it."""
        return fixtures.MockPatch(
            REPORT_CLIENT + method,
            side_effect=exception.ResourceProviderUpdateConflict(
                uuid=uuids.provider, generation=1, error='conflict'))

    def rename(self, zone):
        self.tag('dcn1', availability_zone=zone)

    def unset(self):
        self.tag('dcn1', availability_zone=None)

    def assert_changes_are_refused(self):
        server = self.create_at('h11')
        site = self.aggregates['dcn1']
        with self.conflict('aggregate_remove_host'):
            answers = {
                'g05b rename': self.status_of(self.rename, 'dcn9'),
                'g05c no zone': self.status_of(self.unset),
                'g05d take its host away': self.status_of(
                    self.api.remove_host_from_aggregate, site, 'h11'),
                'g11 take a host away from placement': self.status_of(
                    self.api.remove_host_from_aggregate, site, 'h12'),
            }
        self.assertEqual({
            'g05b rename': 400,
            'g05c no zone': 400,
            'g05d take its host away': 409,
            'g11 take a host away from placement': 409,
        }, answers)
        aggregate = self.api.api_get(
            f'/os-aggregates/{site}').body['aggregate']
        self.assertEqual(['h11', 'h12'], sorted(aggregate['hosts']))
        self.assertEqual('dcn1', aggregate['availability_zone'])
        self.assertEqual('h11', self.host_of(server))

    def test_stock_refuses_changes(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        self.assert_changes_are_refused()

    def test_changes_are_refused(self):
        self.start_cloud(cloud.TWO_SITES)
        self.assert_changes_are_refused()

    def add_host_unknown_to_placement(self):
        """g11b: Nova's API says that the host is in the site, and it is not.

        Placement knows nothing of it.
        """
        self.services['h13'] = self.start_service('compute', host='h13')
        with self.conflict('aggregate_add_host'):
            self.api.add_host_to_aggregate(self.aggregates['dcn1'], 'h13')
        self.assertIn('Failed to associate h13 with a placement aggregate',
                      self.log())
        self.close('h11', 'h12')

    def assert_closed_until_it_is_synchronized(self):
        self.add_host_unknown_to_placement()
        # Closed and not open: no server of the site gets elsewhere.
        self.assertEqual(cloud.REFUSED, self.outcome_of_create(
            availability_zone='dcn1'))
        self.assertEqual(0, manage.PlacementCommands().sync_aggregates())
        self.assertEqual('h13', self.outcome_of_create(
            availability_zone='dcn1'))

    def test_stock_misses_a_host(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        self.assert_closed_until_it_is_synchronized()

    def test_missed_host_closes_and_does_not_cross(self):
        self.start_cloud(cloud.TWO_SITES)
        server = self.create_at('h11')
        self.assert_closed_until_it_is_synchronized()
        self.assertEqual('h13', self.outcome(server, *cloud.LIVE))
