# SPDX-License-Identifier: Apache-2.0
"""Where servers go that are scheduled again: stock Nova, and the plugins.

Names like g01 are those of the documented gaps of stock Nova.
"""

import fixtures
from nova.scheduler import request_filter

from tests.functional.nova import cloud

SITES = {**cloud.TWO_SITES, **cloud.CENTRAL}


class MovesTestCase(cloud.SiteFilterTestCase):
    """Servers on h11 of dcn1, and what becomes of each."""

    def moves(self):
        """Move a server each, not pinned; return where it went."""
        servers = self.create_several(6, host='h11')
        went_to = {
            'g01 live migrate': self.outcome(servers[0], *cloud.LIVE),
            'live migrate --host': self.outcome(
                servers[1], *cloud.LIVE_TO_H21),
            'g02 cold migrate': self.outcome(servers[2], *cloud.COLD),
            'cold migrate --host': self.outcome(
                servers[3], *cloud.COLD_TO_H21),
            'g02b resize by its owner': self.outcome(
                servers[4], *cloud.RESIZE, api=self.member),
            'live migrate of a central server': self.outcome(
                self.create_at('c1'), *cloud.LIVE),
        }
        self.flags(allow_resize_to_same_host=True)
        went_to['g02c resize to the same host'] = self.outcome(
            servers[5], *cloud.RESIZE)
        self.flags(allow_resize_to_same_host=False)
        return went_to

    def pinned_moves(self):
        """Move a server each, pinned to dcn1; return where it went."""
        servers = self.create_several(
            4, host='h11', availability_zone='dcn1')
        return {
            'g01b live migrate': self.outcome(servers[0], *cloud.LIVE),
            'g01c live migrate --host': self.outcome(
                servers[1], *cloud.LIVE_TO_H21),
            'cold migrate': self.outcome(servers[2], *cloud.COLD),
            'resize': self.outcome(servers[3], *cloud.RESIZE),
        }

    def evacuations(self):
        free, sent = self.create_several(2, host='h11')
        pinned = self.create_pinned('h11', 'dcn1')
        self.kill('h11')
        return {
            'g03 evacuate': self.outcome(free, *cloud.EVACUATE),
            'evacuate --host': self.outcome(
                sent, 'evacuate', {'host': 'h21'}),
            'evacuate, pinned': self.outcome(pinned, *cloud.EVACUATE),
        }


class StockTest(MovesTestCase):
    """What Nova does alone: only a pin keeps a server in its site."""

    def test_moves(self):
        self.start_cloud(SITES, with_plugins=False)
        self.assertEqual({
            'g01 live migrate': 'h21',
            'live migrate --host': 'h21',
            'g02 cold migrate': 'h21',
            'cold migrate --host': 'h21',
            'g02b resize by its owner': 'h21',
            'g02c resize to the same host': 'h21',
            'live migrate of a central server': 'h21',
        }, self.moves())
        self.assertEqual({
            'g01b live migrate': 'h12',
            'g01c live migrate --host': cloud.REFUSED,
            'cold migrate': 'h12',
            'resize': 'h12',
        }, self.pinned_moves())

    def test_evacuations(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        self.assertEqual({
            'g03 evacuate': 'h21',
            'evacuate --host': 'h21',
            'evacuate, pinned': 'h12',
        }, self.evacuations())


class StayTest(MovesTestCase):
    """With the plugins a move ends in the same site, or not at all."""

    moves_stay = {
        'g01 live migrate': 'h12',
        'live migrate --host': cloud.REFUSED,
        'g02 cold migrate': 'h12',
        'cold migrate --host': cloud.REFUSED,
        'g02b resize by its owner': 'h12',
        'g02c resize to the same host': 'h12',
        'live migrate of a central server': 'c2',
    }

    def test_moves(self):
        self.start_cloud(SITES)
        self.assertEqual(self.moves_stay, self.moves())
        self.assertEqual({
            'g01b live migrate': 'h12',
            'g01c live migrate --host': cloud.REFUSED,
            'cold migrate': 'h12',
            'resize': 'h12',
        }, self.pinned_moves())

    def test_moves_with_filter_alone(self):
        self.flags(push_to_placement=False, group='dcn')
        self.start_cloud(SITES)
        self.assertEqual(self.moves_stay, self.moves())

    def test_evacuations(self):
        self.start_cloud(cloud.TWO_SITES)
        self.assertEqual({
            'g03 evacuate': 'h12',
            'evacuate --host': cloud.REFUSED,
            'evacuate, pinned': 'h12',
        }, self.evacuations())


class CrossCellTest(cloud.SiteFilterTestCase):
    """A cold migration that names a host and may leave the cell.

    It is the one move for which the conductor names no cell.
    """

    def migrate(self, **options):
        self.policy.set_rules(
            {'compute:servers:resize:cross_cell': '@'}, overwrite=False)
        self.start_cloud({'dcn1': ['h11'], 'dcn2': ['h21']}, **options)
        self.cells = []
        process = request_filter.process_reqspec

        def record(ctxt, request_spec):
            self.cells.append(request_spec.requested_destination.cell)
            return process(ctxt, request_spec)

        server = self.create_at('h11')
        self.useFixture(fixtures.MonkeyPatch(
            'nova.scheduler.request_filter.process_reqspec', record))
        went_to = self.outcome(server, *cloud.COLD_TO_H21)
        self.assertEqual([None], self.cells)
        return went_to

    def test_stock(self):
        self.assertEqual('h21', self.migrate(with_plugins=False))

    def test_stays(self):
        self.assertEqual(cloud.REFUSED, self.migrate())

    def test_stays_with_filter_alone(self):
        self.flags(push_to_placement=False, group='dcn')
        self.assertEqual(cloud.REFUSED, self.migrate())
        self.assertIn('migrate stays in site dcn1: 0 of 1 hosts passed; '
                      'rejected: move 1', self.log())
