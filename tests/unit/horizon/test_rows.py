# SPDX-License-Identifier: Apache-2.0
"""Lines of tables, without a browser and without Horizon."""

import testtools

from dcn_plugins.horizon import image_rows
from dcn_plugins.placement import overview


class CellTest(testtools.TestCase):

    def cell(self, course, **values):
        return image_rows.cell_of(overview.StoreState(
            'dcn0', course, None, **values))

    def test_a_copy_under_way_tells_how_far_it_is(self):
        found = self.cell(
            overview.Course.COPYING, step='copying', done_bytes=37 << 20,
            total_bytes=100 << 20, bytes_per_second=10 << 20, eta_seconds=6.3)
        self.assertEqual(('copying', 37, ('copying', '10.0 MiB/s',
                                          '6s left')),
                         (found.course, found.percent, found.notes))

    def test_more_than_all_is_all(self):
        self.assertEqual(100, self.cell(
            overview.Course.COPYING, done_bytes=3, total_bytes=2).percent)

    def test_nothing_is_told_of_an_empty_image(self):
        self.assertIsNone(self.cell(
            overview.Course.COPYING, done_bytes=0, total_bytes=0).percent)

    def test_a_failure_tells_its_reason(self):
        found = self.cell(overview.Course.FAILED, failures=3,
                          reason='no room')
        self.assertEqual(('danger', ('3 tries have failed', 'no room')),
                         (found.mark, found.notes))
