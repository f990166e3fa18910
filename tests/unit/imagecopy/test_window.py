# SPDX-License-Identifier: Apache-2.0
"""How much is under way."""

import testtools

from dcn_plugins.imagecopy import window

MIB = 1 << 20


class WindowTest(testtools.TestCase):

    def settled(self, rate, delay, seconds=30):
        """Return the window of a link, after a while."""
        found = window.Window()
        now = 0.0
        while now < seconds:
            # What is more than the link holds waits in a queue.
            took = max(delay, found.size_bytes / rate) if now else delay
            goes = min(rate, found.size_bytes / delay)
            now += MIB / goes
            found.acknowledge(now, MIB, took)
        return found.size_bytes

    def test_it_fills_a_long_link(self):
        for rate, delay in ((125e6, 0.08), (125e6, 0.15), (50e6, 0.3)):
            self.assertGreaterEqual(self.settled(rate, delay), rate * delay)

    def test_it_does_not_fill_queues(self):
        self.assertLessEqual(self.settled(125e6, 0.002), 16 * MIB)

    def test_small_parts_say_nothing_of_large_ones(self):
        found = window.Window()
        for number in range(100):
            # Four of 4 MiB take 0.2 s, and what is small hardly any time.
            found.acknowledge(number / 20, 4 * MIB, 0.2)
            found.acknowledge(number / 20, 4096, 0.01)
        self.assertGreater(found.size_bytes, 30 * MIB)

    def test_small_parts_alone_say_what_they_say(self):
        found = window.Window()
        for number in range(100):
            found.acknowledge(number / 50, MIB // 2, 0.5)
        self.assertGreater(found.size_bytes, 20 * MIB)

    def test_it_is_bounded(self):
        found = window.Window(10 * MIB)
        for number in range(100):
            found.acknowledge(number, 500 * MIB, 1.0)
        self.assertEqual(10 * MIB, found.size_bytes)
        found.limit(4 * MIB)
        self.assertEqual(4 * MIB, found.size_bytes)
