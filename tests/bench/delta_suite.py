# SPDX-License-Identifier: Apache-2.0
"""The snapshot of a server whose base image is at the target already.

Nova flattens such snapshots, so that Ceph knows no more which part of them is
that of the base. It is copied with the base and, beside it, as a whole, by us
and by export and import.
"""

import json
import os
import random
import subprocess
import sys
import time

from dcn_plugins.ceph import bindings
from tests.bench import commands
from tests.bench import copy_bars as bars
from tests.functional.imagecopy import rig
from tests.lab import wan

MIB = 1 << 20
_BLOCK = 4096
_BASE, _SERVER = 'base', 'server'
#: How many writes of a guest are under way.
_DEPTH = 64


def run(size_mib, changed_mib, link=None):
    """Measure and print everything; return ``(record, bars)``.

    :param size_mib: of the image, a quarter of which has data.
    :param changed_mib: of it since: one half in blocks of 4 KiB, the other in
        longer runs.
    """
    with rig.Rig(edges=1, link=link) as site:
        wan.enter(site.lab)
        bench = Delta(site, size_mib * MIB, changed_mib * MIB)
        bench.make()
        cases = {name: bench.measure(name) for name in (
            bars.DELTA, bars.WHOLE, bars.EXPORT)}
    figures = {'size_bytes': size_mib * MIB, 'link': link,
               'changed_bytes': bench.changed_bytes, 'cases': cases,
               'load': os.getloadavg()}
    verdicts = bars.delta_bars(figures)
    figures['bars'] = [bar.to_record() for bar in verdicts]
    return figures, verdicts


class Delta:
    """A base at both sites, and an image that was made from it at one."""

    def __init__(self, site, size, changed):
        self._site = site
        self._size = size
        self._changed = changed
        self._chance = random.Random(6)
        self._content = None
        self.changed_bytes = 0

    def make(self):
        """Make the base, copy it, and make the snapshot of a server."""
        client = bindings.rados().Rados(
            conffile=self._site.conf(rig.SOURCE), rados_id='admin')
        client.connect()
        try:
            with client.open_ioctx(rig.POOL) as ioctx:
                bindings.rbd().RBD().create(ioctx, _BASE, self._size,
                                            order=23)
                self._write(ioctx, _BASE, self._filled())
                self._rbd(rig.SOURCE, 'snap', 'create', f'{_BASE}@snap')
                self._rbd(rig.SOURCE, 'snap', 'protect', f'{_BASE}@snap')
                self._rbd(rig.SOURCE, 'clone', f'{_BASE}@snap',
                          f'{rig.POOL}/{_SERVER}')
                self._write(ioctx, _SERVER, self._changes())
        finally:
            client.shutdown()
        self._rbd(rig.SOURCE, 'flatten', '--no-progress', _SERVER)
        self._rbd(rig.SOURCE, 'snap', 'create', f'{_SERVER}@snap')
        self._rbd(rig.SOURCE, 'snap', 'protect', f'{_SERVER}@snap')
        self._ours(_BASE)
        self._content = self._hash(rig.SOURCE)

    def _filled(self):
        step = 16 * MIB
        for start in range(0, self._size, step):
            yield start, step // 4

    def _changes(self):
        """Yield places that do not overlap: half in blocks, half in runs."""
        taken, runs = set(), []
        left = self._changed // 2 // _BLOCK
        while left:
            length = min(left, int(2 ** self._chance.uniform(2, 10)))
            place = self._chance.randrange(self._size // _BLOCK - length)
            blocks = range(place, place + length)
            if taken.isdisjoint(blocks):
                taken.update(blocks)
                runs.append((place, length))
                left -= length
        while len(taken) < self._changed // _BLOCK:
            place = self._chance.randrange(self._size // _BLOCK)
            if place not in taken:
                taken.add(place)
                runs.append((place, 1))
        for place, length in runs:
            self.changed_bytes += length * _BLOCK
            yield place * _BLOCK, length * _BLOCK

    def _write(self, ioctx, name, places):
        with bindings.rbd().Image(ioctx, name) as image:
            waiting = []
            for offset, length in places:
                waiting.append(image.aio_write(
                    os.urandom(length), offset, lambda completion: None))
                if len(waiting) >= _DEPTH:
                    waiting.pop(0).wait_for_complete_and_cb()
            for completion in waiting:
                completion.wait_for_complete_and_cb()
            image.flush()

    def measure(self, name):
        """Copy the snapshot in one way; return seconds and sent bytes."""
        begin = self._link_bytes()
        if name == bars.EXPORT:
            found = self._export()
        else:
            found = self._ours(_SERVER, *(
                ['--base', _BASE] if name == bars.DELTA else []))
        found['link_bytes'] = self._link_bytes() - begin
        if self._hash(rig.TARGET) != self._content:
            raise RuntimeError(f'{name} has made another image')
        self._rbd(rig.TARGET, 'snap', 'unprotect', f'{_SERVER}@snap',
                  is_checked=False)
        self._rbd(rig.TARGET, 'snap', 'purge', '--no-progress', _SERVER)
        self._rbd(rig.TARGET, 'rm', '--no-progress', _SERVER)
        print(f'  {name:26} {found["seconds"]:7.2f} s, '
              f'{found["sent_bytes"] / MIB:7.1f} MiB sent, '
              f'{found["link_bytes"] / MIB:7.1f} MiB on the link', flush=True)
        return found

    def _ours(self, name, *options):
        source, target = (f'{self._site.conf(site)}:{rig.POOL}'
                          for site in (rig.SOURCE, rig.TARGET))
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, '-m', 'dcn_plugins.imagecopy', '--json',
             *options, name, source, target], check=True,
            stdout=subprocess.PIPE, timeout=900)
        seconds = time.monotonic() - begin
        results = [line['result'] for line in map(
            json.loads, done.stdout.splitlines()) if 'result' in line]
        return {'seconds': seconds,
                'sent_bytes': results[0]['sent_bytes'],
                'saved_bytes': results[0]['saved_bytes']}

    def _export(self):
        begin = time.monotonic()
        commands.pipeline([
            self._command(rig.SOURCE, 'export', '--no-progress',
                          f'{_SERVER}@snap', '-'),
            self._command(rig.TARGET, 'import', '--no-progress', '-',
                          _SERVER)])
        return {'seconds': time.monotonic() - begin,
                'sent_bytes': self._size,
                'saved_bytes': 0}

    def _link_bytes(self):
        """Return what has gone to the target; 0 without a line."""
        if not self._site.lab.wan:
            return 0
        counters = wan.Link(self._site.lab, rig.TARGET).tell('stat')
        return counters['ab_bytes']

    def _hash(self, site):
        snapshot = '@snap' if site == rig.SOURCE else ''
        with subprocess.Popen(
                self._command(site, 'export', '--no-progress',
                              f'{_SERVER}{snapshot}', '-'),
                stdout=subprocess.PIPE) as export:
            done = subprocess.run(['sha512sum'], stdin=export.stdout,
                                  check=True, stdout=subprocess.PIPE,
                                  timeout=900)
        return done.stdout

    def _command(self, site, *arguments):
        return ['rbd', '-c', self._site.conf(site), '-p', rig.POOL,
                *arguments]

    def _rbd(self, site, *arguments, is_checked=True):
        commands.run(self._command(site, *arguments), is_checked)
