# SPDX-License-Identifier: Apache-2.0
"""What the questions to the APIs return."""

from tests.unit.osc import pane_case


class CloudTest(pane_case.PaneCase):

    def test_lists_of_several_pages(self):
        self.cloud.page_size = 2
        cloud = self.client().cloud
        for found in (self.cloud.flavors, self.cloud.volume_types):
            found += [{'id': str(number)} for number in range(4)]
        self.assertEqual(self.cloud.flavors, cloud.flavors(60.0))
        self.assertEqual(self.cloud.volume_types, cloud.volume_types(60.0))

    def test_the_clocks_of_a_cloud(self):
        self.cloud.ahead_seconds = 600.0
        cloud = self.client().cloud
        self.assertEqual({}, cloud.clocks)
        for _again in range(2):
            cloud.aggregates(60.0)
        told = cloud.clocks.pop('Nova')
        self.assertLessEqual(abs(told.ahead_seconds - 600.0),
                             told.doubt_seconds)
