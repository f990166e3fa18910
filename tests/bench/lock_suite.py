# SPDX-License-Identifier: Apache-2.0
"""Locks of ours beside tooz' own, on real etcd clusters made for it."""

import statistics
import tempfile
import time
import uuid

from tooz import coordination

from dcn_plugins.locking import etcd_requests
from tests.bench import lock_bars as bars
from tests.bench import lock_work
from tests.bench import stopwatch
from tests.functional.locking import etcd_server


# A lock without any care.
PUT = etcd_requests.transaction(
    [etcd_requests.is_absent('/raw')], [etcd_requests.put('/raw')])
DELETE = etcd_requests.transaction(success=[etcd_requests.delete('/raw')])


def run(seconds):
    """Measure and print everything; return ``(record, bars)``.

    :param seconds: how long processes contend for one lock.
    """
    record = {'clusters': {}}
    for count in (1, 3):
        name = f'{count} member{"s" if count > 1 else ""}'
        with etcd_server.EtcdServer(count) as server:
            record['clusters'][name] = found = _cluster(server, seconds)
        print(f'\n{name}')
        for figure, values in found.items():
            for service, value in values.items():
                print(f'  {figure:24} {service:18} {value}', flush=True)
    found = bars.bars(record)
    record['bars'] = [bar.to_record() for bar in found]
    return record, found


def _cluster(server, seconds):
    directory = tempfile.mkdtemp()
    first = server.members[0].port
    urls = {
        bars.OURS: f'dcn-etcd3+http://{server.hosts}?ttl=15',
        bars.STOCK: f'etcd3+http://127.0.0.1:{first}?api_version=v3',
        bars.FILE: f'file://{directory}'}
    found = {'pair_milliseconds': _pairs(server, urls), 'leases': {}}
    # Left by what did all of that, once it has ended.
    for name in (bars.OURS, bars.STOCK):
        before = server.leases()
        _pairs_of(urls[name])
        found['leases'][name] = server.leases() - before
    networked = (bars.OURS, bars.STOCK)
    found['hand_over_milliseconds'] = {
        **{name: _hand_over(urls[name]) for name in networked},
        bars.RARE: _rare(server)}
    found['drain'] = {name: _drain(urls[name]) for name in networked}
    found['contention'] = {
        name: _contention(urls[name], seconds) for name in networked}
    return found


def _pairs_of(url):
    with lock_work.lock(url, 'leases', b'leases') as lock:
        for _round in range(20):
            lock.acquire()
            lock.release()


def _pairs(server, urls):
    client = server.client()
    coordinators, cases = [], {}
    cases[bars.RAW] = stopwatch.Case(lambda: (
        client.transaction(PUT, 10) and client.transaction(DELETE, 10)))
    for name, url in urls.items():
        coordinator = coordination.get_coordinator(url, b'pairs')
        coordinator.start(start_heart=True)
        coordinators.append(coordinator)
        cases[name] = stopwatch.Case(
            _pair, lambda coordinator=coordinator: (
                coordinator.get_lock(uuid.uuid4().hex.encode()),))
    seconds = stopwatch.interleaved(cases, 300, time.perf_counter)
    for coordinator in coordinators:
        coordinator.stop()
    client.close()
    return {name: statistics.median(times) * 1e3
            for name, times in seconds.items()}


def _pair(lock):
    return lock.acquire() and lock.release()


def _drain(url):
    found = lock_work.run(lock_work.wait_in_line, bars.WAITERS, url,
                          b'drain', bars.WAITER_SECONDS)
    grants = [granted_at for granted_at, _released_at in found]
    return {
        'seconds': max(end for _begin, end in found) - min(grants),
        'out_of_order': sum(
            one > other for one, other in zip(grants, grants[1:]))}


def _contention(url, seconds):
    found = lock_work.run(lock_work.contend, bars.CONTENDERS, url, b'crowd',
                          bars.CONTENDER_SECONDS, seconds)
    counts = [len(waits) for waits in found]
    return {'per_second': sum(counts) / seconds,
            'longest_seconds': max(max(waits) for waits in found if waits),
            'spread': max(counts) - min(counts)}


def _hand_over(url):
    found = lock_work.run(lock_work.hand_over, 2, url, b'hand over', 250)
    turns = sorted(turn for turns in found for turn in turns)
    return _spread(granted - released for (_granted, released), (
        granted, _released) in zip(turns, turns[1:]))


def _rare(server):
    """Time one transaction now and then: a hand-over finds all asleep, too."""
    client = server.client()
    times = []
    for _round in range(250):
        time.sleep(lock_work.TURN_SECONDS)
        begin = time.perf_counter()
        client.transaction(PUT, 10)
        times.append(time.perf_counter() - begin)
        client.transaction(DELETE, 10)
    client.close()
    return _spread(times)


def _spread(seconds):
    times = sorted(time * 1e3 for time in seconds)
    return {'median': statistics.median(times),
            'p99': times[int(len(times) * 0.99)]}
