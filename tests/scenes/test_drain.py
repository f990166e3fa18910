# SPDX-License-Identifier: Apache-2.0
"""A site with servers and volumes is drained, and the command killed twice."""

import contextlib
import json
import os
import pty
import subprocess
import threading

from dcn_plugins.osc import site_cordon
from dcn_plugins.osc import site_drain
from tests.lab.services import nova
from tests.scenes import test_pane

_IMAGES = 3
_TARGET = 'central'
_SLOW_KBIT = 4000


class Terminal:
    """What a process shows to somebody who sits there.

    :ivar file: for its standard error.
    """

    def __init__(self):
        self._shown, self.file = pty.openpty()
        self._parts = []
        # What nobody reads would block it.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        # EIO: nobody has it open for writing any more.
        with contextlib.suppress(OSError):
            while part := os.read(self._shown, 4096):
                self._parts.append(part)

    def close(self):
        """Return all that was shown; for when the process has ended."""
        if self.file is not None:
            os.close(self.file)
            self.file = None
            self._reader.join(10)
            os.close(self._shown)
        return b''.join(self._parts).decode()


class DrainTest(test_pane.PaneCase):

    def setUp(self):
        super().setUp()
        self.line = self.line_of(self.far)

    def test_killed_twice(self):
        site = self.far
        self.addCleanup(self.table, site_cordon.UncordonSite, site)
        images = [self.import_image([site]) for _ in range(_IMAGES)]
        servers = [self.user.server(self.name(), zone=site, image_id=image)
                   for image in images[:2]]
        for server in servers:
            self.addCleanup(self.user.delete_server, server.id)
        volumes = [self.volume(site), self.volume(site, image_id=images[0])]
        snapshot = self.user.volume_snapshot(self.name(), volumes[0].id)
        self.addCleanup(self.user.delete_volume_snapshot, snapshot.id)
        expected = {
            *(('copy image', image, 'done') for image in images),
            *(('server', server.id, 'stays') for server in servers),
            *(('volume', volume.id, 'stays') for volume in volumes),
            ('snapshot', snapshot.id, 'stays')}

        self.killed(site, lambda: self.disabled(site))
        # So slow that the copies of some megabytes take a minute.
        self.line.tell(f'rate {_SLOW_KBIT}')
        self.killed(site, lambda: all(map(self.is_on_its_way, images)))
        self.assertEqual(nova.computes(self.lab, site),
                         len(self.disabled(site)))
        # Glance has not ended what the one that was killed has asked for.
        terminal = Terminal()
        self.addCleanup(terminal.close)
        ran = self.drain(site, terminal.file)
        with self.assertRaises(subprocess.TimeoutExpired):
            self.fail(ran.communicate(timeout=15))
        self.line.tell(f'rate {self.lab.wan.rate_kbit}')
        output, _errors = ran.communicate(timeout=300)
        seen = terminal.close()
        self.assertEqual(0, ran.returncode, f'{output}\n{seen}')
        # Bars, with what glance-api has told.
        bar = f'{images[0][:8]} {_TARGET} '
        self.assertRegex(seen, bar + r'.* \d+% \d+/\d+ MiB \d+ MB/s')
        self.assertRegex(seen, f'{bar}.* present')
        self.assertEqual(expected, {
            (row['Step'], row['Target'], row['State'])
            for row in json.loads(output)})
        for image in images:
            self.assertEqual(sorted([site, _TARGET]),
                             self.user.stores(image))
        # Once more: what there was to do is done.
        self.assertEqual({'stays'}, {row['State'] for row in self.table(
            site_drain.DrainSite, site)})

    def disabled(self, site):
        """Return the nova-computes of a site that are disabled."""
        return [found.host for found in self.user.cloud.compute.services()
                if found.status == 'disabled'
                and found.host.startswith(f'{site}-')]

    def is_on_its_way(self, image_id):
        image = self.user.cloud.image.get(f'/images/{image_id}').json()
        return _TARGET in image.get('os_glance_importing_to_stores', '')

    def drain(self, site, terminal=subprocess.PIPE):
        return self.started(
            'site', 'drain', site, '--to', _TARGET, '--service-seconds', '60',
            '-f', 'json', stderr=terminal, COLUMNS='80', TERM='xterm')

    def killed(self, site, is_time):
        self.kill(self.drain(site), f'drain of {site}', is_time, 0.1)
