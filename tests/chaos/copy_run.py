# SPDX-License-Identifier: Apache-2.0
"""Runs of copies of images: one image, one copy, one thing that goes wrong."""

import contextlib
import dataclasses
import json
import pathlib
import random
import tempfile
import time

from dcn_plugins.imagecopy import window
from tests.chaos import checker
from tests.chaos import copy_checker
from tests.chaos import copy_scenes
from tests.chaos import flavours
from tests.chaos import image_cloud
from tests.lab import __main__ as lab_command
from tests.lab import cleanup
from tests.lab import deadline
from tests.lab import layout as layouts

# Slow enough for something to happen on the way.
WAN = '10ms,400Mbit'
_SIZE = 512 << 20
_DATA = 128 << 20
#: How long an undisturbed copy takes, about.
SPAN_SECONDS = {flavours.OURS: 5.0, flavours.STOCK: 15.0}
WINDOW_BYTES = window.MOST_BYTES
_RETRY_SECONDS = 120
# What nobody asks for any more is removed in its own time.
_EMPTY_SECONDS = 90

#: Options of ``[dcn]`` in glance-api.conf.
OPTIONS = {flavours.OURS: {'copy_data_path': 'dcn'},
           flavours.STOCK: {'copy_data_path': 'stock'}}


@dataclasses.dataclass
class Record:
    """What a run consisted of."""

    operations: list
    faults: list

    def to_json(self):
        """Return the text of a file."""
        return json.dumps(dataclasses.asdict(self), indent=1)


@dataclasses.dataclass
class Result:
    """What became of one run.

    :param failures: of the run itself; then it proves nothing.
    """

    seed: int
    scene: str
    fact: copy_checker.Copy
    violations: list
    failures: list
    seconds: float

    @property
    def record(self):
        """What the other levels have as a history."""
        return Record([dataclasses.asdict(self.fact)], [self.scene])

    def __str__(self):
        fact = self.fact
        sent = ('' if fact.sent_bytes is None else
                f', {fact.sent_bytes / 1e6:.0f} MB sent')
        return (f'seed {self.seed}: {self.scene}: {fact.end}'
                f'{", then " + fact.retried if fact.retried else ""}{sent}, '
                f'{self.seconds:.0f} s, {len(self.violations)} violations'
                + (f'\n  {fact.reason}' if fact.reason else '')
                + ''.join(f'\n  FAILED  {one}' for one in self.failures)
                + ''.join(f'\n  {one}' for one in self.violations))


@contextlib.contextmanager
def started(flavour, directory=None):
    """Yield an ImageCloud that runs, and its picture."""
    directory = directory or pathlib.Path(
        tempfile.mkdtemp(prefix='dcn-copies-', dir='/var/tmp'))
    cleanup.remove(directory)
    lab = layouts.Layout.create(directory, edges=2,
                                wan=layouts.Wan.parse(WAN))
    try:
        lab_command.install_plugins(lab)
        cloud = image_cloud.ImageCloud(lab, OPTIONS[flavour])
        cloud.start()
        yield cloud, image_cloud.scattered(
            lab.path('state', 'picture'), _SIZE, _DATA, 1)
    finally:
        cleanup.remove(directory)


def run(cloud, picture, flavour, seed):
    """Run the scene of a seed and return its :class:`Result`."""
    scene = copy_scenes.scene_of(seed)
    began = time.monotonic()
    fact = copy_checker.Copy(cloud.upload(picture), picture.hash_value,
                             picture.data_bytes)
    stage = copy_scenes.Stage(cloud, random.Random(seed), fact,
                              SPAN_SECONDS[flavour])
    failures = []
    before = _sent(stage)
    try:
        stage.begin()
        scene(stage)
        _retry(stage)
        # A further copy may be the whole image again, to mend what was bad.
        if scene in (copy_scenes.killed, copy_scenes.line_is_cut):
            fact.sent_bytes = _sent(stage) - before
        _look(stage)
    except Exception as exc:
        failures.append(f'{type(exc).__name__}: {exc}')
    violations = [] if failures else copy_checker.check(fact, WINDOW_BYTES)
    if not fact.is_deleted:
        cloud.delete(fact.image_id)
        violations += _emptied(cloud, fact.image_id)
    return Result(seed, scene.__name__, fact, violations, failures,
                  time.monotonic() - began)


def _sent(stage):
    return stage.link.tell('stat')['ab_bytes']


def _retry(stage):
    """Ask once more for what has failed, as long as it is not taken."""
    fact = stage.fact
    if fact.is_deleted or fact.is_lost:
        return
    if fact.end == 'copied':
        fact.retried = 'copied'
        return
    first = fact.end, fact.reason

    def is_taken():
        return stage.cloud.copy(stage.image_id, [stage.store]) in (202, 400)

    try:
        deadline.wait('the copy being taken', is_taken, _RETRY_SECONDS, 1)
    except deadline.LabTimeout:
        fact.retried = 'is not taken'
        return
    stage.end()
    fact.retried = fact.end
    fact.end, fact.reason = first


def _look(stage):
    """Note what Glance names and what is in the pools."""
    fact, cloud = stage.fact, stage.cloud
    fact.registered = {
        store: cloud.content(store, fact.image_id)
        for store in cloud.stores(fact.image_id) & cloud.clusters.keys()}

    def is_as_it_should_be():
        fact.names = {store: cloud.names(store, fact.image_id)
                      for store in cloud.clusters}
        return not any(violation.rule == 'left over' for violation
                       in copy_checker.check(fact, WINDOW_BYTES))

    with contextlib.suppress(deadline.LabTimeout):
        deadline.wait('nothing being left over', is_as_it_should_be,
                      _EMPTY_SECONDS, 2)


def _emptied(cloud, image_id):
    """Return a violation for what is left of an image that was deleted."""
    def left():
        return [f'{name} in {store}' for store in cloud.clusters
                for name in cloud.names(store, image_id)]

    try:
        deadline.wait('nothing being left', lambda: not left(),
                      _EMPTY_SECONDS, 2)
        return []
    except deadline.LabTimeout:
        return [checker.Violation('left over', ', '.join(left()))]
