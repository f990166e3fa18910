# SPDX-License-Identifier: Apache-2.0
"""What is demanded of copies beside what operators use."""

import copy

import testtools

from tests.bench import copy_bars as bars


def figures(seconds, rss_mib=160):
    return {'seconds': seconds, 'cpu_seconds': 1.0, 'rss_mib': rss_mib}


GOOD = {
    'medians': {'sparse': {
        bars.FIRST: figures(12.0), bars.LATER: figures(10.5),
        bars.BOTH: figures(12.0), bars.QEMU: figures(10.0),
        bars.QEMU_WHOLE: figures(10.0)}},
    'rtt_ms': 20, 'link_bytes_per_second': 100, 'data_bytes': 966}
DELTA = {'changed_bytes': 100, 'link': '20ms,1Gbit', 'cases': {
    bars.DELTA: {'seconds': 4.0, 'sent_bytes': 105},
    bars.EXPORT: {'seconds': 4.0, 'sent_bytes': 1000}}}


def missed(found):
    return [bar.name for bar in found if not bar.is_met]


class CopyBarsTest(testtools.TestCase):

    def changed(self, case, **values):
        found = copy.deepcopy(GOOD)
        found['medians']['sparse'][case].update(values)
        return missed(bars.bars(found))

    def test_what_is_just_fast_enough(self):
        self.assertEqual([], missed(bars.bars(GOOD)))

    def test_what_is_not(self):
        self.assertEqual(['sparse: two targets beside one'],
                         self.changed(bars.BOTH, seconds=12.1))
        self.assertEqual(
            ['sparse: beside qemu-img, whose image nobody can use yet'],
            self.changed(bars.QEMU, seconds=9.9))
        self.assertEqual(['sparse: peak RSS of ours, two targets'],
                         self.changed(bars.BOTH, rss_mib=161))

    def test_the_link(self):
        slow = {**GOOD, 'data_bytes': 965}
        self.assertEqual(['sparse: beside the limit of the link'],
                         missed(bars.bars(slow)))
        self.assertEqual([], missed(bars.bars({**slow, 'rtt_ms': 80})))
        self.assertEqual([], missed(bars.bars({
            **slow, 'rtt_ms': None, 'link_bytes_per_second': None})))

    def test_a_median_of_each_figure(self):
        rounds = [('dense', 'ours', figures(seconds, rss_mib))
                  for seconds, rss_mib in ((1.0, 7), (9.0, 8), (2.0, 9))]
        self.assertEqual({'dense': {'ours': figures(2.0, 8)}},
                         bars.medians(rounds))


class DeltaBarsTest(testtools.TestCase):

    def test_what_is_just_enough(self):
        self.assertEqual([], missed(bars.delta_bars(DELTA)))

    def test_what_is_not(self):
        for name, value in (('seconds', 4.1), ('sent_bytes', 106)):
            found = copy.deepcopy(DELTA)
            found['cases'][bars.DELTA][name] = value
            self.assertEqual(1, len(missed(bars.delta_bars(found))))
        found = {**DELTA, 'link': None}
        self.assertEqual(1, len(bars.delta_bars(found)))
