# SPDX-License-Identifier: Apache-2.0
import contextlib
import pathlib
import socket
import tempfile
import unittest

from tests.lab import deadline
from tests.lab import layout


class WanTest(unittest.TestCase):

    def test_round_trip_and_rate(self):
        self.assertEqual(layout.Wan(40.0, 1000000),
                         layout.Wan.parse('40ms,1Gbit'))
        self.assertEqual(layout.Wan(0.5, 2500), layout.Wan.parse(
            '0.5 ms, 2.5Mbit'))
        self.assertEqual(layout.Wan(20.0, 64), layout.Wan.parse(
            '20ms,64kbit'))

    def test_no_rate_is_no_limit(self):
        self.assertEqual(layout.Wan(10.0, 0), layout.Wan.parse('10ms'))

    def test_what_cannot_be_read_is_refused_with_the_form(self):
        for text in ('40', '40s', 'ms', '40ms,', '40ms,1G', '-1ms', '40ms,x',
                     '40ms,-1Mbit', 'nanms', '1e9ms'):
            if text == '40ms,':
                continue  # a trailing comma is harmless
            with self.subTest(text), self.assertRaises(
                    deadline.LabError) as caught:
                layout.Wan.parse(text)
            self.assertIn('40ms,1Gbit', str(caught.exception))


class DirectoryTest(unittest.TestCase):

    def test_a_plain_absolute_path_is_fine(self):
        layout.check_directory(pathlib.Path('/var/tmp/dcn-lab'))

    def test_a_path_that_a_service_takes_apart_is_refused(self):
        for text in ('relative', '/a b', '/a,b', '/a:b', '/a%b', '/a$b',
                     "/a'b", '/' + 'x' * 60):
            with self.subTest(text), self.assertRaises(deadline.LabError):
                layout.check_directory(pathlib.Path(text))


class LayoutTest(unittest.TestCase):

    def test_one_more_edge_is_found_later_and_moves_no_other(self):
        made = layout.Layout.create(self.directory, edges=2)
        before = [made.address(site) for site in made.sites]
        self.assertEqual('dcn2', made.add_edge())
        found = layout.Layout.load(self.directory)
        self.assertEqual(['central', 'dcn0', 'dcn1', 'dcn2'], found.sites)
        self.assertEqual(before, [found.address(site)
                                  for site in found.sites[:3]])
        self.assertNotIn(found.address('dcn2'), before)

    def test_there_are_no_more_edges_than_can_be(self):
        made = layout.Layout.create(self.directory, edges=20)
        with self.assertRaises(deadline.LabError):
            made.add_edge()
        self.assertEqual(20, len(made.edges))

    def setUp(self):
        super().setUp()
        scratch = tempfile.TemporaryDirectory(prefix='l', dir='/tmp')
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name, 'lab')

    def test_a_later_command_finds_the_same_lab(self):
        made = layout.Layout.create(self.directory, edges=3)
        port, secret = made.port('x'), made.secret('s')
        found = layout.Layout.load(self.directory)
        self.assertEqual(['central', 'dcn0', 'dcn1', 'dcn2'], found.sites)
        self.assertEqual(port, found.port('x'))
        self.assertEqual(secret, found.secret('s'))
        self.assertEqual(made.name, found.name)

    def test_ports_differ_and_stay_below_the_ephemeral_range(self):
        made = layout.Layout.create(self.directory)
        ports = {made.port(f'p{i}', site) for i in range(20)
                 for site in made.sites}
        self.assertEqual(60, len(ports))
        self.assertLess(max(ports), layout.ephemeral_start())

    def test_a_port_that_is_taken_is_passed_over(self):
        made = layout.Layout.create(self.directory)
        first = made.port('first')
        with socket.socket() as taken:
            # Where somebody else has it, it is taken, too.
            with contextlib.suppress(OSError):
                taken.bind((made.address(), first + 1))
            many = made.port('many', count=3)
        self.assertNotIn(first + 1, range(many, many + 3))

    def test_sites_have_addresses_of_their_own(self):
        plain = layout.Layout.create(self.directory)
        self.assertEqual(3, len({plain.address(s) for s in plain.sites}))
        self.assertTrue(plain.address('dcn0').startswith('127.'))
        self.assertIsNone(plain.namespace('dcn0'))

    def test_labs_that_start_at_the_same_time_do_not_meet(self):
        labs = [layout.Layout.create(self.directory / name)
                for name in ('one', 'two', 'three')]
        self.assertEqual(3, len({(lab.address(), lab.port('x'))
                                 for lab in labs}))

    def test_a_wan_puts_each_site_into_a_namespace(self):
        made = layout.Layout.create(self.directory, wan=layout.Wan(10, 0))
        names = {made.namespace(site) for site in made.sites}
        self.assertEqual(3, len(names))
        self.assertEqual(layout.Wan(10, 0),
                         layout.Layout.load(self.directory).wan)

    def test_no_lab_and_a_torn_file_are_told_with_the_remedy(self):
        with self.assertRaisesRegex(deadline.LabError, '"up" first'):
            layout.Layout.load(self.directory)
        self.directory.mkdir()
        (self.directory / layout.FILE).write_text('{"sites": [')
        with self.assertRaisesRegex(deadline.LabError, 'damaged'):
            layout.Layout.load(self.directory)

    def test_the_number_of_sites_is_bounded(self):
        for edges in (0, 21):
            with self.assertRaisesRegex(deadline.LabError, '1 to 20'):
                layout.Layout.create(self.directory, edges=edges)

    def test_passwords_are_for_the_owner_only(self):
        made = layout.Layout.create(self.directory)
        made.secret('s')
        mode = (self.directory / layout.FILE).stat().st_mode
        self.assertEqual(0, mode & 0o077)
