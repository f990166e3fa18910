# SPDX-License-Identifier: Apache-2.0
"""Breaks things by a plan, and repairs them.

Each verb of the plan is a context: what it breaks is whole again at its end.
"""

import contextlib
import threading
import time

from tests.chaos import history
from tests.chaos import links
from tests.chaos import plan

# How long a process that is at work is looked for.
AIM_SECONDS = 1.0
DELAY_SECONDS = 0.3
# The share of aimed faults that hit between a read and its write.
_COUNTING = 0.6
# By a part of a lease, by more than a fence lasts, and over years.
_JUMPS = (2, -2, 7200, -7200, 10 ** 8)
# What the JSON of a transaction says that deletes something.
_DELETION = b'request_delete_range'


class Target:
    """A process under test, and what stands between it and etcd.

    :param worker: :class:`~tests.chaos.workers.Worker`.
    :param proxies: one for each member.
    """

    def __init__(self, worker, proxies):
        self.worker = worker
        self.proxies = proxies

    def each(self, act):
        """Do something to all connections to etcd."""
        for proxy in self.proxies:
            act(proxy)


class Nemesis:
    """Whoever breaks things.

    :param site: :class:`~tests.chaos.site.Site`.
    :param targets: of :class:`Target`.
    :param record: the history, for its faults.
    :param clock: of the history.
    """

    def __init__(self, site, targets, record, clock=time.monotonic):
        self._site = site
        self._targets = targets
        self._record = record
        self._clock = clock
        self._stop = threading.Event()
        self._threads = []
        self._is_kept = False
        # Of the step on a process; there is one at a time.
        self._choice = 0.0
        #: What went wrong with the breaking itself.
        self.failures = []

    def start(self, plans):
        """Begin to carry out some plans beside each other."""
        began = self._clock()
        for steps in plans:
            thread = threading.Thread(target=self._run, args=(steps, began),
                                      daemon=True)
            thread.start()
            self._threads.append(thread)

    def heal(self):
        """Break nothing more; return when all is whole again."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for target in self._targets:
            target.worker.resume()
            target.each(lambda proxy: proxy.heal())
            if not target.worker.is_running:
                target.worker.start()
        self._site.repair()
        for target in self._targets:
            if not target.worker.wait_ready():
                self.failures.append(f'{target.worker.name} does not start')
        self._record.healed_at = self._clock()

    def _run(self, steps, began):
        for step in steps:
            if self._stop.wait(max(0.0, began + step.at - self._clock())):
                return
            try:
                self._carry_out(step)
            # The run goes on, and says so.
            except Exception as exc:
                self.failures.append(f'{step.verb}: {exc!r}')

    def _carry_out(self, step):
        verb = getattr(self, f'_{step.verb}')
        if step.verb in plan.SHARED:
            victim = 'all'
            context = verb()
        else:
            target = self._choose(step)
            if target is None:
                return
            victim = target.worker.name
            context = verb(target)
        fault = history.Fault(step.verb, victim, self._clock())
        self._record.faults.append(fault)
        with context:
            self._stop.wait(step.seconds)
        fault.ended = self._clock()

    def _choose(self, step):
        """Return a process; one that is between a read and its write."""
        self._choice = step.choice
        running = [t for t in self._targets if t.worker.is_running]
        end = self._clock() + AIM_SECONDS
        is_aimed = step.is_aimed or step.verb == plan.FORGIVE
        # Only what counts may be hit then.
        choice = 0.0 if step.verb == plan.FORGIVE else step.choice
        while is_aimed and self._clock() < end:
            busy = self._busy(choice)
            for target in running:
                if target.worker.name in busy:
                    return target
            if self._stop.wait(0.002):
                break
        if not running:
            return None
        return running[int(step.choice * len(running))]

    def _busy(self, choice):
        """Return who is at work now: on the counter, or on a volume."""
        return {o.process for o in self._record.operations[-60:]
                if o.ended is None and (
                    o.found is not None if choice < _COUNTING
                    else o.kind not in (history.INCREMENT, history.WRITE))}

    @contextlib.contextmanager
    def _pause(self, target):
        target.worker.pause()
        yield
        target.worker.resume()

    _pause_briefly = _pause

    @contextlib.contextmanager
    def _forgive(self, target):
        target.worker.pause()
        yield
        self._site.ceph.ceph('osd', 'blocklist', 'clear')
        target.worker.resume()

    @contextlib.contextmanager
    def _clock_jump(self, target):
        """Let the wall clock of a process jump, and jump back."""
        pid = target.worker.pid
        self._site.clocks.jump(pid, _JUMPS[int(self._choice * len(_JUMPS))])
        yield
        self._site.clocks.jump(pid, 0)

    @contextlib.contextmanager
    def _kill(self, target):
        target.worker.kill()
        yield
        target.worker.start()

    @contextlib.contextmanager
    def _etcd_hold(self, target):
        target.each(lambda proxy: proxy.hold())
        yield
        target.each(lambda proxy: proxy.heal())

    @contextlib.contextmanager
    def _etcd_cut(self, target):
        target.each(lambda proxy: proxy.cut())
        yield
        target.each(lambda proxy: proxy.heal())

    @contextlib.contextmanager
    def _etcd_delay(self, target):
        target.each(lambda proxy: proxy.delay(DELAY_SECONDS))
        yield
        target.each(lambda proxy: proxy.heal())

    @contextlib.contextmanager
    def _release_unheard(self, target):
        target.each(lambda proxy: proxy.trip(_DELETION, lets_pass=False))
        yield
        target.each(lambda proxy: proxy.heal())

    @contextlib.contextmanager
    def _release_unanswered(self, target):
        target.each(lambda proxy: proxy.trip(_DELETION, lets_pass=True))
        yield
        target.each(lambda proxy: proxy.heal())

    def _ceph_hold(self, target):
        lab, site = self._site.lab, self._site.ceph.site
        first = lab.port('ceph-daemons', site, 40)
        monitor = lab.port('ceph-mon', site, 2)
        return links.Silence(target.worker.pid, [
            monitor, monitor + 1, *range(first, first + 40)])

    @contextlib.contextmanager
    def _leader_kill(self):
        member = self._site.leader()
        member.kill()
        yield
        member.launch()
        member.wait_ready()

    @contextlib.contextmanager
    def _leader_pause(self):
        member = self._site.leader()
        member.pause()
        yield
        member.resume()

    @contextlib.contextmanager
    def _leader_part(self):
        self._site.part(self._site.leader())
        yield
        self._site.join()

    @contextlib.contextmanager
    def _etcd_pause(self):
        for member in self._site.members:
            member.pause()
        yield
        for member in self._site.members:
            member.resume()

    @contextlib.contextmanager
    def _osd_pause(self):
        self._site.ceph.osd.pause()
        yield
        self._site.ceph.osd.resume()

    @contextlib.contextmanager
    def _mon_pause(self):
        self._site.ceph.mon.pause()
        yield
        self._site.ceph.mon.resume()

    @contextlib.contextmanager
    def _etcd_restore(self):
        """Go back to the state of the first call; that one keeps it."""
        if self._is_kept:
            self._site.bring_back()
        else:
            self._site.keep()
            self._is_kept = True
        yield
        self._site.wait_etcd()
