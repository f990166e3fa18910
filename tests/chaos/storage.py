# SPDX-License-Identifier: Apache-2.0
"""Runs on real Ceph and etcd: several processes, each with one driver."""

import functools
import threading
import time

from tests.chaos import flavours
from tests.chaos import history
from tests.chaos import nemesis
from tests.chaos import observer
from tests.chaos import plan
from tests.chaos import proxy
from tests.chaos import run
from tests.chaos import workers

PROCESSES = 4
# Requests that one process works on at the same time, besides the counter.
SLOTS = 2
TTL_SECONDS = 3
LOCK_WAIT_SECONDS = 45
# How long a write of the counter takes, and what comes before.
_WITHIN_SECONDS = (0.0, 0.01, 0.05)
_BEFORE_SECONDS = 0.05


class Run(run.Run):
    """One seed.

    :param site: :class:`~tests.chaos.site.Site`, whole.
    :param loop: :class:`~tests.chaos.proxy.Loop`.
    :param template: :class:`~tests.chaos.workers.Template`.
    :param flavour: of :mod:`tests.chaos.flavours`.
    """

    def __init__(self, site, watch, loop, template, flavour, seed, seconds,
                 verbs=plan.VERBS):
        super().__init__(watch, seed, seconds, TTL_SECONDS, verbs)
        self._site = site
        self._loop = loop
        self._template = template
        self._flavour = flavour
        # Nothing may be in a call of librbd then.
        self._is_only_counted = plan.FORGIVE in verbs
        self._targets = []

    def start(self):
        self.watch.make_counter()
        for number in range(PROCESSES):
            self._targets.append(self._target(f'w{number}'))
        for target in self._targets:
            target.worker.start()
        for target in self._targets:
            if not target.worker.wait_ready():
                raise RuntimeError(f'{target.worker.name} does not start: '
                                   f'see {self._site.lab.path("log")}')
        self.nemesis = nemesis.Nemesis(self._site, self._targets, self.record)

    def _target(self, name):
        proxies = proxy.before(self._loop, self._site)
        conf = workers.write_conf(
            self._site, name, f's{self.seed}-{name}',
            url(self._flavour, proxies), LOCK_WAIT_SECONDS)
        return nemesis.Target(workers.Worker(
            self._template, name, self._flavour, conf, self.exists,
            self._died), proxies)

    def asking(self):
        for target in self._targets:
            worker = target.worker
            for _slot in range(0 if self._is_only_counted else SLOTS):
                yield functools.partial(self.use, worker,
                                        lambda one=worker: one.is_running)
            yield functools.partial(self._count, worker)

    def deleting(self):
        return [target.worker for target in self._targets]

    def perform(self, client, operation, request, size):
        with self.lock:
            parent = self.users.parent(request.target)
        client.call(operation, **request.to_dict(), source_size=size,
                    parent=parent)

    def _count(self, worker):
        """Have one process increment the counter again and again."""
        while not self.stop.wait(self.random.uniform(0.02, 0.1)):
            if not worker.is_running:
                continue
            with self.lock:
                operation = self.record.begin(
                    history.INCREMENT, observer.COUNTER, worker.name,
                    time.monotonic())
            before, within = (_BEFORE_SECONDS, 0.0) if (
                self._is_only_counted) else (
                    0.0, self.random.choice(_WITHIN_SECONDS))
            worker.call(operation, kind=history.INCREMENT, before=before,
                        within=within)

    def finish(self):
        slow = []
        threads = [threading.Thread(target=lambda worker=target.worker: (
            worker.stop() or slow.append(worker.name)))
            for target in self._targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [f'{name} does not stop' for name in slow]

    def kill(self):
        for target in self._targets:
            target.worker.kill()
            target.each(lambda one: one.close())

    def _died(self, worker):
        self.record.deaths.append(history.Death(
            worker.name, time.monotonic(),
            self._template.end_of(worker.pid)))


def url(flavour, proxies, ttl_seconds=TTL_SECONDS):
    """Return the URL of the lock service for one process."""
    hosts = [f'{host}:{port}' for host, port in (
        one.address for one in proxies)]
    if flavour == flavours.STOCK:
        # tooz takes one member only.
        return (f'etcd3+http://{hosts[0]}?api_version=v3'
                f'&timeout={ttl_seconds}')
    return (f'dcn-etcd3+http://{",".join(hosts)}?ttl={ttl_seconds}'
            f'&timeout=2&outage={LOCK_WAIT_SECONDS}')
