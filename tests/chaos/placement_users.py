# SPDX-License-Identifier: Apache-2.0
"""Users of images, an operator of their placement, and who breaks things.

Each is a thread that carries out its steps of a plan. Stock Glance leaves data
behind when it is killed while it writes or deletes them for a user; so no kill
hits such a request. Copies are ours: they are killed at any time.
"""

import random
import threading
import time
import uuid

import openstack

from dcn_plugins import exceptions
from dcn_plugins.placement import policy_text
from tests.chaos import placement_checker
from tests.chaos import placement_plan

# What a request that is not answered raises.
UNHEARD = (openstack.exceptions.SDKException, OSError)
_TOLD = 500


class Actor:
    """Carry out steps; each verb is a method.

    :param steps: of :class:`~tests.chaos.placement_plan.Step`, in order.
    :param log: list of what has happened, for people.
    """

    def __init__(self, name, steps, log):
        self.name = name
        self._thread = threading.Thread(target=self.run, name=name,
                                        daemon=True)
        self._steps = steps
        self._log = log
        #: What went wrong with the actor itself.
        self.failures = []

    def start(self):
        """Carry out the steps beside others."""
        self._thread.start()

    def join(self):
        """Wait until all steps are carried out."""
        self._thread.join()

    def run(self):
        """Carry out the steps."""
        began = time.monotonic()
        for step in self._steps:
            time.sleep(max(0.0, began + step.at - time.monotonic()))
            at = time.monotonic() - began
            try:
                outcome = getattr(self, f'do_{step.verb}')(step)
            # The run goes on, and says so.
            except Exception as exc:
                self.failures.append(f'{self.name}: {step.verb}: {exc!r}')
                outcome = repr(exc)
            self._log.append(f'{at:6.1f} {time.time():.1f} {self.name} '
                             f'{step.verb} {step.value or ""}: {outcome}')


class User(Actor):
    """Whoever has images; nobody else changes those.

    :param cloud: :class:`~tests.chaos.placement_cloud.PlacementCloud`.
    :param pictures: what images may be made of.
    :param calm: lock that keeps kills away.
    """

    def __init__(self, name, steps, log, cloud, pictures, calm):
        super().__init__(name, steps, log)
        self._cloud = cloud
        self._pictures = pictures
        self._calm = calm
        #: Of each image, :class:`~tests.chaos.placement_checker.Story`.
        self.stories = []
        # Those that are to go, whatever it takes.
        self._doomed = []

    def insist(self):
        """Delete what was to be deleted; return how many are still there."""
        for story in list(self._doomed):
            self._delete_image(story)
        return len(self._doomed)

    def delete_all(self):
        """Have all images go with the next :meth:`insist`."""
        self._doomed = [story for story in self.stories
                        if not story.is_deleted]

    def do_create(self, step):
        chance = random.Random(step.choice)
        picture = chance.choice(self._pictures)
        kind = chance.choice(placement_plan.KINDS)
        story = placement_checker.Story(
            str(uuid.uuid4()), chance.choice(placement_plan.PROJECTS),
            picture.hash_value, time.time(), [placement_checker.Look(
                time.time(), step.value,
                chance.choice(placement_plan.VISIBILITIES))],
            image_type=kind)
        self.stories.append(story)
        properties = {'image_type': kind, 'dcn_sites': step.value}
        with self._calm:
            try:
                self._cloud.upload(
                    picture, id=story.image_id, owner=story.owner,
                    visibility=story.looks[0].visibility,
                    **{name: value for name, value in properties.items()
                       if value is not None})
            except UNHEARD as exc:
                self._doomed.append(story)
                return f'{story.image_id} {_short(exc)}'
        story.put.append((story.began_at, 'central'))
        return (f'{story.image_id} of {story.owner[0]}, {kind}, '
                f'{story.looks[0].visibility}')

    def _one(self, step):
        """Return an image that nobody has given up."""
        living = [story for story in self.stories
                  if not story.is_deleted and story not in self._doomed]
        return living[int(step.choice * len(living))] if living else None

    def do_delete(self, step):
        story = self._one(step)
        if story is None:
            return 'no image'
        self._doomed.append(story)
        return f'{story.image_id} {self._delete_image(story)}'

    def _delete_image(self, story):
        with self._calm:
            status = self._told(self._cloud.delete, story.image_id)
        if status in (204, 404):
            story.is_deleted = True
            self._cloud.gone.add(story.image_id)
            self._doomed.remove(story)
        return status

    def do_ask(self, step):
        return self._changed(step, 'dcn_sites', asked=step.value)

    def do_show(self, step):
        return self._changed(step, 'visibility', visibility=step.value)

    def _changed(self, step, name, **values):
        story = self._one(step)
        if story is None:
            return 'no image'
        now = time.time()
        status, image = self._told(self._cloud.change, story.image_id, name,
                                   step.value) or (None, None)
        if status == 200:
            # Whatever was not answered before has come, or never will.
            story.looks.append(placement_checker.Look(
                now, image.get('dcn_sites'), image['visibility']))
        elif status is None or status >= _TOLD:
            story.may_be(now, **values)
        return f'{story.image_id} {status}'

    def do_copy(self, step):
        story = self._one(step)
        if story is None:
            return 'no image'
        now = time.time()
        status = self._told(self._cloud.copy, story.image_id, [step.value])
        if status is None or status == 202 or status >= _TOLD:
            story.put.append((now, step.value))
        return f'{story.image_id} {status}'

    def do_remove(self, step):
        story = self._one(step)
        if story is None:
            return 'no image'
        now = time.time()
        with self._calm:
            status = self._told(self._cloud.delete_copy, story.image_id,
                                step.value)
        if status == 204:
            story.removed.append((now, step.value))
        return f'{story.image_id} {status}'

    @staticmethod
    def _told(ask, *arguments):
        """Return the status of an answer, ``None`` if there was none."""
        try:
            return ask(*arguments)
        except UNHEARD:
            return None


class Operator(Actor):
    """Whoever writes the policy, with mistakes at times."""

    def __init__(self, steps, log, cloud, first):
        super().__init__('operator', steps, log)
        self._cloud = cloud
        self.reigns = []
        self._good = first
        self._log.append(f'{time.time():.1f} operator begins: {first}')
        self._write(first)

    def correct(self):
        """Put the last good policy back, as whoever reads the log does.

        A glance-api that has started with a broken one has none.
        """
        self._cloud.write_policy(self._good)

    def do_policy(self, step):
        return self._write(step.value)

    def _write(self, text):
        self._cloud.write_policy(text)
        try:
            policy = policy_text.policy_of(text)
        except exceptions.InvalidPolicy as exc:
            return f'not in force: {_short(exc)}'
        self._good = text
        self.reigns.append(placement_checker.Reign(time.time(), policy))
        return 'in force'


class Nemesis(Actor):
    """Whoever breaks things, and mends each before the next one.

    :param calm: lock; whoever holds it is not to be killed.
    """

    def __init__(self, name, steps, log, cloud, calm):
        super().__init__(name, steps, log)
        self._cloud = cloud
        self._calm = calm

    def do_kill_api(self, step):
        api = self._choose(self._cloud.apis, step)
        with self._calm:
            api.kill()
        time.sleep(step.seconds / 2)
        api.start()
        return api.name

    def do_cut(self, step):
        edge = self._choose(self._cloud.lab.edges, step)
        link = self._cloud.links[edge]
        # Stock gives up a removal half-way, and nobody repeats it.
        with self._calm:
            link.tell('cut')
        time.sleep(2 * step.seconds)
        link.tell('heal')
        return edge

    def do_kill_member(self, step):
        return self._kill([self._choose(self._cloud.members, step)], step)

    def do_kill_majority(self, step):
        survivor = self._choose(self._cloud.members, step)
        return self._kill([member for member in self._cloud.members
                           if member is not survivor], step)

    @staticmethod
    def _kill(members, step):
        for member in members:
            member.kill()
        time.sleep(step.seconds)
        # Two that wait for each other, and the third.
        for member in members:
            member.launch()
        for member in members:
            member.wait_ready()
        return ','.join(member.name for member in members)

    @staticmethod
    def _choose(found, step):
        return found[int(step.choice * len(found))]


def _short(exc):
    return ' '.join(str(exc).split())[:150]
