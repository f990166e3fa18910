# SPDX-License-Identifier: Apache-2.0

import testtools

from tests.bench import pane_bars

GOOD = {'seconds': 3.0, 'cpu_seconds': 2.0, 'lines': 200,
        'silent_known': 0, 'age_error_seconds': 1.0, 'others_unknown': 0}


class PaneBarsTest(testtools.TestCase):

    def missed(self, **figures):
        return [bar.name for bar in pane_bars.bars({**GOOD, **figures})
                if not bar.is_met]

    def test_bars(self):
        self.assertEqual([], self.missed())
        for name in GOOD:
            worse = GOOD[name] + (-1 if name == 'lines' else 1)
            self.assertEqual(1, len(self.missed(**{name: worse})), name)
