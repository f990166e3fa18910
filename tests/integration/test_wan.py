# SPDX-License-Identifier: Apache-2.0
"""The lines between the sites do what they were told."""

import random
import socket
import time

from tests.integration import lab_case
from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab.services import ceph
from tests.lab.services import etcd

_BYTES = 4 << 20


class LineTest(lab_case.LabCase):

    def setUp(self):
        super().setUp()
        self.line = self.line_of(self.far)

    def connect(self, timeout=5):
        """Return how long a TCP handshake with the edge takes, in seconds."""
        port = self.lab.port('etcd0', self.far)
        started = time.monotonic()
        with socket.create_connection((self.lab.address(self.far), port),
                                      timeout):
            return time.monotonic() - started

    def test_a_handshake_takes_the_round_trip(self):
        shortest = min(self.connect() for _ in range(10)) * 1000
        self.assertGreaterEqual(shortest, self.lab.wan.rtt_ms)
        self.assertLess(shortest, self.lab.wan.rtt_ms * 1.5 + 5)

    def test_the_round_trip_changes_at_run_time(self):
        self.line.tell('delay 75000')
        shortest = min(self.connect() for _ in range(5)) * 1000
        self.assertGreaterEqual(shortest, 150)

    def test_a_cut_line_carries_nothing_and_heals(self):
        before = self.line.tell('cut')
        with self.assertRaises(OSError):
            self.connect(timeout=1)
        after = self.line.tell('stat')
        self.assertEqual(before['ab_bytes'], after['ab_bytes'])
        self.assertGreater(after['ab_dropped'], before['ab_dropped'])
        self.line.tell('heal')
        deadline.wait('the line carrying again', self.connect, 30,
                      retry_on=(OSError,))

    def test_bytes_are_counted(self):
        before = self.line.tell('stat')
        member = etcd.Etcd(self.lab, self.far)
        good = []

        def asked():
            good.append(member.is_healthy())
            return sum(good) == 20

        # Of a machine that has much to do not all come in time.
        deadline.wait('20 good answers', asked, 60, 0.01)
        after = self.line.tell('stat')
        self.assertGreater(after['ab_bytes'] - before['ab_bytes'], 20 * 100)
        self.assertGreater(after['ba_bytes'] - before['ba_bytes'], 20 * 100)

    def send(self):
        """Send 4 MiB to the edge; return the line's counters of it."""
        scratch = self.lab.path('state', 'wan', 'random')
        scratch.write_bytes(random.randbytes(_BYTES))
        name = f'volumes/{self.name()}'
        self.addCleanup(ceph.rbd, self.lab, self.far, 'rm', '--no-progress',
                        name)
        before = self.line.tell('stat')
        ceph.rbd(self.lab, self.far, 'import', '--no-progress', scratch, name,
                 run_at=layouts.CENTRAL)
        after = self.line.tell('stat')
        return {name: after[name] - before[name] for name in after}

    def test_a_rate_holds_the_bytes_back(self):
        # 4 MiB at 16 Mbit/s need two seconds; unlimited, less than one.
        self.line.tell('rate 16000')
        started = time.monotonic()
        self.send()
        self.assertGreaterEqual(time.monotonic() - started, 2.0)

    def test_packets_are_those_of_the_line(self):
        # Whatever TCP hands over at once.
        sent = self.send()
        self.assertGreater(sent['ab_bytes'], _BYTES * 1500 / 1448)
        self.assertLessEqual(sent['ab_bytes'], sent['ab_packets'] * 1500)

    def test_single_packets_are_lost(self):
        # 3,000 packets, of which a few come again.
        self.line.tell('loss 0.01')
        sent = self.send()
        self.assertGreater(sent['ab_dropped'], 0)
        self.assertLess(sent['ab_dropped'], sent['ab_packets'] / 10)
