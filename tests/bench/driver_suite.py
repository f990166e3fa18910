# SPDX-License-Identifier: Apache-2.0
"""Our driver beside upstream's, on one Ceph and three members of etcd."""

import concurrent.futures
import contextlib
import os
import statistics
import time
import uuid

from tests.bench import driver_bars as bars
from tests.bench import driver_fleet
from tests.bench import driver_names as names
from tests.bench import leak_count
from tests.functional.storage import rig

PROCESSES = 6
_MONITORS = {
    bars.AS_IT_IS: {},
    # A snapshot takes up to a second at the monitor, whoever asks, and its
    # phase decides. With this it takes less than all else.
    bars.QUICK: {'paxos_propose_interval': '0.01', 'paxos_min_wait': '0.005'}}


_SHORT = {names.OURS: 'ours', names.STOCK: 'stock', names.TIDY: '..tidy',
          names.BARE: 'no locks', names.TIDY_BARE: '..tidy',
          names.RAW: 'librbd'}


def run(rounds, is_v2):
    """Measure and print everything; return ``(record, bars)``.

    :param rounds: of each operation of each driver.
    :param is_v2: whether clones are of the second kind, whose snapshots need
        not be protected.
    """
    record = {'alone': {}, 'crowd': {}, 'clones': 'v2' if is_v2 else 'v1'}
    with rig.Rig() as site, leak_count.Place(site) as place:
        place.set_clones(is_v2)
        with _monitor(site, bars.QUICK):
            (record['alone'][bars.QUICK],
             record['cpu']) = _alone(site, rounds)
        for monitor in _MONITORS:
            place.clear()
            with _monitor(site, monitor):
                record['crowd'][monitor] = _crowd(
                    site, max(2, rounds // 4))
        place.clear()
    record['load'] = os.getloadavg()
    found = bars.bars(record)
    record['bars'] = [bar.to_record() for bar in found]
    return record, found


@contextlib.contextmanager
def _monitor(site, kind):
    for option, value in _MONITORS[kind].items():
        site.ceph.ceph('config', 'set', 'mon', option, value)
    try:
        yield
    finally:
        for option in _MONITORS[kind]:
            site.ceph.ceph('config', 'rm', 'mon', option)


@contextlib.contextmanager
def _fleets(site, count):
    with contextlib.ExitStack() as stack:
        nursery = stack.enter_context(driver_fleet.Nursery())
        fleets = {flavour: stack.enter_context(driver_fleet.Fleet(
            nursery, site, flavour, count)) for flavour in names.ALL}
        yield {flavour: fleet.lanes for flavour, fleet in fleets.items()}
        for fleet in fleets.values():
            fleet.stop()


class Round:
    """One driver's objects, through one round of all operations."""

    def __init__(self, lane, common=None):
        self._lane = lane
        self._volume, self._plain, self._clone, self._copy = (
            volume() for _number in range(4))
        self._clone['source_volid'] = self._volume['name_id']
        self._common_clone = volume()
        self._common = common
        if common is not None:
            self._common_clone['source_volid'] = common['name_id']
        self._snapshot = str(uuid.uuid4())

    def do(self, operation):
        """Do one operation; return its seconds, and those of the processor.

        :raises RuntimeError: if it has failed.
        """
        found = self._lane.ask(self._requests()[operation])
        if found['outcome'] != 'done':
            raise RuntimeError(f'{operation}: {found}')
        return found['seconds'], found['cpu_seconds']

    def _requests(self):
        own, snapshot = self._volume, self._snapshot
        return {
            'prepare': _ask(names.CREATE, self._plain),
            names.CREATE: _ask(names.CREATE, own),
            names.EXTEND: _ask(names.EXTEND, self._plain, size=2),
            names.SNAPSHOT: _ask(names.SNAPSHOT, own, snapshot=snapshot),
            names.FROM_SNAPSHOT: _ask(
                names.FROM_SNAPSHOT, self._copy, source=own,
                snapshot=snapshot),
            names.CLONE: _ask(names.CLONE, self._clone, source=own),
            'clone of all': _ask(names.CLONE, self._common_clone,
                                 source=self._common),
            names.DELETE_CLONE: _ask(names.DELETE, self._clone),
            'delete clone of all': _ask(names.DELETE, self._common_clone),
            'delete copy': _ask(names.DELETE, self._copy),
            names.DELETE_SNAPSHOT: _ask(names.DELETE_SNAPSHOT, own,
                                        snapshot=snapshot),
            names.DELETE: _ask(names.DELETE, self._plain),
            'end': _ask(names.DELETE, own)}


_ALONE = ('prepare', *bars.OPERATIONS[:-2], 'delete copy',
          *bars.OPERATIONS[-2:], 'end')
_TOGETHER = (names.CREATE, 'prepare', 'clone of all', names.EXTEND,
             names.SNAPSHOT, names.FROM_SNAPSHOT, names.CLONE,
             names.DELETE_CLONE, 'delete clone of all', 'delete copy',
             names.DELETE_SNAPSHOT, names.DELETE, 'end')


def volume():
    """Return a new volume as a request names it."""
    return {'size': 1, 'name_id': str(uuid.uuid4())}


def _ask(operation, of, **more):
    return {'operation': operation, 'volume': of, **more}


def _alone(site, rounds):
    """Return the medians of drivers that take turns at each operation.

    First of the time, then of that of the processor in the process: it shows
    what a driver costs also where the machine is busy.
    """
    seconds, cpu = ({flavour: {
        operation: [] for operation in bars.OPERATIONS}
        for flavour in names.ALL} for _kind in range(2))
    with _fleets(site, 1) as lanes:
        # The first one connects, and imports what was not needed before.
        for number in range(-1, rounds):
            going = {flavour: Round(lanes[flavour][0])
                     for flavour in names.ALL}
            for operation in _ALONE:
                for flavour in _in_turn(number):
                    took, of_cpu = going[flavour].do(operation)
                    if number >= 0 and operation in bars.OPERATIONS:
                        seconds[flavour][operation].append(took)
                        cpu[flavour][operation].append(of_cpu)
    found = bars.medians(seconds), bars.medians(cpu)
    for kind, figures in zip(('', ' of the processor'), found):
        print(f'\n{bars.ALONE}, {bars.QUICK}, {rounds} rounds, '
              f'milliseconds{kind}')
        _print(figures, '.1f')
    return found


def _crowd(site, rounds):
    """Return how drivers fare that work in several processes at once.

    Each does the same on volumes of its own, and clones one of all.
    """
    turns = {flavour: [] for flavour in names.ALL}
    failures = dict.fromkeys(names.ALL, 0)
    operations = {flavour: {name: [] for name in _TOGETHER}
                  for flavour in names.ALL}
    with _fleets(site, PROCESSES) as lanes, (
            concurrent.futures.ThreadPoolExecutor(PROCESSES)) as pool:
        for number in range(-1, rounds):
            for flavour in _in_turn(number):
                common = volume()
                lanes[flavour][0].ask(_ask(names.CREATE, common))
                began_at = time.monotonic()
                done = list(pool.map(lambda lane, common=common: _one(
                    lane, common), lanes[flavour]))
                took = time.monotonic() - began_at
                lanes[flavour][0].ask(_ask(names.DELETE, common))
                if number < 0:
                    continue
                turns[flavour].append(took)
                for seconds, failed in done:
                    failures[flavour] += failed
                    for operation, time_ in seconds.items():
                        operations[flavour][operation].append(time_)
    found = {flavour: {
        'seconds': statistics.median(turns[flavour]),
        'failures': failures[flavour],
        **{operation: statistics.median(times) for operation, times
           in operations[flavour].items() if times}}
        for flavour in names.ALL}
    print(f'\n{bars.CROWD}, {rounds} rounds, seconds')
    _print(found, '.2f')
    return found


def _one(lane, common):
    """Return the seconds of one round by operation, and what has failed."""
    going, seconds, failed = Round(lane, common), {}, 0
    for operation in _TOGETHER:
        try:
            seconds[operation], _cpu = going.do(operation)
        except RuntimeError as exc:
            print(exc, flush=True)
            failed += 1
    return seconds, failed


def _in_turn(number):
    first = number % len(names.ALL)
    return names.ALL[first:] + names.ALL[:first]


def _print(found, form):
    print(f'  {"":20} ' + ' '.join(f'{name:>12}' for name in _SHORT.values()))
    for figure in found[names.OURS]:
        print(f'  {figure:20} ' + ' '.join(
            f'{found[flavour].get(figure, float("nan")):12{form}}'
            for flavour in _SHORT), flush=True)
