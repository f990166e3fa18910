# SPDX-License-Identifier: Apache-2.0
"""Copies of an image between clusters, beside what operators use.

All are commands of their own and run in turn in one run, on the same images.
The clusters are on one machine, and share its cores with the copier.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

from dcn_plugins.imagecopy import record
from tests.bench import commands
from tests.bench import copy_bars as bars
from tests.bench import disk_content
from tests.bench import peers
from tests.functional.imagecopy import rig
from tests.lab import wan

MIB = 1 << 20
_OTHER = 'dcn1'
_HEADER_BYTES = 20 + 20 + 12


def run(size_mib, rounds, link=None):
    """Measure and print everything; return ``(record, bars)``.

    :param size_mib: of the image, a quarter of which has data.
    :param link: like ``20ms,1Gbit``, between the source and each target.
    """
    with rig.Rig(edges=2, link=link) as site:
        wan.enter(site.lab)
        bench = Bench(site, size_mib * MIB)
        found = []
        bench.make()
        for number in range(rounds):
            cases = bench.cases()
            first = number % len(cases)
            for layout in (bars.SPARSE, bars.DENSE):
                for name in [*cases][first:] + [*cases][:first]:
                    took = bench.measure(layout, name, cases[name])
                    found.append((layout, name, took))
                    print(f'  {layout:6} {name:26} '
                          f'{took["seconds"]:7.2f} s '
                          f'{took["cpu_seconds"]:6.2f} s of CPU '
                          f'{took["rss_mib"]:5.0f} MiB', flush=True)
        bench.remove()
        rate = payload_rate(site.lab) if link else None
    figures = {
        'size_bytes': size_mib * MIB, 'data_bytes': bench.data_bytes,
        'rounds': found, 'medians': bars.medians(found),
        'rtt_ms': site.lab.wan.rtt_ms if link else None,
        'link_bytes_per_second': rate,
        'load': os.getloadavg()}
    verdicts = bars.bars(figures)
    figures['bars'] = [bar.to_record() for bar in verdicts]
    return figures, verdicts


def payload_rate(lab):
    """Return the bytes of data that a line carries in a second.

    Without the headers of IPv4 and of TCP with its time stamps.
    """
    [device] = json.loads(wan.ip('-j', '-n', lab.namespace(_OTHER), 'link',
                                 'show', 'w-central'))
    mtu = device['mtu']
    return lab.wan.rate_kbit * 125 * (mtu - _HEADER_BYTES) / mtu


class Bench:
    """The images, and the ways to copy them."""

    def __init__(self, site, size):
        self._site = site
        self._size = size
        self.data_bytes = size // 4

    def make(self):
        """Make an image with holes, and one with zeros in their place."""
        with tempfile.NamedTemporaryFile(dir='/var/tmp') as scratch:
            disk_content.write(scratch, self._size, self.data_bytes,
                               random.Random(5))
            for layout, zeros in ((bars.SPARSE, '4k'), (bars.DENSE, '0')):
                source = peers.Peers(None, self._site.conf(rig.SOURCE),
                                     rig.POOL, self._size)
                commands.pipelines(source.create(layout))
                commands.run([
                    'qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw',
                    '-S', zeros, '-W', '-m', '16', scratch.name,
                    f'rbd:{rig.POOL}/{layout}'
                    f':conf={self._site.conf(rig.SOURCE)}'])
                commands.pipelines(source.freeze(layout))

    def cases(self):
        """Return functions by name: each from a layout to its commands."""
        conf = self._site.conf
        ours = [sys.executable, '-m', 'dcn_plugins.imagecopy', '--json']
        source, one, two = (f'{conf(site)}:{rig.POOL}' for site in (
            rig.SOURCE, rig.TARGET, _OTHER))
        others = peers.Peers(conf(rig.SOURCE), conf(rig.TARGET), rig.POOL,
                             self._size)
        return {
            bars.FIRST: lambda layout: [[[*ours, layout, source, one]]],
            bars.LATER: lambda layout: [[[*ours, layout, source, one]]],
            bars.BOTH: lambda layout: [[[*ours, layout, source, one, two]]],
            bars.QEMU: others.qemu_img,
            bars.QEMU_WHOLE: lambda layout: (
                others.qemu_img(layout) + others.freeze(layout)),
            bars.EXPORT: others.export,
            bars.DIFF: others.export_diff}

    def measure(self, layout, name, case):
        """Run the commands of a case; return what they took."""
        self._clear(layout)
        if name == bars.FIRST:
            self._forget_proof(layout)
        pipelines = case(layout)
        begin = time.monotonic()
        usages = commands.pipelines(pipelines)
        return {'seconds': time.monotonic() - begin,
                'cpu_seconds': sum(usage.ru_utime + usage.ru_stime
                                   for usage in usages),
                'rss_mib': max(usage.ru_maxrss for usage in usages) / 1024}

    def remove(self):
        """Remove all images."""
        for layout in (bars.SPARSE, bars.DENSE):
            self._clear(layout)
            self._drop(rig.SOURCE, layout)

    def _clear(self, layout):
        for site in (rig.TARGET, _OTHER):
            if layout in self._site.rbd(site, 'ls', rig.POOL).split():
                self._drop(site, layout)

    def _drop(self, site, layout):
        peers.drop(self._site.conf(site), rig.POOL, layout)

    def _forget_proof(self, layout):
        """Have the hash be computed again."""
        conf = self._site.conf(rig.SOURCE)
        info = json.loads(subprocess.run(
            peers.rbd(conf, rig.POOL, 'info', '--format', 'json', layout),
            check=True, stdout=subprocess.PIPE, timeout=60).stdout)
        commands.run(['rados', '-c', conf, '-p', rig.POOL, 'rmxattr',
                      f'rbd_header.{info["id"]}', record.PROOF_KEY],
                     is_checked=False)
