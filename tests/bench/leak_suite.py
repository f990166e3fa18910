# SPDX-License-Identifier: Apache-2.0
"""Several processes work on one family of volumes; then all is deleted.

What is left in Ceph and in etcd when the processes have ended is a leak.
"""

import collections
import contextlib
import json
import os
import random
import signal
import tempfile
import threading
import time

from tests.bench import driver_fleet
from tests.bench import driver_names as names
from tests.bench import leak_bars as bars
from tests.bench import leak_count
from tests.bench import leak_family
from tests.functional.storage import rig
from tests.lab import deadline

PROCESSES, LANES = 6, 2
# So that volumes are flattened, too, as after five clones of clones.
_OPTIONS = {'rbd_max_clone_depth': 3}
# At the same time: the fewer, the more wait for each other.
_MOST_VOLUMES = (6, 12, 24)
# One seed, all deletions included.
_SEED_SECONDS = 1800.0
# Two purges, and some time for them.
_PURGE_SECONDS = 150.0
_MOST_ERRORS = 50


def run(seeds, operations, stock_seeds, first_seed=1, directory=None):
    """Measure and print everything; return ``(record, bars)``.

    :param seeds: how many, of our driver.
    :param operations: of each seed, without the deletions at its end.
    :param stock_seeds: how many of upstream's driver.
    :param directory: for the logs; one that is kept if it is not given.
    """
    record = {'operations': operations, 'flavours': {}}
    directory = directory or tempfile.mkdtemp(prefix='dcn-leaks-')
    print(f'logs: {directory}')
    with rig.Rig() as site, leak_count.Place(site) as place, (
            driver_fleet.Nursery()) as nursery:
        for flavour, count in ((names.OURS, seeds), (
                names.STOCK, stock_seeds)):
            results = record['flavours'][flavour] = []
            for seed in range(first_seed, first_seed + count):
                place.clear()
                # As clusters are that came from Ceph 12, and as new ones.
                place.set_clones(is_v2=seed % 2 == 0)
                results.append(Seed(
                    nursery, site, flavour, seed, operations,
                    f'{directory}/{flavour}-{seed}').run(place))
                _print(flavour, results[-1])
            if results:
                print(f'{flavour}, all: {bars.sums(results)}', flush=True)
    record['load'] = os.getloadavg()
    found = bars.bars(record)
    record['bars'] = [bar.to_record() for bar in found]
    return record, found


def _print(flavour, result):
    print(f'{flavour}, seed {result["seed"]}: {result["outcomes"]} in '
          f'{result["seconds"]:.0f} s ({result["per_second"]:.1f}/s), left '
          f'{result["left"]}, codes {result["codes"]}, '
          f'stranded {result["stranded"]}, load {result["load"]:.1f}')
    for error in result['errors']:
        print(f'  {error}')
    print(end='', flush=True)


def _emptied(place):
    """Wait for the purge of the trash, if there is anything in it.

    Upstream puts there what it could not remove; whoever purges it comes once
    a minute.
    """
    with contextlib.suppress(deadline.LabTimeout):
        deadline.wait('the trash being empty',
                      lambda: not place.counts()['trash'], _PURGE_SECONDS, 5)


class Seed:
    """One run."""

    def __init__(self, nursery, site, flavour, seed, operations, log):
        self._nursery = nursery
        self._seed = seed
        choice = random.Random(seed)
        self._family = leak_family.Family(
            choice, operations, choice.choice(_MOST_VOLUMES))
        self._change = threading.Condition()
        self._restart = threading.Lock()
        self._spare = []
        self._outcomes = collections.Counter()
        self._errors = []
        self._history = open(f'{log}.history', 'w')
        self._fleet = driver_fleet.Fleet(
            nursery, site, flavour, PROCESSES, LANES, log=log, **_OPTIONS)

    def run(self, place):
        """Return what has become of it.

        :raises RuntimeError: if it does not end.
        """
        began_at = time.monotonic()
        with self._history, self._fleet as fleet:
            threads = [threading.Thread(target=self._work, args=(lane,),
                                        daemon=True)
                       for lane in list(fleet.lanes)]
            for thread in threads:
                thread.start()
            end = time.monotonic() + _SEED_SECONDS
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
                if thread.is_alive():
                    raise RuntimeError(f'seed {self._seed} does not end')
            seconds = time.monotonic() - began_at
            _emptied(place)
            codes = fleet.stop()
            left = place.counts()
            self._errors += [f'left in etcd: {key}' for key in place.keys()]
        total = sum(self._outcomes.values())
        return {'seed': self._seed, 'outcomes': dict(self._outcomes),
                'seconds': seconds, 'per_second': total / seconds,
                'codes': codes, 'left': left, 'errors': self._errors,
                'stranded': len(self._family.stranded),
                'load': os.getloadavg()[0]}

    def _work(self, lane):
        while (request := self._next()) is not None:
            try:
                found = lane.ask(request.body, self._is_there)
            except driver_fleet.Died as exc:
                found = {'outcome': leak_family.DIED, 'error': str(exc)}
                lane = self._replaced(lane)
            self._done(request, found)

    def _next(self):
        with self._change:
            while not self._family.is_over:
                request = self._family.next()
                if request is not None:
                    return request
                self._change.wait(10)
            self._change.notify_all()
        return None

    def _is_there(self, thing_id, is_deleted):
        with self._change:
            return self._family.is_there(thing_id, is_deleted)

    def _done(self, request, found):
        outcome = found['outcome']
        with self._change:
            # With what the processes say, it shows what was at one time.
            self._history.write(json.dumps(
                {**request.body, **found, 'time': time.time()}) + '\n')
            self._family.done(request, outcome)
            self._outcomes[outcome] += 1
            if outcome not in (leak_family.DONE, leak_family.GONE) and (
                    len(self._errors) < _MOST_ERRORS):
                self._errors.append(
                    f'{time.strftime("%H:%M:%S")} {outcome}: '
                    f'{request.body}: {found["error"]}')
            self._change.notify_all()

    def _replaced(self, lane):
        """Return a lane of the process that is started in place of one."""
        # One that hangs is as bad as one that has died.
        lane.process.signal(signal.SIGKILL)
        with self._restart:
            if not self._spare:
                self._spare = self._fleet.start(1)
            return self._spare.pop()
