# SPDX-License-Identifier: Apache-2.0
"""A site is cut off while images are added, changed and deleted.

By the example of a policy, from an empty cloud. Afterwards every image has to
be where it should be within two minutes, and the lines must have carried what
was missing and nothing else.
"""

import contextlib
import dataclasses
import pathlib
import time

from dcn_plugins.placement import policy_text
from tests.chaos import checker
from tests.chaos import copy_checker
from tests.chaos import placement_checker
from tests.chaos import placement_evidence
from tests.chaos import placement_run
from tests.chaos import placement_users
from tests.lab import deadline
from tests.lab import layout as layouts

SAMPLE = (pathlib.Path(__file__).resolve().parents[2] / 'etc' / 'glance'
          / 'placement.yaml.sample')
WAN = '40ms,400Mbit'
#: Within which all is in place after healing.
HEALED_SECONDS = 120.0
_FIRST_SECONDS = 300.0
# As the example names them: of the radio network, of project X, and another.
RADIO = '0123456789abcdef0123456789abcdef'
RESIDENT = '5f0c1d2e3b4a59687766554433221100'
OTHER = 'c' * 32


@dataclasses.dataclass
class Phase:
    """How long it took, and what each line has carried for how much data.

    :param sent: bytes to the edge, by edge.
    :param needed: bytes of data that its store lacked, by edge.
    """

    name: str
    seconds: float
    sent: dict
    needed: dict

    def __str__(self):
        lines = ', '.join(
            f'{edge} {self.sent[edge] / 1e6:.1f} MB for '
            f'{self.needed[edge] / 1e6:.1f} MB' for edge in sorted(self.sent))
        return f'{self.name}: {self.seconds:.0f} s, {lines}'

    def violations(self, limit_seconds):
        """Return what was too slow, and what was sent again."""
        if self.seconds > limit_seconds:
            yield checker.Violation('slow', str(self))
        for edge, sent in self.sent.items():
            most = (self.needed[edge] * (1 + copy_checker.OVERHEAD)
                    + copy_checker.OVERHEAD_BYTES)
            if sent > most:
                yield checker.Violation('sent again', f'{self} to {edge}')


@dataclasses.dataclass
class Result:
    """What became of the scene."""

    seed: int
    record: placement_run.Record
    phases: list
    violations: list
    failures: list
    copies: int

    def __str__(self):
        return ('\n'.join(map(str, self.phases))
                + f'\n{len(self.record.stories)} images, {self.copies} copies '
                f'verified, {len(self.violations)} violations'
                + ''.join(f'\n  FAILED  {one}' for one in self.failures)
                + ''.join(f'\n  {one}' for one in self.violations))


def started(directory=None):
    """Yield a cloud and its pictures, with the options as they come."""
    return placement_run.started(directory, WAN, {})


class Scene:
    """The scene, once.

    :param seconds: for how long the site is cut off.
    """

    def __init__(self, cloud, pictures, seconds):
        self._cloud = cloud
        self._pictures = pictures
        self._seconds = seconds
        self._evidence = placement_evidence.Evidence(cloud)
        text = SAMPLE.read_text()
        cloud.write_policy(text)
        self._policy = policy_text.policy_of(text, SAMPLE.name)
        self._reigns = [placement_checker.Reign(time.time(), self._policy)]
        self._stories, self._data, self._log = [], {}, []
        # Bytes that users have sent, by image and store.
        self._uploaded = {}
        # Those that somebody wants to be gone.
        self._unwanted = []
        self._began = time.monotonic()
        self._phases, self._violations = [], []

    @property
    def cut_site(self):
        return self._cloud.far

    def run(self):
        """Return the :class:`Result`."""
        failures = []
        try:
            self._converge()
            self._cut()
            self._heal()
            self._violations += self._evidence.judge(self._stories,
                                                     self._reigns)
        except Exception as exc:
            failures.append(f'{type(exc).__name__}: {exc}')
        return Result(0, placement_run.Record(
            self._log, [f'cut {self.cut_site}'],
            [dataclasses.asdict(story) for story in self._stories],
            [SAMPLE.name]), self._phases, self._violations, failures,
            len(self._evidence.read()))

    # The phases

    def _converge(self):
        """All that the example is about, from an empty cloud."""
        with self._phase('from an empty cloud', _FIRST_SECONDS):
            self.public = self._add(0, OTHER, 'public')
            self.doomed = self._add(1, OTHER, 'public')
            self.private = self._add(2, OTHER, 'private')
            self._add(1, RESIDENT, 'private', dcn_sites='all')
            self._add(2, RADIO, 'private')
            self.snapshot = self._add(0, OTHER, 'private',
                                      image_type='snapshot')
            self.near = self._add(0, OTHER, 'private',
                                  dcn_sites=self._cloud.near)

    def _cut(self):
        """Add, change and delete, evenly over the time of the cut."""
        self._cloud.links[self.cut_site].tell('cut')
        began = time.monotonic()
        steps = (
            lambda: self._add(3, OTHER, 'public'),
            lambda: self._change(self.private, 'dcn_sites', 'all'),
            lambda: self._add(1, RESIDENT, 'public'),
            lambda: self._change(self.near, 'dcn_sites',
                                 f'{self._cloud.near},{self.cut_site}'),
            # That one is at the site that is away.
            lambda: self._delete(self.doomed),
            lambda: self._delete(self.snapshot),
            lambda: self._change(self.public, 'visibility', 'private'),
            lambda: self._delete(self._add(2, RADIO, 'private')))
        for number, step in enumerate(steps):
            time.sleep(max(0.0, began + (number + 0.2) * self._seconds
                           / len(steps) - time.monotonic()))
            step()
        time.sleep(max(0.0, began + self._seconds - time.monotonic()))

    def _heal(self):
        """Have the site back; whoever could not delete does so now."""
        with self._phase(f'{self.cut_site} is back after '
                         f'{self._seconds:.0f} s', HEALED_SECONDS):
            self._cloud.links[self.cut_site].tell('heal')
            deadline.wait('deletions being answered', self._insist,
                          HEALED_SECONDS, 2)

    @contextlib.contextmanager
    def _phase(self, name, limit_seconds):
        """Measure until all is in place, and what that has cost."""
        # In this order: what is copied in between counts as lacking.
        had, before = self._copies(), self._sent()
        began = time.monotonic()
        yield
        is_settled = self._evidence.wait_settled(self._policy,
                                                 2 * limit_seconds)
        phase = Phase(name, time.monotonic() - began, {
            edge: sent - before[edge] for edge, sent in self._sent().items()},
            self._needed(had))
        self._phases.append(phase)
        self._violations += phase.violations(limit_seconds)
        if not is_settled:
            self._violations.append(checker.Violation('stuck', name))

    def _sent(self):
        return {edge: link.tell('stat')['ab_bytes']
                for edge, link in self._cloud.links.items()}

    def _copies(self):
        return {(image_id, store)
                for image_id, answer in self._cloud.images().items()
                for store in placement_checker.present(answer)}

    def _needed(self, had):
        new = self._copies() - had
        # An upload brings also zeros, which a copy leaves out.
        return {edge: sum(
            self._uploaded.get((image_id, store), self._data[image_id])
            for image_id, store in new if store == edge)
            for edge in self._cloud.links}

    # What users do

    def _add(self, number, owner, visibility, **properties):
        picture = self._pictures[number]
        now = time.time()
        # Those of project X may not be anywhere else.
        store = self._cloud.near if owner == RESIDENT else layouts.CENTRAL
        image_id = self._cloud.upload(picture, store=store, owner=owner,
                                      visibility=visibility, **properties)
        self._data[image_id] = picture.data_bytes
        self._uploaded[image_id, store] = picture.size
        story = placement_checker.Story(
            image_id, owner, picture.hash_value, now,
            [placement_checker.Look(now, properties.get('dcn_sites'),
                                    visibility)],
            properties.get('image_type'), [(now, store)])
        self._stories.append(story)
        self._note(f'add {image_id} {visibility} {properties}')
        return story

    def _change(self, story, name, value):
        status, _image = self._cloud.change(story.image_id, name, value)
        if status != 200:
            raise deadline.LabError(f'{name} of {story.image_id}: {status}')
        field = 'asked' if name == 'dcn_sites' else name
        story.looks.append(dataclasses.replace(
            story.looks[-1], at=time.time(), **{field: value}))
        self._note(f'change {story.image_id} {name}={value}')

    def _insist(self):
        """Delete what is not gone yet; return whether all is."""
        return all([story.is_deleted or self._delete(story)
                    for story in self._unwanted])

    def _delete(self, story):
        """Return whether it is gone; it may not be as long as a site is."""
        if story not in self._unwanted:
            self._unwanted.append(story)
        try:
            status = self._cloud.delete(story.image_id)
        except placement_users.UNHEARD as exc:
            status = str(exc)
        story.is_deleted = status in (204, 404)
        self._note(f'delete {story.image_id}: {status}')
        return story.is_deleted

    def _note(self, text):
        self._log.append(f'{time.monotonic() - self._began:6.1f} {text}')
