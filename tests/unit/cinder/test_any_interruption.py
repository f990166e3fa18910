# SPDX-License-Identifier: Apache-2.0
"""Whatever happens at whatever step, nothing is left half done.

Each operation is interrupted at each of its calls of librbd, of RADOS and of
etcd. Then another process looks after it, and is interrupted, too. At last it
has to be as if the operation had never begun, or as if it had ended.
"""

import contextlib

import hypothesis
from hypothesis import strategies
import testscenarios
import testtools

from dcn_plugins.ceph import guarded_rbd
from dcn_plugins.cinder import lock_table
from tests.unit.cinder import rbd_site
from tests.unit.cinder import rbd_stories

load_tests = testscenarios.load_tests_apply_scenarios


def fail_before(process, step):
    raise step.failure(is_sent=False)


def fail_halfway(process, step):
    process.run(step, 'half' if step.half else 'whole')
    raise step.failure(is_sent=True)


def fail_after(process, step):
    process.run(step)
    raise step.failure(is_sent=True)


def die_before(process, step):
    process.die()


def die_halfway(process, step):
    process.run(step, 'half')
    process.die()


def die_after(process, step):
    process.run(step)
    process.die()


def stand_still_before(process, step):
    """Stand still before a call comes to Ceph, until others have gone on."""
    process.expire()
    process.next.sweep()
    return process.run(step)


def stand_still_after(process, step):
    found = process.run(step)
    process.expire()
    process.next.sweep()
    return found


def lose(process, step):
    """Lose the lease, while nobody else comes."""
    process.expire()
    return process.run(step)


FAULTS = (fail_before, fail_halfway, fail_after, die_before, die_halfway,
          die_after, stand_still_before, stand_still_after, lose)
HALVES = (fail_halfway, die_halfway)
# If a step changes nothing, these are the same at the next one.
LATER = (fail_after, die_before, lose)
READS = {'open', *guarded_rbd.IMAGE_READS, *guarded_rbd.RBD_READS}


@contextlib.contextmanager
def interrupted(process, fault, number):
    """Have a step of a process go wrong; yield a list of its name."""
    found = []

    def hook(process, count, step):
        if count != number or fault in HALVES and step.half is None:
            return process.run(step)
        found.append(f'{fault.__name__} {number} {step.service} {step.call}')
        return fault(process, step)

    with rbd_site.hooked(process, hook):
        yield found


class InterruptionTestCase(testtools.TestCase):

    def use(self, story):
        """Have a site for a story, and know what it makes of it."""
        self.site = self.useFixture(rbd_site.RbdSite(**story.options))
        rbd_stories.arrange(self, self.site)
        self.tell(story)

    def tell(self, story):
        self.story = story
        self.before, self.after, self.steps = self.run_alone()

    def renew(self):
        processes = self.site.renew()
        for process, other in zip(processes, processes[1:]):
            process.next = other
        # Of somebody else.
        for name in ('foreign', 'volume-9'):
            self.site.image(name)
        self.site.clone('volume-9', 'volume-8')
        self.story.prepare(self.site)
        return processes

    def run_alone(self):
        """Return what is there before, after, and the steps."""
        one = self.renew()[0]
        before, one.steps = self.site.ceph(), []
        self.assertIsNone(rbd_stories.told(self.story, one.driver))
        self.assertIntact('alone')
        return before, self.site.ceph(), one.steps

    def check(self, *interruptions):
        """Run the operation, and those who look after it.

        :param interruptions: of the operation, and of each who looks after
            it but the last: what happens, and at which step.
        :returns: whether all steps were there that were to be interrupted.
        """
        processes = self.renew()
        told, where = None, []
        for process, (fault, number) in zip(processes, interruptions):
            with interrupted(process, fault, number) as found:
                if process is processes[0]:
                    told = rbd_stories.told(self.story, process.driver)
                else:
                    self.look_after(process)
            if not process.is_dead:
                process.settled()
            where += found
        processes[len(interruptions)].sweep()
        self.assertSound(told, f'{where}: {told!r}')
        return len(where) == len(interruptions)

    @staticmethod
    def look_after(process):
        # The caretaker goes on, whatever it is.
        with contextlib.suppress(rbd_site.Died, Exception):
            process.sweep()
        if not process.is_dead:
            process.expire()

    def assertSound(self, told, where):
        found = self.site.ceph()
        self.assertIntact(where)
        if told is None:
            self.assertEqual(self.after, found, where)
        elif told is False or rbd_stories.is_skipped(told):
            self.assertEqual(self.before, found, where)
        elif found not in (self.before, self.after):
            self.assertEqual(self.unlike(told, self.before),
                             self.unlike(told, found), where)

    def assertIntact(self, where):
        self.assertEqual({}, self.site.markers(), where)
        self.assertEqual([], self.site.keys(), where)
        self.assertEqual([], self.site.crashes, where)

    def unlike(self, told, ceph):
        """Return what of Ceph has to be as it was before."""
        ignored = {self.story.scrap}
        parts = (self.story.copied,)
        if told is not rbd_site.Died:
            ignored.add(self.story.damaged)
            parts += self.story.parts
        return {pool: {name: image['content'] if name in parts else image
                       for name, image in images.items()
                       if name not in ignored}
                for pool, images in ceph.items()}


class EachStepTest(InterruptionTestCase):

    scenarios = [(str(story).replace(' ', '-'), {'story': story})
                 for story in rbd_stories.STORIES]

    def test_it_is_as_if_it_had_never_begun_or_had_ended(self):
        self.use(self.story)
        for fault in FAULTS:
            for number, step in enumerate(self.steps):
                if self.is_worth_while(fault, number, step.split()[1]):
                    self.assertTrue(self.check((fault, number))
                                    or fault in HALVES)

    def is_worth_while(self, fault, number, call):
        if fault is die_after:
            return number == len(self.steps) - 1
        if fault in HALVES:
            return call in rbd_site.IN_PARTS
        return fault not in LATER or call not in READS


# All of one site.
PLAIN = [story for story in rbd_stories.STORIES if not story.options]
# Those who look after an operation take no more steps.
MOST_STEPS = 60


class SeveralInterruptionsTest(InterruptionTestCase):

    def setUp(self):
        super().setUp()
        self.use(PLAIN[0])

    @hypothesis.settings(deadline=None, database=None, max_examples=100)
    @hypothesis.given(
        strategies.sampled_from(PLAIN),
        strategies.lists(strategies.tuples(
            strategies.sampled_from(FAULTS),
            strategies.integers(0, MOST_STEPS)), min_size=2, max_size=2))
    def test_who_looks_after_it_is_interrupted_too(self, story, faults):
        self.tell(story)
        (first, number), second = faults
        self.check((first, number % len(self.steps)), second)


class StoriesTest(testtools.TestCase):

    def test_each_operation_that_changes_ceph_has_one(self):
        self.assertEqual(set(lock_table.LOCKS),
                         {story.name for story in rbd_stories.STORIES})
