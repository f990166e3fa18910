# SPDX-License-Identifier: Apache-2.0
"""What a move does to the disk of a real guest.

The guest counts its boots on its own disk: that count is the marker. A disk
made anew from the image says 1 again.
"""

import concurrent.futures
import unittest

import openstack

from tests.integration import lab_case
from tests.lab import catalogue
from tests.lab import deadline
from tests.lab.services import nova

# Nova spreads by memory before all else, so that which host is the best one
# depends on where guests are and on nothing else.
SPREAD = {'filter_scheduler': {'ram_weight_multiplier': 1000,
                               'build_failure_weight_multiplier': 0}}

# One guest with two processors emulates slowly; several boot side by side.
BOOT_SECONDS = 240


class MovesTestCase(lab_case.LabCase):
    """Guests without a zone on both hosts of one site.

    Each host of the site has one, so that the hosts elsewhere are the emptier
    ones: Nova, which spreads, has a reason to take those.
    """

    with_filter = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hosts = [nova.compute_host(cls.near, n) for n in (0, 1)]
        cls.image = cls.user.import_image(
            cls.__name__, cls.image_url, cls.lab.sites)
        cls.addClassCleanup(
            cls.user.cloud.image.delete_image, cls.image)

    def setUp(self):
        super().setUp()
        scheduler = self.cloud['nova-scheduler']
        self.addCleanup(scheduler.reconfigure)
        scheduler.reconfigure(self.with_filter, SPREAD)

    def boot(self, hosts):
        """Return one guest per host, each of which has booted once."""
        with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
            ids = list(pool.map(self._boot, hosts))
        for server_id in ids:
            self.assertEqual(1, self.user.boots(server_id, BOOT_SECONDS))
        return ids

    def _boot(self, host):
        server = self.user.server(self.name(), host=host,
                                  image_id=self.image)
        self.addCleanup(self.remove, server.id)
        self.assertEqual(host, server.compute_host)
        return server.id

    def remove(self, server_id):
        self.user.delete_server(server_id)
        # What stock Nova leaves behind at the site that a server has left.
        self.user.remove_disk(self.near, server_id)

    def crash(self, host):
        """A host loses its power: service, guests and all."""
        compute = self.cloud[f'nova-compute-{host}']
        self.addCleanup(self.revive, host)
        compute.kill()
        self.cloud[f'libvirtd-{host}'].destroy_guests()
        self.user.force_down(host, True)

    def revive(self, host):
        self.cloud[f'nova-compute-{host}'].start()
        # Not before it has cleaned up after what was evacuated from it.
        deadline.wait(
            f'{host} being up', lambda: self.user.force_down(
                host, False) or True, 300, 2,
            retry_on=(openstack.exceptions.BadRequestException,))
        # Of a server whose host is down Nova deletes the record alone.
        catalogue.wait_services(self.lab, {('nova-compute', host)})

    def assert_marker(self, server_id, boots):
        self.assertEqual(
            boots, deadline.wait(
                f'guest {server_id} counting boot {boots}',
                lambda: self.user.boots(server_id) >= boots and
                self.user.boots(server_id), BOOT_SECONDS, 2))


class OurMovesTest(MovesTestCase):

    def test_marker_survives_every_move(self):
        guest, _filler = self.boot(self.hosts)

        server = self.user.live_migrate(guest)
        self.assertEqual(self.hosts[1], server.compute_host)
        self.user.heartbeat(guest)
        self.assertEqual(1, self.user.boots(guest), 'it has booted')

        server = self.user.migrate(guest)
        self.assertEqual(self.hosts[0], server.compute_host)
        self.user.confirm(guest)
        self.assert_marker(guest, 2)

        server = self.user.resize(guest)
        self.assertEqual(self.hosts[1], server.compute_host)
        self.user.confirm(guest)
        self.assert_marker(guest, 3)

        self.crash(self.hosts[1])
        server = self.user.evacuate(guest)
        self.assertEqual((self.hosts[0], 'ACTIVE'),
                         (server.compute_host, server.status))
        self.assert_marker(guest, 4)


class StockMovesTest(MovesTestCase):
    """The same moves by Nova alone, each of a guest of its own."""

    with_filter = False

    def test_every_move_goes_wrong(self):
        live, evacuated, cold, resized = self.boot(self.hosts * 2)
        # A live migration fails before anything is lost: the destination
        # has no such disk.
        with self.assertRaises(deadline.LabError):
            self.user.live_migrate(live)
        self.assertEqual(1, self.user.boots(live))
        for guest, move in ((cold, self.user.migrate),
                            (resized, self.user.resize)):
            server = move(guest, statuses=('VERIFY_RESIZE', 'ERROR'))
            self.assertNotIn(server.compute_host, self.hosts)
            self.assertEqual('ERROR', server.status)
        # An evacuation says that all went well.
        self.crash(self.hosts[1])
        server = self.user.evacuate(evacuated)
        self.assertNotIn(server.compute_host, self.hosts)
        self.assertEqual('ACTIVE', server.status)
        self.assertEqual(1, self.user.boots(evacuated, BOOT_SECONDS),
                         'the disk is a new one')


if __name__ == '__main__':
    unittest.main()
