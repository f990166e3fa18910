# SPDX-License-Identifier: Apache-2.0
"""Since when nobody seems to have worked on an object."""

import dataclasses

import hypothesis
from hypothesis import strategies
import testtools

from dcn_plugins.cinder import stuck_states
from dcn_plugins.cinder import suspects

QUIET = 100
THREADS = 4


def found(number, status='extending', **values):
    return stuck_states.Found('volume', f'v{number}', status, **values)


class SuspectsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.suspects = suspects.Suspects(QUIET, THREADS)

    def look(self, now, *all_found, claimed=(), around=()):
        """Look once; return what is due."""
        asked = self.suspects.look(all_found, now)
        for unit in asked:
            if unit in claimed:
                self.suspects.claimed(unit)
            elif unit in around:
                self.suspects.claimed(unit, is_own=False)
        return self.suspects.due()


class SuspectsTest(SuspectsTestCase):

    def test_what_is_new_is_not_asked_about(self):
        self.assertEqual({}, self.suspects.look([found(1)], 0))
        self.assertEqual({'v1': [found(1)]},
                         self.suspects.look([found(1)], 10))
        changed = found(1, touched='later')
        self.assertEqual({}, self.suspects.look([changed], 20))

    def test_it_is_due_when_it_has_been_quiet(self):
        for now in range(0, QUIET, 10):
            self.assertEqual({}, self.look(now, found(1)))
        self.assertEqual({'v1': [(found(1), stuck_states.remedy(found(1)))]},
                         self.look(QUIET, found(1)))

    def test_what_was_away_for_a_look_is_new(self):
        self.look(0, found(1))
        self.look(50)
        self.assertEqual({}, self.look(QUIET, found(1)))

    def test_a_claim_begins_the_time_anew(self):
        self.look(0, found(1))
        self.look(60, found(1), claimed=['v1'])
        self.assertEqual({}, self.look(159, found(1)))
        self.assertIn('v1', self.look(160, found(1)))

    def test_a_claim_around_makes_it_slow(self):
        slow = QUIET * suspects.SLOW_FACTOR
        for now in range(0, slow, 50):
            self.assertEqual({}, self.look(now, found(1), around=['v1']))
        self.assertIn('v1', self.look(slow, found(1), around=['v1']))

    def test_one_that_is_claimed_no_more_is_not_slow(self):
        self.look(0, found(1))
        self.look(90, found(1), around=['v1'])
        self.assertIn('v1', self.look(QUIET, found(1)))

    def test_work_without_locks_is_slow(self):
        slow = QUIET * suspects.SLOW_FACTOR
        image = found(1, 'creating', worker=stuck_states.ALIVE)
        for now in range(0, slow, 50):
            self.assertEqual({}, self.look(now, image))
        self.assertIn('v1', self.look(slow, image))

    def test_it_does_not_count_what_it_has_not_seen(self):
        self.look(0, found(1))
        self.assertEqual({}, self.look(QUIET + 1, found(1)))

    def test_it_begins_anew_when_told_to(self):
        self.look(0, found(1))
        self.suspects.forget()
        self.look(50, found(1))
        self.assertEqual({}, self.look(QUIET, found(1)))

    def test_a_unit_is_worked_on_as_one(self):
        group = [found(number, unit='g') for number in range(3)]
        self.look(0, *group)
        self.look(50, *group, claimed=['g'])
        self.assertEqual({}, self.look(QUIET, *group))
        # One of them has come to its end.
        self.look(140, *group[1:])
        self.assertEqual({}, self.look(200, *group[1:]))
        due = self.look(240, *group[1:])
        self.assertEqual(group[1:], [each for each, _remedy in due['g']])

    def test_a_message_is_repeated_a_few_times(self):
        deleting = found(1, 'deleting')
        remedies = []
        for now in range(0, QUIET * 6, 10):
            for unit, [(_found, remedy)] in self.look(now, deleting).items():
                remedies.append(remedy)
                self.suspects.repeated(unit)
        again = stuck_states.Remedy(again=stuck_states.DELETE)
        self.assertEqual(
            [again] * suspects.MOST_REPETITIONS
            + [stuck_states.Remedy('error_deleting')] * 2, remedies)

    def test_repetitions_are_counted_for_each_state_anew(self):
        deleting = found(1, 'deleting')
        for now in range(0, QUIET * 6, 10):
            for unit in self.look(now, deleting):
                self.suspects.repeated(unit)
        changed = dataclasses.replace(deleting, touched='later')
        self.look(600, changed)
        [(_found, remedy)] = self.look(700, changed)['v1']
        self.assertEqual('delete', remedy.again)


class CrowdTest(SuspectsTestCase):

    def look_at_crowd(self, now, busy, *others):
        working = [found(100 + number) for number in range(busy)]
        return self.look(now, *working, *others,
                         claimed=[each.id for each in working])

    def test_a_message_may_wait_for_a_thread(self):
        for now in range(0, QUIET * 5, 50):
            self.assertEqual({}, self.look_at_crowd(now, THREADS, found(1)))
        # And when none waits any more it is as if it had just been sent.
        self.look_at_crowd(QUIET * 5, THREADS - 1, found(1))
        self.assertEqual({}, self.look_at_crowd(
            QUIET * 6 - 51, THREADS - 1, found(1)))
        self.assertEqual(['v1'], list(self.look_at_crowd(
            QUIET * 6 - 50, THREADS - 1, found(1))))

    def test_what_was_begun_waits_for_no_thread(self):
        for worker in (stuck_states.ALIVE, stuck_states.DEAD):
            begun = found(1, 'creating', worker=worker, has_source=True)
            self.suspects.forget()
            self.look_at_crowd(0, THREADS, begun)
            self.assertEqual(
                ['v1'], list(self.look_at_crowd(QUIET, THREADS, begun)))

    def test_downloads_need_threads(self):
        images = [found(number, 'creating', worker=stuck_states.ALIVE)
                  for number in range(10, 10 + THREADS)]
        self.look(0, found(1), *images)
        self.assertEqual({}, self.look(QUIET, found(1), *images))

    def test_a_crowd_that_is_stuck_is_none(self):
        stuck = [found(number, 'creating', worker=stuck_states.ALIVE,
                       has_source=True) for number in range(2 * THREADS)]
        stuck += [found(100 + number, 'deleting')
                  for number in range(2 * THREADS)]
        self.look(0, *stuck)
        self.assertEqual({each.id for each in stuck},
                         set(self.look(QUIET, *stuck)))


class PropertyTest(testtools.TestCase):

    #: What is seen of two objects at a look: how long after the last one,
    #: and of each whether it is there, its last change and its claim.
    looks = strategies.lists(strategies.tuples(
        strategies.integers(1, 60), strategies.lists(strategies.tuples(
            strategies.booleans(), strategies.integers(0, 1),
            strategies.sampled_from([None, None, None, 'own', 'around'])),
            min_size=2, max_size=2)), max_size=30)

    @hypothesis.settings(max_examples=200, deadline=None)
    @hypothesis.given(looks)
    def test_what_is_due_was_quiet_at_each_look(self, looks):
        watcher = suspects.Suspects(QUIET, THREADS)
        now = 0
        history = []
        for pause, objects in looks:
            now += pause
            seen = {number: (touched, claim) for number, (
                is_there, touched, claim) in enumerate(objects) if is_there}
            for unit in watcher.look(
                    [found(number, touched=touched)
                     for number, (touched, _claim) in seen.items()], now):
                claim = seen[int(unit[1:])][1]
                if claim:
                    watcher.claimed(unit, is_own=claim == 'own')
            history.append((now, seen))
            due = {int(unit[1:]) for unit in watcher.due()}
            self.assertEqual(
                {number for number in seen if quiet(history, number)}, due)


def quiet(history, number):
    """Tell from all that was seen whether an object is stuck."""
    since, last = None, None
    for now, seen in history:
        touched, claim = seen.get(number, (None, None))
        if touched is None:
            since, last = None, None
            continue
        if since is None or touched != last:
            since, last = now, touched
        elif claim == 'own':
            since = now
    now, seen = history[-1]
    # It is not asked about what is new.
    is_around = seen[number][1] == 'around' and since < now
    return now - since >= QUIET * (suspects.SLOW_FACTOR if is_around else 1)
