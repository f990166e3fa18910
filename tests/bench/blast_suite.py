# SPDX-License-Identifier: Apache-2.0
"""Holders are lost by the hundred; who else notices?

A guest writes to its image and other processes do ordinary work, at the same
address of the same Ceph, while processes die or are paused in the middle of
operations and others take over.
"""

import concurrent.futures
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from tests.bench import blast_bars as bars
from tests.bench import blast_scenes
from tests.bench import driver_fleet
from tests.bench import driver_names as names
from tests.bench import driver_suite
from tests.bench import leak_count
from tests.functional.storage import rig

# At the same time.
SCENES, BYSTANDERS = 4, 2
#: Of the holders; that of the others is what Cinder has.
TTL_SECONDS = 3
STOCK_SCENES = 4
_QUIET_SECONDS = 30.0


def run(fences, directory=None):
    """Measure and print everything; return ``(record, bars)``.

    :param fences: how many holders are lost.
    :param directory: for the logs; one that is kept if it is not given.
    """
    directory = directory or tempfile.mkdtemp(prefix='dcn-blast-')
    print(f'logs: {directory}')
    record = {'fences': fences, 'ttl_seconds': TTL_SECONDS}
    with rig.Rig() as site, leak_count.Place(site) as place, (
            driver_fleet.Nursery()) as nursery:
        place.clear()
        blast = Blast(nursery, site, place, directory)
        record.update(blast.run(fences))
        record['left'] = {**place.counts(), 'names': place.keys()}
        place.clear()
        record['stock_takeover'] = _stock(nursery, site, directory)
        place.clear()
    record['load'] = os.getloadavg()
    found = bars.bars(record)
    record['bars'] = [bar.to_record() for bar in found]
    for name, value in record.items():
        if name not in ('takeovers', 'bars'):
            print(f'  {name}: {value}', flush=True)
    return record, found


class Blast:
    """One run."""

    def __init__(self, nursery, site, place, directory):
        self._nursery = nursery
        self._site = site
        self._place = place
        self._directory = directory
        self._is_over = threading.Event()
        self._ordinary = []
        self._takeovers = []
        self._zombies = []

    def _fleet(self, name, count, ttl_seconds=15):
        return driver_fleet.Fleet(
            self._nursery, self._site, names.OURS, count,
            ttl_seconds=ttl_seconds, log=f'{self._directory}/{name}')

    def run(self, fences):
        """Return the figures."""
        earlier = self._place.addresses()
        with contextlib.ExitStack() as stack:
            guest = stack.enter_context(
                _guest(self._site, self._directory))
            others = stack.enter_context(self._fleet('other', BYSTANDERS))
            takers = stack.enter_context(self._fleet('taker', SCENES))
            holders = stack.enter_context(
                self._fleet('holder', 0, TTL_SECONDS))
            workers = stack.enter_context(
                concurrent.futures.ThreadPoolExecutor(BYSTANDERS + SCENES))
            working = [workers.submit(self._work, lane)
                       for lane in others.lanes]
            try:
                begins = [_clock()]
                time.sleep(_QUIET_SECONDS)
                begins.append(_clock())
                scenes = iter(range(fences))
                for player in [workers.submit(
                        self._play, taker, holders, scenes)
                        for taker in takers.lanes]:
                    player.result()
                begins.append(_clock())
            finally:
                self._is_over.set()
            for worker in working:
                worker.result()
            codes = others.stop() + takers.stop()
            fenced = self._place.addresses() - earlier
            seconds = guest.seconds()
        figures = self._figures(seconds, begins, fenced)
        figures['others']['deaths'] = sum(code != 0 for code in codes)
        return figures

    def _figures(self, guest, begins, fenced):
        expected = {address for found in self._takeovers
                    for address in found['addresses']}
        quiet, fencing = (begins[0], begins[1]), (begins[1], begins[2])
        return {
            'takeovers': self._takeovers,
            'takeover': bars.takeover_figures(self._takeovers),
            'failed_takeovers': sum(found['outcome'] != 'done'
                                    for found in self._takeovers),
            'guest': bars.guest_figures(guest, *fencing),
            'guest_before': bars.guest_figures(guest, *quiet),
            'others': self._others(*fencing),
            'others_before': self._others(*quiet),
            'zombies': len(self._zombies),
            'zombies_done': self._zombies.count('done'),
            'blocklist': {'fenced': len(expected & fenced),
                          'missing': len(expected - fenced),
                          'others': len(fenced - expected)},
            'seconds': begins[2] - begins[1]}

    def _others(self, since, until):
        found = [answer for at, answer in self._ordinary
                 if since <= at < until]
        seconds = {}
        for answer in found:
            seconds.setdefault(answer['operation'], []).append(
                answer['seconds'])
        return {
            'operations': len(found),
            'errors': sum(answer['outcome'] != 'done' for answer in found),
            'told': [answer['error'] for answer in found
                     if answer['outcome'] != 'done'][:20],
            'longest_seconds': {operation: max(times) for operation, times
                                in seconds.items()},
            'median_seconds': {operation: statistics.median(times)
                               for operation, times in seconds.items()}}

    def _work(self, lane):
        """Do ordinary work until it is over."""
        while not self._is_over.is_set():
            one = driver_suite.volume()
            clone, snapshot = driver_suite.volume(), str(uuid.uuid4())
            for operation, volume, more in (
                    (names.CREATE, one, {}),
                    (names.EXTEND, one, {'size': 2}),
                    (names.SNAPSHOT, one, {'snapshot': snapshot}),
                    (names.CLONE, clone, {'source': one}),
                    (names.DELETE, clone, {}),
                    (names.DELETE_SNAPSHOT, one, {'snapshot': snapshot}),
                    (names.DELETE, one, {})):
                self._do(lane, {'operation': operation, 'volume': volume,
                                **more})

    def _do(self, lane, request):
        at = _clock()
        try:
            found = lane.ask(request)
        except driver_fleet.Died as exc:
            found = {'outcome': 'died', 'error': str(exc), 'seconds': 0.0}
            self._is_over.set()
        self._ordinary.append(
            (at, {**found, 'operation': request['operation']}))

    def _play(self, taker, holders, scenes):
        for number in scenes:
            self._takeovers.append(self._played(
                taker, holders, blast_scenes.scene(number)))

    def _played(self, taker, holders, scene):
        for request in scene.before:
            self._ask(taker, request)
        [holder] = holders.start(1)
        holder.say(**scene.lost)
        told = holder.hear()
        if 'stopped_at' not in told:
            raise RuntimeError(f'scene {scene.number}: {told} {scene.lost}')
        found = taker.ask(scene.after)
        if scene.is_paused:
            holder.process.signal(signal.SIGCONT)
            zombie = holder.hear(60)
            self._zombies.append(zombie['outcome'])
        holder.process.signal(signal.SIGKILL)
        holder.close()
        for request in scene.rest:
            self._ask(taker, request)
        return {**told, **found, 'scene': scene.lost}

    @staticmethod
    def _ask(lane, request):
        found = lane.ask(request)
        if found['outcome'] != 'done':
            raise RuntimeError(f'{request}: {found}')


class _Guest:
    def __init__(self, process, path):
        self._process = process
        self._path = path

    def seconds(self):
        """Return what it has said until now; raises if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError('the guest has died')
        with open(self._path) as told:
            return [json.loads(line) for line in told if line.endswith('\n')]


@contextlib.contextmanager
def _guest(site, directory):
    path = os.path.join(directory, 'guest.json')
    with open(path, 'w') as told:
        process = subprocess.Popen(
            [sys.executable, '-m', 'tests.bench.blast_guest', site.conf,
             site.user, site.pool, f'guest-{uuid.uuid4()}'],
            stdin=subprocess.PIPE, stdout=told)
    try:
        yield _Guest(process, path)
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        finally:
            process.kill()


def _stock(nursery, site, directory):
    """Return how long upstream's takes to go on after a death."""
    with driver_fleet.Fleet(
            nursery, site, names.STOCK, 2 * STOCK_SCENES,
            log=f'{directory}/stock') as fleet, (
            concurrent.futures.ThreadPoolExecutor(STOCK_SCENES)) as workers:
        lanes = fleet.lanes
        return bars.takeover_figures(list(workers.map(
            _stock_played, lanes[:STOCK_SCENES], lanes[STOCK_SCENES:])))


def _stock_played(taker, holder):
    scene = blast_scenes.stock_scene(0)
    for request in scene.before:
        taker.ask(request)
    holder.say(**scene.lost)
    return {**holder.hear(), **taker.ask(scene.after)}


def _clock():
    return time.clock_gettime(time.CLOCK_BOOTTIME)
