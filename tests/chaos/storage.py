# SPDX-License-Identifier: Apache-2.0
"""One run on real Ceph and etcd: several processes, each with one driver."""

import dataclasses
import itertools
import random
import threading
import time

from tests.chaos import checker
from tests.chaos import flavours
from tests.chaos import history
from tests.chaos import nemesis
from tests.chaos import observer
from tests.chaos import plan
from tests.chaos import proxy
from tests.chaos import users
from tests.chaos import workers

PROCESSES = 4
# Requests that one process works on at the same time, besides the counter.
SLOTS = 2
TTL_SECONDS = 3
LOCK_WAIT_SECONDS = 45
# How long what dead processes have left is waited for.
REPAIR_SECONDS = 20.0
# A deletion is asked for so often.
DELETION_TRIES = 3


@dataclasses.dataclass
class Result:
    """What became of one run.

    :param failures: of the run itself; then it proves nothing.
    """

    seed: int
    record: history.History
    violations: list
    failures: list

    def __str__(self):
        record = self.record
        counts = ', '.join(
            f'{record.count(outcome)} {outcome}' for outcome in (
                history.OK, history.FAILED, history.REFUSED,
                history.UNKNOWN))
        increments = len(record.of(history.INCREMENT))
        return (f'seed {self.seed}: {len(record.operations)} operations '
                f'({increments} increments; {counts}), '
                f'{len(record.faults)} faults, '
                f'{len(self.violations)} violations'
                + ''.join(f'\n  FAILED  {one}' for one in self.failures)
                + ''.join(f'\n  {one}' for one in self.violations))


class Run:
    """One seed.

    :param site: :class:`~tests.chaos.site.Site`, whole.
    :param watch: :class:`~tests.chaos.observer.Observer`.
    :param loop: :class:`~tests.chaos.proxy.Loop`.
    :param template: :class:`~tests.chaos.workers.Template`.
    :param flavour: see :mod:`tests.chaos.flavours`.
    :param seconds: for which users ask and things break.
    :param verbs: of the faults.
    """

    def __init__(self, site, watch, loop, template, flavour, seed, seconds,
                 verbs=plan.VERBS):
        self._site = site
        self._watch = watch
        self._loop = loop
        self._template = template
        self._flavour = flavour
        self._seed = seed
        self._seconds = seconds
        self._record = history.History()
        # Each with its own, so that one does not change the others' choices.
        self._plans = plan.plan(random.Random(seed), seconds, TTL_SECONDS,
                                verbs)
        self._users = users.Users(random.Random(seed + 1))
        self._random = random.Random(seed + 2)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._targets = []
        self._nemesis = None

    def run(self):
        """Carry it out and return its :class:`Result`."""
        self._watch.make_counter()
        try:
            self._start()
            self._ask()
            settled = self._settled()
            until = len(self._record.operations)
            self._delete_all()
            emptied = self._settled()
            failures = self._end()
            closed = self._closed()
        finally:
            for target in self._targets:
                target.worker.kill()
                target.each(lambda one: one.close())
        return Result(
            self._seed, self._record,
            checker.check(self._record, settled, emptied, closed, until),
            failures + self._nemesis.failures)

    def _start(self):
        for number in range(PROCESSES):
            proxies = [
                proxy.Proxy(self._loop, (self._site.lab.address(
                    self._site.ceph.site), member.listening_port))
                for member in self._site.members]
            name = f'w{number}'
            conf = workers.write_conf(
                self._site, name, f's{self._seed}-{name}',
                url(self._flavour, proxies), LOCK_WAIT_SECONDS)
            self._targets.append(nemesis.Target(workers.Worker(
                self._template, name, self._flavour, conf, self._exists,
                self._died), proxies))
        for target in self._targets:
            target.worker.start()
        for target in self._targets:
            if not target.worker.wait_ready():
                raise RuntimeError(f'{target.worker.name} does not start: '
                                   f'see {self._site.lab.path("log")}')
        self._nemesis = nemesis.Nemesis(self._site, self._targets,
                                        self._record)

    def _ask(self):
        """Let users ask and things break; return when all is answered."""
        threads = [
            threading.Thread(target=ask, args=(target.worker,), daemon=True)
            for target in self._targets
            for ask in [self._use] * SLOTS + [self._count]]
        for thread in threads:
            thread.start()
        self._nemesis.start(self._plans)
        time.sleep(self._seconds)
        self._stop.set()
        self._nemesis.heal()
        end = time.monotonic() + checker.STUCK_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _use(self, worker):
        """Ask one process for one thing after another."""
        while not self._stop.wait(self._random.uniform(0.0, 0.1)):
            with self._lock:
                request = worker.is_running and self._users.request()
                operation = request and self._began(request, worker)
            if request:
                self._do(worker, operation, request)

    def _do(self, worker, operation, request):
        if request.kind == history.WRITE:
            self._write(operation)
        else:
            with self._lock:
                source = request.source or request.target
                size = self._users.size(source)
            worker.call(operation, **request.to_dict(), source_size=size)
        with self._lock:
            self._users.answered(request, operation.outcome)

    def _began(self, request, worker):
        by = 'guest' if request.kind == history.WRITE else worker.name
        return self._record.begin(
            process=by, began=time.monotonic(), **request.to_dict())

    def _write(self, operation):
        try:
            self._watch.write(operation.target, operation.content)
            operation.outcome = history.OK
        # Whatever it is, it is the guest's disk.
        except Exception as exc:
            operation.outcome = history.FAILED
            operation.error = repr(exc)
        operation.ended = time.monotonic()

    def _count(self, worker):
        """Have one process increment the counter again and again."""
        while not self._stop.wait(self._random.uniform(0.02, 0.1)):
            if not worker.is_running:
                continue
            with self._lock:
                operation = self._record.begin(
                    history.INCREMENT, observer.COUNTER, worker.name,
                    time.monotonic())
            worker.call(operation, kind=history.INCREMENT,
                        seconds=self._random.choice((0.0, 0.01, 0.05)))

    def _delete_all(self):
        """Delete all that the users have, as far as that is possible."""
        tries = {}
        threads = [threading.Thread(target=self._delete,
                                    args=(target.worker, tries), daemon=True)
                   for target in self._targets]
        for thread in threads:
            thread.start()
        end = time.monotonic() + checker.STUCK_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _delete(self, worker, tries):
        end = time.monotonic() + checker.STUCK_SECONDS
        while time.monotonic() < end:
            with self._lock:
                request = self._users.deletion()
                if request:
                    operation = self._began(request, worker)
                left = len(self._users.names())
            if request:
                self._do(worker, operation, request)
                tries[request.target] = tries.get(request.target, 0) + 1
                if operation.outcome != history.OK:
                    if tries[request.target] > DELETION_TRIES:
                        return
                    time.sleep(0.5)
            elif not left:
                return
            else:
                time.sleep(0.05)

    def _settled(self):
        """Return the inventory when nobody works any more, or after long."""
        end = time.monotonic() + REPAIR_SECONDS
        while True:
            found = self._watch.inventory()
            is_left = any('/f/' in key for key in found.keys)
            if not (is_left or found.markers) or time.monotonic() > end:
                return found
            time.sleep(0.2)

    def _end(self):
        """End all processes in order; return what went wrong."""
        slow = []
        threads = [threading.Thread(target=lambda worker=target.worker: (
            worker.stop() or slow.append(worker.name)))
            for target in self._targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [f'{name} does not stop' for name in slow]

    def _closed(self):
        """Return the inventory when the leases of the dead have ended."""
        end = time.monotonic() + TTL_SECONDS + 3.0
        while True:
            found = self._watch.inventory()
            if not (found.leases or found.keys) or time.monotonic() > end:
                return found
            time.sleep(0.2)

    def _exists(self, name):
        with self._lock:
            return self._users.exists(name)

    def _died(self, worker):
        self._record.deaths.append(history.Death(
            worker.name, time.monotonic(),
            self._template.end_of(worker.pid)))


def url(flavour, proxies):
    """Return the URL of the lock service for one process."""
    hosts = [f'{host}:{port}' for host, port in (
        one.address for one in proxies)]
    if flavour == flavours.STOCK:
        # tooz takes one member only.
        return (f'etcd3+http://{hosts[0]}?api_version=v3'
                f'&timeout={TTL_SECONDS}')
    return (f'dcn-etcd3+http://{",".join(hosts)}?ttl={TTL_SECONDS}'
            '&timeout=2&outage=45')


def seeds(text):
    """Return the numbers of a text like ``1-3,7``."""
    return list(itertools.chain.from_iterable(
        range(int(first), int(last or first) + 1)
        for first, _dash, last in (
            part.partition('-') for part in text.split(','))))
