# SPDX-License-Identifier: Apache-2.0
"""Runs of image placement: users, an operator, and what goes wrong."""

import contextlib
import dataclasses
import json
import pathlib
import tempfile
import threading
import time

from tests.chaos import checker
from tests.chaos import image_cloud
from tests.chaos import placement_cloud
from tests.chaos import placement_evidence
from tests.chaos import placement_plan
from tests.chaos import placement_users
from tests.lab import __main__ as lab_command
from tests.lab import cleanup
from tests.lab import deadline
from tests.lab import layout as layouts

# Slow enough for something to happen on the way.
WAN = '10ms,100Mbit'
#: ``(size, data)`` of images, in MiB.
SIZES = ((16, 8), (32, 16), (32, 24), (64, 40))
OPTIONS = {'placement_reconcile_seconds': 10}

#: After a kill it takes a lease, and until Glance is told that it was one.
SETTLE_SECONDS = 420
_LEASE_SECONDS = 30


@dataclasses.dataclass
class Record:
    """What a run consisted of."""

    operations: list
    faults: list
    stories: list
    policies: list
    #: What copies have left that were killed, and dcn-scrub has removed.
    scrubbed: list = dataclasses.field(default_factory=list)

    def to_json(self):
        """Return the text of a file."""
        return json.dumps(dataclasses.asdict(self), indent=1)


@dataclasses.dataclass
class Result:
    """What became of one seed.

    :param settled_seconds: from when all was whole until all was in place.
    :param failures: of the run itself; then it proves nothing.
    """

    seed: int
    record: Record
    violations: list
    failures: list
    settled_seconds: float
    copies: int = 0

    def __str__(self):
        alive = sum(not story['is_deleted'] for story in self.record.stories)
        return (f'seed {self.seed}: {len(self.record.stories)} images, '
                f'{alive} left in {self.copies} copies, '
                f'{len(self.record.policies)} policies, '
                f'{len(self.record.operations)} operations, '
                f'{len(self.record.faults)} faults, settled after '
                f'{self.settled_seconds:.0f} s, '
                f'{len(self.record.scrubbed)} scrubbed, '
                f'{len(self.violations)} violations'
                + ''.join(f'\n  FAILED  {one}' for one in self.failures)
                + ''.join(f'\n  {one}' for one in self.violations))


@contextlib.contextmanager
def started(directory=None, wan=WAN, options=None):
    """Yield a PlacementCloud that runs, and its pictures."""
    directory = directory or pathlib.Path(
        tempfile.mkdtemp(prefix='dcn-place-', dir='/var/tmp'))
    cleanup.remove(directory)
    lab = layouts.Layout.create(directory, edges=2,
                                wan=layouts.Wan.parse(wan))
    try:
        lab_command.install_plugins(lab)
        cloud = placement_cloud.PlacementCloud(
            lab, OPTIONS if options is None else options)
        cloud.start()
        yield cloud, pictures(lab)
    finally:
        cleanup.remove(directory)


def pictures(lab):
    """Return one :class:`~tests.chaos.image_cloud.Picture` of each size."""
    return [image_cloud.scattered(lab.path('state', f'picture-{number}'),
                                  size << 20, data << 20, number)
            for number, (size, data) in enumerate(SIZES)]


class Run:
    """One seed.

    :param cloud: :class:`~tests.chaos.placement_cloud.PlacementCloud`.
    """

    def __init__(self, cloud, made, seed, seconds):
        self._cloud = cloud
        self._seed = seed
        self._evidence = placement_evidence.Evidence(cloud)
        steps = placement_plan.plan(seed, seconds, cloud.names_of_stores)
        calm = threading.Lock()
        self._operations, self._faults = [], []
        self._operator = placement_users.Operator(
            steps.operator, self._operations, cloud, steps.policy)
        self._users = [placement_users.User(
            f'user{number}', each, self._operations, cloud, made, calm)
            for number, each in enumerate(steps.users)]
        self._nemeses = [placement_users.Nemesis(
            name, each, self._faults, cloud, calm)
            for name, each in (('nemesis', steps.faults),
                               ('etcd', steps.etcd_faults))]

    def run(self):
        """Return the :class:`Result`."""
        actors = [self._operator, *self._users, *self._nemeses]
        for actor in actors:
            actor.start()
        for actor in actors:
            actor.join()
        healed = time.monotonic()
        failures = [text for actor in actors for text in actor.failures]
        violations = []
        try:
            self._operator.correct()
            self._cloud.mend()
            self._insist()
            # What it has not come to by then is found by the judge.
            is_settled = self._evidence.wait_settled(
                self._operator.reigns[-1].policy, SETTLE_SECONDS)
            seconds = time.monotonic() - healed
            violations = self._evidence.judge(
                self._stories, self._operator.reigns, self._is_broken)
            if not is_settled:
                violations.append(checker.Violation(
                    'stuck', f'for {SETTLE_SECONDS} s'))
            violations += self._empty()
        except Exception as exc:
            seconds = time.monotonic() - healed
            failures.append(f'{type(exc).__name__}: {exc}')
        return Result(self._seed, self._record(), violations, failures,
                      seconds, len(self._evidence.read()))

    def _record(self):
        return Record(self._operations, self._faults,
                      [dataclasses.asdict(story) for story in self._stories],
                      [reign.at for reign in self._operator.reigns],
                      self._evidence.scrubbed)

    @property
    def _stories(self):
        return [story for user in self._users for story in user.stories]

    def _insist(self):
        deadline.wait(
            'deletions being answered', lambda: not sum(
                user.insist() for user in self._users), SETTLE_SECONDS, 2,
            retry_on=placement_users.UNHEARD)

    def _empty(self):
        """Delete all images; return a violation for each thing that is left.

        Their tombstones stay, and are known to the next seed.
        """
        for user in self._users:
            user.delete_all()
        self._insist()
        return self._evidence.left()

    @property
    def _is_broken(self):
        """Whether anything has happened that may end a copy half-way."""
        return bool(self._faults)


def end(cloud):
    """Stop each glance-api; return violations for what is left in etcd.

    Nothing is, but tombstones, when their leases have ended.
    """
    def left():
        return [*cloud.jobs(), *cloud.other_keys(),
                *(f'lease {lease}' for lease in cloud.leases())]

    for api in cloud.apis:
        api.stop()
    with contextlib.suppress(deadline.LabTimeout):
        deadline.wait('the end of leases', lambda: not left(), _LEASE_SECONDS)
    return [checker.Violation('stale key', one) for one in left()]
