# SPDX-License-Identifier: Apache-2.0
"""How exact a rate is that somebody sets, and how soon it holds.

What has gone over the line is counted by the line. Beside it: ``qemu-img
convert -r``, whose rate cannot be changed while it runs.
"""

import concurrent.futures
import json
import os
import subprocess
import threading
import time

from dcn_plugins.ceph import bindings
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import service
from tests.bench import throttle_bars as bars
from tests.functional.imagecopy import rig
from tests.lab import wan

MIB = 1 << 20
MB = 1_000_000
_IMAGE = 'throttled'
_HEADER_BYTES = 20 + 20 + 12
#: Over which a rate is measured, and after which it has to hold.
SECONDS, SOON_SECONDS = 10.0, 1.0
_PAUSE_SECONDS = 3.0
_BEGIN_SECONDS = 60.0
#: ``(what is done, bytes a second to the target, in total)``
_STEPS = (('to one target', 20 * MB, None), ('halved', 10 * MB, None),
          ('in total, raised', None, 30 * MB))


def run(link):
    """Measure and print everything; return ``(record, bars)``.

    :param link: like ``20ms,1Gbit``, to the target.
    """
    with rig.Rig(link=link) as site:
        wan.enter(site.lab)
        bench = Bench(site)
        bench.make(1400)
        figures = {'link': link, **bench.ours(),
                   'qemu_img': bench.qemu_img(), 'load': os.getloadavg()}
    for name, found in figures['rates'].items():
        print(f'  {name:20} {found["set"] / MB:6.2f} MB/s set, '
              f'{found["measured"] / MB:6.2f} measured', flush=True)
    print(f'  paused: {figures["paused_share"]:.3f} of it; qemu-img -r: '
          f'{figures["qemu_img"]["set"] / MB:.2f} MB/s set, '
          f'{figures["qemu_img"]["measured"] / MB:.2f} measured', flush=True)
    verdicts = bars.bars(figures)
    figures['bars'] = [bar.to_record() for bar in verdicts]
    return figures, verdicts


class Meter:
    """Counts the bytes of data that a line has carried, ten times a second."""

    def __init__(self, lab):
        self._link = wan.Link(lab, rig.TARGET)
        [device] = json.loads(wan.ip(
            '-j', '-n', lab.namespace(rig.TARGET), 'link', 'show',
            'w-central'))
        self._share = (device['mtu'] - _HEADER_BYTES) / device['mtu']
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.samples = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._stopped.set()
        self._thread.join(10)

    def _work(self):
        while not self._stopped.wait(0.1):
            self.samples.append((time.monotonic(), self.bytes()))

    def bytes(self):
        """Return how many there were so far."""
        return self._link.tell('stat')['ab_bytes'] * self._share

    def wait_for_more(self, length):
        """Wait until so many more have come.

        :raises RuntimeError: if they do not.
        """
        begin, deadline = self.bytes(), time.monotonic() + _BEGIN_SECONDS
        while self.bytes() < begin + length:
            if time.monotonic() > deadline:
                raise RuntimeError(f'no {length} bytes have come')
            time.sleep(0.05)

    def rate_from_now(self, seconds):
        """Return the bytes a second that come from now on."""
        since = time.monotonic()
        time.sleep(seconds + 0.5)
        return bars.rate(self.samples, since, seconds)


class Bench:
    """An image without holes, and its copies at some rate."""

    def __init__(self, site):
        self._site = site

    def make(self, size_mib):
        """Make the image."""
        client = bindings.rados().Rados(
            conffile=self._site.conf(rig.SOURCE), rados_id='admin')
        client.connect()
        try:
            with client.open_ioctx(rig.POOL) as ioctx:
                bindings.rbd().RBD().create(ioctx, _IMAGE, size_mib * MIB)
                with bindings.rbd().Image(ioctx, _IMAGE) as image:
                    for start in range(0, size_mib, 4):
                        image.write(os.urandom(4 * MIB), start * MIB)
        finally:
            client.shutdown()
        for verb in ('create', 'protect'):
            self._site.rbd(rig.SOURCE, 'snap', verb,
                           f'{rig.POOL}/{_IMAGE}@snap')

    def ours(self):
        """Copy at some rates, one after another; return what was measured."""
        cancelled = threading.Event()

        def check():
            if cancelled.is_set():
                raise exceptions.CopyCancelled(_IMAGE, 'all was measured')

        with concurrent.futures.ThreadPoolExecutor(1) as copier, Meter(
                self._site.lab) as meter:
            self._allow(*_STEPS[0][1:])
            copying = copier.submit(service.copy, self._request(),
                                    lambda result: None, check=check)
            try:
                meter.wait_for_more(8 * MIB)
                return self._measured(meter)
            finally:
                cancelled.set()
                service.CONTROLS.resume(_IMAGE)
                service.CONTROLS.set_rates()
                copying.exception(_BEGIN_SECONDS)

    def _measured(self, meter):
        rates = {}
        for name, *allowed in _STEPS:
            self._allow(*allowed)
            time.sleep(SOON_SECONDS)
            rates[name] = {'set': allowed[0] or allowed[1],
                           'measured': meter.rate_from_now(SECONDS)}
        last = rates[name]['set']
        service.CONTROLS.pause(_IMAGE)
        time.sleep(SOON_SECONDS)
        paused = meter.rate_from_now(_PAUSE_SECONDS)
        service.CONTROLS.resume(_IMAGE)
        time.sleep(SOON_SECONDS)
        rates['after a pause'] = {'set': last,
                                  'measured': meter.rate_from_now(SECONDS)}
        return {'rates': rates, 'paused_share': paused / last}

    @staticmethod
    def _allow(one, total):
        service.CONTROLS.set_rates(total, {rig.TARGET: one} if one else {})

    def _request(self):
        source, target = (requests.Place(
            site, self._site.conf(site), 'admin', rig.POOL)
            for site in (rig.SOURCE, rig.TARGET))
        return requests.CopyRequest(_IMAGE, _IMAGE, (source,), (target,))

    def qemu_img(self):
        """Return the rate of ``qemu-img convert -r``."""
        rate = _STEPS[0][1]
        copy = f'{_IMAGE}-qemu'
        self._site.rbd(rig.TARGET, 'create', '--size', '1400M',
                       f'{rig.POOL}/{copy}')
        source, target = (
            f'rbd:{rig.POOL}/{name}:conf={self._site.conf(site)}'
            for site, name in ((rig.SOURCE, f'{_IMAGE}@snap'),
                               (rig.TARGET, copy)))
        with Meter(self._site.lab) as meter, subprocess.Popen([
                'qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', '-W',
                '-m', '16', '-r', str(rate), source, target]) as process:
            try:
                meter.wait_for_more(8 * MIB)
                time.sleep(SOON_SECONDS)
                return {'set': rate,
                        'measured': meter.rate_from_now(SECONDS)}
            finally:
                process.kill()
