# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.bench import placement_bars

GOOD = {'verdicts': 500000, 'full_seconds': 10.0,
        'plan_seconds': 10.0, 'peak_mib': 300.0,
        'longest_event_milliseconds': 5.0, 'read_seconds': 1.0}


class PlacementBarsTest(testtools.TestCase):

    def missed(self, **figures):
        return [bar.name for bar in placement_bars.bars({**GOOD, **figures})
                if not bar.is_met]

    def test_bars(self):
        self.assertEqual([], self.missed())
        for name in GOOD:
            worse = GOOD[name] + (-1 if name == 'verdicts' else 1)
            self.assertEqual(1, len(self.missed(**{name: worse})), name)
