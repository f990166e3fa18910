# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import tempfile
import unittest
from unittest import mock

from tests.lab.services import ceph_commands


class Cluster:
    """Answer with what is told, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def mon_command(self, text, _input, timeout):
        self.asked.append(json.loads(text))
        return self.answers.pop(0)

    mgr_command = mon_command


class CommandsTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        patch = mock.patch.object(ceph_commands.time, 'sleep')
        self.sleep = patch.start()
        self.addCleanup(patch.stop)

    def test_in_their_order_and_the_answer_into_a_file(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, 'keyring')
            cluster = Cluster((0, b'[osd.0]\n', ''), (0, b'', 'created'))
            ceph_commands.carry_out(cluster, [
                {'prefix': 'auth get-or-create', 'to': str(path)},
                {'prefix': 'osd pool create', 'pool': 'images'}], 5)
            self.assertEqual('[osd.0]\n', path.read_text())
        self.assertEqual([
            {'prefix': 'auth get-or-create'},
            {'prefix': 'osd pool create', 'pool': 'images'}], cluster.asked)

    def test_the_first_refusal_ends_it(self):
        cluster = Cluster((-22, b'', 'no such thing'))
        with self.assertRaisesRegex(ceph_commands.Refused,
                                    'osd new: -22 no such thing'):
            ceph_commands.carry_out(cluster, [
                {'prefix': 'osd new'}, {'prefix': 'another'}], 5)
        self.assertEqual(1, len(cluster.asked))

    def test_until_it_is_clean(self):
        cluster = Cluster(
            (-11, b'', ''), (0, b'1 pgs: 1 unknown; 0 B data', ''),
            (0, b'9 pgs: 1 creating+peering, 8 active+clean; 0 B', ''),
            (0, b'9 pgs: 9 active+clean; 0 B data', ''))
        ceph_commands.carry_out(cluster, [
            {'prefix': ceph_commands.WAIT}], 60)
        self.assertEqual(3, self.sleep.call_count)

    def test_one_that_never_is(self):
        cluster = Cluster((0, b'1 pgs: 1 unknown; 0 B data', ''))
        with self.assertRaisesRegex(ceph_commands.Refused, '1 unknown'):
            ceph_commands.carry_out(cluster, [
                {'prefix': ceph_commands.WAIT}], 0)
