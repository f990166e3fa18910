# SPDX-License-Identifier: Apache-2.0
"""Availability zones as pins: which are kept, and which mean nothing."""

from nova.api.openstack import api_version_request
from nova.tests.functional.api import client

from tests.functional.nova import cloud

SITES = {**cloud.TWO_SITES, **cloud.CENTRAL}

UNPIN = '2.104'


class PinsTestCase(cloud.SiteFilterTestCase):

    def creates(self):
        """Create a server each; return where it came to."""
        went_to = {
            'zone': self.outcome_of_create(availability_zone='dcn1'),
            'zone, and host of another': self.outcome_of_create(
                availability_zone='dcn1', host='h21'),
            'host': self.outcome_of_create(host='h11'),
            'g07 zone of no site': self.outcome_of_create(
                availability_zone='nova'),
        }
        self.flags(default_schedule_zone='nova')
        went_to['g07b default zone of no site'] = self.outcome_of_create()
        self.flags(default_schedule_zone='dcn1')
        server = self.create()
        self.assertEqual('dcn1', server['pinned_availability_zone'])
        went_to['g07c default zone'] = server['OS-EXT-SRV-ATTR:host']
        self.flags(default_schedule_zone='dcn')
        went_to['g07d default zone, mistyped'] = self.outcome_of_create()
        self.flags(default_schedule_zone=None)
        return went_to

    def unpin_and_resize(self):
        """test_34: a plain member unpins its server, then resizes it.

        Returns how Nova answered to each.
        """
        server = self.create_pinned('h11', 'dcn1')
        try:
            self.member.put_server(server['id'], {'server': {
                'pinned_availability_zone': None}})
            answer = 'unpinned'
        except client.OpenStackApiException as exc:
            answer = f'HTTP {exc.response.status_code}'
        return answer, self.outcome(server, *cloud.RESIZE, api=self.member)


def can_unpin():
    """Tell whether Nova has an API to take the pin of a server away."""
    return (api_version_request.max_api_version()
            >= api_version_request.APIVersionRequest(UNPIN))


class StockTest(PinsTestCase):

    def test_creates(self):
        self.start_cloud(SITES, with_plugins=False)
        self.assertEqual({
            'zone': 'h12',
            'zone, and host of another': cloud.REFUSED,
            'host': 'h11',
            'g07 zone of no site': 'h21',
            'g07b default zone of no site': 'h21',
            'g07c default zone': 'h12',
            'g07d default zone, mistyped': 'HTTP 400',
        }, self.creates())
        self.assertEqual(
            ('unpinned', 'h21') if can_unpin() else ('HTTP 400', 'h12'),
            self.unpin_and_resize())


class PinsTest(PinsTestCase):

    def test_creates(self):
        self.start_cloud(SITES)
        self.assertEqual({
            'zone': 'h12',
            'zone, and host of another': cloud.REFUSED,
            'host': 'h11',
            'g07 zone of no site': 'c2',
            'g07b default zone of no site': 'c2',
            'g07c default zone': 'h12',
            'g07d default zone, mistyped': 'HTTP 400',
        }, self.creates())
        self.assertEqual(
            ('unpinned' if can_unpin() else 'HTTP 400', 'h12'),
            self.unpin_and_resize())
